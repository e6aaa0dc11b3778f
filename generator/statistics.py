"""The statistics of repeated rounds: pure functions of numbers.

Rates, latencies and sizes are positive and their errors multiply, so all computations use logarithms: means are
geometric, differences are ratios. The unit of repetition is a round, not a message, because messages of one round share
its disturbances.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations
from typing import TypeVar

from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
"""The confidence level of every interval on the site."""

DECISION_LEVEL = 0.01
"""The significance level: a difference counts only if its p-value is below this.

It is stricter than the intervals, because it decides. A subject compared with itself must have the outcome ``same`` in
at least 99 of 100 comparisons. The level guarantees this for every number of rounds and any amount of noise. If the
noise has heavy tails, a t-test at this level raises even fewer false alarms. See Benjamini (1983), "Is the t test
really conservative when the parent distribution is long-tailed?", JASA 78; the tests simulate it.

Rejected: variances pooled over the rows of a table, or shrunk towards each other (Smyth 2004). They find more
differences, but rows are not equally noisy. We simulated 100 comparisons of equals that were three times as noisy as
the other four rows: the two methods called 10 and 4 of them different.
"""

SMALLEST_RELEVANT_RATIO = 1.01
"""The smallest ratio that counts. A smaller difference is no reason to choose, even if it is certain.

With enough rounds a test finds any difference, also one caused by a process's memory layout. Such differences can reach
several percent (Mytkowicz et al. 2009, "Producing wrong data without doing anything obviously wrong!", ASPLOS).
Statistical significance is not practical relevance: Kalibera and Jones (2013) require the size of the effect.
"""


@dataclass(frozen=True)
class Interval:
    """A closed interval from ``low`` to ``high``."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Estimate:
    """The geometric mean of ``rounds`` values; ``interval`` is ``None`` below two rounds."""

    mean: float
    interval: Interval | None
    rounds: int


@dataclass(frozen=True)
class Ratio:
    """The ratio of the first to the second, over the rounds that both have.

    ``interval``: the 95 % interval of this ratio. ``p_value``: the two-sided probability of a difference at least as
    large if there were none. Both are ``None`` below two rounds.
    """

    value: float
    interval: Interval | None
    p_value: float | None
    rounds: int


@dataclass(frozen=True)
class RankRange:
    """The ranks that an item can have, from ``first`` to ``last``, counted from 1.

    No other item is surely before one whose ``first`` is 1.
    """

    first: int
    last: int


Key = TypeVar("Key", bound=Hashable)


def estimate_mean(values: Sequence[float]) -> Estimate | None:
    """Geometric mean exp(m) with the t-interval exp(m ± t(n−1) · s/√n) of the logarithms x = ln v.

    Student (1908), "The probable error of a mean", Biometrika 6(1); on logarithms as in Fleming and
    Wallace (1986), "How not to lie with statistics", CACM 29(3). ``None`` if there is no value, or if one is not above
    zero and so has no logarithm.
    """
    if not values or min(values) <= 0:
        return None
    mean, error = _mean_and_error([math.log(value) for value in values])
    half = None if error is None else _t_quantile(len(values) - 1) * error
    interval = None if half is None else Interval(math.exp(mean - half), math.exp(mean + half))
    return Estimate(math.exp(mean), interval, len(values))


def paired_ratio(first: Mapping[Key, float], second: Mapping[Key, float]) -> Ratio | None:
    """The ratio first/second: exp of the mean of d = ln(first) − ln(second) over common rounds.

    This is the paired t-test on log ratios (Student 1908; Kalibera and Jones 2013, "Rigorous benchmarking in reasonable
    time", ISMM, for ratios of repeated runs). Pairing by round removes disturbances of both. ``None`` if no round is
    common to both or a value is not above zero.
    """
    logs = _log_ratios(first, second)
    if not logs:
        return None
    mean, half, p_value = _student(logs)
    interval = None if half is None else Interval(math.exp(mean - half), math.exp(mean + half))
    return Ratio(math.exp(mean), interval, p_value, len(logs))


def paired_ratio_value(first: Mapping[Key, float], second: Mapping[Key, float]) -> float | None:
    """The value of `paired_ratio` without its uncertainty, for the exports of all runs."""
    logs = _log_ratios(first, second)
    return math.exp(math.fsum(logs) / len(logs)) if logs else None


def _log_ratios(first: Mapping[Key, float], second: Mapping[Key, float]) -> list[float]:
    """The log ratio of each common round; empty if there is none or a value is not above zero."""
    pairs = [(value, second[key]) for key, value in first.items() if key in second]
    if any(a <= 0 or b <= 0 for a, b in pairs):
        return []
    return [math.log(a) - math.log(b) for a, b in pairs]


def unpaired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio | None:
    """The ratio of two geometric means of separate series, exp(m1 − m2), with Welch's interval and p-value.

    Welch (1947), "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34(1-2), on logarithms. ``None`` if a series is empty or a value is not above
    zero; without an interval if a series has fewer than two values.
    """
    if not first or not second or min(*first, *second) <= 0:
        return None
    logs = [[math.log(value) for value in series] for series in (first, second)]
    means = [math.fsum(series) / len(series) for series in logs]
    difference = means[0] - means[1]
    rounds = min(len(first), len(second))
    if rounds < 2:
        return Ratio(math.exp(difference), None, None, rounds)
    # Each series' share of the squared error, s² / n.
    shares = [
        math.fsum((value - mean) ** 2 for value in series) / (len(series) - 1) / len(series)
        for series, mean in zip(logs, means, strict=True)
    ]
    error = math.sqrt(sum(shares))
    if error <= 1e-15 * max(1.0, *map(abs, means)):
        value = math.exp(difference)
        return Ratio(value, Interval(value, value), 1.0 if abs(difference) <= 1e-12 else 0.0, rounds)
    freedom = sum(shares) ** 2 / sum(share**2 / (len(series) - 1) for share, series in zip(shares, logs, strict=True))
    half = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * error
    p_value = float(2 * stdtr(freedom, -abs(difference) / error))
    return Ratio(
        math.exp(difference), Interval(math.exp(difference - half), math.exp(difference + half)), p_value, rounds
    )


