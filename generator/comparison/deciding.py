"""What verdicts rest on: the tables that count for them, and the metrics that decide in each kind of table."""

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
"""The workloads that the performance verdict rests on, with these parameters: what most applications do most of the
time. Every other table answers a question of its own."""

DECIDING: Mapping[TableKind, tuple[Metric | Family, ...]] = {
    # The latency of a closed loop is only a service time.
    "loop": (THROUGHPUT,),
    "rate": (LATENCY, LAST_DELIVERY),
    "push": (LATENCY, LAST_DELIVERY, PUSH_LATENESS, CPU, MEMORY),
    "connecting": (CONNECTION_RATE, MEMORY_PER_CONNECTION),
    "recovery": (RETURN_TIME,),
}
"""The first one orders the rows. A family stands for its highest percentile that all contenders have (`tail_of`)."""


def is_headline_workload(workload: str, parameters: Mapping[str, object]) -> bool:
    """Whether the performance verdict rests on this workload with these parameters."""
    required = HEADLINE.get(workload)
    return required is not None and all(parameters.get(name) == value for name, value in required.items())


def deciding_metrics(shared: Collection[str], *, is_open: bool) -> tuple[Metric, ...]:
    """The metrics that decide in a table. ``shared``: the keys of those that all contenders have."""
    declared = DECIDING[kind_of_table(shared, is_open=is_open)]
    chosen = (tail_of(one, shared) if isinstance(one, Family) else one for one in declared)
    return tuple(metric for metric in chosen if metric is not None and metric.key in shared)
