"""Results are pushed, also when somebody else pushes first."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runners import ci
from runners.ci import publication
from runners.record import NothingToDoError, RtsiteError
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
    sha = ci.publish_results(one, "c1")
    assert git(origin, "rev-parse", "main") == sha
    assert "results/c1/run/run.yml" in files(origin)
    assert git(origin, "log", "-1", "--format=%an %s", "main") == "rtsite Results of campaign c1"


def test_the_report_on_a_commit_is_what_it_adds(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    ci.publish_results(one, "c1")
    for name in ("second/run.yml", "second/fastapi.yml", "evidence/fastapi.yml", "evidence/tornado.yml"):
        file = one / "results" / "c1" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("campaign: c1\n")
    ci.publish_results(one, "c1")
    assert git(origin, "log", "-1", "--format=%b", "main") == "1 run(s) and the evidence of 2 framework(s)."


def test_two_pushers_lose_nothing(origin: Path) -> None:
    one, other = (measured(clone(origin, name), campaign) for name, campaign in (("one", "c1"), ("other", "c2")))
    waits: list[float] = []
    ci.publish_results(one, "c1")
    sha = ci.publish_results(other, "c2", sleep=waits.append, chance=random.Random(1))
    assert len(waits) == 1
    assert git(origin, "rev-parse", "main") == sha
    assert {"results/c1/run/run.yml", "results/c2/run/run.yml", "README.md"} <= set(files(origin))
    assert git(origin, "log", "--merges", "--format=%h", "main") == ""


def test_repeated_pushes_by_others_are_waited_for(origin: Path) -> None:
    mine, theirs = measured(clone(origin, "mine"), "c1"), clone(origin, "theirs")
    waits: list[float] = []

    def others_push(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) < 4:
            push_something()

    def push_something() -> None:
        git(theirs, "pull", "--quiet", "--rebase", "origin", "main")
        (theirs / f"{len(waits)}.txt").write_text("more\n")
        git(theirs, "add", ".")
        git(theirs, "commit", "--quiet", "-m", "More")
        git(theirs, "push", "--quiet", "origin", "HEAD:main")

    push_something()
    # Each wait is followed by a fetch, so what comes during it is seen; the push after it goes through.
    ci.publish_results(mine, "c1", sleep=others_push)
    assert len(waits) == 1
    assert "results/c1/run/run.yml" in files(origin)


def test_a_remote_that_refuses_is_given_up_and_reported(origin: Path) -> None:
    hook = origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    one = measured(clone(origin, "one"), "c1")
    waits: list[float] = []
    with pytest.raises(publication.PushError, match=r"refused the push to main 5 times: .*this branch is protected"):
        ci.publish_results(one, "c1", sleep=waits.append)
    assert len(waits) == publication.ATTEMPTS - 1
    assert waits[-1] > waits[0]
    assert git(one, "log", "-1", "--format=%s") == "Results of campaign c1", "it is still committed here"


def test_nothing_new_is_nothing_to_do(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    ci.publish_results(one, "c1")
    with pytest.raises(NothingToDoError, match="is already committed"):
        ci.publish_results(one, "c1")


def test_only_results_are_committed(origin: Path) -> None:
    one = measured(clone(origin, "one"), "c1")
    (one / "README.md").write_text("changed meanwhile\n")
    (one / "artifacts").mkdir()
    (one / "artifacts" / "left.yml").write_text("x")
    ci.publish_results(one, "c1")
    assert git(origin, "show", "main:README.md") == "hello"
    assert not any(name.startswith("artifacts") for name in files(origin))


def test_a_campaign_that_is_not_there(origin: Path) -> None:
    with pytest.raises(RtsiteError, match="`git add"):
        ci.publish_results(clone(origin, "one"), "c9")