def false_discovery_adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple comparisons: the least p(j) · m / j of all j ≥ i, for the i-th smallest of m.

    Benjamini and Hochberg (1995), "Controlling the false discovery rate", J. R. Statist. Soc. B 57(1). Among
    differences with an adjusted value below a level, the expected share of false ones is at most that level. If nothing
    differs, this is the probability of any false difference, as with Holm's method. Recommended for all
    pairs of a table by Williams, Jones and Tukey (1999), "Controlling error in multiple comparisons", J. Educ. Behav.
    Statist. 24(1). It holds for statistics that depend on each other positively (Benjamini and Yekutieli 2001,
    Ann. Statist. 29(4)); pairs that share a row do, and a simulation in the tests shows it for such tables.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    least = 1.0
    for rank in range(len(order), 0, -1):
        index = order[rank - 1]
        # Not below the value itself, which rounding could cause for the largest.
        least = min(least, max(p_values[index], p_values[index] * len(p_values) / rank))
        adjusted[index] = least
    return adjusted


def differing(
    ratios: Mapping[Key, Ratio | None], margin: Callable[[Key], float] = lambda _: SMALLEST_RELEVANT_RATIO
) -> frozenset[Key]:
    """The keys of the ratios that differ from 1 significantly and by a relevant amount.

    Significantly: the p-value is below `DECISION_LEVEL` after the correction over all ``ratios`` that have one (see
    `false_discovery_adjusted`). Relevant: the ratio, or its inverse, reaches the ``margin`` of its key. A ratio of
    fewer than two rounds never differs.
    """
    tested = [
        (key, ratio, ratio.p_value) for key, ratio in ratios.items() if ratio is not None and ratio.p_value is not None
    ]
    adjusted = false_discovery_adjusted([p_value for _, _, p_value in tested])
    return frozenset(
        key
        for (key, ratio, _), p_value in zip(tested, adjusted, strict=True)
        if p_value < DECISION_LEVEL and not 1 / margin(key) < ratio.value < margin(key)
    )


def rank_ranges(
    values: Mapping[Key, Mapping[int, float]], *, highest_first: bool, margin: float = SMALLEST_RELEVANT_RATIO
) -> dict[Key, RankRange]:
    """The rank range of each item among all. ``values``: per item the values of its rounds.

    Two items are distinguishable by the rule of `differing` over all pairs, on their paired ratios.
    """
    ratios = {pair: paired_ratio(values[pair[0]], values[pair[1]]) for pair in combinations(values, 2)}
    before = []
    for first, second in differing(ratios, lambda _: margin):
        ratio = ratios[first, second]
        if ratio is not None:
            before.append((first, second) if (ratio.value > 1) == highest_first else (second, first))
    return _ranges(values, before)


def bracket_rank_ranges(brackets: Mapping[Key, Interval]) -> dict[Key, RankRange]:
    """The rank range of each bracket among all; the highest has rank 1.

    A bracket goes from a load that was sustained to one that was not. One bracket is above another if its low end is at
    least the high end of the other.
    """
    above = [
        (first, second) for first, second in permutations(brackets, 2) if brackets[first].low >= brackets[second].high
    ]
    return _ranges(brackets, above)


def _ranges(items: Collection[Key], before: Iterable[tuple[Key, Key]]) -> dict[Key, RankRange]:
    """Rank ranges: of n items, one with k surely before it and m surely after it has a rank from k + 1 to n - m.

    See Mogstad, Romano, Shaikh and Wilhelm (2024), "Inference for ranks", Rev. Econ. Stud. 91(1). Rejected: groups of
    items that are pairwise not distinguishable. This relation is not transitive. If some rows are noisier than others,
    35 rows make nearly a hundred such groups.
    """
    ahead, behind = Counter[Key](), Counter[Key]()
    for first, second in before:
        ahead[second] += 1
        behind[first] += 1
    return {item: RankRange(ahead[item] + 1, len(items) - behind[item]) for item in items}


def _student(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean, half width of its t-interval, and p-value of the hypothesis that it is 0."""
    mean, error = _mean_and_error(values)
    if error is None:
        return mean, None, None
    freedom = len(values) - 1
    half = _t_quantile(freedom) * error
    # Equal values in every round have no error, so any difference is significant.
    negligible = abs(mean) <= 1e-12
    if error <= 1e-15 * max(1.0, abs(mean)):
        return mean, half, 1.0 if negligible else 0.0
    return mean, half, float(2 * stdtr(freedom, -abs(mean) / error))


def _mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error, which is ``None`` for a single value."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, math.sqrt(variance / count)


@cache
def _t_quantile(freedom: int) -> float:
    """The t-quantile: standard errors to each side of the mean. Cached, since ``freedom`` has few values."""
    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))
