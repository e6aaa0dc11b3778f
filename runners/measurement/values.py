"""The values of a measurement, computed from the counts of the load generator. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runners.loadgen.job import Connected
from runners.loading.load_result import (
    ClientsResult,
    LoadResult,
    Seen,
    compression_record,
    loadgen_values,
    measured_values,
)
from runners.measurement.interference import Interference
from runners.record import Connections, ErrorCause, LoadgenHealth, Timeline
from runners.subjects.scenarios import Scenario

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
        values["push_lateness_ms"] = result.histograms["push_lateness"].percentiles(events)
    return values


def loadgen_health(
    result: LoadResult, interference: Interference, *, neighbours_percent: float | None
) -> LoadgenHealth:
    """The health of the load generator, including the interference."""
    return interference.health(**loadgen_values(result), neighbours_cpu_percent=neighbours_percent)


def clients_values(
    result: ClientsResult[Seen], connected: Sequence[Connected], interference: Interference
) -> dict[str, Any]:
    """The values of a load whose clients the compiled kernel does not serve, by key of `Measurement`."""
    send_lag, read_lag = result.histograms["send_lag"], result.histograms["read_lag"]
    return {
        "valid": True,
        "duration_s": round(result.seconds, 6),
        "connections": Connections(
            planned=sum(one.planned for one in connected),
            established=sum(one.established for one in connected),
            closed_early=0,
        ),
        "compression": compression_record(connected),
        "errors": result.causes.errors(),
        "causes": [
            ErrorCause(error=one.error, count=one.times, example=one.example) for one in result.causes.counted()
        ],
        "generator": interference.health(
            shards=len(result.shards),
            cpu_percent=result.cpu_percent,
            working_percent=result.cpu_percent,  # it polls for at most a millisecond before each message
            send_lag_p50_ms=send_lag.percentile_ms(0.5),
            send_lag_p99_ms=send_lag.percentile_ms(0.99),
            send_lag_max_ms=send_lag.percentile_ms(1.0),
            read_lag_p99_ms=read_lag.percentile_ms(0.99),
        ),
    }


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
