"""A campaign as a matrix of jobs: each block measures all frameworks, in one job per lot of workloads.

A job of an adaptive campaign measures until its time is up. A scenario of which the rounds of everything alone take
longer is measured by several jobs, each with a part of these rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runners.campaign import planning
from runners.campaign.planning import JOB_S, Plan, PlanPart
from runners.record import UsageError

MOST_JOBS = 256
"""Maximum number of jobs in a matrix on hosted runners."""


@dataclass(frozen=True)
class MatrixJob:
    """One job: its block, and the parts of workloads that it measures."""

    block: int
    lot: int
    parts: tuple[str, ...]
    rounds: int | None
    """The number of rounds of everything; ``None``: the job is adaptive."""
    minutes: int
    """The expected duration in minutes, without installation."""

    @property
    def name(self) -> str:
        """The name of the job and of its artifact, unique in a campaign."""
        return f"block-{self.block}-lot-{self.lot}"

    def to_json(self) -> dict[str, object]:
        """The entry of the matrix."""
        return {
            "name": self.name,
            "block": self.block,
            "lot": self.lot,
            "workloads": " ".join(self.parts),
            "rounds": "" if self.rounds is None else self.rounds,
            "minutes": self.minutes,
        }


def plan_jobs(plan: Plan, blocks: int) -> list[MatrixJob]:
    """One job per lot of the plan and block; raises `UsageError` if these are too many or too long.

    Every job measures every framework, because frameworks are compared only on the same machine.
    """
    rounds = None if plan.limits else plan.profile.rounds
    lots = [share for lot in planning.split_into_lots(plan.parts()) for share in _shares(lot, rounds)]
    jobs = [
        MatrixJob(block, number, names, rounds, round(expected_s / 60))
        for block in range(1, blocks + 1)
        for number, (names, rounds, expected_s) in enumerate(lots, start=1)
    ]
    if len(jobs) > MOST_JOBS:
        raise UsageError(
            f"{blocks} blocks of {len(lots)} lots need {len(jobs)} jobs, but a matrix has at most {MOST_JOBS};"
            " choose fewer blocks, workloads or rounds"
        )
    return jobs


def _shares(lot: Sequence[PlanPart], rounds: int | None) -> Iterator[tuple[tuple[str, ...], int | None, float]]:
    """The jobs of a lot: names of its parts, rounds and expected seconds. Only a single part is longer than a job.

    ``rounds``: of the plan, ``None`` if it is adaptive.
    """
    names, first_s = tuple(part.name for part in lot), sum(part.first_s for part in lot)
    if first_s <= JOB_S:
        yield names, rounds, min(sum(part.expected_s for part in lot), JOB_S)
        return
    measured = max(part.rounds for part in lot)
    most = int(JOB_S * measured / first_s)
    if most < 1:
        raise UsageError(
            f"one round of {' and '.join(names)} takes {first_s / measured / 60:.0f} min, but a job has at most"
            f" {JOB_S / 60:.0f} min of measurements; choose fewer frameworks or a shorter profile"
        )
    jobs = -(-measured // most)
    for number in range(jobs):
        own = measured // jobs + (number < measured % jobs)
        yield names, own, first_s * own / measured


def split_names(text: str) -> Sequence[str]:
    """The names in a workflow's input, separated by spaces or commas."""
    return text.replace(",", " ").split()
