"""Two rows against each other: by how much they differ, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from scipy.special import stdtrit

CONFIDENCE = 0.95
"""The confidence level of every interval on the site."""


@dataclass(frozen=True)
class Interval:
    """A closed interval from ``low`` to ``high``."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Contrast:
    """The first against the second, over ``rounds`` rounds: a ratio, or a difference in the metric's unit.

    ``difference``: of the logarithms if ``is_ratio``, else of the values. ``error``: its standard error, with
    ``freedom`` degrees of freedom; ``None`` if there is only one round, which shows no noise.
    """

    difference: float
    error: float | None
    freedom: float
    rounds: int
    is_ratio: bool = True

    @property
    def value(self) -> float:
        """The ratio of the first to the second, or the first minus the second."""
        return math.exp(self.difference) if self.is_ratio else self.difference

    @property
    def swapped(self) -> Contrast:
        """The second against the first."""
        return replace(self, difference=-self.difference)

    @property
    def interval(self) -> Interval | None:
        """The interval of `value` at the level `CONFIDENCE`."""
        if self.error is None:
            return None
        half = t_quantile(self.freedom, 0.5 + CONFIDENCE / 2) * self.error
        low, high = self.difference - half, self.difference + half
        return Interval(math.exp(low), math.exp(high)) if self.is_ratio else Interval(low, high)


@lru_cache(maxsize=4096)
def t_quantile(freedom: float, share: float) -> float:
    """The quantile of Student's t-distribution: standard errors above the mean."""
    return float(stdtrit(freedom, share))
