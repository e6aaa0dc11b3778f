"""What GitHub limits: the texts it keeps, and the time of a job."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from generator import site_build
from runners import ci
from runners.application.campaign_jobs import WorkflowInputs
from runners.campaign.planning import JOB_S, Plan, PlanPart
from runners.ci import issues, matrix
from runners.ci.outputs import cut_lines
from runners.record import RtsiteError, UsageError
from runners.subjects.profiles import PROFILES

ROOT = Path(__file__).parents[3]


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.load((ROOT / ".github" / "workflows" / name).read_text(), Loader=yaml.BaseLoader))


@given(text=st.text(), most=st.integers(0, 200))
def test_a_text_is_cut_to_whole_lines_that_fit(text: str, most: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    kept = cut_lines(text, most, "cut")
    assert len(kept.encode()) <= most
    assert text.startswith(kept.removesuffix("cut"))


@given(seconds=st.floats(1, 1e6), rounds=st.integers(1, 100))
def test_jobs_share_the_rounds_of_a_long_scenario(seconds: float, rounds: int) -> None:
    part = PlanPart("echo", "closed", 1, rounds, seconds, seconds, rounds, seconds, 2 * seconds)
    if seconds / rounds > JOB_S:
        with pytest.raises(UsageError, match="one round of echo/closed takes"):
            list(matrix._shares([part], rounds))
        return
    shares = list(matrix._shares([part], rounds))
    assert sum(own or 0 for _, own, _ in shares) == rounds
    assert all(own and expected_s <= JOB_S * 1.001 for _, own, expected_s in shares)


@given(first=st.floats(1, JOB_S), further=st.floats(0, 1e6))
def test_an_adaptive_job_is_one_job_and_ends_when_its_time_is_up(first: float, further: float) -> None:
    part = PlanPart("echo", "closed", 1, 5, first + further, first, 5, first, 1e9)
    assert list(matrix._shares([part], None)) == [(("echo/closed",), None, min(first + further, JOB_S))]


def test_a_scenario_that_is_too_long_for_an_adaptive_job_is_several_of_fixed_rounds() -> None:
    part = PlanPart("echo", "closed", 1, 5, 3 * JOB_S, JOB_S, 5, 2.5 * JOB_S, 9 * JOB_S)
    assert [own for _, own, _ in matrix._shares([part], None)] == [2, 2, 1]


def test_a_job_has_time_for_repeats_and_installation() -> None:
    limit_s = int(workflow("campaign.yml")["jobs"]["bench"]["timeout-minutes"]) * 60
    assert JOB_S * (1 + max(profile.spare for profile in PROFILES.values())) + 1200 <= limit_s
    assert workflow("measure.yml")["on"]["workflow_dispatch"]["inputs"]["profile"]["options"] == list(PROFILES)


@pytest.mark.parametrize("rounds", ["0", "-1", "1e3", "1001", "9" * 5000, "٣"])
def test_rounds_are_refused_where_they_are_given(rounds: str) -> None:
    with pytest.raises(UsageError):
        WorkflowInputs(frameworks="starlette", workloads="echo/closed", rounds=rounds).plan()


def test_a_change_of_any_input_builds_the_site() -> None:
    patterns = workflow("site.yml")["on"]["push"]["paths"]
    inputs = site_build._digests_of_inputs(site_build.Paths.of_checkout(ROOT))
    names = [path.relative_to(ROOT).as_posix() for path in inputs]
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def answers(monkeypatch: pytest.MonkeyPatch, status: int, out: str, err: str) -> None:
    done = subprocess.CompletedProcess(["gh"], status, out, err)
    monkeypatch.setattr(issues.subprocess, "run", lambda *_, **__: done)  # type: ignore[attr-defined]


def test_issues_that_are_switched_off_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, 1, "", "the 'a/b' repository has disabled issues")
    with pytest.raises(ci.NoIssuesError, match="switched off"):
        ci.update_issue("a", "b")


@pytest.mark.parametrize(("status", "out"), [(0, "A new release of gh is there"), (0, '[{"title": "a"}]'), (4, "")])
def test_what_gh_says_otherwise_is_one_sentence(monkeypatch: pytest.MonkeyPatch, status: int, out: str) -> None:
    answers(monkeypatch, status, out, "not logged in")
    with pytest.raises(RtsiteError, match=re.compile("gh issue list")):
        ci.update_issue("a", "b")


def test_plans_say_how_many_rounds_a_job_measures() -> None:
    plan: Plan = WorkflowInputs("starlette", "echo/closed", "quick", "2").plan()
    assert [job.to_json()["rounds"] for job in ci.plan_jobs(plan, 1)] == [2]
    adaptive = WorkflowInputs("starlette", "echo/closed", "standard").plan()
    assert [job.to_json()["rounds"] for job in ci.plan_jobs(adaptive, 1)] == [""], "the profile's"
