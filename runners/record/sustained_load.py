"""The load that a server sustains in 50 % of tries, with its uncertainty, from tries that passed or failed.

A server near its limit sometimes passes and sometimes fails, and where other guests share the hardware the limit itself
moves. So no single load separates passing from failing. We look for the middle of the zone in between, as one measures
a threshold of perception: Watson and Pelli (1983), "QUEST", Perception & Psychophysics 33(2).

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""The share of the posterior within the interval; half of the rest is below it, half above."""
_SPREADS = np.geomspace(0.03, 0.4, 8) * math.sqrt(3) / math.pi
"""How wide that zone may be, as scales of a logistic distribution over log(load), all equally likely. The standard
deviations are 3 to 40 %. Twenty tries cannot show a smaller one, and a machine with a larger one cannot be measured
on."""
_LAPSE = 0.02
"""How often something other than the load decides a try. Without it, one such try far from the limit would outweigh all
others: Wichmann and Hill (2001), Perception & Psychophysics 63(8)."""
_STEP = 0.01
"""Between neighbours on the grid of log(load): 1 %."""
_BEYOND = math.log(4.0)
"""How far the grid extends below and above the loads tried."""
_REACH = 1.25
"""How far, as a factor, an end may be beyond the loads tried. Further out, the grid would decide and not the tries."""


@dataclass(frozen=True)
class SustainedLoad:
    """Loads, as whole numbers of three digits. What the tries do not show is ``None``.

    ``typical`` is sustained in 50 % of tries; it is between ``low`` and ``high`` with a probability of `LEVEL`.
    """

    low: int | None
    typical: int | None
    high: int | None


def estimate_sustained_load(tries: Sequence[tuple[int, bool]]) -> SustainedLoad:
    """The sustained load by all tries, each a load above 0 and whether it passed, in any order.

    Bayes' rule over a grid of loads and widths of the zone; the prior is uniform over log(load). There is no low end
    where nothing passed, none above every load that passed, and no high end where nothing failed.
    """
    if not tries:
        return SustainedLoad(None, None, None)
    low, middle, high = sustained_load_quantiles(tries, ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
    low_end = high_end = None
    if any(passed for _, passed in tries):
        low = min(low, max(load for load, passed in tries if passed))
        low_end = tidy(low) if low * _REACH >= min(load for load, _ in tries) else None
    if not all(passed for _, passed in tries) and high <= _REACH * max(load for load, _ in tries):
        high_end = max(tidy(high), (low_end or 0) + 1)
    return SustainedLoad(low_end, tidy(middle) if low_end and high_end else None, high_end)


def sustained_load_quantiles(tries: Sequence[tuple[int, bool]], wanted: Sequence[float]) -> list[float]:
    """Quantiles of the posterior of the sustained load, as loads; ``tries`` has at least one."""
    loads = np.log([load for load, _ in tries])
    passed = np.array([passed for _, passed in tries])[:, None, None]
    grid = np.arange(loads.min() - _BEYOND, loads.max() + _BEYOND, _STEP)
    distance = (grid[None, None, :] - loads[:, None, None]) / _SPREADS[None, :, None]
    # The logistic function in a form that does not overflow.
    passes = (1 - _LAPSE) * (1 + np.tanh(distance / 2)) / 2 + _LAPSE / 2
    likelihood = np.log(np.where(passed, passes, 1 - passes)).sum(axis=0)
    share = np.exp(likelihood - likelihood.max()).sum(axis=0).cumsum()
    return [math.exp(grid[int(np.searchsorted(share, quantile * share[-1]))]) for quantile in wanted]


def tidy(load: float) -> int:
    """A load rounded to three digits; more would be far below any resolution."""
    return int(round(load, min(0, 2 - math.floor(math.log10(load))))) if load >= 1 else 1
