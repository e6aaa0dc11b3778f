"""How much of its core a server used, and whether a timer limited it instead. Pure functions."""

from __future__ import annotations

from runners.record.schema import Measurement

TIMER_UNUSED_PERCENT = 30.0
"""A closed loop that leaves more of the server's core unused, and of the load generator's, is limited by a timer.
Something always waits to be done in a closed loop, so if both have time left, they wait for a clock."""


def used_percent(measurement: Measurement) -> float:
    """Percent of a core that the server, its broker, its proxy and the waiting servers used."""
    parties = (measurement.server, measurement.broker, measurement.proxy)
    beside = measurement.generator.neighbours_cpu_percent if measurement.generator else None
    return sum(party.cpu_percent for party in parties if party) + (beside or 0.0)


def closed_loop_cpu_percent(measurement: Measurement) -> float | None:
    """Percent of a core used in a closed loop of messages; ``None`` for other loads, and if it was not measured."""
    if measurement.offered_per_s is not None or measurement.messages is None or measurement.server is None:
        return None
    return used_percent(measurement)


def timer_limited_percent(measurement: Measurement) -> float | None:
    """Percent of the core that was used, if a timer limited the closed loop; otherwise ``None``.

    Such a throughput is that of the timer. It says nothing about how fast the server is. A load generator that is busy
    itself limits the loop without a timer.
    """
    used = closed_loop_cpu_percent(measurement)
    if used is None:
        return None
    working = measurement.generator.working_percent if measurement.generator else None
    return used if 100 - max(used, working or 0.0) > TIMER_UNUSED_PERCENT else None
