"""The load that a server sustains in 50 % of tries, with its uncertainty, from tries that passed or failed.

A server near its limit sometimes passes and sometimes fails, and where other guests share the hardware the limit itself
moves. So no single load separates passing from failing. We look for the middle of the zone in between, as one measures
a threshold of perception: Watson and Pelli (1983), "QUEST", Perception & Psychophysics 33(2).

What slows a machine may last for hours. All tries of one search then share it, and their interval covers the load
that the server sustained in those hours. So the published interval comes from several searches, at different times, and
contains what differs between them: `estimate_over_searches`.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Protocol

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


_BETWEEN = np.geomspace(0.05, 0.25, 8)
"""How much searches of the same server at other times may differ: standard deviations of log(load), all equally likely.
Two or three searches hardly show it, so the prior decides; `benchmarks.capacity` shows what follows from it."""


class Searched(Protocol):
    """What one search found; see `Capacity`."""

    @property
    def p99_limit_ms(self) -> float: ...

    @property
    def probes(self) -> Sequence[Try]: ...


class Try(Protocol):
    """One load, attempted once; see `CapacityProbe`."""

    @property
    def load(self) -> int: ...

    @property
    def valid(self) -> bool: ...

    @property
    def p99_ms(self) -> float | None: ...

    @property
    def p99_without_lags_ms(self) -> float | None: ...

    @property
    def lost(self) -> int: ...

    @property
    def errors(self) -> int: ...


def tries_at(probes: Iterable[Try], p99_limit_ms: float) -> list[tuple[int, bool]]:
    """The tries that show something at this limit of the p99: each load, and whether it passed.

    A try whose p99 is beyond the limit only because of the load generator's own lags shows nothing.
    """
    found = []
    for one in probes:
        is_late = one.p99_ms is None or one.p99_ms >= p99_limit_ms
        is_served = not one.lost and not one.errors
        without_ms = one.p99_without_lags_ms
        lags_decide = is_late and is_served and without_ms is not None and without_ms < p99_limit_ms
        if one.valid and not lags_decide:
            found.append((one.load, is_served and not is_late))
    return found


@dataclass(frozen=True)
class SustainedLoad:
    """Loads, as whole numbers of three digits. What the tries do not show is ``None``.

    ``typical`` is sustained in 50 % of tries; it is between ``low`` and ``high`` with a probability of `LEVEL`.
    """

    low: int | None
    typical: int | None
    high: int | None


def estimate_sustained_load(tries: Sequence[tuple[int, bool]]) -> SustainedLoad:
    """The sustained load by all tries of one search, each a load above 0 and whether it passed, in any order.

    Bayes' rule over a grid of loads and widths of the zone; the prior is uniform over log(load). There is no low end
    where nothing passed, none above every load that passed, and no high end where nothing failed.
    """
    if not tries:
        return SustainedLoad(None, None, None)
    low, middle, high = sustained_load_quantiles(tries, _QUANTILES)
    low_end = high_end = None
    if any(passed for _, passed in tries):
        low = min(low, _highest_passed(tries))
        low_end = tidy(low) if low * _REACH >= min(load for load, _ in tries) else None
    if not all(passed for _, passed in tries) and high <= _REACH * max(load for load, _ in tries):
        high_end = max(tidy(high), (low_end or 0) + 1)
    return SustainedLoad(low_end, tidy(middle) if low_end and high_end else None, high_end)


def estimate_over_searches(searches: Sequence[Sequence[tuple[int, bool]]]) -> SustainedLoad:
    """The sustained load by several searches of the same server at different times, each with its tries.

    The load of each search is the server's, times a factor of that time. The factors are log-normal around 1, with a
    standard deviation out of `_BETWEEN`, independent between searches. So one search has a wide interval, and more
    tries in it do not make that narrower. There is an end where all tries together show one, and no low end above every
    load that passed.
    """
    return _over_searches(tuple(tuple(tries) for tries in searches if tries))


def capacity_over_searches(searches: Sequence[Searched]) -> SustainedLoad:
    """The capacity of one server by several searches with the same limit, each at that limit."""
    return estimate_over_searches([tries_at(one.probes, one.p99_limit_ms) for one in searches])


def share_of_capacity(percent: int, capacity: int) -> int:
    """So many percent of a capacity, as a load of three digits."""
    return tidy(capacity * percent / 100)


@lru_cache(maxsize=1024)
def _over_searches(searches: tuple[tuple[tuple[int, bool], ...], ...]) -> SustainedLoad:
    """The same for searches with tries. Several pages use the same ones."""
    everything = [one for tries in searches for one in tries]
    if not everything:
        return SustainedLoad(None, None, None)
    grid = _grid(min(load for load, _ in everything), max(load for load, _ in everything))
    posterior = np.sum([joint for _, joint in _joint_posteriors(searches, grid)], axis=0)
    low, middle, high = _quantiles(grid, posterior, _QUANTILES)
    shown = estimate_sustained_load(everything)
    low_end = None if shown.low is None else tidy(min(low, _highest_passed(everything)))
    high_end = None if shown.high is None else max(tidy(high), (low_end or 0) + 1)
    return SustainedLoad(low_end, None if shown.typical is None else tidy(middle), high_end)


def _joint_posteriors(searches: Sequence[Sequence[tuple[int, bool]]], grid: _Array) -> Iterator[tuple[_Array, _Array]]:
    """For each deviation between searches: the kernel that it makes, and the posterior of the server's load."""
    likelihoods = [_posterior(tries, grid) for tries in searches]
    for deviation in _BETWEEN:
        kernel = np.exp(-0.5 * (_KERNEL_STEPS / deviation) ** 2)
        kernel /= kernel.sum()
        yield kernel, np.prod([_blurred(one, kernel) for one in likelihoods], axis=0)


