"""The wheel, installed in a fresh environment and used in a folder outside the checkout.

Needs a package index, so it runs only with `-m index`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from uv import find_uv_bin
from websockets.sync.server import ServerConnection, serve

pytestmark = pytest.mark.index

ROOT = Path(__file__).parents[2]
_INSTALL_S = 600
_COMMAND_S = 400
"""The load generator is compiled at its first use."""


@dataclass(frozen=True)
class Installed:
    """A command outside the checkout, and the folder it is called in."""

    command: Path
    folder: Path

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(
            [self.command, *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    home = tmp_path_factory.mktemp("wheel")
    day = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]["exclude-newer"]
    _uv("build", "--quiet", "--wheel", "--out-dir", home, ROOT)
    (wheel,) = home.glob("*.whl")
    _uv("venv", "--quiet", home / "env")
    python = home / "env" / "bin" / "python"
    _uv("pip", "install", "--quiet", "--no-config", "--python", python, "--exclude-newer", day, wheel)
    folder = home / "work"
    folder.mkdir()
    return Installed(home / "env" / "bin" / "rtsite", folder)


def _uv(*arguments: object) -> None:
    done = subprocess.run(
        [find_uv_bin(), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=_INSTALL_S
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def run(installed: Installed) -> Path:
    """The smallest published run, in a results folder of the user's."""
    runs = [path.parent for path in (ROOT / "results").glob("*/*/run.yml")]
    smallest = min(runs, key=lambda folder: sum(file.stat().st_size for file in folder.iterdir()))
    copy = installed.folder / "mine" / smallest.parent.name / smallest.name
    shutil.copytree(smallest, copy)
    return copy


@pytest.fixture
def echo_url() -> Iterator[str]:
    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        server.shutdown()


def test_help_is_there(installed: Installed) -> None:
    assert "--connections" in installed("load", "--help").stdout


def test_the_load_generator_loads_a_server(installed: Installed, echo_url: str) -> None:
    options = ("--connections", 2, "--duration", 0.5, "--warmup", 0.1, "--rate", 100, "--json")
    done = installed("load", echo_url, *options)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["received"] > 0
    assert report["corrupted"] == 0


def test_frameworks_and_workloads_are_listed(installed: Installed) -> None:
    found = json.loads(installed("list", "frameworks", "--json").stdout)["frameworks"]
    assert {"fastapi", "reference"} <= {one["slug"] for one in found}
    assert "echo" in installed("list", "workloads").stdout


def test_results_are_validated_and_compared(installed: Installed, run: Path) -> None:
    assert installed("validate", run).returncode == 0
    done = installed("compare", run, run, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]


def test_a_site_is_built_where_the_user_wants_it(installed: Installed, run: Path) -> None:
    done = installed("build", "--results", run.parents[1], "--out", "public")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(installed.folder / "public" / "index.html")
    for page in ("index", "methodology", "data", "cli", "frameworks/fastapi"):
        assert (installed.folder / "public" / f"{page}.html").is_file()
    assert "is not in this checkout" not in (installed.folder / "public/frameworks/fastapi.html").read_text()


def test_a_new_framework_begins_in_the_current_folder(installed: Installed) -> None:
    assert installed("new", "framework", "mine-too").returncode == 0
    assert (installed.folder / "mine-too" / "app.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("list", "runs"), 3, "no runs in"),
        (("validate",), 2, "no such file or folder"),
        (("compare", "one", "other"), 2, "contains no run.yml"),
        (("build",), 2, "choose one with --results"),
        (("serve",), 2, "choose one with --results"),
        (("evidence", "fastapi"), 1, "needs a checkout of the repository"),
        (("ci", "lock", "fastapi"), 1, "needs a checkout of the repository"),
    ],
)
def test_what_is_missing_is_one_sentence(
    installed: Installed, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = installed(*arguments)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert sentence in line
