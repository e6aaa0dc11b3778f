"""How far the clock of a host is from ours, from exchanged readings. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Exchange:
    """A reading of another clock between two readings of ours, in nanoseconds."""

    before_ns: int
    theirs_ns: int
    after_ns: int

    @property
    def round_trip_ns(self) -> int:
        return self.after_ns - self.before_ns


@dataclass(frozen=True)
class ClockOffset:
    """What must be subtracted from a reading of the other clock, and how wrong that may be. In nanoseconds."""

    offset_ns: int
    error_ns: int


def estimate_offset(exchanges: Iterable[Exchange]) -> ClockOffset:
    """The offset by the exchange with the shortest round trip. There must be at least one.

    Cristian (1989), "Probabilistic clock synchronization", Distributed Computing 3. Whatever the two ways took, the
    other clock was read between our readings. So the middle is wrong by at most half of the round trip, and the
    shortest round trip has the smallest error.
    """
    best = min(exchanges, key=lambda one: one.round_trip_ns)
    middle_ns = (best.before_ns + best.after_ns) // 2
    return ClockOffset(best.theirs_ns - middle_ns, (best.round_trip_ns + 1) // 2)