def _blurred(density: _Array, kernel: _Array) -> _Array:
    """The density of a load of which another one is known, where the kernel is that of their ratio."""
    return np.convolve(density, kernel)[len(kernel) // 2 :][: len(density)]


def sustained_load_quantiles(
    tries: Sequence[tuple[int, bool]],
    wanted: Sequence[float],
    earlier: Sequence[Sequence[tuple[int, bool]]] = (),
) -> list[float]:
    """Quantiles of the posterior of the load that the server sustains during this search, as loads.

    ``tries``: those of this search. ``earlier``: those of each search of the same server at other times, which show
    the load as far as searches agree. There is at least one try.
    """
    searches = tuple(tuple(one) for one in earlier if one)
    loads = [load for load, _ in (*tries, *chain.from_iterable(searches))]
    grid = _grid(min(loads), max(loads))
    posterior = _posterior(tries, grid) if tries else np.ones_like(grid)
    if searches:
        posterior *= _by_earlier(searches, min(loads), max(loads))
    return _quantiles(grid, posterior, wanted)


@lru_cache(maxsize=16)
def _by_earlier(searches: tuple[tuple[tuple[int, bool], ...], ...], lowest: int, highest: int) -> _Array:
    """The density of the load during a search, by earlier ones alone. It is the same for most tries of a search."""
    grid = _grid(lowest, highest)
    density = np.sum([_blurred(joint, kernel) for kernel, joint in _joint_posteriors(searches, grid)], axis=0)
    return np.asarray(density)


def _highest_passed(tries: Sequence[tuple[int, bool]]) -> int:
    """The highest load that passed; at least one did."""
    return max(load for load, passed in tries if passed)


_QUANTILES = ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)
_Array = np.ndarray[tuple[int], np.dtype[np.float64]]
_REACH_STEPS = math.ceil(4 * _BETWEEN[-1] / _STEP)
_KERNEL_STEPS = np.arange(-_REACH_STEPS, _REACH_STEPS + 1) * _STEP


def _grid(lowest: int, highest: int) -> _Array:
    """Values of log(load) for tries between these loads."""
    return np.arange(math.log(lowest) - _BEYOND, math.log(highest) + _BEYOND, _STEP)


def _posterior(tries: Sequence[tuple[int, bool]], grid: _Array) -> _Array:
    """The posterior on the grid, of which the largest value is about 1."""
    loads = np.log([load for load, _ in tries])
    signs = np.array([1.0 if passed else -1.0 for _, passed in tries])
    distance = (grid[None, None, :] - loads[:, None, None]) * (signs[:, None, None] / (2 * _SPREADS[None, :, None]))
    # The logistic function in a form that does not overflow. A failure is as likely as a success as far below.
    outcome = 0.5 + (1 - _LAPSE) / 2 * np.tanh(distance)
    likelihood = np.log(outcome).sum(axis=0)
    return np.asarray(np.exp(likelihood - likelihood.max()).sum(axis=0))


def _quantiles(grid: _Array, posterior: _Array, wanted: Sequence[float]) -> list[float]:
    share = posterior.cumsum()
    return [math.exp(grid[int(np.searchsorted(share, quantile * share[-1]))]) for quantile in wanted]


def tidy(load: float) -> int:
    """A load rounded to three digits; more would be far below any resolution."""
    return int(round(load, min(0, 2 - math.floor(math.log10(load))))) if load >= 1 else 1
