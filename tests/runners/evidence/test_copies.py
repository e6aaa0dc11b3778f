"""Copies of apps with one line changed; every folder's hints are true of its app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.evidence.copies import RAISED, HintError, altered, raising, slow
from runners.subjects import catalog
from runners.subjects.catalog import EvidenceHints
from tests.support import frameworks

FRAMEWORKS = [
    framework for framework in catalog.discover() if not framework.reference and "echo" in framework.exchanges
]


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.slug)
def test_every_folder_names_the_line_in_which_its_echo_begins(framework: catalog.Framework) -> None:
    before = (framework.folder / "app.py").read_text()
    for changing, step in ((raising(framework), RAISED), (slow(framework, 0.3), ".sleep(0.3)")):
        with changing as copy:
            after = (copy.folder / "app.py").read_text()
            compile(after, "app.py", "exec")
            added = [line.strip() for line in after.splitlines() if line not in before.splitlines()]
            assert sum(step in line for line in added) == 1
            assert len(after.splitlines()) == len(before.splitlines()) + (2 if framework.evidence.receive else 1)
        assert not copy.folder.exists()
    assert (framework.folder / "app.py").read_text() == before


SOURCE = """
import asyncio
from contextlib import suppress


def echo(message):
    with suppress(RuntimeError):
        answer(message)


def answer(message):
    return message


async def later(message):
    return await asyncio.to_thread(str, message)
"""


def copied(home: Path, hints: EvidenceHints) -> catalog.Framework:
    folder = frameworks.make(home / "mine")
    (folder / "app.py").write_text(SOURCE)
    return catalog.read_folder(folder).model_copy(update={"evidence": hints})


def run(copy: catalog.Framework) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile((copy.folder / "app.py").read_text(), "app.py", "exec"), names)
    return names


def test_the_apps_own_handlers_do_not_catch_what_is_raised(tmp_path: Path) -> None:
    """The app suppresses the errors of a client that has left; that is not what the probe is about."""
    with (
        raising(copied(tmp_path, EvidenceHints(echo="answer(message)"))) as copy,
        pytest.raises(Exception, match=RAISED),
    ):
        run(copy)["echo"]("x")


def test_a_slow_handler_waits_as_its_function_can(tmp_path: Path) -> None:
    framework = copied(tmp_path, EvidenceHints(echo="return message"))
    with slow(framework, 0.0) as copy:
        assert '__import__("time").sleep(0.0)' in (copy.folder / "app.py").read_text()
        assert run(copy)["answer"]("x") == "x"
    line = "return await asyncio.to_thread(str, message)"
    hints = EvidenceHints(echo=line, receive="await asyncio.to_thread(str, message)")
    with slow(framework.model_copy(update={"evidence": hints}), 0.0) as copy:
        lines = [one.strip() for one in (copy.folder / "app.py").read_text().splitlines()]
        assert lines[-3:] == [
            f"received = {hints.receive}",
            'await __import__("asyncio").sleep(0.0)',
            "return received",
        ]


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        (EvidenceHints(), "does not name the first line"),
        (EvidenceHints(echo="nobody wrote this"), "no module of the app has the line 'nobody wrote this'"),
        (EvidenceHints(echo="import socket"), None),
        (EvidenceHints(echo="seen = 0"), None),
        (EvidenceHints(echo="sys.exit(3)"), None),
    ],
)
def test_a_wrong_hint_is_reported(tmp_path: Path, hints: EvidenceHints, said: str | None) -> None:
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine")).model_copy(update={"evidence": hints})
    if said is None:
        with raising(framework) as copy:
            assert RAISED in (copy.folder / "app.py").read_text()
        return
    with pytest.raises(HintError, match=said), raising(framework):
        pass


def test_a_line_that_occurs_twice_is_reported(tmp_path: Path) -> None:
    folder = frameworks.make(tmp_path / "mine")
    (folder / "app.py").write_text("x = 1\nx = 1\n")
    framework = catalog.read_folder(folder).model_copy(update={"evidence": EvidenceHints(echo="x = 1")})
    with (
        pytest.raises(HintError, match=r"app\.py: the echo's line 'x = 1' occurs 2 times; it must occur once"),
        raising(framework),
    ):
        pass


def test_a_copy_may_be_changed(tmp_path: Path) -> None:
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine"))
    with altered(framework) as copy:
        (copy.folder / "app.py").write_text("")
    assert (framework.folder / "app.py").read_text()
