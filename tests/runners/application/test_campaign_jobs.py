"""What the jobs of a workflow plan, measure and review."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from runners import ci
from runners.application import campaign_jobs
from runners.application.campaign_jobs import (
    WorkflowInputs,
    measure_changes,
    measure_job,
    plan_campaign,
    review_pull_request,
)
from runners.application.contract_check import VariantReport
from runners.campaign.observer import RunSummary
from runners.campaign.planning import JOB_S, Plan
from runners.contract import Check
from runners.record import InvalidError, NothingToDoError, RtsiteError, UsageError
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from tests.support.advising import advise_nothing
from tests.support.commands import Shell

ECHO = WorkflowInputs("fastapi, tornado", "echo/closed", "quick", "2")


def test_inputs_become_a_plan() -> None:
    plan = ECHO.plan()
    assert {cell.framework.slug for cell in plan.cells} == {"fastapi", "tornado", "reference"}
    assert (plan.profile.slug, plan.profile.rounds) == ("quick", 2)


def test_rounds_are_a_number() -> None:
    with pytest.raises(UsageError, match="'many' is not a number of rounds"):
        WorkflowInputs(rounds="many").plan()


def test_a_campaign_is_named_by_the_day_and_the_workflow() -> None:
    campaign = plan_campaign(ECHO, 2, "77")
    assert campaign.name.endswith("-77")
    assert [job.name for job in campaign.jobs] == ["block-1-lot-1", "block-2-lot-1"]
    assert campaign.longest_minutes == campaign.jobs[0].minutes
    assert campaign.measurements == ECHO.plan().measurements
    assert plan_campaign(ECHO, 1, "").name == campaign.name.removesuffix("-77")
    with pytest.raises(UsageError, match="is not a workflow run ID"):
        plan_campaign(ECHO, 1, "../77")


@pytest.mark.parametrize(("name", "campaign"), [("../up", "tested"), ("block-1", "a/b")])
def test_a_job_has_names_that_can_be_folders(tmp_path: Path, name: str, campaign: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name"):
        measure_job(name, campaign, ECHO, tmp_path, observer(), advise_nothing)


def test_an_adaptive_job_ends_before_a_hosted_runner_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Plan, object]] = []

    def start(plan: Plan, results: Path, campaign: str, observer: object, *, label: str, adviser: object) -> RunSummary:
        given.append((plan, adviser))
        return RunSummary(results, plan.measurements, 0, 0, 0)

    monkeypatch.setattr(campaign_jobs, "start_run", start)
    for inputs in (WorkflowInputs("fastapi", "echo/closed", "standard"), ECHO):
        measure_job("block-1", "tested", inputs, tmp_path, observer(), advise_nothing)
    (adaptive, adviser), (fixed, _) = given
    assert adaptive.limits is not None
    assert adaptive.limits.budget_s == JOB_S
    assert adviser is advise_nothing
    assert fixed.limits is None


# Reviews


def observer() -> Any:
    return None  # the stand-in for a run tells it nothing


class Scene:
    """A pull request that changes some frameworks, and how their checks turn out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, changed: list[str], *, broken: bool = False) -> None:
        self.measured: list[Plan] = []
        self._changed, self._broken = changed, broken
        monkeypatch.setattr(ci, "changed_frameworks", self._differing)
        monkeypatch.setattr(campaign_jobs, "check_frameworks", self._check)
        monkeypatch.setattr(campaign_jobs, "start_run", self._start)

    def _differing(self, root: Path, base: str, known: Sequence[Framework]) -> list[Framework]:
        assert base == "origin/main"
        return [framework for framework in known if framework.slug in self._changed]

    def _check(self, frameworks: Sequence[Framework], show: object) -> list[VariantReport]:
        check = Check("room", not self._broken, "nothing came")
        return [VariantReport(one.slug, one.variants[0].slug, (check,)) for one in frameworks]

    def _start(self, plan: Plan, results: Path, campaign: str, observer: object) -> RunSummary:
        self.measured.append(plan)
        return RunSummary(results, plan.measurements, 0, 0, 0)


def test_a_changed_framework_is_measured_beside_two_others(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, ["tornado"])
    review = review_pull_request("origin/main", lambda _: None)
    assert [framework.slug for framework in review.changed] == ["tornado"]
    assert (review.broken, scene.measured) == ([], [])
    summary = measure_changes(review.changed, observer())
    (plan,) = scene.measured
    measured = {cell.framework.slug for cell in plan.cells}
    assert {"tornado", "reference"} < measured
    assert len(measured) == 4
    assert plan.profile.slug == "quick"
    assert summary.measurements == plan.measurements


def test_a_broken_contract_names_variant_and_check(monkeypatch: pytest.MonkeyPatch) -> None:
    Scene(monkeypatch, ["tornado"], broken=True)
    review = review_pull_request("origin/main", lambda _: None)
    (tornado,) = catalog.choose_frameworks(["tornado"])
    assert review.broken == [f"tornado/{tornado.variants[0].slug} room: nothing came"]


def test_without_a_changed_framework_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    Scene(monkeypatch, [])
    review = review_pull_request("origin/main", lambda _: None)
    assert (review.changed, review.reports, review.broken) == ([], [], [])


class Workflow:
    """`rtsite ci review` in a workflow: its exit code, and the job summary."""

    def __init__(self, shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self._shell, self._summary = shell, tmp_path / "summary"
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(self._summary))

    def review(self, *options: str) -> tuple[int, str]:
        done = self._shell.rtsite("ci", "review", "--base", "origin/main", *options)
        return done.returncode, self._summary.read_text()


@pytest.fixture
def workflow(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workflow:
    return Workflow(shell, monkeypatch, tmp_path)


def test_a_review_reports_the_contract_and_the_measurements(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(monkeypatch, ["tornado"])
    status, summary = workflow.review()
    (plan,) = scene.measured
    assert status == 0
    assert summary.splitlines() == [
        "tornado: every check of the contract passed.",
        f"{plan.measurements} quick measurements, 0 failed, 0 invalid.",
    ]


def test_a_review_reports_the_contract_even_if_it_cannot_measure(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> RunSummary:
        raise RtsiteError("another command measures")

    Scene(monkeypatch, ["tornado"])
    monkeypatch.setattr(campaign_jobs, "start_run", fail)
    assert workflow.review() == (1, "tornado: every check of the contract passed.\n")


def test_a_broken_contract_is_not_measured(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, ["tornado"], broken=True)
    status, summary = workflow.review()
    assert (status, scene.measured) == (InvalidError.exit_code, [])
    assert summary.startswith("The contract is broken:\n- `tornado/")


def test_a_review_without_a_changed_framework_is_nothing_to_do(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(monkeypatch, [])
    assert workflow.review()[0] == NothingToDoError.exit_code
    assert workflow.review("--allow-none")[0] == 0
    assert scene.measured == []
