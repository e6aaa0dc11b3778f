"""What each host did under a load, as ``rtsite load`` reports it. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runners.loading.load_place import HostWindow, host_health
from runners.loading.load_result import LoadResult, loadgen_values
from runners.record import LoadHost, LoadHostHealth


def healths_of_hosts(result: LoadResult, windows: Sequence[HostWindow]) -> list[LoadHostHealth]:
    """Whether each host was fast and quiet enough."""
    parts = result.by_host()
    return [host_health(one, loadgen_values(parts[one.name])) for one in windows]


def host_reports(
    result: LoadResult, healths: Sequence[LoadHostHealth], windows: Sequence[HostWindow], hosts: Sequence[LoadHost]
) -> list[dict[str, Any]]:
    """The values of each host, by key of ``hosts`` in ``rtsite load --json``. ``healths``: see `healths_of_hosts`."""
    parts = result.by_host()
    return [
        {
            "name": health.name,
            "kernel": facts.kernel,
            "shards": health.shards,
            "connections": parts[health.name].total(lambda sample: sample.established),
            "messages_per_second": round(parts[health.name].messages_per_s, 3),
            "generator_cpu_percent": health.cpu_percent,
            "generator_working_percent": health.working_percent,
            "send_lag_ms": {"p99": health.send_lag_p99_ms},
            "read_lag_ms": {"p99": health.read_lag_p99_ms},
            "steal_percent": health.steal_percent,
            "memory_mb": window.memory_mb,
            "clock_offset_ms": health.clock_offset_ms,
            "clock_error_ms": health.clock_error_ms,
        }
        for health, window, facts in zip(healths, windows, hosts, strict=True)
    ]
