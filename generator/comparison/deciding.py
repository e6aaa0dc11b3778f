"""The tables that count for verdicts, and the metrics that decide in each kind of table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from generator.comparison.metrics import (
    CONNECTION_RATE,
    CPU,
    LAST_DELIVERY,
    LATENCY,
    MEMORY,
    MEMORY_PER_CONNECTION,
    PUSH_LATENESS,
    RETURN_TIME,
    THROUGHPUT,
    Family,
    Metric,
    TableKind,
    kind_of_table,
    tail_of,
)

HEADLINE: Mapping[str, Mapping[str, object]] = {"echo": {}, "dashboard": {}, "room": {"members": 100}}
"""Workloads and parameters that the performance verdict rests on: what most applications do most of the time. Other
tables do not count for it."""

DECIDING: Mapping[TableKind, tuple[Metric | Family, ...]] = {
    # In a closed loop, latency is only the service time.
    "loop": (THROUGHPUT,),
    "rate": (LATENCY, LAST_DELIVERY),
    "push": (LATENCY, LAST_DELIVERY, PUSH_LATENESS, CPU, MEMORY),
    "connecting": (CONNECTION_RATE, MEMORY_PER_CONNECTION),
    "recovery": (RETURN_TIME,),
}
"""The first one orders the rows. Of a family, the highest percentile that all contenders have decides (`tail_of`)."""


def is_headline_workload(workload: str, parameters: Mapping[str, object]) -> bool:
    """Whether the performance verdict rests on this workload with these parameters."""
    required = HEADLINE.get(workload)
    return required is not None and all(parameters.get(name) == value for name, value in required.items())


def deciding_metrics(shared: Collection[str], *, is_open: bool) -> tuple[Metric, ...]:
    """The metrics that decide in a table. ``shared``: keys of the metrics that all contenders have."""
    declared = DECIDING[kind_of_table(shared, is_open=is_open)]
    chosen = (tail_of(one, shared) if isinstance(one, Family) else one for one in declared)
    return tuple(metric for metric in chosen if metric is not None and metric.key in shared)
