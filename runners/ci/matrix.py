"""A campaign as a matrix of jobs: blocks, each of them machines that measure all frameworks, in lots of workloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runners.campaign import planning
from runners.campaign.planning import Plan
from runners.record import UsageError

MOST_JOBS = 256
"""Of a matrix, on hosted runners."""


@dataclass(frozen=True)
class MatrixJob:
    """One job: which block it belongs to, and which parts of workloads it measures."""

    block: int
    lot: int
    parts: tuple[str, ...]
    minutes: int
    """As expected, without installing."""

    @property
    def name(self) -> str:
        """Of the job and of its artifact; no two of a campaign have the same."""
        return f"block-{self.block}-lot-{self.lot}"

    def to_json(self) -> dict[str, object]:
        """An entry of the matrix."""
        return {
            "name": self.name,
            "block": self.block,
            "lot": self.lot,
            "workloads": " ".join(self.parts),
            "minutes": self.minutes,
        }


def plan_jobs(plan: Plan, blocks: int) -> list[MatrixJob]:
    """Every lot of the plan once per block; raises `UsageError` where these are too many jobs.

    Every job has every framework: they are compared only on one machine.
    """
    lots = planning.split_into_lots(plan.parts())
    jobs = [
        MatrixJob(block, number, tuple(part.name for part in lot), round(sum(part.expected_s for part in lot) / 60))
        for block in range(1, blocks + 1)
        for number, lot in enumerate(lots, start=1)
    ]
    if len(jobs) > MOST_JOBS:
        raise UsageError(
            f"{blocks} blocks of {len(lots)} lots are {len(jobs)} jobs, and a matrix has at most {MOST_JOBS};"
            " ask for fewer blocks, workloads or rounds"
        )
    return jobs


def words(text: str) -> Sequence[str]:
    """What a workflow's input names: separated by blanks or commas."""
    return text.replace(",", " ").split()
