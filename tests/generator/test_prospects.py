"""What further rounds would show: estimates for planning, compared with simulated rounds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from generator.statistics import (
    CONFIDENCE,
    Contrast,
    Stage,
    decision_chances,
    estimate_mean,
    half_width,
    rounds_until,
)
from generator.statistics.contrasts import LOOKED_CONFIDENCE
from generator.statistics.looks import level_at

MARGIN = math.log(1.10)
STAGES = (None, Stage(5, 5), Stage(5, 9))


@given(
    difference=st.floats(-0.5, 0.5),
    error=st.floats(0, 0.5),
    freedom=st.floats(1, 1e6),
    rounds=st.integers(1, 30),
    most=st.integers(0, 25),
    level=st.floats(1e-6, 0.05),
    fixed=st.floats(0, 0.3),
    stage=st.sampled_from(STAGES),
)
def test_chances_are_probabilities(
    difference: float,
    error: float,
    freedom: float,
    rounds: int,
    most: int,
    level: float,
    fixed: float,
    stage: Stage | None,
) -> None:
    once = Contrast(difference, error, freedom, rounds)
    contrast = replace(once, stage=stage)
    chances = decision_chances(contrast, MARGIN, most, level=level, fixed=fixed)
    assert chances.shape == (most,)
    assert np.all((chances >= 0) & (chances <= 1 + 1e-12))
    assert np.all(chances <= decision_chances(once, MARGIN, most, level=level, fixed=fixed) + 1e-12)
    assert chances == pytest.approx(decision_chances(contrast.swapped, MARGIN, most, level=level, fixed=fixed))


def test_without_an_error_nothing_is_known() -> None:
    assert list(decision_chances(Contrast(0.3, None, 1.0, 1), MARGIN, 3, level=0.01)) == [0, 0, 0]


@pytest.mark.parametrize("difference", [0.0, 0.05, MARGIN, 0.12, 0.2])
@pytest.mark.parametrize("error", [0.01, 0.04])
@pytest.mark.parametrize("stage", STAGES)
def test_chances_are_those_of_simulated_rounds(difference: float, error: float, stage: Stage | None) -> None:
    """The truth is drawn given what is known, then the further rounds given the truth."""
    rounds, further, level, freedom, draws = 5, 4, 0.002, 40.0, 40_000
    chance = np.random.default_rng(1)
    truth = difference + error * chance.standard_normal(draws)
    spread = error * math.sqrt(rounds / further)
    mean = (rounds * difference + further * (truth + spread * chance.standard_normal(draws))) / (rounds + further)
    later = error * math.sqrt(rounds / (rounds + further))
    freedom_later = freedom * (rounds + further) / rounds
    after = stage and stage.after(further)
    certain, equal = level_at(level, after), level_at(0.05, after, sides=1)
    differs = np.abs(mean) >= max(MARGIN, float(stdtrit(freedom_later, 1 - certain / 2)) * later)
    same = np.abs(mean) + float(stdtrit(freedom_later, 1 - equal)) * later < MARGIN
    found = decision_chances(Contrast(difference, error, freedom, rounds, stage=stage), MARGIN, further, level=level)
    assert found[-1] == pytest.approx(np.mean(differs | same), abs=0.01)


def test_noise_that_no_round_reduces_decides_nothing() -> None:
    contrast = Contrast(0.08, 0.03, 50.0, 5)
    assert decision_chances(contrast, MARGIN, 15, level=0.01)[-1] > 0.3
    assert list(decision_chances(contrast, MARGIN, 15, level=0.01, fixed=0.03**2)) == [0.0] * 15


def test_a_large_difference_is_decided_sooner_than_a_small_one() -> None:
    large, small = (decision_chances(Contrast(d, 0.06, 20.0, 5), MARGIN, 15, level=0.001) for d in (0.3, 0.2))
    assert np.argmax(large > 0.5) < np.argmax(small > 0.5)
    assert decision_chances(Contrast(0.0, 0.3, 20.0, 5), MARGIN, 15, level=0.001)[-1] < 0.5, "far too noisy"


@given(
    values=st.lists(st.floats(90, 110), min_size=3, max_size=12),
    width=st.floats(0.01, 0.2),
    stage=st.sampled_from(STAGES),
)
def test_so_many_rounds_make_an_interval_narrow_enough(values: list[float], width: float, stage: Stage | None) -> None:
    estimate = estimate_mean(values, stage=stage)
    assert estimate is not None
    further = rounds_until(estimate, width, 50)
    if half_width(estimate) <= 1e-9:
        return
    noise, confidence = float(np.std(np.log(values), ddof=1)), CONFIDENCE if stage is None else LOOKED_CONFIDENCE

    def reach(count: int) -> float:
        return float(stdtrit(count - 1, 0.5 + confidence / 2)) * noise / math.sqrt(count)

    assert half_width(estimate) == pytest.approx(reach(len(values)))
    if further is None:
        assert reach(len(values) + 50) > width * (1 - 1e-9)
    else:
        assert reach(len(values) + further) <= width * (1 + 1e-9)
        assert further == 1 or reach(len(values) + further - 1) > width * (1 - 1e-9)


def test_of_one_round_the_noise_is_not_known() -> None:
    estimate = estimate_mean([5.0])
    assert estimate is not None
    assert math.isinf(half_width(estimate))
    assert rounds_until(estimate, 0.05, 50) is None
