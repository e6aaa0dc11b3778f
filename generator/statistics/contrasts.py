"""Two rows against each other: by how much they differ, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from scipy.special import stdtrit

from generator.statistics.looks import Stage

CONFIDENCE = 0.95
"""The confidence level of every interval on the site."""

LOOKED_CONFIDENCE = 0.965
"""The nominal level of the same intervals where rounds ended once a comparison was decided or an interval narrow.

Rounds that look quiet by chance end early. So nominal 95 % intervals contain the truth in as few as 92 of 100
simulations, and these in at least 94 (``benchmarks/adaptive.py``). See Chow and Robbins (1965), "On the asymptotic
theory of fixed-width sequential confidence intervals for the mean", Ann. Math. Statist. 36(2).
"""


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
    ``freedom`` degrees of freedom; ``None`` if there is only one round, which shows no noise. ``stage``: how far it has
    come, if it was looked at repeatedly; ``None`` if the number of rounds was fixed before.
    """

    difference: float
    error: float | None
    freedom: float
    rounds: int
    is_ratio: bool = True
    stage: Stage | None = None

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
        half = errors_to_end(self.freedom, self.stage) * self.error
        low, high = self.difference - half, self.difference + half
        return Interval(math.exp(low), math.exp(high)) if self.is_ratio else Interval(low, high)


def errors_to_end(freedom: float, stage: Stage | None = None) -> float:
    """Standard errors from a mean to each end of its t-interval at the level `CONFIDENCE`.

    ``freedom``: degrees of freedom of the error. ``stage``: of what was looked at repeatedly, see `LOOKED_CONFIDENCE`.
    """
    return _t_quantile(freedom, 0.5 + (CONFIDENCE if stage is None else LOOKED_CONFIDENCE) / 2)


@lru_cache(maxsize=4096)
def _t_quantile(freedom: float, share: float) -> float:
    return float(stdtrit(freedom, share))
