"""What is read off a measurement: one table of metrics with units and direction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from pydantic import BaseModel

from runners.record import Measurement

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """One figure of a measurement. ``short`` heads a column, ``title`` stands in sentences."""

    key: str
    title: str
    short: str
    unit: str
    better: Better
    part: str
    """Of a measurement."""
    name: str
    """What it is called in that part."""

    def is_better(self, first: float, second: float) -> bool:
        return first > second if self.better == "higher" else first < second


_PARTS: dict[str, Callable[[Measurement], BaseModel | None]] = {
    "answered": lambda measurement: measurement if measurement.messages_per_s else None,
    "latency": attrgetter("latency_ms"),
    "last_delivery": attrgetter("last_delivery_ms"),
    "push_lateness": attrgetter("push_lateness_ms"),
    "connecting": attrgetter("connecting"),
    "connect": lambda measurement: measurement.connect_ms if measurement.connecting else None,
    "recovery": attrgetter("recovery"),
    "back": lambda measurement: measurement.recovery.back_ms if measurement.recovery else None,
    "server": attrgetter("server"),
    "broker": attrgetter("broker"),
}
"""What figures are parts of, in a measurement; one that lacks a part has none of its figures."""

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
            "answered",
            "messages_per_s",
        ),
        *(
            Metric(
                f"latency_{key}",
                f"latency {name}",
                f"Latency {name}",
                "ms",
                "lower",
                "latency",
                key,
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
                "last_delivery",
                key,
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
                "push_lateness",
                key,
            )
            for key, name in _PERCENTILES.items()
        ),
        Metric(
            "connections_per_s",
            "clients let in per second",
            "Clients let in",
            "clients/s",
            "higher",
            "connecting",
            "connections_per_s",
        ),
        *(
            Metric(
                f"connect_{key}",
                f"time to connect {name}",
                f"Connect {name}",
                "ms",
                "lower",
                "connect",
                key,
            )
            for key, name in _PERCENTILES.items()
        ),
        Metric(
            "memory_per_connection_kb",
            "memory per idle connection",
            "Memory per client",
            "kB",
            "lower",
            "connecting",
            "memory_per_connection_kb",
        ),
        *(
            Metric(
                f"back_{key}",
                f"time until clients are back {name}",
                f"Back {name}",
                "ms",
                "lower",
                "back",
                key,
            )
            for key, name in _PERCENTILES.items()
        ),
        Metric(
            "back_max",
            "time until the last client is back",
            "Last one back",
            "ms",
            "lower",
            "back",
            "max",
        ),
        Metric(
            "restart_s",
            "time until the new server listens",
            "Restart",
            "s",
            "lower",
            "recovery",
            "restart_s",
        ),
        Metric(
            "cpu_us_per_message",
            "server CPU time per message",
            "CPU per message",
            "µs",
            "lower",
            "server",
            "cpu_us_per_message",
        ),
        Metric(
            "cpu_percent",
            "server CPU",
            "Server CPU",
            "% of a core",
            "lower",
            "server",
            "cpu_percent",
        ),
        Metric(
            "pss_mean_mb",
            "server memory (PSS)",
            "Memory (PSS)",
            "MB",
            "lower",
            "server",
            "pss_mean_mb",
        ),
        Metric(
            "broker_cpu_percent",
            "broker CPU",
            "Broker CPU",
            "% of a core",
            "lower",
            "broker",
            "cpu_percent",
        ),
    )
}


_OF_PART = {part: [(metric.key, metric.name) for metric in METRICS.values() if metric.part == part] for part in _PARTS}


def read_off(measurements: Iterable[Measurement]) -> dict[str, dict[int, float]]:
    """All figures of these rounds: by metric, then by round. Part by part: years of runs have millions of figures."""
    found: dict[str, dict[int, float]] = {}
    for measurement in measurements:
        for name_of_part, part_of in _PARTS.items():
            part = part_of(measurement)
            if part is None:
                continue
            for key, name in _OF_PART[name_of_part]:
                value = getattr(part, name)
                if value is not None:
                    found.setdefault(key, {})[measurement.round] = value
    return found


def tail_of(prefix: str, present: set[str]) -> Metric | None:
    """The highest of p99, p90, p50 in ``present``: short runs have too few samples for a p99."""
    keys = (f"{prefix}_{quantile}" for quantile in ("p99", "p90", "p50"))
    return next((METRICS[key] for key in keys if key in present), None)
