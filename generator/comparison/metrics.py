"""What is read off a measurement: one table of metrics with units and direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runners.record import Connecting, Measurement, Percentiles, Recovery, Usage

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """One figure of a measurement. ``short`` heads a column, ``title`` stands in sentences."""

    key: str
    title: str
    short: str
    unit: str
    better: Better
    read: Callable[[Measurement], float | None]

    def is_better(self, first: float, second: float) -> bool:
        return first > second if self.better == "higher" else first < second


def _percentile(
    of: Callable[[Measurement], Percentiles | None], quantile: str
) -> Callable[[Measurement], float | None]:
    def read(measurement: Measurement) -> float | None:
        percentiles = of(measurement)
        return None if percentiles is None else getattr(percentiles, quantile)

    return read


def _within(
    of: Callable[[Measurement], Usage | Connecting | Recovery | None], name: str
) -> Callable[[Measurement], float | None]:
    def read(measurement: Measurement) -> float | None:
        part = of(measurement)
        return None if part is None else getattr(part, name)

    return read


_PERCENTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9"}

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "messages_per_s",
            "messages answered per second",
            "Messages",
            "/s",
            "higher",
            lambda measurement: measurement.messages_per_s or None,
        ),
        *(
            Metric(
                f"latency_{key}",
                f"latency {name}",
                f"Latency {name}",
                "ms",
                "lower",
                _percentile(lambda measurement: measurement.latency_ms, key),
            )
            for key, name in _PERCENTILES.items()
        ),
        *(
            Metric(
                f"last_delivery_{key}",
                f"time to the last member {name}",
                f"Last member {name}",
                "ms",
                "lower",
                _percentile(lambda measurement: measurement.last_delivery_ms, key),
            )
            for key, name in _PERCENTILES.items()
        ),
        *(
            Metric(
                f"push_lateness_{key}",
                f"push lateness {name}",
                f"Push lateness {name}",
                "ms",
                "lower",
                _percentile(lambda measurement: measurement.push_lateness_ms, key),
            )
            for key, name in _PERCENTILES.items()
        ),
        Metric(
            "connections_per_s",
            "clients let in per second",
            "Clients let in",
            "clients/s",
            "higher",
            _within(lambda measurement: measurement.connecting, "connections_per_s"),
        ),
        *(
            Metric(
                f"connect_{key}",
                f"time to connect {name}",
                f"Connect {name}",
                "ms",
                "lower",
                _percentile(lambda measurement: measurement.connect_ms if measurement.connecting else None, key),
            )
            for key, name in _PERCENTILES.items()
        ),
        Metric(
            "memory_per_connection_kb",
            "memory per idle connection",
            "Memory per client",
            "kB",
            "lower",
            _within(lambda measurement: measurement.connecting, "memory_per_connection_kb"),
        ),
        *(
            Metric(
                f"back_{key}",
                f"time until clients are back {name}",
                f"Back {name}",
                "ms",
                "lower",
                _percentile(lambda measurement: measurement.recovery.back_ms if measurement.recovery else None, key),
            )
            for key, name in _PERCENTILES.items()
        ),
        Metric(
            "back_max",
            "time until the last client is back",
            "Last one back",
            "ms",
            "lower",
            _percentile(lambda measurement: measurement.recovery.back_ms if measurement.recovery else None, "max"),
        ),
        Metric(
            "restart_s",
            "time until the new server listens",
            "Restart",
            "s",
            "lower",
            _within(lambda measurement: measurement.recovery, "restart_s"),
        ),
        Metric(
            "cpu_us_per_message",
            "server CPU time per message",
            "CPU per message",
            "µs",
            "lower",
            _within(lambda measurement: measurement.server, "cpu_us_per_message"),
        ),
        Metric(
            "cpu_percent",
            "server CPU",
            "Server CPU",
            "% of a core",
            "lower",
            _within(lambda measurement: measurement.server, "cpu_percent"),
        ),
        Metric(
            "pss_mean_mb",
            "server memory (PSS)",
            "Memory (PSS)",
            "MB",
            "lower",
            _within(lambda measurement: measurement.server, "pss_mean_mb"),
        ),
        Metric(
            "broker_cpu_percent",
            "broker CPU",
            "Broker CPU",
            "% of a core",
            "lower",
            _within(lambda measurement: measurement.broker, "cpu_percent"),
        ),
    )
}


def tail_of(prefix: str, present: set[str]) -> Metric | None:
    """The highest of p99, p90, p50 in ``present``: short runs have too few samples for a p99."""
    keys = (f"{prefix}_{quantile}" for quantile in ("p99", "p90", "p50"))
    return next((METRICS[key] for key in keys if key in present), None)
