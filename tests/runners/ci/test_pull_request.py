"""The changes of a pull request, what they are compared with, the lock file, and the report of regressions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from runners import ci, process
from runners.record import RtsiteError
from runners.subjects import catalog
from tests.support.commands import git

KNOWN = catalog.discover()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for slug in ("fastapi", "tornado"):
        folder = tmp_path / "runners" / "frameworks" / slug
        folder.mkdir(parents=True)
        (folder / "app.py").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Base")
    git(tmp_path, "branch", "base")
    return tmp_path


def test_frameworks_whose_folder_differs(checkout: Path) -> None:
    assert ci.changed_frameworks(checkout, "base", KNOWN) == []
    (checkout / "runners" / "frameworks" / "tornado" / "app.py").write_text("changed = 1\n")
    (checkout / "runners" / "other.py").write_text("")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "Change")
    assert [framework.slug for framework in ci.changed_frameworks(checkout, "base", KNOWN)] == ["tornado"]
    with pytest.raises(RtsiteError, match="`git diff` against nowhere failed"):
        ci.changed_frameworks(checkout, "nowhere", KNOWN)


def test_neighbours_speak_the_same_protocol(checkout: Path) -> None:
    assert ci.with_neighbours([], KNOWN) == []
    named = {framework.slug: framework for framework in KNOWN}
    chosen = ci.with_neighbours([named["flask-socketio"]], KNOWN)
    assert [framework.slug for framework in chosen][:2] == ["flask-socketio", "python-socketio"]
    assert len(chosen) == 3
    assert not any(framework.reference for framework in chosen)
    assert all(len(framework.variants) == 1 for framework in chosen[1:])
    assert checkout


@pytest.mark.index
def test_a_lock_is_made_anew_only_where_it_changes(tmp_path: Path) -> None:
    source = catalog.FRAMEWORKS / "websockets"
    folder = tmp_path / "websockets"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    framework = catalog.read_folder(folder)
    assert ci.relock(framework) == []
    (folder / "requirements.txt").write_text("")
    (changed,) = ci.relock(framework)
    assert changed.read_text() == (source / "requirements.txt").read_text()


@pytest.mark.parametrize(
    ("required", "oldest"), [("", None), (">=3.11", "3.11"), (">=3.12.4,<3.14", "3.12"), (">3.12.2", "3.12")]
)
def test_a_lock_is_for_the_oldest_python_that_the_folder_allows(
    required: str, oldest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(name: str, command: list[str], **options: object) -> process.Finished:
        asked.append(command)
        return process.Finished(0, "", "")

    monkeypatch.setattr(process, "run", run)
    (framework,) = catalog.choose_frameworks(["reference"])
    assert ci.relock(framework.model_copy(update={"requires_python": required})) == []
    (command,) = asked
    stated = command[command.index("--python-version") + 1] if "--python-version" in command else None
    assert stated == oldest


@pytest.mark.index
def test_a_lock_that_does_not_resolve_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "websockets"
    shutil.copytree(catalog.FRAMEWORKS / "websockets", folder, ignore=shutil.ignore_patterns("__pycache__"))
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace('"websockets>=', '"websockets>=9999,>='))
    with pytest.raises(RtsiteError, match=r"requirements\.txt: cannot be resolved") as caught:
        ci.relock(catalog.read_folder(folder))
    assert "\n" not in str(caught.value)


# Issues


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for GitHub's command line: lists what ``open.json`` says, notes what it is called with."""
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$1 $2 $3 $4" >> {tmp_path}/calls\n'
        f'[ "$2" = list ] && cat {tmp_path}/open.json && exit 0\n'
        'for word in "$@"; do last="$word"; done\n'
        f'cp "$last" {tmp_path}/body.md\n'
        '[ "$2" = create ] && echo https://example.org/issues/7\n'
        "exit 0\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


def test_an_issue_is_opened_where_there_is_none(gh: Path) -> None:
    (gh / "open.json").write_text(json.dumps([{"number": 3, "title": "Something else"}]))
    assert ci.update_issue("A title", "words\n") == "opened https://example.org/issues/7"
    assert (gh / "body.md").read_text() == "words\n"


def test_the_open_one_is_brought_up_to_date(gh: Path) -> None:
    (gh / "open.json").write_text(json.dumps([{"number": 9, "title": "A title"}, {"number": 5, "title": "A title"}]))
    assert ci.update_issue("A title", "newer\n") == "updated issue 5"
    assert (gh / "body.md").read_text() == "newer\n"
    assert "issue edit 5" in (gh / "calls").read_text()


def test_a_missing_gh_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RtsiteError, match="gh, GitHub's command-line tool, is not installed"):
        ci.update_issue("A title", "words")
