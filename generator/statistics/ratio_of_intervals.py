"""The ratio of two independent values of which only intervals are known, such as two posteriors."""

from __future__ import annotations

import math

from generator.statistics.contrasts import Interval


def ratio_interval(first: tuple[float, float, float], second: tuple[float, float, float]) -> Interval:
    """The interval of first / second, at the level of both intervals.

    ``first``, ``second``: low end, estimate, high end, of one unit, all above 0, in ascending order.

    The distance of each end from the estimate, on logarithms, is the root of two squares. They are those of the first
    one's distance to that end, and of the second one's to its opposite end. Source: Zou and Donner (2008),
    "Construction of confidence limits about effect measures: a general approach", Statist. Med. 27(10). It is too wide
    for values that the same slow minutes moved.
    """
    low, middle, high = (math.log(one) for one in first)
    least, centre, most = (math.log(one) for one in second)
    difference = middle - centre
    below = math.hypot(middle - low, most - centre)
    above = math.hypot(high - middle, centre - least)
    return Interval(math.exp(difference - below), math.exp(difference + above))
