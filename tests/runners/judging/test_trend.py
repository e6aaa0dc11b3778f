"""A trend is detected and reported in percent; false alarms are rare."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from runners.judging import trend
from runners.judging.trend import MIN_VALUES, slope_of, trend_of, trend_percent

positive = st.floats(1e-3, 1e6)
series = st.lists(positive, min_size=MIN_VALUES, max_size=40)
ratios = st.floats(1.001, 2)


@given(ratios, st.integers(MIN_VALUES, 40), positive)
def test_what_only_rises_has_a_trend_and_what_only_falls_the_opposite(ratio: float, count: int, first: float) -> None:
    rising = [first * (1 + index * (ratio - 1)) for index in range(count)]
    found = trend_percent(rising)
    assert found is not None
    assert found > 0
    falling = trend_percent(rising[::-1])
    assert falling == pytest.approx(-found)


@given(st.integers(MIN_VALUES, 40), st.floats(-0.5, 0.5).filter(lambda share: abs(share) > 1e-6))
def test_a_straight_line_is_determined_exactly(count: int, share: float) -> None:
    """From 1 - share / 2 to 1 + share / 2, round a median of 1."""
    line = [1 + share * (index / (count - 1) - 0.5) for index in range(count)]
    assert trend_percent(line) == pytest.approx(100 * share)


@given(series, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_does_not_matter(values: list[float], factor: float) -> None:
    assert trend_percent([value * factor for value in values]) == pytest.approx(trend_percent(values))


@given(series)
def test_backwards_is_the_opposite(values: list[float]) -> None:
    found = trend_percent(values)
    assert found is not None
    assert trend_percent(values[::-1]) == pytest.approx(-found)


def test_shuffled_values_hardly_ever_have_one() -> None:
    chance = random.Random(1)
    for count in (MIN_VALUES, 10, 20, 60):
        values = [chance.lognormvariate(0, 0.3) for _ in range(count)]
        trends = sum(trend_percent(chance.sample(values, count)) != 0 for _ in range(2000))
        assert trends <= 40, f"{trends} of 2000 shuffles of {count} values; 1 % are allowed by chance"
        assert trends > 0


@given(st.integers(MIN_VALUES, 30), st.integers(0, 29), st.sampled_from([1e-6, 1e6]))
def test_one_outlier_neither_makes_a_trend_nor_hides_one(count: int, at: int, factor: float) -> None:
    level = [1.0] * count
    level[at % count] *= factor
    assert trend_percent(level) == 0
    rising = [1 + 0.1 * index for index in range(20)]
    clean = trend_percent(rising)
    rising[at % 20] *= factor
    found = trend_percent(rising)
    assert clean is not None
    assert found is not None
    assert found == pytest.approx(clean, rel=0.2)


@given(st.lists(st.integers(1, 6).map(float), min_size=MIN_VALUES, max_size=25))
def test_it_is_reported_where_kendalls_test_finds_it(values: list[float]) -> None:
    """Mann's test is Kendall's rank correlation with time; ties make it more cautious, never less."""
    found = trend_percent(values)
    assert found is not None
    if all(one == other for one, other in pairwise(values)):
        assert found == 0
        return
    tau = stats.kendalltau(range(len(values)), values, method="asymptotic")
    if found:
        assert tau.pvalue < 0.011
        assert math.copysign(1, tau.statistic) == math.copysign(1, found)
        assert found == pytest.approx(
            100 * stats.theilslopes(values).slope * (len(values) - 1) / stats.scoreatpercentile(values, 50)
        )


@pytest.mark.parametrize("values", [[], [1.0] * (MIN_VALUES - 1), [0.0] * 20, [-1.0] * 20])
def test_without_enough_values_nothing_is_reported(values: list[float]) -> None:
    assert trend.trend_percent(values) is None


def test_a_machine_that_slows_down_is_no_trend_of_the_servers() -> None:
    slower = [1.0 + index / 10 for index in range(10)]
    assert trend_of(slower, None) == pytest.approx(62.07)
    assert trend_of([2 * second for second in slower], slower) == 0.0
    assert trend_of(slower, [3.0] * 10) == pytest.approx(62.07)


@pytest.mark.parametrize(
    ("medians", "reference_medians"),
    [
        ([1.0] * 7, None),
        ([1.0] * 9 + [None], None),
        ([1.0] * 10, [1.0] * 9 + [None]),
        ([1.0] * 10, [1.0] * 9 + [0.0]),
        ([1.0] * 10, []),
    ],
    ids=["few", "silent second", "silent reference", "reference at nought", "no reference"],
)
def test_where_seconds_are_missing_there_is_no_trend(medians: list[Any], reference_medians: list[Any] | None) -> None:
    assert trend_of(medians, reference_medians) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=MIN_VALUES, max_size=30, unique=True))
def test_a_slope_and_its_interval_are_those_of_scipy(values: list[float]) -> None:
    found = slope_of(values)
    expected = stats.theilslopes(values, alpha=0.95)
    assert found is not None
    assert found.value == pytest.approx(expected.slope)
    assert (found.low, found.high) == pytest.approx((expected.low_slope, expected.high_slope))


@given(st.lists(positive, max_size=MIN_VALUES - 1))
def test_few_values_have_no_slope(values: list[float]) -> None:
    assert slope_of(values) is None
