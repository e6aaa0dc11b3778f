"""The journal of one cell during a run: its measurements, and their distributions merged over the rounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from runners.judging import thresholds
from runners.measurement import Cell, MeasurementResult, with_share_of_ceiling
from runners.record import CellRecord, Distribution, Histogram, Measurement, Timeline, decisive, events_in

MOST_TRIES = 2
"""Maximum number of tries of one measurement. If the machine disturbs the second one too, we do not wait longer."""

KEPT_DIGITS = 2
"""Significant digits of merged distributions. One percent is finer than a chart shows, and needs a sixth of the space
of three digits. The percentiles of each round come from the full histogram."""


@dataclass
class CellJournal:
    """All measurements of a cell so far."""

    cell: Cell
    measurements: list[Measurement] = field(default_factory=list)
    _merged: dict[str, Histogram] = field(default_factory=dict)
    _timeline: Timeline | None = None
    """The timeline of the first valid measurement."""

    def add(self, result: MeasurementResult) -> None:
        """Add the result of a measurement; the distributions of an invalid one are not merged."""
        self.measurements.append(result.measurement)
        if not result.measurement.valid:
            return
        self._timeline = self._timeline or result.timeline
        for name, histogram in result.histograms.items():
            known, kept = self._merged.get(name), histogram.thinned(KEPT_DIGITS)
            self._merged[name] = kept if known is None else known.merge(kept)

    def is_measured_in(self, round_number: int) -> bool:
        return any(measurement.round == round_number for measurement in self.measurements)

    def is_last_in(self, round_number: int) -> bool:
        """Whether the last measurement is of this round."""
        return bool(self.measurements) and self.measurements[-1].round == round_number

    def needs_repetition(self, round_number: int) -> bool:
        """Whether the machine disturbed the measurement of this round and another try is allowed."""
        tries = [measurement for measurement in self.measurements if measurement.round == round_number]
        return 0 < len(tries) < MOST_TRIES and thresholds.is_disturbed(tries[-1])

    @property
    def repetitions(self) -> int:
        """The number of measurements that were repeated."""
        return len(self.measurements) - len(decisive(self.measurements))

    def relate_to_ceiling(self, messages_per_s: float) -> None:
        """Add to the last measurement its share of the reference's throughput in the same round."""
        self.measurements[-1] = with_share_of_ceiling(self.measurements[-1], messages_per_s)

    def restore(self, record: CellRecord) -> None:
        """Restore what an earlier invocation saved."""
        self.measurements = list(record.measurements)
        self._timeline = record.timeline
        distributions = {
            "latency": record.latency,
            "latency_from_send": record.latency_from_send,
            "last_delivery": record.last_delivery,
            "push_lateness": record.push_lateness,
        }
        self._merged = {name: Histogram.decode(known.histogram) for name, known in distributions.items() if known}

    def to_record(self) -> CellRecord:
        """The cell as it is written to the framework's file."""
        distributions = {
            name: Distribution(
                percentiles_ms=histogram.percentiles(events_in(self.measurements, name)), histogram=histogram.encode()
            )
            for name, histogram in self._merged.items()
            if histogram.total
        }
        return CellRecord(
            variant=self.cell.variant.slug,
            workload=self.cell.workload.slug,
            workload_version=self.cell.workload.version,
            parameters=self.cell.scenario.parameters,
            latency_kind=self.cell.scenario.latency_kind,
            measurements=self.measurements,
            latency=distributions.get("latency"),
            latency_from_send=distributions.get("latency_from_send"),
            last_delivery=distributions.get("last_delivery"),
            push_lateness=distributions.get("push_lateness"),
            timeline=self._timeline,
        )
