"""A campaign as a matrix of jobs: each block measures all frameworks, in one job per lot of workloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runners.campaign import planning
from runners.campaign.planning import Plan
from runners.record import UsageError

MOST_JOBS = 256
"""Maximum number of jobs in a matrix on hosted runners."""


@dataclass(frozen=True)
class MatrixJob:
    """One job: its block, and the parts of workloads that it measures."""

    block: int
    lot: int
    parts: tuple[str, ...]
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
            "minutes": self.minutes,
        }


def plan_jobs(plan: Plan, blocks: int) -> list[MatrixJob]:
    """One job per lot of the plan and block; raises `UsageError` if these are too many jobs.

    Every job measures every framework, because frameworks are compared only on the same machine.
    """
    lots = planning.split_into_lots(plan.parts())
    jobs = [
        MatrixJob(block, number, tuple(part.name for part in lot), round(sum(part.expected_s for part in lot) / 60))
        for block in range(1, blocks + 1)
        for number, lot in enumerate(lots, start=1)
    ]
    if len(jobs) > MOST_JOBS:
        raise UsageError(
            f"{blocks} blocks of {len(lots)} lots need {len(jobs)} jobs, but a matrix has at most {MOST_JOBS};"
            " choose fewer blocks, workloads or rounds"
        )
    return jobs


def split_names(text: str) -> Sequence[str]:
    """The names in a workflow's input, separated by spaces or commas."""
    return text.replace(",", " ").split()
