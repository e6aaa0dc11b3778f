"""The load that a server withstands in half of all tries, and how sure that is: from tries that passed or failed.

A server near its limit passes one time and fails another, and where other guests share the hardware the limit itself
moves. So no single load parts passing from failing, and what is asked for is the middle of the grey zone, as in
measuring a threshold of perception: Watson and Pelli (1983), "QUEST", Perception & Psychophysics 33(2).

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""Of the interval: this much of the posterior lies in it, the rest in equal parts below and above."""
_SPREADS = np.geomspace(0.03, 0.4, 8) * math.sqrt(3) / math.pi
"""How wide the grey zone may be, as scales of a logistic distribution over log(load); equally likely. The standard
deviations are 3 to 40 %: less is finer than a score of tries tells, and on a machine that strays more than that nothing
should be measured."""
_LAPSE = 0.02
"""How often a try comes out either way whatever the load, since something else happened: without it, one such try far
from the limit would outweigh all others. Wichmann and Hill (2001), Perception & Psychophysics 63(8)."""
_STEP = 0.01
"""Of the grid of log(load): one percent."""
_BEYOND = math.log(4.0)
"""How far the grid goes on below and above what was tried."""
_REACH = 1.25
"""How far, as a factor, an end may lie beyond what was tried: further out it would be the grid's and not the tries'."""


@dataclass(frozen=True)
class ThresholdInterval:
    """Loads, as whole numbers of three digits: ``typical`` is withstood in half of all tries, and lies between ``low``
    and ``high`` with a probability of `LEVEL`. What the tries do not show is ``None``.
    """

    low: int | None
    typical: int | None
    high: int | None


def threshold(tries: Sequence[tuple[int, bool]]) -> ThresholdInterval:
    """The threshold by all tries, each a load above 0 and whether it passed, in any order.

    Bayes' rule over a grid of thresholds and spreads, each beforehand as likely as the other on a scale of factors.
    There is no low end where nothing passed, none above every load that passed, and no high end where nothing failed.
    """
    if not tries:
        return ThresholdInterval(None, None, None)
    low, middle, high = threshold_quantiles(tries, ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
    low_end = high_end = None
    if any(passed for _, passed in tries):
        low = min(low, max(load for load, passed in tries if passed))
        low_end = tidy(low) if low * _REACH >= min(load for load, _ in tries) else None
    if not all(passed for _, passed in tries) and high <= _REACH * max(load for load, _ in tries):
        high_end = max(tidy(high), (low_end or 0) + 1)
    return ThresholdInterval(low_end, tidy(middle) if low_end and high_end else None, high_end)


def threshold_quantiles(tries: Sequence[tuple[int, bool]], wanted: Sequence[float]) -> list[float]:
    """The loads that the threshold is below with these probabilities, by one try or more: the posterior's quantiles."""
    loads = np.log([load for load, _ in tries])
    passed = np.array([passed for _, passed in tries])[:, None, None]
    grid = np.arange(loads.min() - _BEYOND, loads.max() + _BEYOND, _STEP)
    distance = (grid[None, None, :] - loads[:, None, None]) / _SPREADS[None, :, None]
    # The logistic function, by a way that does not overflow.
    passes = (1 - _LAPSE) * (1 + np.tanh(distance / 2)) / 2 + _LAPSE / 2
    likelihood = np.log(np.where(passed, passes, 1 - passes)).sum(axis=0)
    share = np.exp(likelihood - likelihood.max()).sum(axis=0).cumsum()
    return [math.exp(grid[int(np.searchsorted(share, quantile * share[-1]))]) for quantile in wanted]


def tidy(load: float) -> int:
    """Three digits, as a reader wants to see them: more would be far below any resolution."""
    return int(round(load, min(0, 2 - math.floor(math.log10(load))))) if load >= 1 else 1
