"""What the values would be with the rounds that do not count.

Some limits are outcomes: a server that leaves its core unused or becomes slower is discarded for what it did. So a
reader must see whether that changes its value.
"""

from __future__ import annotations

from dataclasses import dataclass

from generator.comparison.metrics import METRICS, Metric, read_values
from generator.comparison.tables import Row
from runners.record import Measurement


@dataclass(frozen=True)
class WithDiscarded:
    """A metric whose mean changes if all measured rounds count."""

    metric: Metric
    counting: float
    """The mean over the rounds that count."""
    measured: float
    """The mean over all rounds with a value."""


def with_discarded(row: Row) -> tuple[WithDiscarded, ...]:
    """The metrics whose mean over all measured rounds differs by more than the margin from the row's own mean.

    Empty if no round counts, because the row's values are then those of all measured rounds. Measurements that were
    repeated because the machine disturbed them are among the measured ones.
    """
    if row.status != "valid":
        return ()
    counting = _means([one for one in row.cell.measurements if row.counts(one)])
    measured = _means([one for one in row.cell.measurements if one.failure is None])
    found = (
        WithDiscarded(metric, counting[key], measured[key])
        for key, metric in METRICS.items()
        if key in counting and key in measured
    )
    return tuple(one for one in found if _differs(one))


def _differs(one: WithDiscarded) -> bool:
    if one.metric.is_negligible(one.counting, one.measured) or min(one.counting, one.measured) <= 0:
        return False
    return max(one.counting / one.measured, one.measured / one.counting) > one.metric.margin


def _means(measurements: list[Measurement]) -> dict[str, float]:
    """The mean of each metric. Every measurement is a round of its own, because blocks number theirs alike."""
    values: dict[str, list[float]] = {}
    for measurement in measurements:
        for key, by_round in read_values([measurement]).items():
            values.setdefault(key, []).extend(by_round.values())
    estimates = {key: METRICS[key].estimate(found) for key, found in values.items()}
    return {key: estimate.mean for key, estimate in estimates.items() if estimate is not None}
