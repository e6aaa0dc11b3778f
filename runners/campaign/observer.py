"""The interface through which a run reports its progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runners.campaign.planning import Plan
from runners.measurement import Cell
from runners.record import Measurement, decisive
from runners.subjects.catalog import Framework


@dataclass(frozen=True)
class RunSummary:
    """The counts of a run. ``measurements``: one per cell and round. ``repeated``: additional measurements made to get
    them.
    """

    path: Path
    measurements: int
    failed: int
    invalid: int
    repeated: int
    fruitless: frozenset[str] = frozenset()
    """The variants, as ``framework/variant``, of which every measurement failed."""

    @classmethod
    def of_measurements(cls, path: Path, measured: Sequence[tuple[str, Sequence[Measurement]]]) -> RunSummary:
        """Count all measurements. ``measured``: the variant of each cell, as ``framework/variant``, and the cell's
        measurements.
        """
        cells = [measurements for _, measurements in measured]
        counting = [one for measurements in cells for one in decisive(measurements)]
        failures: dict[str, list[bool]] = {}
        for variant, measurements in measured:
            failures.setdefault(variant, []).extend(one.failure is not None for one in decisive(measurements))
        return cls(
            path,
            measurements=len(counting),
            failed=sum(one.failure is not None for one in counting),
            invalid=sum(one.failure is None and not one.valid for one in counting),
            repeated=sum(map(len, cells)) - len(counting),
            fruitless=frozenset(variant for variant, failed in failures.items() if failed and all(failed)),
        )

    def __str__(self) -> str:
        repeated = f", {self.repeated} repeated" if self.repeated else ""
        return f"{self.measurements} measurements, {self.failed} failed, {self.invalid} invalid{repeated}"


class RunObserver(Protocol):
    """Receives the events of a run in order. It does not influence the run.

    ``done``: the number of finished measurements; repeated measurements do not count twice.
    """

    def started(self, path: Path, done: int, plan: Plan) -> None:
        """The run begins or continues in this folder."""

    def preparing(self, framework: Framework, variant: str) -> None:
        """The environment of a variant is about to be installed."""

    def measuring(self, cells: Sequence[Cell], round_number: int, done: int, plan: Plan) -> None:
        """These cells are about to be measured together."""

    def progress(self, text: str) -> None:
        """A long measurement has made progress."""

    def measured(self, cell: Cell, measurement: Measurement, done: int, plan: Plan) -> None:
        """A measurement is saved."""

    def finished(self, summary: RunSummary, plan: Plan) -> None:
        """Every measurement of the plan is saved."""
