"""The server keeps the last good site while its sources cannot be used, and says why."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from generator import mkdocs_process
from generator.live_server import serve_live
from generator.site_build import Paths, build_site
from tests.support.processes import DEADLINE_S

ROOT = Path(__file__).parents[2]


class Done(Exception):  # noqa: N818 - it ends the server when the test has seen everything
    """The test has seen everything."""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A checkout without results, whose site is its page ``data.md``, without MkDocs."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "site", root / "site")
    shutil.copy(ROOT / "mkdocs.yml", root)
    (root / "results").mkdir()
    paths = Paths.of_checkout(root)

    def render(config: Path, into: Path, meanwhile: Callable[[], None]) -> None:
        into.mkdir()
        text = (config.parent / "docs" / "data.md").read_text(encoding="utf-8")
        (into / "index.html").write_text(f"<body>{text}</body>")
        meanwhile()

    monkeypatch.setattr(mkdocs_process, "render", render)
    return paths


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(paths: Paths, *steps: Callable[[str, str], None]) -> None:
    """Serve, and take the next step at each message of the server: a function of the message and the home page."""
    port, remaining = free_port(), iter(steps)

    def say(said: str) -> None:
        if not said.startswith(("Serving", "Updated", "Not updated")):
            return
        with urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            page = answer.read().decode()
        step = next(remaining, None)
        assert step is not None, said
        step(said, page)

    ended: list[BaseException] = []

    def run() -> None:
        try:
            serve_live(paths, port, say)
        except BaseException as error:  # noqa: BLE001 - raised below
            ended.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(3 * DEADLINE_S)
    assert ended, f"the server did not say what a step waits for within {3 * DEADLINE_S:g} s"
    with pytest.raises(Done):
        raise ended[0]
    assert not list(remaining)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def half_saved(paths: Paths, what: str) -> Path:
    """Damage a source as an editor or a copy might; returns the file that mends it when it is removed or replaced."""
    if what == "page that is not UTF-8":
        paths.written.joinpath("methodology.md").write_bytes(b"caf\xe9")
        return paths.written / "methodology.md"
    if what == "claims that are not UTF-8":
        paths.written.joinpath("claims.yml").write_bytes(b"claims: [] # caf\xe9")
        return paths.written / "claims.yml"
    is_project = what == "table that is a number"
    file = paths.frameworks / "mine" / "pyproject.toml" if is_project else paths.results / "c1" / "r1" / "run.yml"
    file.parent.mkdir(parents=True)
    if is_project:
        file.write_text("tool = 3")
    elif what == "link to itself":
        file.symlink_to(file.name)
    else:
        file.write_text("a: [")
    return file


@pytest.mark.parametrize(
    "what",
    [
        *("page that is not UTF-8", "claims that are not UTF-8", "table that is a number"),
        *("link to itself", "results that end early"),
    ],
)
def test_the_last_good_site_is_served_while_a_file_is_half_saved(paths: Paths, what: str) -> None:
    page = paths.written / "data.md"
    whole = paths.written / "methodology.md"
    before = whole.read_bytes()
    broken: list[Path] = []

    def break_it(said: str, shown: str) -> None:
        assert "One line more" not in shown
        broken.append(half_saved(paths, what))
        page.write_text("# Data\n\nOne line more.\n")

    def mend_it(said: str, shown: str) -> None:
        assert said.startswith("Not updated: ")
        assert broken[0].name in said
        assert "Traceback" not in said
        assert "One line more" not in shown
        if broken[0] == whole:
            whole.write_bytes(before)
        else:
            broken[0].unlink()

    def look(said: str, shown: str) -> None:
        assert said.startswith("Updated in ")
        assert "One line more" in shown
        raise Done

    serve(paths, break_it, mend_it, look)


def test_a_build_works_beside_a_server_and_neither_changes_the_others_files(paths: Paths) -> None:
    def build(said: str, shown: str) -> None:
        served = sorted(paths.staged.parent.joinpath("served").rglob("*"))
        assert build_site(paths, lambda _: None).is_file()
        assert sorted(paths.staged.parent.joinpath("served").rglob("*")) == served
        raise Done

    serve(paths, build)


def test_pages_reload_when_the_site_changes_and_other_files_are_served_as_they_are(paths: Paths) -> None:
    def look(said: str, shown: str) -> None:
        address = said.split()[1]
        assert "location.reload()" in shown
        with urlopen(address + "data/history.json", timeout=60) as answer:
            assert answer.read() == (paths.staged.parent / "served/site/data/history.json").read_bytes()
        with urlopen(address + ".edition", timeout=60) as answer:
            assert int(answer.read()) > 0
        for missing in ("nowhere.html", "data/", "../checkout/mkdocs.yml"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(address + missing, timeout=60)
        raise Done

    serve(paths, look)


def test_an_error_of_the_system_does_not_end_the_server(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.mkdir

    def full(path: str, *arguments: object, **options: object) -> None:
        if ".rtsite-build" in str(path):
            raise OSError(28, "No space left on device", str(path))
        really(path, *arguments, **options)  # type: ignore[arg-type]

    def fill(said: str, shown: str) -> None:
        monkeypatch.setattr(os, "mkdir", full)
        (paths.written / "data.md").write_text("# Data\n")

    def look(said: str, shown: str) -> None:
        assert said.startswith("Not updated: cannot build the site: No space left on device")
        raise Done

    serve(paths, fill, look)
