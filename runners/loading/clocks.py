"""How far the clock of a host is from ours, from exchanged readings, and what that does to values. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runners.record import Percentiles

MOST_CLOCK_ERROR = 0.1
"""A time between two clocks is left out if it can be wrong by more than this share of itself."""


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

    def until(self, later: ClockOffset) -> ClockOffset:
        """The offset at any time between two estimates, this one and a later one: clocks drift apart steadily."""
        drift_ns = abs(later.offset_ns - self.offset_ns)
        error_ns = max(self.error_ns, later.error_ns) + (drift_ns + 1) // 2
        return ClockOffset((self.offset_ns + later.offset_ns) // 2, error_ns)


OUR_CLOCK = ClockOffset(0, 0)
"""The offset of a clock that is ours."""


def estimate_offset(exchanges: Iterable[Exchange]) -> ClockOffset:
    """The offset by the exchange with the shortest round trip. There must be at least one.

    Cristian (1989), "Probabilistic clock synchronization", Distributed Computing 3. Whatever the two ways took, the
    other clock was read between our readings. So the middle is wrong by at most half of the round trip, and the
    shortest round trip has the smallest error.
    """
    best = min(exchanges, key=lambda one: one.round_trip_ns)
    middle_ns = (best.before_ns + best.after_ns) // 2
    return ClockOffset(best.theirs_ns - middle_ns, (best.round_trip_ns + 1) // 2)


def hidden_by_clocks(error_ns: int, times: Percentiles) -> str | None:
    """Why times between clocks are not known well enough, or ``None`` if they are.

    ``error_ns``: how wrong the offset of the clocks can be.
    """
    values = [one for one in (times.p50, times.p90, times.p99, times.p999, times.max) if one is not None]
    error_ms = error_ns / 1e6
    if not values or error_ms <= MOST_CLOCK_ERROR * min(values):
        return None
    return (
        f"the clocks of the hosts are only known to {error_ms:.3g} ms, which is more than a tenth of the"
        f" {min(values):.3g} ms measured"
    )
