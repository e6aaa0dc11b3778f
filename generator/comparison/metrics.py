"""What is read off a measurement: one table of metrics with units and direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runners.record import Measurement, Percentiles, Usage

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


def _usage(of: Callable[[Measurement], Usage | None], name: str) -> Callable[[Measurement], float | None]:
    def read(measurement: Measurement) -> float | None:
        usage = of(measurement)
        return None if usage is None else getattr(usage, name)

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
            lambda measurement: measurement.messages_per_s,
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
            "cpu_us_per_message",
            "server CPU time per message",
            "CPU per message",
            "µs",
            "lower",
            _usage(lambda measurement: measurement.server, "cpu_us_per_message"),
        ),
        Metric(
            "cpu_percent",
            "server CPU",
            "Server CPU",
            "% of a core",
            "lower",
            _usage(lambda measurement: measurement.server, "cpu_percent"),
        ),
        Metric(
            "pss_mean_mb",
            "server memory (PSS)",
            "Memory (PSS)",
            "MB",
            "lower",
            _usage(lambda measurement: measurement.server, "pss_mean_mb"),
        ),
        Metric(
            "broker_cpu_percent",
            "broker CPU",
            "Broker CPU",
            "% of a core",
            "lower",
            _usage(lambda measurement: measurement.broker, "cpu_percent"),
        ),
    )
}


def tail_of(prefix: str, present: set[str]) -> Metric | None:
    """The highest of p99, p90, p50 in ``present``: short runs have too few samples for a p99."""
    keys = (f"{prefix}_{quantile}" for quantile in ("p99", "p90", "p50"))
    return next((METRICS[key] for key in keys if key in present), None)
