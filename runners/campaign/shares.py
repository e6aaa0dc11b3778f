"""The rate of a load at a share of a capacity, from the searches that the run has made. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from runners.measurement import Cell
from runners.record import (
    Failure,
    LoadShare,
    Measurement,
    capacity_over_searches,
    cell_key,
    share_of_capacity,
)


def search_key(cell: Cell) -> str | None:
    """The key of the cell that searches for the capacity of which this one is a share: the same variant, under the
    same setting. ``None`` if the load is no share.
    """
    search = cell.workload.search_of(cell.scenario)
    if search is None:
        return None
    parameters = {**search.parameters, **cell.scenario.setting}
    return cell_key(cell.framework.slug, cell.variant.slug, cell.workload.slug, parameters)


def load_of(percent: int, searches: Sequence[Measurement]) -> LoadShare | Failure:
    """The rate that is so many percent of what the searches found, or why there is none.

    ``searches``: all measurements of the cell that searches, so far in this run.
    """
    found = [one.capacity for one in searches if one.capacity is not None]
    capacity = capacity_over_searches(found)
    if capacity.low is None or capacity.typical is None or capacity.high is None:
        return _failure(_why_unknown(searches))
    if not any(one.conclusive for one in found):
        return _failure(_why_unknown(searches))
    return LoadShare(
        rate_per_s=share_of_capacity(percent, capacity.typical),
        capacity_per_s=capacity.typical,
        low_per_s=capacity.low,
        high_per_s=capacity.high,
        searches=sum(any(probe.valid for probe in one.probes) for one in found),
    )


def _failure(why: str) -> Failure:
    return Failure(
        stage="capacity", reason=f"not measurable, because the capacity of which it is a share is not known: {why}"
    )


def _why_unknown(searches: Sequence[Measurement]) -> str:
    """Why the searches so far show no capacity; the last one says it best."""
    if not searches:
        return "this run has not searched for it yet"
    last = searches[-1]
    if last.failure is not None:
        return f"its search failed at {last.failure.stage}: {last.failure.reason[:1000]}"
    if last.capacity is not None and last.capacity.reason is not None:
        return f"its search is inconclusive, {last.capacity.reason}"
    return "the attempts of its searches do not show both ends of it"
