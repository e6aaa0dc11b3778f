"""The revision of the code that measured."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from runners import revision
from runners.record import RtsiteError
from runners.revision import Revision


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_a_checkout_knows_its_commit_and_whether_it_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "ROOT", tmp_path)
    assert revision.describe_revision() == Revision(None, None)
    (tmp_path / "runners").mkdir()
    (tmp_path / "runners" / "a.py").write_text("1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = revision.describe_revision()
    assert clean.commit is not None
    assert re.fullmatch("[0-9a-f]{40}", clean.commit)
    assert clean.modified is False
    (tmp_path / "page.md").write_text("not measuring code\n")
    assert revision.describe_revision() == clean
    (tmp_path / "runners" / "a.py").write_text("2\n")
    assert revision.describe_revision() == Revision(clean.commit, True)


def test_without_git_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision.describe_revision() == Revision(None, None)


def test_an_installed_package_takes_no_repository_around_it_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "somebody's")
    monkeypatch.setattr(revision, "ROOT", tmp_path)
    assert revision.describe_revision().commit is not None
    monkeypatch.setattr(revision, "IS_CHECKOUT", False)
    assert revision.describe_revision() == Revision(None, None)


def test_the_day_of_the_package_index_is_that_of_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", revision.package_day())
    monkeypatch.setattr(revision, "IS_CHECKOUT", False)
    with pytest.raises(RtsiteError, match="needs a checkout of the repository"):
        revision.package_day()
