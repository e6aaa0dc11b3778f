"""Copies of apps with one line changed; every folder's hints are true of its app."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.evidence.copies import RAISED, HintError, altered, raising
from runners.subjects import catalog
from runners.subjects.catalog import EvidenceHints
from tests.support import frameworks

FRAMEWORKS = [framework for framework in catalog.discover() if not framework.reference]


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.slug)
def test_every_folder_names_the_line_in_which_its_echo_begins(framework: catalog.Framework) -> None:
    before = (framework.folder / "app.py").read_text()
    with raising(framework) as copy:
        after = (copy.folder / "app.py").read_text()
        compile(after, "app.py", "exec")
        added = [line.strip() for line in after.splitlines() if line not in before.splitlines()]
        assert added[-1] == f'raise RuntimeError("{RAISED}")'
        assert len(after.splitlines()) == len(before.splitlines()) + (2 if framework.evidence.receive else 1)
    assert not copy.folder.exists()
    assert (framework.folder / "app.py").read_text() == before


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
