"""What else happens on the machine while something is measured."""

from __future__ import annotations

from typing import Any

from runners import machine, resources
from runners.record import LoadgenHealth


class Interference:
    """What else happened on the machine in the window."""

    def __init__(self) -> None:
        self._steal = (0.0, 0.0)
        self._own: set[int] = set()
        """Stay ours: who is orphaned in the window, as a crashed server's workers are, is nobody else's."""
        self._others: dict[int, int] = {}
        self.seconds = 0.0
        self.steal_percent: float | None = None
        """Share of all CPU time that the hypervisor gave to others."""
        self.foreign_percent: float | None = None
        """CPU that neither the measured nor the measuring processes used, in percent of one CPU."""
        self.foreign_process: str | None = None
        """Which of those used most."""
        self.clock_jump_ms = 0.0

    def begin(self) -> None:
        self._own = resources.read_own()
        self._others = resources.read_others(self._own)
        self._steal = machine.read_steal()
        self._clocks = machine.read_clocks()

    def end(self) -> None:
        clocks = machine.read_clocks()
        self.seconds = clocks.steady_s - self._clocks.steady_s
        self.clock_jump_ms = round(1e3 * clocks.jump_since(self._clocks), 3)
        others = resources.read_others(self._own | resources.read_own())
        spent_ns = {pid: max(0, used - self._others.get(pid, 0)) for pid, used in others.items()}
        self.foreign_percent = round(100 * sum(spent_ns.values()) / 1e9 / self.seconds, 2)
        self.foreign_process = resources.name_of(max(spent_ns, key=spent_ns.__getitem__)) if spent_ns else None
        stolen, total = (after - before for before, after in zip(self._steal, machine.read_steal(), strict=True))
        self.steal_percent = round(100 * stolen / total, 3) if total else None

    def health(self, **figures: Any) -> LoadgenHealth:
        """How well the generator did by these figures of its own, and what disturbed it."""
        return LoadgenHealth(
            **figures,
            steal_percent=self.steal_percent,
            foreign_cpu_percent=self.foreign_percent,
            foreign_process=self.foreign_process,
            clock_jump_ms=self.clock_jump_ms,
        )
