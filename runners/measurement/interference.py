"""Interference with a measurement: CPU steal, CPU time of other processes, jumps of a clock, a shared core, a quota."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from runners import control_groups, machine, resources
from runners.loading.load_place import THIS_MACHINE, HostWindow, LoadPlace, host_health
from runners.record import LoadgenHealth

_NO_HOSTS: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
"""Load from this machine has no hosts."""


class Interference:
    """Interference in one window, between `begin` and `end`. ``cores``: those of the measurement. ``place``: where the
    load comes from.
    """

    def __init__(self, cores: machine.CoreShare | None = None, place: LoadPlace = THIS_MACHINE) -> None:
        self._place = place
        self._hosts: list[HostWindow] = []
        self.shared_core = cores is not None and cores.is_shared
        self.throttled_periods: int | None = None
        self._server_cpus = cores.server if cores is not None else []
        self._steal = (0.0, 0.0)
        self._server_steal_s = 0.0
        self._own: set[int] = set()
        """Our processes at the start. They count as ours even after they are orphaned, such as a crashed server's
        workers."""
        self._others: dict[int, int] = {}
        self.seconds = 0.0
        self.steal_percent: float | None = None
        """CPU time that the hypervisor gave to others, in percent of all CPU time."""
        self.server_steal_percent: float | None = None
        """The same on the server's CPUs, in percent of one CPU."""
        self.foreign_percent: float | None = None
        """CPU time of processes that do not belong to the measurement, in percent of one CPU."""
        self.foreign_process: str | None = None
        """The foreign process that used the most CPU time."""
        self.clock_jump_ms = 0.0

    def begin(self) -> None:
        self._own = resources.read_own()
        self._others = resources.read_others(self._own)
        self._steal = machine.read_steal()
        self._server_steal_s = machine.read_steal_of(self._server_cpus)
        self._throttled = control_groups.throttled_periods()
        self._place.open_window()
        self._clocks = machine.read_clocks()

    def end(self) -> None:
        clocks = machine.read_clocks()
        self._hosts = self._place.close_window()
        if control_groups.cpu_quota() is not None:
            self.throttled_periods = control_groups.throttled_periods() - self._throttled
        self.seconds = clocks.steady_s - self._clocks.steady_s
        self.clock_jump_ms = round(1e3 * clocks.jump_since(self._clocks), 3)
        others = resources.read_others(self._own | resources.read_own())
        spent_ns = {pid: max(0, used - self._others.get(pid, 0)) for pid, used in others.items()}
        self.foreign_percent = round(100 * sum(spent_ns.values()) / 1e9 / self.seconds, 2)
        self.foreign_process = resources.name_of(max(spent_ns, key=spent_ns.__getitem__)) if spent_ns else None
        stolen, total = (after - before for before, after in zip(self._steal, machine.read_steal(), strict=True))
        self.steal_percent = round(100 * stolen / total, 3) if total else None
        if self._server_cpus:
            stolen_s = machine.read_steal_of(self._server_cpus) - self._server_steal_s
            self.server_steal_percent = round(100 * max(0.0, stolen_s) / self.seconds, 3)

    def health(self, values: Mapping[str, Any], of_hosts: Mapping[str, Mapping[str, Any]] = _NO_HOSTS) -> LoadgenHealth:
        """The health of the load generator: its own ``values`` and the interference. ``of_hosts``: the values of the
        part of each host, by its name.
        """
        return LoadgenHealth(
            **values,
            hosts=[host_health(one, of_hosts[one.name]) for one in self._hosts if one.name in of_hosts],
            steal_percent=self.steal_percent,
            server_steal_percent=self.server_steal_percent,
            foreign_cpu_percent=self.foreign_percent,
            foreign_process=self.foreign_process,
            clock_jump_ms=self.clock_jump_ms,
            shared_core=self.shared_core or None,
            throttled_periods=self.throttled_periods,
        )
