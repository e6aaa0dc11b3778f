"""The trend of a value per second. A server that becomes slower while it is measured has no single result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist, median
from typing import NamedTuple

MIN_VALUES = 8
"""Minimum number of values. With fewer, chance too often looks like a trend."""
_Z = 2.576
"""Two-sided 1 % quantile of the normal distribution."""


class Slope(NamedTuple):
    """A slope per value, and its interval."""

    value: float
    low: float
    high: float


def slope_of(values: Sequence[float], *, level: float = 0.95) -> Slope | None:
    """The slope of equally spaced values with its interval at this level: Theil (1950) and Sen (1968), J. Am. Stat.
    Assoc. 63(324), with the normal approximation. ``None`` if there are fewer than `MIN_VALUES` values.
    """
    count = len(values)
    if count < MIN_VALUES:
        return None
    slopes = sorted(_slopes(values))
    half = NormalDist().inv_cdf((1 + level) / 2) * _deviation(count)
    low, high = round((len(slopes) - half) / 2) - 1, round((len(slopes) + half) / 2)
    return Slope(median(slopes), slopes[max(low, 0)], slopes[min(high, len(slopes) - 1)])


def trend_of(medians: Sequence[float | None], reference_medians: Sequence[float | None] | None = None) -> float | None:
    """The trend of the median latencies of all seconds, in percent; ``None`` if a second has no median.

    If the reference was measured in the same seconds, it is the trend of the ratio to the reference's medians. A
    machine that becomes slower is not a trend of the server.
    """
    beside = reference_medians if reference_medians is not None else [1.0] * len(medians)
    pairs = list(zip(medians, beside, strict=False))
    ratios = [mine / theirs for mine, theirs in pairs if mine is not None and theirs]
    found = trend_percent(ratios) if len(ratios) == len(pairs) else None
    return None if found is None else round(found, 2)


def trend_percent(values: Sequence[float]) -> float | None:
    """The change over the whole series in percent of its median; 0 if chance explains it.

    The test for a trend is that of Mann (1945), "Nonparametric tests against trend", Econometrica 13(3), with the
    normal approximation and continuity correction. Its slope is the median of all pairwise slopes: Theil (1950) and Sen
    (1968), J. Am. Stat. Assoc. 63(324). Single outliers affect neither. The result is ``None`` if there are fewer than
    `MIN_VALUES` values, or if their median is not above zero.
    """
    count = len(values)
    if count < MIN_VALUES or (middle := median(values)) <= 0:
        return None
    rises = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    if (abs(rises) - 1) / _deviation(count) < _Z:
        return 0.0
    return 100 * median(_slopes(values)) * (count - 1) / middle


def _slopes(values: Sequence[float]) -> list[float]:
    """The slope of each pair of values."""
    return [(values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2)]


def _deviation(count: int) -> float:
    """The standard deviation of the number of rises less falls in so many values without a trend (Mann 1945)."""
    return math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
