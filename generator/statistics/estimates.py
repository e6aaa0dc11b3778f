"""Estimates of repeated values.

Rates, latencies and sizes are positive and their errors multiply, so computations use logarithms: means are geometric,
differences are ratios. A quantity that may be zero or negative has arithmetic means and differences in its unit. The
unit of repetition is a round, not a message, because messages of one round share its disturbances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from generator.statistics.contrasts import Contrast, Interval, errors_to_end
from generator.statistics.looks import Stage


@dataclass(frozen=True)
class Estimate:
    """The mean of ``rounds`` values; ``interval`` is ``None`` below two rounds. ``stage``: as of a `Contrast`."""

    mean: float
    interval: Interval | None
    rounds: int
    stage: Stage | None = None

    def moved_to(self, mean: float, *, is_ratio: bool = True) -> Estimate:
        """The estimate with another mean, and its interval moved as far: by a factor, or by a difference."""
        if self.interval is None:
            return replace(self, mean=mean)
        low, high = self.interval.low, self.interval.high
        if is_ratio:
            factor = mean / self.mean
            return replace(self, mean=mean, interval=Interval(low * factor, high * factor))
        return replace(self, mean=mean, interval=Interval(low + mean - self.mean, high + mean - self.mean))


def estimate_mean(
    values: Sequence[float], *, is_ratio: bool = True, between: float = 0.0, stage: Stage | None = None
) -> Estimate | None:
    """Geometric mean exp(m) with the t-interval exp(m ± t(n−1) · s/√n) of the logarithms x = ln v.

    Student (1908), "The probable error of a mean", Biometrika 6(1); on logarithms as in Fleming and
    Wallace (1986), "How not to lie with statistics", CACM 29(3). ``None`` if there is no value, or if one is not above
    zero and so has no logarithm. Without ``is_ratio``, the arithmetic mean m ± t(n−1) · s/√n of any values.
    ``between``: the known variance of the mean between runs. It is added to s²/n, with the freedom of Welch and
    Satterthwaite as in `unpaired_contrast`. ``stage``: of rounds that were looked at repeatedly (`errors_to_end`).
    """
    if not values or (is_ratio and min(values) <= 0):
        return None
    scaled = [math.log(value) for value in values] if is_ratio else list(values)
    mean, error = _mean_and_error(scaled)
    interval = None
    if error is not None:
        whole, freedom = error**2 + between, len(values) - 1.0
        if between > 0:
            freedom = freedom * (whole / error**2) ** 2 if error > 0 else math.inf
        half = errors_to_end(freedom, stage) * math.sqrt(whole)
        ends = mean - half, mean + half
        interval = Interval(*map(math.exp, ends)) if is_ratio else Interval(*ends)
    return Estimate(math.exp(mean) if is_ratio else mean, interval, len(values), stage)


def unpaired_contrast(
    first: Sequence[float],
    second: Sequence[float],
    *,
    is_ratio: bool = True,
    between: float = 0.0,
    stage: Stage | None = None,
) -> Contrast | None:
    """Two series of separate runs against each other: the difference of their means, with Welch's error and freedom.

    Welch (1947), "The generalization of Student's problem when several different population variances are involved",
    Biometrika 34(1-2). ``is_ratio``: of logarithms. ``between``: the variance that each mean has between runs (see
    `fit_rounds`). ``stage``: the later one of both series, if a run looked repeatedly. ``None`` if a series is empty or
    a value has no logarithm; without an error if a series has fewer than two values.
    """
    if not first or not second or (is_ratio and min(*first, *second) <= 0):
        return None
    scaled = [[math.log(value) for value in series] if is_ratio else list(series) for series in (first, second)]
    (mean, error), (other_mean, other_error) = map(_mean_and_error, scaled)
    difference, rounds = mean - other_mean, min(len(first), len(second))
    if error is None or other_error is None:
        return Contrast(difference, None, math.inf, rounds, is_ratio, stage)
    shares = [error**2, other_error**2]
    whole = sum(shares) + 2 * between
    # Equal values have no noise but rounding.
    if math.sqrt(whole) <= 1e-15 * max(1.0, abs(mean), abs(other_mean)):
        difference = difference if abs(difference) > 1e-12 else 0.0
        return Contrast(difference, 0.0, math.inf, rounds, is_ratio, stage)
    uncertain = sum(share**2 / (len(series) - 1) for share, series in zip(shares, scaled, strict=True))
    freedom = whole**2 / uncertain if uncertain > 0 else math.inf
    return Contrast(difference, math.sqrt(whole), freedom, rounds, is_ratio, stage)


def _mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error, which is ``None`` for a single value."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, math.sqrt(variance / count)
