"""The values of a measurement, computed from the counts of the load generator. Pure functions."""

from __future__ import annotations

from typing import Any

from runners.loadgen.pace import Open
from runners.loading.clocks import hidden_by_clocks
from runners.loading.load_result import LoadResult, loadgen_values, measured_values
from runners.measurement.interference import Interference
from runners.record import LoadgenHealth, SecondLoadRecord, Timeline
from runners.subjects.scenarios import Scenario, SecondLoad

KEPT = ("latency", "latency_from_send", "last_delivery", "push_lateness")
"""Distributions whose histograms are stored in a result file."""


def load_values(result: LoadResult, scenario: Scenario) -> dict[str, Any]:
    """The values that the load generator measured, by key of `Measurement`."""
    values = {"valid": True, **measured_values(result, scenario.pace)}
    if scenario.push_period_s:
        pushes = result.total(lambda sample: sample.pushes)
        values["pushes_per_s"] = round(pushes / result.window_s, 3)
        values["pushes_missed"] = result.total(lambda sample: sample.pushes_missed)
        events = max(sample.push_events for sample in result.samples)  # every shard receives the same pushes
        lateness = result.histograms["push_lateness"].percentiles(events)
        if why := hidden_by_clocks(result.clock_error_ns, lateness):
            values["left_out"] = {"push_lateness_ms": why}
        else:
            values["push_lateness_ms"] = lateness
    return values


def second_load_record(result: LoadResult, second: SecondLoad) -> SecondLoadRecord:
    """What became of a second load."""
    values = measured_values(result, Open(second.rate_per_s))
    names = ("offered_per_s", "messages_per_s", "connections", "messages", "errors", "causes", "latency_ms")
    return SecondLoadRecord(
        **{name: values[name] for name in names},
        work_ms=None if second.handler == "echo" else round(1000 * second.work_s, 3),
        generator=LoadgenHealth(**loadgen_values(result)),
    )


def loadgen_health(
    result: LoadResult, interference: Interference, *, neighbours_percent: float | None
) -> LoadgenHealth:
    """The health of the load generator, including the interference."""
    return interference.health(
        {**loadgen_values(result), "neighbours_cpu_percent": neighbours_percent},
        {host: loadgen_values(part) for host, part in result.by_host().items()},
    )


def timeline_of(result: LoadResult, *, copies: int = 1) -> Timeline:
    """One row per second: answers, and the median and 99th percentile in milliseconds, which include the messages that
    were lost in that second. ``copies``: answers per message, in a room its members.
    """
    rows = [second.percentiles(second.total // copies) for second in result.seconds]
    return Timeline(
        second=list(range(1, len(rows) + 1)),
        messages=result.received_by_second,
        p50_ms=[row.p50 for row in rows],
        p99_ms=[row.p99 for row in rows],
    )
