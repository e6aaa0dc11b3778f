"""The use cases of workflow jobs: plan a campaign, measure one job of it, and review a pull request."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runners import ci, measurement, revision
from runners.application.contract_check import VariantReport, check_frameworks
from runners.application.messages import MessageObserver
from runners.application.run_control import plan_measurements, random_seed, start_run
from runners.campaign import planning
from runners.campaign.execution import Adviser
from runners.campaign.observer import RunObserver, RunSummary
from runners.campaign.planning import JOB_S, Plan
from runners.record import UsageError, is_identifier
from runners.subjects import catalog, profiles, workloads
from runners.subjects.catalog import Framework


@dataclass(frozen=True)
class WorkflowInputs:
    """The inputs of a workflow, as text. Names are separated by spaces or commas. Empty means all frameworks, or the
    profile's workloads and rounds.
    """

    frameworks: str = ""
    workloads: str = ""
    profile: str = "standard"
    rounds: str = ""
    pythons: str = ""
    """Versions of Python for the servers; empty: the running one."""
    topologies: str = ""
    """What is between clients and servers; empty: nothing."""

    def plan(self, *, is_part: bool = False) -> Plan:
        """The plan for these inputs, or for a job that is a part of it; raises `UsageError` and `NothingToDoError`."""
        if self.rounds and not re.fullmatch(r"[0-9]{1,9}", self.rounds):
            raise UsageError(f"{self.rounds!r:.60} is not a number of rounds; write it in digits, such as 5")
        return plan_measurements(
            ci.split_names(self.frameworks),
            ci.split_names(self.workloads),
            self.profile,
            rounds=int(self.rounds) if self.rounds else None,
            is_part=is_part,
            pythons=ci.split_names(self.pythons),
            topologies=ci.split_names(self.topologies),
        )


@dataclass(frozen=True)
class CampaignPlan:
    """The job matrix of a campaign. ``measurements``: their number in all jobs of one block; if ``is_adaptive``, in the
    rounds of everything.
    """

    name: str
    jobs: list[ci.MatrixJob]
    measurements: int
    is_adaptive: bool

    @property
    def longest_minutes(self) -> int:
        return max(job.minutes for job in self.jobs)


@dataclass(frozen=True)
class Review:
    """The frameworks that a pull request changes, and the results of their contract checks."""

    changed: list[Framework]
    reports: list[VariantReport]

    @property
    def broken(self) -> list[str]:
        """Each failed check with its variant and the reason."""
        return [f"{report.name} {check.name}: {check.detail}" for report in self.reports for check in report.broken]

    @property
    def untried(self) -> list[str]:
        """Each variant that could not be tried on this machine, with the reason."""
        return [f"{one.name}: {one.unavailable}" for one in self.reports if one.unavailable is not None]


def plan_campaign(inputs: WorkflowInputs, blocks: int, workflow_run: str) -> CampaignPlan:
    """The jobs of a campaign, named by the day and the workflow run ID (empty: outside a workflow).

    Raises `UsageError` for unknown names in the inputs, and for more jobs than a matrix may have.
    """
    plan = inputs.plan()
    day = measurement.now()[:10]
    name = f"{day}-{workflow_run}" if workflow_run else day
    if not is_identifier(name):
        raise UsageError(f"{workflow_run!r} is not a workflow run ID")
    return CampaignPlan(name, ci.plan_jobs(plan, blocks), plan.measurements, plan.limits is not None)


def measure_job(
    name: str, campaign: str, inputs: WorkflowInputs, results: Path, observer: RunObserver, adviser: Adviser
) -> RunSummary:
    """Make the measurements of one matrix job, for as long as a job may take (`JOB_S`).

    ``name``: the job's name, part of the run ID. ``adviser``: of an adaptive job. Raises like `start_run`.
    """
    for given in (name, campaign):
        if not is_identifier(given):
            raise UsageError(f"{given!r} is not a valid name: use only letters, digits, dots, dashes and underscores")
    plan = inputs.plan(is_part=True).within(JOB_S)
    return start_run(plan, results, campaign, observer, label=name, adviser=adviser)


def review_pull_request(base: str, show: MessageObserver) -> Review:
    """Check the frameworks that differ from the commit ``base``; raises `RtsiteError` if git does not know it."""
    changed = ci.changed_frameworks(revision.ROOT, base, catalog.discover())
    return Review(changed, check_frameworks(changed, show))


def measure_changes(changed: Sequence[Framework], observer: RunObserver) -> RunSummary:
    """Measure changed frameworks briefly, together with two others and the reference.

    Nothing is published: the run's files are deleted afterwards. Raises like `start_run`.
    """
    known = catalog.discover()
    quick = profiles.choose_profile("quick")
    chosen = planning.with_reference(ci.with_neighbours(changed, known), known)
    plan = planning.plan_run(chosen, workloads.choose_workloads([], quick), quick, random_seed())
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        return start_run(plan, Path(folder), "review", observer)
