"""What each host did under a load, judged like the whole load. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from runners.cluster.placement import HostWindow
from runners.judging.thresholds import thresholds_of
from runners.loadgen.pace import Pace
from runners.loading.load_report import as_measurement
from runners.loading.load_result import LoadResult, merge_samples
from runners.record import Measurement


def of_host(result: LoadResult, window: HostWindow) -> LoadResult:
    """The part of the load that one host applied."""
    return merge_samples(result.samples[window.shards.start : window.shards.stop], result.warm_up)


def _measured_by(result: LoadResult, window: HostWindow, pace: Pace) -> Measurement:
    return as_measurement(
        of_host(result, window),
        pace,
        steal_percent=window.steal_percent,
        throttled_periods=window.throttled_periods,
    )


def faults_of_hosts(result: LoadResult, windows: Sequence[HostWindow], pace: Pace) -> Iterator[str]:
    """Why a host's part does not count, each with its name. In the values of all hosts together, one that lags is
    hidden by the others. What is the server's cause is judged for the whole load only.
    """
    rules = [rule for rule in thresholds_of("measurement") if rule.cause in ("loadgen", "machine")]
    for window in windows:
        measurement = _measured_by(result, window, pace)
        for rule in rules:
            if reason := rule.reason_against(measurement):
                yield f"host {window.facts.name}: {reason}"


def host_reports(result: LoadResult, windows: Sequence[HostWindow], pace: Pace) -> list[dict[str, Any]]:
    """The values of each host, by key of ``hosts`` in ``rtsite load --json``."""
    found = []
    for window in windows:
        measurement = _measured_by(result, window, pace)
        health = measurement.generator
        assert health is not None
        assert measurement.connections is not None
        found.append(
            {
                "name": window.facts.name,
                "hostname": window.facts.hostname,
                "kernel": window.facts.kernel,
                "shards": len(window.shards),
                "connections": measurement.connections.established,
                "messages_per_second": measurement.messages_per_s,
                "generator_cpu_percent": health.cpu_percent,
                "generator_working_percent": health.working_percent,
                "send_lag_ms": {"p99": health.send_lag_p99_ms},
                "read_lag_ms": {"p99": health.read_lag_p99_ms},
                "steal_percent": window.steal_percent,
                "memory_mb": window.memory_mb,
                "clock_offset_ms": round(window.clock.offset_ns / 1e6, 3),
                "clock_error_ms": round(window.clock.error_ns / 1e6, 3),
            }
        )
    return found
