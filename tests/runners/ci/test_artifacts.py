"""Artifacts are untrusted data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import synthetic
from runners import ci
from runners.ci import artifacts as module
from runners.record import InvalidError, NothingToDoError, problems_in
from tests.support.depth import very_deep

CAMPAIGN = "2026-11-21-77"


def artifact(folder: Path, name: str, run: str = "20260101T000000Z-a", campaign: str = CAMPAIGN) -> Path:
    """A whole artifact as a job would leave it: a folder per run."""
    made = folder / "made" / name
    synthetic.write(
        made, rounds=1, seconds=1, variants=synthetic.VARIANTS[:3], run=run, campaign=campaign, searches=False,
        only=("dashboard",),
    )  # fmt: skip
    return left(folder, made / campaign)


def test_runs_of_all_jobs_come_together(tmp_path: Path) -> None:
    artifact(tmp_path, "block-1-lot-1", "a")
    artifact(tmp_path, "block-2-lot-1", "b")
    found = ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert [path.name for path in found.runs] == ["a", "b"]
    assert found.refusals == ()
    names = sorted(path.name for path in (tmp_path / "results" / CAMPAIGN / "a").iterdir())
    assert names == ["fastapi.yml", "reference.yml", "run.yml", "websockets.yml"]


def named(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")

    return make


def evidence(folder: Path, name: str, campaign: str = CAMPAIGN) -> Path:
    """What the job that establishes evidence leaves."""
    made = folder / "made" / name
    synthetic.write_evidence(made, variants=synthetic.VARIANTS[:3], campaign=campaign)
    return left(folder, made / campaign)


def left(folder: Path, results: Path) -> Path:
    """What is uploaded of a job's results, under the job's name."""
    target = folder / "artifacts" / results.parent.name
    target.parent.mkdir(exist_ok=True)
    shutil.move(results, target)
    return target


def test_evidence_comes_with_the_runs(tmp_path: Path) -> None:
    artifact(tmp_path, "block-1-lot-1", "a")
    evidence(tmp_path, "evidence")
    found = ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert [path.name for path in found.runs] == ["a"]
    assert [path.name for path in found.evidence] == ["fastapi.yml", "websockets.yml"]
    assert all(problems_in(path) == [] for path in found.evidence)
    assert found.refusals == ()


def misnamed(folder: Path) -> None:
    (folder / "evidence" / "fastapi.yml").rename(folder / "evidence" / "sanic.yml")


def no_evidence(folder: Path) -> None:
    (folder / "evidence" / "fastapi.yml").write_text("kind: evidence\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (misnamed, f"evidence/sanic.yml belongs to {CAMPAIGN}/evidence/fastapi.yml"),
        (no_evidence, "evidence/fastapi.yml:"),
        (named("evidence/deep/fastapi.yml"), "is not the name of a result"),
    ],
    ids=["misnamed", "no-evidence", "deep"],
)
def test_bad_evidence_keeps_no_run_out(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    artifact(tmp_path, "good", "a")
    spoil(evidence(tmp_path, "evidence"))
    found = ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert ([path.name for path in found.runs], found.evidence) == (["a"], ())
    (refusal,) = found.refusals
    assert said in refusal.reasons[0]


def test_evidence_of_a_campaign_is_established_once(tmp_path: Path) -> None:
    evidence(tmp_path, "one")
    evidence(tmp_path, "two")
    found = ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert [one.reasons for one in found.refusals] == [("evidence already exists; results are never replaced",)]


def link(folder: Path) -> None:
    (folder / "a" / "evil.yml").symlink_to("/etc/hostname")


def linked_folder(folder: Path) -> None:
    (folder / "b").symlink_to(folder / "a")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "a" / "pipe.yml")


def truncated(folder: Path) -> None:
    path = folder / "a" / "fastapi.yml"
    path.write_text(path.read_text()[:2000])


def oversized(folder: Path) -> None:
    with (folder / "a" / "fastapi.yml").open("r+b") as file:
        file.truncate(9_000_000)


def without_run(folder: Path) -> None:
    (folder / "a" / "run.yml").unlink()


def of_another_run(folder: Path) -> None:
    (folder / "a").rename(folder / "c")


def empty(folder: Path) -> None:
    shutil.rmtree(folder / "a")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (link, "'a/evil.yml' is neither a file nor a folder"),
        (linked_folder, "'b' is neither a file nor a folder"),
        (pipe, "'a/pipe.yml' is neither a file nor a folder"),
        (named("a/.hidden.yml"), "'a/.hidden.yml' is not the name of a result"),
        (named("a/run.sh"), "'a/run.sh' is not the name of a result"),
        (named("a/deep/run.yml"), "is not the name of a result"),
        (named("top.yml"), "'top.yml' is not the name of a result"),
        (named("a/..%2f.yml"), "is not the name of a result"),
        (named("a/back\\..\\slash.yml"), "is not the name of a result"),
        (truncated, "a/fastapi.yml:"),
        (oversized, "has 9,000,000 bytes; a result file has at most 8,000,000"),
        (without_run, "a has no run.yml"),
        (of_another_run, "c/fastapi.yml belongs to 2026-11-21-77/a"),
        (empty, "contains no run"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_artifact_is_refused_and_the_others_are_taken(
    tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(artifact(tmp_path, "bad", "a"))
    artifact(tmp_path, "good", "z")
    found = ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert [path.name for path in found.runs] == ["z"]
    (refusal,) = found.refusals
    assert refusal.artifact == "bad"
    assert said in refusal.reasons[0]
    assert sorted(path.name for path in (tmp_path / "results" / CAMPAIGN).iterdir()) == ["z"]


def test_a_very_deep_artifact_is_refused(tmp_path: Path) -> None:
    artifact(tmp_path, "good", "z")
    with very_deep(artifact(tmp_path, "bad", "b")):
        found = ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert [path.name for path in found.runs] == ["z"]
    assert [one.reasons for one in found.refusals] == [
        ("'a/a' is not the name of a result file; expected <run>/<framework>.yml",)
    ]


def test_of_another_campaign(tmp_path: Path) -> None:
    folder = artifact(tmp_path, "bad", "a", campaign="another")
    with pytest.raises(InvalidError, match=r"a/fastapi\.yml belongs to another/a"):
        ci.collect_artifacts(folder.parent, tmp_path / "results", CAMPAIGN)


def test_nothing_is_overwritten_and_no_run_taken_twice(tmp_path: Path) -> None:
    artifact(tmp_path, "one", "a")
    artifact(tmp_path, "two", "a")
    found = ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert [one.reasons for one in found.refusals] == [("run a already exists; results are never replaced",)]
    before = (tmp_path / "results" / CAMPAIGN / "a" / "run.yml").read_bytes()
    with pytest.raises(InvalidError, match="every artifact was refused: one: run a already exists"):
        ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
    assert (tmp_path / "results" / CAMPAIGN / "a" / "run.yml").read_bytes() == before


@pytest.mark.parametrize(
    ("campaign", "run", "mine"), [(CAMPAIGN, "A", "a"), (f"{CAMPAIGN}--b", "a", "b--a")], ids=["capitals", "dashes"]
)
def test_a_run_that_would_share_a_page_is_refused(tmp_path: Path, campaign: str, run: str, mine: str) -> None:
    results = tmp_path / "results"
    artifact(tmp_path, "one", run, campaign)
    ci.collect_artifacts(tmp_path / "artifacts", results, campaign)
    shutil.rmtree(tmp_path / "artifacts" / "one")
    artifact(tmp_path, "two", mine)
    with pytest.raises(InvalidError, match=f"run {mine} would have the same page as {campaign}/{run}"):
        ci.collect_artifacts(tmp_path / "artifacts", results, CAMPAIGN)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 3)
    artifact(tmp_path, "one", "a")
    with pytest.raises(InvalidError, match=r"4 files with .* bytes are more than one job writes"):
        ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)


@pytest.mark.parametrize("there", [True, False])
def test_an_empty_campaign(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "artifacts").mkdir()
    with pytest.raises(NothingToDoError, match="no artifacts"):
        ci.collect_artifacts(tmp_path / "artifacts", tmp_path / "results", CAMPAIGN)
