"""The examples of the page about `rtsite load`: its commands, as it has them, on the servers that they name."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import ROOT, Shell

PAGE = (ROOT / "site" / "load.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sh\nuv run python (docs/examples/\w+\.py) .*\nuv run rtsite (load .*)\n```", PAGE)
"""Each server of the page, and the command that loads it."""
SHORT = ["--warmup", "0.2"]


@contextmanager
def running(example: str) -> Iterator[str]:
    """The address of an example's server on a free port."""
    with subprocess.Popen([sys.executable, ROOT / example, "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def test_every_example_is_on_the_page() -> None:
    assert {server for server, _ in EXAMPLES} == {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "examples").glob("*.py")
    }


@pytest.mark.runs
@pytest.mark.parametrize(("server", "command"), EXAMPLES, ids=[Path(server).stem for server, _ in EXAMPLES])
def test_an_example_is_loaded(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, command: str
) -> None:
    words = shlex.split(command)
    with running(server) as url:
        if "--scenario" in words:
            at = words.index("--scenario") + 1
            text = (ROOT / words[at]).read_text(encoding="utf-8")
            assert f"# rtsite {command}" in text
            scenario = tmp_path / "scenario.yml"
            scenario.write_text(text.replace("ws://127.0.0.1:8000/", url).replace("duration_s: 2", "duration_s: 0.5"))
            words[at] = str(scenario)
        else:
            (at,) = (place for place, word in enumerate(words) if "://127.0.0.1:8000/" in word)
            assert words[at].replace(":8000/", "") == re.sub(r":\d+/", "", url)
            words = [*words[:at], url, *words[at + 1 :], "--duration", "0.5"]
        report = shell.answer(*words, *SHORT)
    if "--sse" in words:
        assert report["begun"] == report["completed"] == report["done"] > 0
        assert report["chunks"] == 18 * report["begun"]
    else:
        assert report["sent"] == report["received"] > 0
        assert report["foreign"] == report["corrupted"] == 0
        assert report["order_assumed"] is False
    assert report["errors"] == {}
