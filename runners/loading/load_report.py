"""The report of ``rtsite load``, judged by the same thresholds as a measurement of a run."""

from __future__ import annotations

from typing import Any

from runners.judging.thresholds import reasons_against
from runners.judging.trend import trend_of
from runners.loadgen.pace import Pace
from runners.loading.load_result import LoadResult, loadgen_values, measured_values, median_latencies_ms
from runners.record import LoadgenHealth, Measurement, Percentiles


def build_report(result: LoadResult, pace: Pace, **conditions: Any) -> dict[str, Any]:
    """The values of a load by key of ``rtsite load --json``, and whether they are valid.

    ``conditions``: what is known of the machine, by key of `LoadgenHealth`.
    """
    measurement = as_measurement(result, pace, **conditions)
    health, latency, connections = measurement.generator, measurement.latency_ms, measurement.connections
    assert health is not None
    assert latency is not None
    assert connections is not None
    reasons = reasons_against(measurement)
    ledger = result.ledger
    return {
        "messages_per_second": measurement.messages_per_s,
        "connections": connections.established,
        "duration_s": round(result.window_s, 3),
        "sent": ledger.sent,
        "received": ledger.received,
        "lost": ledger.lost,
        "in_flight": ledger.in_flight,
        "duplicated": ledger.duplicated,
        "reordered": ledger.reordered,
        "corrupted": ledger.corrupted,
        "errors": result.errors,
        "causes": [cause.model_dump() for cause in measurement.causes],
        "latency_ms": _shown(latency),
        "latency_from_send_ms": _shown(measurement.latency_from_send_ms or latency),
        "send_lag_ms": {"p99": health.send_lag_p99_ms},
        "generator_cpu_percent": health.cpu_percent,
        "generator_working_percent": health.working_percent,
        "valid": not reasons,
        "invalid_reasons": reasons,
    }


def as_measurement(result: LoadResult, pace: Pace, **conditions: Any) -> Measurement:
    """The load as a measurement without a run. It has only the values that the load generator alone can measure."""
    return Measurement.model_construct(
        **measured_values(result, pace),
        trend_percent=trend_of(median_latencies_ms(result)),
        generator=LoadgenHealth(**loadgen_values(result), **conditions),
    )


def _shown(percentiles: Percentiles) -> dict[str, float | None]:
    return {name: getattr(percentiles, name) for name in ("p50", "p90", "p99", "p999", "max")}
