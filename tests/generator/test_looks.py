"""Levels of comparisons that are looked at repeatedly, and that optional stopping does not break them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from generator.statistics import (
    CONFIDENCE,
    DECISION_LEVEL,
    EQUIVALENCE_LEVEL,
    Contrast,
    Interval,
    Stage,
    estimate_mean,
    fit_rounds,
    judge,
    latest,
    unpaired_contrast,
)
from generator.statistics.contrasts import LOOKED_CONFIDENCE
from generator.statistics.looks import FIRST_SHARE, Sides, level_at, overall_p_values
from generator.statistics.variances import Floats

first_rounds = st.sampled_from([3, 5, 8])
stages = st.builds(lambda first, more: Stage(first, first + more), first_rounds, st.integers(0, 25))
levels = st.floats(1e-6, 0.1)


def test_a_comparison_that_is_judged_once_has_the_whole_level() -> None:
    assert level_at(DECISION_LEVEL, None) == DECISION_LEVEL
    p_values = np.array([0.0, 1e-30, 0.004, 1.0])
    assert overall_p_values(p_values, [None] * 4).tolist() == p_values.tolist()
    assert overall_p_values(np.array([]), []).tolist() == []


def test_the_first_look_spends_its_share() -> None:
    for sides in (1, 2):
        assert level_at(0.01, Stage(5, 5), sides=sides) == pytest.approx(FIRST_SHARE * 0.01)
    assert Stage(5, 3) != Stage(5, 5)
    assert level_at(0.01, Stage(5, 3)) == pytest.approx(FIRST_SHARE * 0.01), "a row that lost rounds of the first pass"


@given(first_rounds, st.lists(st.integers(1, 10), max_size=12))
def test_all_looks_together_never_spend_more_than_the_level(first: int, further: list[int]) -> None:
    rounds = first + np.cumsum([0, *further])
    spent = np.diff([Stage(first, int(number)).spent_share for number in rounds], prepend=0.0)
    assert np.all(spent > 0)
    assert spent.sum() < 1
    assert spent.sum() == pytest.approx(Stage(first, int(rounds[-1])).spent_share), "however many looks there were"


@given(stages, levels, levels)
@settings(max_examples=40)
def test_the_level_falls_from_look_to_look_and_rises_with_the_level_of_all(
    stage: Stage, level: float, other: float
) -> None:
    sides: Sides
    for sides in (1, 2):
        here = level_at(level, stage, sides=sides)
        next_one = level_at(level, Stage(stage.first_rounds, stage.rounds + 1), sides=sides)
        assert next_one < here < level
        assert (level_at(other, stage, sides=sides) > here) == (other > level) or other == pytest.approx(level)


@given(stages, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_p_values_of_all_looks_are_larger_and_keep_their_order(stage: Stage, p_values: list[float]) -> None:
    overall = overall_p_values(np.array(p_values), [stage] * len(p_values)).tolist()
    assert all(after >= before for before, after in zip(p_values, overall, strict=True))
    assert all(value <= 1 for value in overall)
    in_order = sorted(zip(p_values, overall, strict=True))
    assert [after for _, after in in_order] == sorted(overall)


@given(stages, levels)
def test_a_p_value_at_its_limit_is_the_level(stage: Stage, level: float) -> None:
    limit = level_at(level, stage)
    assert overall_p_values(np.array([limit]), [stage])[0] == pytest.approx(level, rel=1e-6)


def test_p_values_of_several_stages_at_once() -> None:
    several = [None, Stage(5, 5), Stage(5, 9), Stage(5, 5)]
    p_values = np.array([0.001, 0.001, 0.001, 0.2])
    alone = [float(overall_p_values(p_values[[place]], [stage])[0]) for place, stage in enumerate(several)]
    assert overall_p_values(p_values, several).tolist() == alone
    assert alone == sorted(alone)


WALKS = 200_000
FIRST, LAST = 5, 20


@lru_cache(maxsize=1)
def _walks(seed: int) -> Floats:
    """z-values of rows without any difference: shape (walks, rounds from `FIRST` to `LAST`)."""
    steps = np.random.default_rng(seed).standard_normal((WALKS, LAST))
    return np.cumsum(steps, axis=1)[:, FIRST - 1 :] / np.sqrt(np.arange(FIRST, LAST + 1))


@pytest.mark.parametrize(("level", "sides"), [(DECISION_LEVEL, 2), (EQUIVALENCE_LEVEL, 1), (0.0005, 2)])
def test_a_look_after_each_round_is_wrong_as_often_as_the_level_that_was_spent(level: float, sides: Sides) -> None:
    """Measuring ends at the first false difference: the worst way to stop."""
    walks = _walks(1)
    p_values = ndtr(-walks) if sides == 1 else 2 * ndtr(-np.abs(walks))
    limits = [level_at(level, Stage(FIRST, rounds), sides=sides) for rounds in range(FIRST, LAST + 1)]
    wrong = float(np.mean(np.any(p_values <= limits, axis=1)))
    expected = level * Stage(FIRST, LAST).spent_share
    assert wrong == pytest.approx(expected, abs=4 * math.sqrt(expected / WALKS))
    assert np.mean(np.any(p_values <= level, axis=1)) > 2.5 * level, "the whole level at each look"


def test_fewer_looks_are_wrong_less_often() -> None:
    p_values = 2 * ndtr(-np.abs(_walks(2)))
    limits = np.array([level_at(0.01, Stage(FIRST, rounds)) for rounds in range(FIRST, LAST + 1)])
    all_of_them = np.any(p_values <= limits, axis=1).mean()
    some = np.any((p_values <= limits)[:, ::4], axis=1).mean()
    assert some < all_of_them <= 0.01


def test_overall_p_values_are_p_values_wherever_measuring_ends() -> None:
    """The smallest of all looks is at most x with a probability of at most x."""
    p_values = 2 * ndtr(-np.abs(_walks(3)))
    is_small = p_values <= 0.3
    overall = np.ones_like(p_values)  # what is larger stays larger, as shown above
    for place, of_look in enumerate(is_small.T):
        stages = [Stage(FIRST, FIRST + place)] * int(of_look.sum())
        overall[of_look, place] = overall_p_values(p_values[of_look, place], stages)
    for x in (0.0005, 0.01, 0.05, 0.3):
        assert np.mean(overall.min(axis=1) <= x) <= x + 4 * math.sqrt(x / WALKS)


# What uses the levels

contrasts = st.builds(
    Contrast, st.floats(-1, 1), st.floats(1e-4, 0.5), st.floats(1, 100), st.integers(5, 20), st.just(True)
)


@given(st.lists(contrasts, max_size=8), stages)
def test_what_is_certain_after_repeated_looks_is_certain_at_a_single_one(found: list[Contrast], stage: Stage) -> None:
    once, again = (
        judge(
            {
                key: Contrast(one.difference, one.error, one.freedom, one.rounds, one.is_ratio, used)
                for key, one in enumerate(found)
            },
            lambda _: math.log(1.1),
        )
        for used in (None, stage)
    )
    for key, judgement in again.items():
        if judgement.side is not None:
            assert once[key].side == judgement.side
        if judgement.outcome == "same":
            assert once[key].outcome == "same"


def test_each_contrast_of_a_family_has_its_own_stage() -> None:
    difference = math.log(1.3)
    barely = Contrast(difference, difference / 3.0, 1000, 20)  # p = 0.0027
    staged = {stage: Contrast(difference, barely.error, 1000, 20, stage=stage) for stage in (None, Stage(5, 20))}
    judged = judge(staged, lambda _: math.log(1.1))
    assert judged[None].outcome == "above"
    assert judged[Stage(5, 20)].outcome == "unknown"
    equal = {stage: Contrast(0.0, 0.05, 1000, 20, stage=stage) for stage in (None, Stage(5, 20))}
    judged = judge(equal, lambda _: 0.1)
    assert judged[None].outcome == "same"
    assert judged[Stage(5, 20)].outcome == "unknown"


def test_a_comparison_is_as_far_as_the_later_of_its_rows() -> None:
    assert latest([]) is None
    assert latest([None, None]) is None
    assert latest([Stage(5, 7), None, Stage(5, 9)]) == Stage(5, 9)
    assert latest([Stage(10, 12), Stage(5, 9)]) == Stage(5, 9), "by what factor the rounds grew"
    table = {row: {number: 1.0 + row + 0.1 * number for number in range(6)} for row in range(3)}
    found = fit_rounds(table, stages={0: Stage(5, 5), 1: Stage(5, 6)}).contrasts()
    assert {pair: one and one.stage for pair, one in found.items()} == {
        (0, 1): Stage(5, 6),
        (0, 2): Stage(5, 5),
        (1, 2): Stage(5, 6),
    }
    unpaired = unpaired_contrast([1.0, 1.2, 1.1], [1.0, 1.3, 1.1], stage=Stage(5, 6))
    assert unpaired is not None
    assert unpaired.stage == unpaired.swapped.stage == Stage(5, 6)


def test_a_mean_that_may_end_when_it_is_narrow_has_a_wider_interval() -> None:
    assert CONFIDENCE < LOOKED_CONFIDENCE < 1
    values = [1.0, 1.1, 0.9, 1.05, 0.97]
    fixed, looked = estimate_mean(values), estimate_mean(values, stage=Stage(5, 5))
    assert fixed is not None
    assert looked is not None
    assert fixed.interval is not None
    assert looked.interval is not None
    assert looked.mean == fixed.mean
    assert looked.interval.high > fixed.interval.high


def _estimate(values: Floats, stage: Stage | None) -> Interval:
    found = estimate_mean(values.tolist(), stage=stage)
    assert found is not None
    assert found.interval is not None
    return found.interval


@pytest.mark.parametrize("spread_of_target", [0.6, 1.0, 1.4, 1.8, 2.5])
def test_intervals_that_end_when_they_are_narrow_contain_the_truth(spread_of_target: float) -> None:
    """Values of different noise, measured until the interval is within ± 5 %, from 5 to 15 rounds."""
    chance = np.random.default_rng(4)
    target, covered, nominal, tables = math.log(1.05), 0, 0, 4000
    for logs in spread_of_target * target * chance.standard_normal((tables, 15)):
        for rounds in range(5, 16):
            looked = _estimate(np.exp(logs[:rounds]), Stage(5, rounds))
            if math.log(looked.high) - logs[:rounds].mean() <= target or rounds == 15:
                covered += 1.0 in looked
                nominal += 1.0 in _estimate(np.exp(logs[:rounds]), None)
                break
    assert covered / tables >= 0.94 - 3 * math.sqrt(0.94 * 0.06 / tables)
    assert nominal < covered
