"""Results are pushed, also when somebody else pushes first."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from runners import ci
from runners.ci import committing
from runners.record import InvalidError, NothingToDoError, RtsiteError, UsageError
from tests.support.commands import git


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository with one commit on main."""
    bare = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    first = tmp_path / "first"
    git(tmp_path, "clone", "--quiet", str(bare), str(first))
    git(first, "checkout", "--quiet", "-B", "main")
    (first / "README.md").write_text("hello\n")
    git(first, "add", ".")
    git(first, "commit", "--quiet", "-m", "First")
    git(first, "push", "--quiet", "origin", "HEAD:main")
    return bare


def clone(origin: Path, name: str) -> Path:
    folder = origin.parent / name
    git(origin.parent, "clone", "--quiet", "--branch", "main", str(origin), str(folder))
    return folder


def measured(folder: Path, campaign: str) -> Path:
    run = folder / "results" / campaign / "run"
    run.mkdir(parents=True)
    (run / "run.yml").write_text(f"campaign: {campaign}\n")
    return folder


def files(origin: Path) -> list[str]:
    return git(origin, "ls-tree", "-r", "--name-only", "main").splitlines()


def test_a_campaign_is_pushed(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    sha = ci.commit(one, "c1")
    assert git(origin, "rev-parse", "main") == sha
    assert "results/c1/run/run.yml" in files(origin)
    assert git(origin, "log", "-1", "--format=%an %s", "main") == "rtsite Results of campaign c1"


def test_the_report_on_a_commit_is_what_it_adds(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    ci.commit(one, "c1")
    for name in ("second/run.yml", "second/fastapi.yml", "evidence/fastapi.yml", "evidence/tornado.yml"):
        file = one / "results" / "c1" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("campaign: c1\n")
    ci.commit(one, "c1")
    assert git(origin, "log", "-1", "--format=%b", "main") == "1 run(s) and the evidence of 2 framework(s)."


def before_each_push(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Let somebody else act between our fetch and our push; ``act`` gets the number of the push, from 1."""
    run, pushes = subprocess.run, count(1)

    def interfere(command: list[str], **options: Any) -> Any:
        if "push" in command and "-c" in command and os.devnull in command[2]:
            act(next(pushes))
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", interfere)


def push_something(folder: Path, name: str) -> None:
    git(folder, "pull", "--quiet", "--rebase", "origin", "main")
    (folder / name).write_text("more\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "More")
    git(folder, "push", "--quiet", "origin", "HEAD:main")


def test_two_pushers_lose_nothing(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (measured(clone(origin, name), campaign) for name, campaign in (("one", "c1"), ("other", "c2")))

    def push_first(number: int) -> None:
        if number == 1:
            ci.commit(one, "c1")

    before_each_push(monkeypatch, push_first)
    waits: list[float] = []
    sha = ci.commit(other, "c2", sleep=waits.append, chance=random.Random(1))
    assert len(waits) == 1
    assert git(origin, "rev-parse", "main") == sha
    assert {"results/c1/run/run.yml", "results/c2/run/run.yml", "README.md"} <= set(files(origin))
    assert git(origin, "log", "--merges", "--format=%h", "main") == ""


def test_repeated_pushes_by_others_are_waited_for(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = measured(clone(origin, "mine"), "c1"), clone(origin, "theirs")
    waits: list[float] = []
    before_each_push(monkeypatch, lambda number: push_something(theirs, f"{number}.txt") if number < 4 else None)
    ci.commit(mine, "c1", sleep=waits.append)
    assert len(waits) == 3
    assert {"results/c1/run/run.yml", "1.txt", "2.txt", "3.txt"} <= set(files(origin))


def test_a_remote_that_refuses_is_given_up_and_reported(origin: Path) -> None:
    hook = origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    one = measured(clone(origin, "one"), "c1")
    waits: list[float] = []
    with pytest.raises(committing.PushError, match=r"refused the push to main 5 times: .*this branch is protected"):
        ci.commit(one, "c1", sleep=waits.append)
    assert len(waits) == committing.ATTEMPTS - 1
    assert waits[-1] > waits[0]
    hook.unlink()
    ci.commit(one, "c1")
    assert "results/c1/run/run.yml" in files(origin), "the second try begins anew"


def test_nothing_new_is_nothing_to_do(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    ci.commit(one, "c1")
    with pytest.raises(NothingToDoError, match="is already committed"):
        ci.commit(one, "c1")


def test_only_results_are_committed(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    (one / "README.md").write_text("changed meanwhile\n")
    (one / "artifacts").mkdir()
    (one / "artifacts" / "left.yml").write_text("x")
    ci.commit(one, "c1")
    assert git(origin, "show", "main:README.md") == "hello"
    assert not any(name.startswith("artifacts") for name in files(origin))


def test_a_campaign_that_is_not_there(origin: Path) -> None:
    with pytest.raises(NothingToDoError, match="contains no result files"):
        ci.commit(clone(origin, "one"), "c9")


# Whatever the checkout looks like


def ahead(folder: Path) -> None:
    (folder / "mine.py").write_text("x")
    git(folder, "add", "mine.py")
    git(folder, "commit", "--quiet", "-m", "Not reviewed")


def detached(folder: Path) -> None:
    git(folder, "checkout", "--quiet", "--detach")
    ahead(folder)


def staged(folder: Path) -> None:
    git(folder, "rm", "--quiet", "--cached", "README.md")
    (folder / "results" / "c1" / "run" / "notes.txt").write_text("x")
    git(folder, "add", ".")


def ignored(folder: Path) -> None:
    (folder / ".git" / "info" / "exclude").write_text("results\n")


def converted(folder: Path) -> None:
    git(folder, "config", "core.autocrlf", "input")
    (folder / ".gitattributes").write_text("* ident text eol=crlf\n")


def hooked(folder: Path) -> None:
    for name in ("pre-push", "pre-commit", "reference-transaction"):
        hook = folder / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)


def locked(folder: Path) -> None:
    (folder / ".git" / "index.lock").write_text("")


def half_merged(folder: Path) -> None:
    git(folder, "checkout", "--quiet", "-b", "other")
    (folder / "README.md").write_text("theirs\n")
    git(folder, "commit", "--quiet", "-am", "Theirs")
    git(folder, "checkout", "--quiet", "main")
    (folder / "README.md").write_text("ours\n")
    git(folder, "commit", "--quiet", "-am", "Ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "merge", "other")


@pytest.mark.parametrize(
    "change", [ahead, detached, staged, ignored, converted, hooked, locked, half_merged], ids=lambda one: one.__name__
)
def test_a_commit_has_exactly_the_added_results(origin: Path, change: Callable[[Path], None]) -> None:
    one = measured(clone(origin, "one"), "c1")
    (one / "results" / "c1" / "run" / "run.yml").write_bytes(b"campaign: c1\r\n$Id$\n")
    change(one)
    index = one / ".git" / "index"
    before = index.read_bytes(), git(one, "rev-parse", "HEAD"), git(origin, "rev-parse", "main")
    sha = ci.commit(one, "c1")
    assert git(origin, "rev-parse", f"{sha}^") == before[2]
    assert git(origin, "diff", "--name-status", f"{sha}^", sha).split() == ["A", "results/c1/run/run.yml"]
    assert (index.read_bytes(), git(one, "rev-parse", "HEAD")) == before[:2]
    raw = ["git", "cat-file", "blob", f"{sha}:results/c1/run/run.yml"]
    assert subprocess.run(raw, cwd=origin, capture_output=True, check=True).stdout == b"campaign: c1\r\n$Id$\n"


def test_git_is_not_led_to_another_repository(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = measured(clone(origin, "one"), "c1"), clone(origin, "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    sha = ci.commit(one, "c1")
    monkeypatch.undo()
    assert git(origin, "rev-parse", "main") == sha


def test_a_push_whose_answer_is_lost_is_not_repeated(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, run = measured(clone(origin, "one"), "c1"), subprocess.run

    def lose(command: list[str], **options: Any) -> Any:
        done = run(command, **options)
        return subprocess.CompletedProcess(command, 1, "", "connection reset") if "push" in command else done

    monkeypatch.setattr(subprocess, "run", lose)
    sha = ci.commit(one, "c1", sleep=lambda _: None)
    assert git(origin, "log", "--format=%s", "main").splitlines() == ["Results of campaign c1", "First"]
    assert git(origin, "rev-parse", "main") == sha


def test_results_are_never_replaced(origin: Path) -> None:
    one, other = (measured(clone(origin, name), "c1") for name in ("one", "other"))
    (other / "results" / "c1" / "run" / "run.yml").write_text("campaign: c1\nfinished: later\n")
    ci.commit(one, "c1")
    for _ in range(2):
        with pytest.raises(InvalidError, match=r"results/c1/run/run\.yml is on origin/main with another content"):
            ci.commit(other, "c1")
    assert git(origin, "show", "main:results/c1/run/run.yml") == "campaign: c1"


def test_a_link_is_no_result(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    (one / "results" / "c1" / "run" / "fastapi.yml").symlink_to("/etc/hostname")
    with pytest.raises(InvalidError, match=r"fastapi\.yml is a link or not a file"):
        ci.commit(one, "c1")


@pytest.mark.parametrize(
    "setting", [("push.gpgSign", "true"), ("commit.gpgSign", "true"), ("remote.origin.mirror", "true")], ids=" ".join
)
def test_no_setting_of_the_checkout_changes_what_is_pushed(origin: Path, setting: tuple[str, str]) -> None:
    one = measured(clone(origin, "one"), "c1")
    git(one, "branch", "mine")
    git(one, "config", *setting)
    git(one, "config", "gpg.program", "/nowhere")
    ci.commit(one, "c1")
    assert files(origin) == ["README.md", "results/c1/run/run.yml"]
    assert git(origin, "branch", "--format=%(refname:short)") == "main"


@pytest.mark.parametrize("place", ["results", "results/c1", "results/c1/run"])
@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_in_the_place_of_results_is_kept(origin: Path, place: str, is_link: bool) -> None:
    one = measured(clone(origin, "one"), "c1")
    other = clone(origin, "other")
    (other / place).parent.mkdir(parents=True, exist_ok=True)
    if is_link:
        (other / place).symlink_to("README.md")
    else:
        (other / place).write_text("mine\n")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "-m", "A file")
    git(other, "push", "--quiet", "origin", "HEAD:main")
    with pytest.raises(InvalidError, match=f"{place} .* in the place of results"):
        ci.commit(one, "c1")
    assert files(origin) == ["README.md", place]


@pytest.mark.parametrize("campaign", ["", "..", "c1/../..", "--all"])
def test_a_campaign_is_one_folder(origin: Path, campaign: str) -> None:
    with pytest.raises(UsageError, match="is not a campaign ID"):
        ci.commit(clone(origin, "one"), campaign)


def test_a_branch_that_the_remote_lacks(origin: Path) -> None:
    with pytest.raises(UsageError, match="origin has no branch release"):
        ci.commit(measured(clone(origin, "one"), "c1"), "c1", branch="release")


def test_outside_a_repository(tmp_path: Path) -> None:
    with pytest.raises(RtsiteError, match="not a git repository"):
        ci.commit(measured(tmp_path / "none", "c1"), "c1")


@pytest.mark.parametrize("word", ["ls-remote", "fetch", "push"])
def test_what_hangs_is_named_and_can_be_tried_again(origin: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    one, run = measured(clone(origin, "one"), "c1"), subprocess.run

    def hang(command: list[str], **options: Any) -> Any:
        if word in command:
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return run(command, **options)

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", hang)
        with pytest.raises(RtsiteError, match=rf"`git {word}.*` did not end within 300 s"):
            ci.commit(one, "c1")
    sha = ci.commit(one, "c1")
    assert git(origin, "rev-parse", "main") == sha


def test_without_git(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = measured(clone(origin, "one"), "c1")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RtsiteError, match=r"cannot be started .* install git"):
        ci.commit(one, "c1")
    with pytest.raises(RtsiteError, match=r"cannot be started .* install git"):
        ci.changed_frameworks(one, "HEAD", [])
