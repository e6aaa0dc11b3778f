"""Where the load of measurements comes from: this machine, or hosts of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runners import process
from runners.loading import driver
from runners.loading.clocks import ClockOffset
from runners.record import LoadHost, LoadHostHealth


@dataclass(frozen=True)
class HostWindow:
    """What the machine of one host did while a load was applied."""

    name: str
    clock: ClockOffset
    steal_percent: float
    throttled_periods: int
    memory_mb: float
    """Of its shards, where pages that several share count in part (PSS)."""


def host_health(window: HostWindow, values: Mapping[str, Any]) -> LoadHostHealth:
    """Whether a host was fast and quiet enough. ``values``: of its part of the load, by key of `LoadgenHealth`."""
    own = {name: value for name, value in values.items() if name in LoadHostHealth.model_fields}
    return LoadHostHealth(
        **own,
        name=window.name,
        steal_percent=window.steal_percent,
        throttled_periods=window.throttled_periods,
        clock_offset_ms=round(window.clock.offset_ns / 1e6, 3),
        clock_error_ms=round(window.clock.error_ns / 1e6, 3),
    )


class LoadPlace(Protocol):
    """Where load comes from. Its methods raise `HostLostError`."""

    address: str
    """The address of this machine at which servers listen."""
    hosts: Sequence[LoadHost]
    """The hosts; none: this machine."""

    def most_shards(self, cpus: Sequence[int]) -> int:
        """The number of shards that it runs at once. ``cpus``: those of this machine that are for load."""

    def group(self, shards: int, cpus: Sequence[int], hooks: driver.Hooks | None = None) -> driver.ShardGroup:
        """A group of so many shards. ``cpus``: as above."""

    def open_window(self) -> None:
        """Let all hosts watch their machines from now on."""

    def close_window(self) -> list[HostWindow]:
        """What they did meanwhile."""


class ThisMachine:
    """Load from the machine of the servers, a `LoadPlace`."""

    address = process.LOOPBACK
    hosts: Sequence[LoadHost] = ()

    def most_shards(self, cpus: Sequence[int]) -> int:
        """One per CPU."""
        return len(cpus)

    def group(self, shards: int, cpus: Sequence[int], hooks: driver.Hooks | None = None) -> driver.ShardGroup:
        """A group of shards on these CPUs."""
        return driver.ShardGroup(shards, cpus, hooks)

    def open_window(self) -> None:
        """The machine is watched with its servers."""

    def close_window(self) -> list[HostWindow]:
        """There are no hosts."""
        return []


THIS_MACHINE = ThisMachine()
