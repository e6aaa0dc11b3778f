"""The interface through which a run reports its progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runners.campaign.planning import Plan
from runners.measurement import Cell
from runners.record import Ending, Look, Measurement, decisive
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
    fruitful: Mapping[str, bool] = field(default_factory=dict)
    """For each variant, as ``framework/variant``, whether one of its measurements did not fail."""

    @classmethod
    def of_measurements(cls, path: Path, measured: Sequence[tuple[str, Sequence[Measurement]]]) -> RunSummary:
        """Count all measurements. ``measured``: the variant of each cell, as ``framework/variant``, and the cell's
        measurements.
        """
        counting: list[Measurement] = []
        fruitful: dict[str, bool] = {}
        for variant, measurements in measured:
            for one in decisive(measurements):
                counting.append(one)
                fruitful[variant] = fruitful.get(variant, False) or one.failure is None
        return cls(
            path,
            measurements=len(counting),
            failed=sum(one.failure is not None for one in counting),
            invalid=sum(one.failure is None and not one.valid for one in counting),
            repeated=sum(len(measurements) for _, measurements in measured) - len(counting),
            fruitful=fruitful,
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

    def looked(self, look: Look, ended: Ending | None, plan: Plan) -> None:
        """A look of an adaptive run is saved, and the round that it chose is in the plan.

        ``ended``: why it chose none.
        """

    def finished(self, summary: RunSummary, plan: Plan) -> None:
        """Every measurement of the plan is saved."""
