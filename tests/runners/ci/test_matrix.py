"""A campaign as a matrix of jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runners import ci
from runners.campaign import planning
from runners.campaign.planning import JOB_S, Plan
from runners.record import UsageError
from runners.subjects import profiles, workloads


@pytest.fixture(scope="module")
def plan() -> Plan:
    standard = profiles.choose_profile("standard")
    return planning.plan_run(
        planning.choose_with_reference([]), workloads.choose_workloads([], standard), standard, seed=1
    )


def test_each_block_measures_everything_once(plan: Plan) -> None:
    jobs = ci.plan_jobs(plan, 3)
    everything = sorted(part.name for part in plan.parts())
    for block in (1, 2, 3):
        assert sorted(part for job in jobs if job.block == block for part in job.parts) == everything
    assert len({job.name for job in jobs}) == len(jobs)


def test_no_job_is_longer_than_a_hosted_one_may_be(plan: Plan) -> None:
    assert all(job.minutes * 60 <= JOB_S + 60 for job in ci.plan_jobs(plan, 1))


def test_the_parts_of_a_job_are_what_run_takes(plan: Plan) -> None:
    for job in ci.plan_jobs(plan, 1):
        entry = json.loads(json.dumps(job.to_json()))
        chosen = workloads.choose_workloads(ci.split_names(entry["workloads"]), plan.profile)
        again = planning.plan_run(planning.choose_with_reference([]), chosen, plan.profile, seed=1)
        assert sorted(part.name for part in again.parts()) == sorted(job.parts)


def test_too_many_jobs_are_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="a matrix has at most 256; choose fewer blocks"):
        ci.plan_jobs(replace(plan), 60)


def test_outputs_and_summary_go_to_the_files_of_github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert not ci.set_outputs({"a": "b"})
    assert not ci.append_summary("words")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    assert ci.set_outputs({"a": "1"})
    assert ci.set_outputs({"b": "{}"})
    assert ci.append_summary("one")
    assert ci.append_summary("two\n")
    assert (tmp_path / "output").read_text() == "a=1\nb={}\n"
    assert (tmp_path / "summary").read_text() == "one\ntwo\n"
    with pytest.raises(UsageError, match="several lines"):
        ci.set_outputs({"a": "1\nb=2"})
