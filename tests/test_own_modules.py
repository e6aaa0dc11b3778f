"""Our own programs run our own modules, whatever lies in the folder where rtsite is called."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners import process
from runners.calibration import proofs
from runners.calibration.liar import Lies
from runners.loadgen.job import ClientOptions
from runners.loadgen.pace import Closed
from runners.loading.driver import apply
from runners.loading.job_building import build_echo_job
from runners.loading.shards import ForkServer
from runners.machine import CoreShare
from tests.support.commands import ROOT
from tests.support.servers import serving

BAIT = "import pathlib, sys; pathlib.Path(__file__).with_suffix('.ran').touch(); sys.exit('a module of the user ran')\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with modules that have names of ours, of packages, and of the standard library."""
    baits = [
        tmp_path / name for name in ("random.py", "queue.py", "numpy.py", "runners/__init__.py", "mkdocs/__init__.py")
    ]
    for bait in baits:
        bait.parent.mkdir(exist_ok=True)
        bait.write_text(BAIT)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert [bait for bait in baits if bait.with_suffix(".ran").exists()] == []


def programs() -> Iterator[tuple[str, list[str]]]:
    """Each list or tuple in our sources that starts a module of ours: its place, and its words as source."""
    for half in ("runners", "generator"):
        for path in sorted((ROOT / half).rglob("*.py")):
            if "frameworks" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.List | ast.Tuple):
                    words = [ast.unparse(word) for word in node.elts]
                    if any("sys.executable" in word or "process.PYTHON" in word for word in words):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", words


def test_every_program_that_runs_a_module_ignores_the_current_folder() -> None:
    found = [(place, words) for place, words in programs() if "'-m'" in words or "'-c'" in words]
    assert found
    for place, words in found:
        assert words[0] == "*process.PYTHON" or words[:2] == ["sys.executable", "'-P'"], place
    assert process.PYTHON[1:] == ("-P",)


def test_mkdocs_starts(project: Path) -> None:
    done = subprocess.run([*process.PYTHON, "-m", "mkdocs", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.runs
def test_load_is_applied_behind_a_proxy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr("runners.loading.shards._FORK_SERVER", ForkServer())
    with serving("websocket") as server:
        job = build_echo_job(
            server.url, "websocket", connections=2, duration_s=0.2, warmup_s=0.0, pace=Closed(), payload_bytes=64,
            connect_timeout_s=10.0, client=ClientOptions(),
        )  # fmt: skip
        assert apply(job).ledger.received > 0
    with proofs.lying_server(Lies(), CoreShare([], [], [])) as server:
        assert proofs._truth(server) is not None
