"""Whether a series of seconds has a trend: a server that slows down while it is measured has no one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median

LEAST = 8
"""Seconds below which chance looks like a trend too easily."""
_Z = 2.576
"""Two-sided 1 % of the normal distribution."""


def percent(values: Sequence[float]) -> float | None:
    """The change over the whole series in percent of its median; 0 where it is no more than chance.

    Whether there is a trend is told by Mann (1945), "Nonparametric tests against trend", Econometrica 13(3), with the
    normal approximation and continuity correction; how steep it is by the median of all pairwise slopes of Theil
    (1950) and Sen (1968), J. Am. Stat. Assoc. 63(324). Neither is moved by single outliers. ``None`` where there
    are fewer than `LEAST` values or their median is not above zero.
    """
    count = len(values)
    if count < LEAST or (middle := median(values)) <= 0:
        return None
    rises = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    if (abs(rises) - 1) / deviation < _Z:
        return 0.0
    slopes = [(values[j] - values[i]) / (j - i) for i, j in combinations(range(count), 2)]
    return 100 * median(slopes) * (count - 1) / middle
