"""The tables that count for verdicts, and the metrics that decide in each kind of table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from generator.comparison.metrics import (
    CHUNK_LATENESS,
    CONNECTION_RATE,
    CPU,
    CPU_PER_MESSAGE,
    DELIVERED,
    LAST_DELIVERY,
    LATENCY,
    MEMORY,
    MEMORY_PER_CONNECTION,
    OUTSIDE_COMPLETE,
    OUTSIDE_LAST,
    PUSH_LATENESS,
    RETURN_TIME,
    ROOM_DELIVERY,
    THROUGHPUT,
    Family,
    Metric,
    Quantile,
    TableKind,
    kind_of_table,
    percentile,
)

HEADLINE: Mapping[str, Mapping[str, object]] = {"echo": {}, "dashboard": {}, "room": {"members": 100}}
"""Workloads and parameters that the performance verdict rests on: what most applications do most of the time. Other
tables do not count for it."""

DECIDING: Mapping[TableKind, tuple[Metric | Family, ...]] = {
    # In a closed loop, latency is only the service time.
    "loop": (THROUGHPUT,),
    "rate": (LATENCY, LAST_DELIVERY),
    # Rates differ, so throughput and CPU would only repeat the capacities.
    "share": (LATENCY, LAST_DELIVERY),
    "push": (LATENCY, LAST_DELIVERY, PUSH_LATENESS, CPU, MEMORY),
    "connecting": (CONNECTION_RATE, MEMORY_PER_CONNECTION),
    "recovery": (RETURN_TIME,),
    # Where all keep the pace, what a chunk costs is what an operator pays.
    "stream": (CHUNK_LATENESS, CPU_PER_MESSAGE),
    "outages": (DELIVERED,),
    "rooms": (ROOM_DELIVERY, CPU_PER_MESSAGE),
    # A server that loses more than a percentile leaves out has none.
    "outside": (OUTSIDE_LAST, OUTSIDE_COMPLETE),
}
"""The first one orders the rows. Of a family, `DECIDING_QUANTILES` decide, as far as all contenders have them."""

DECIDING_QUANTILES: tuple[Quantile, ...] = ("p99", "p90", "p50")
"""The p99 decides only between rows whose measurements were hardly disturbed (`P99_DISTURBANCE_LIMIT`)."""


def _metrics_of(one: Metric | Family) -> tuple[Metric, ...]:
    if isinstance(one, Metric):
        return (one,)
    return tuple(percentile(one, quantile) for quantile in DECIDING_QUANTILES)


MAY_DECIDE = frozenset(metric.key for declared in DECIDING.values() for one in declared for metric in _metrics_of(one))
"""Keys of all metrics that decide in any table."""


def is_headline_workload(workload: str, parameters: Mapping[str, object]) -> bool:
    """Whether the performance verdict rests on this workload with these parameters."""
    required = HEADLINE.get(workload)
    return required is not None and all(parameters.get(name) == value for name, value in required.items())


def deciding_metrics(shared: Collection[str], *, is_open: bool, is_quiet: bool) -> tuple[Metric, ...]:
    """The metrics that decide in a table.

    ``shared``: keys of the metrics that all contenders have. ``is_quiet``: whether a p99 can decide between any two.
    """
    declared = DECIDING[kind_of_table(shared, is_open=is_open)]
    chosen = [metric for one in declared for metric in _metrics_of(one)]
    return tuple(metric for metric in chosen if metric.key in shared and (is_quiet or not needs_quiet(metric)))


def needs_quiet(metric: Metric) -> bool:
    """Whether the metric decides only between rows whose measurements were hardly disturbed."""
    return metric.quantile in ("p99", "p999")
