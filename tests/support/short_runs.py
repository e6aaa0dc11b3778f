"""Runs that are as short as possible, and an observer of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runners.campaign import planning
from runners.campaign.observer import RunSummary
from runners.measurement import Cell
from runners.record import Look, Measurement
from runners.record.schema import Ending
from runners.subjects import catalog
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Workload
from runners.subjects.workloads import ECHO

BRIEF = Profile("quick", rounds=1, warmup_s=0.1, duration_s=0.3)
BRIEFEST = replace(BRIEF, warmup_s=0.05, duration_s=0.2, rechecks=False, shares_servers=True)
"""For tests of what is measured when."""
SMALL: Workload = replace(ECHO, scenarios=(replace(ECHO.scenarios[0], connections=10),))


class Silent:
    """Observes a run and remembers its events."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.prepared: list[str] = []
        self.summaries: list[RunSummary] = []

    def started(self, path: Path, done: int, plan: planning.Plan) -> None:
        assert (path / "run.yml").exists() == (done > 0)

    def preparing(self, framework: catalog.Framework, variant: str) -> None:
        self.prepared.append(variant)

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: planning.Plan) -> None:
        assert done == len(self.outcomes)

    def progress(self, text: str) -> None: ...

    def looked(self, look: Look, ended: Ending | None, plan: planning.Plan) -> None:
        raise AssertionError("only adaptive runs look")

    def finished(self, summary: RunSummary, plan: planning.Plan) -> None:
        self.summaries.append(summary)

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: planning.Plan) -> None:
        self.outcomes.append(cell.variant.slug)
        assert done == len(self.outcomes)
