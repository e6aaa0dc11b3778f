"""How much others on the machine disturbed a measurement. Pure."""

from __future__ import annotations

from runners.record.schema import Measurement

P99_DISTURBANCE_LIMIT = 0.3
"""Percent of a core. A p99 decides only where the disturbance is below it. One message in a hundred is beyond the p99,
so what takes the server's core for 1 % of the time can make all of it. Below 0.3 %, it makes less than a third."""


def disturbance_percent(measurement: Measurement, *, logical_cpus: int) -> float | None:
    """CPU time that others took or may have taken from the server during its window, in percent of one core.

    It is the sum of other processes (kernel threads such as ksoftirqd included), of the servers that waited beside it,
    and of CPU steal. The kernel does not say on which core a process used its time, so the first part is an upper
    bound. Older results have CPU steal as a share of the machine with ``logical_cpus`` CPUs, all of which counts.
    ``None`` if a part was not measured. What an interrupt handler used is counted by no clock.
    """
    health = measurement.generator
    if health is None or health.foreign_cpu_percent is None:
        return None
    steal = health.server_steal_percent
    if steal is None:
        if health.steal_percent is None:
            return None
        steal = health.steal_percent * logical_cpus
    return round(health.foreign_cpu_percent + (health.neighbours_cpu_percent or 0.0) + steal, 3)
