from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generator.statistics import (
    CONFIDENCE,
    DECISION_LEVEL,
    MANY_ROUNDS,
    SMALLEST_RELEVANT_RATIO,
    Contrast,
    Judgement,
    RankRange,
    estimate_mean,
    false_discovery_adjusted,
    fit_rounds,
    judge,
    rank_ranges,
)
from generator.statistics.variances import moderate

values = st.floats(1e-3, 1e6)
rounds = st.lists(values, min_size=2, max_size=12)
MARGIN = math.log(1.1)


# Means


@given(rounds)
def test_the_mean_lies_within_its_interval_and_among_the_values(sample: list[float]) -> None:
    summary = estimate_mean(sample)
    assert summary is not None
    assert summary.interval is not None
    assert min(sample) * (1 - 1e-9) <= summary.mean <= max(sample) * (1 + 1e-9)
    assert summary.interval.low <= summary.mean * (1 + 1e-9)
    assert summary.mean <= summary.interval.high * (1 + 1e-9)
    assert summary.rounds == len(sample)


@given(rounds, st.floats(1e-2, 1e2))
def test_a_change_of_unit_scales_the_summary(sample: list[float], factor: float) -> None:
    before, after = estimate_mean(sample), estimate_mean([value * factor for value in sample])
    assert before is not None
    assert after is not None
    assert before.interval is not None
    assert after.interval is not None
    assert after.mean == pytest.approx(before.mean * factor, rel=1e-6)
    assert after.interval.high == pytest.approx(before.interval.high * factor, rel=1e-5)


def test_the_interval_is_students() -> None:
    # t(0.975; 2) is 4.3027 in any table; the logarithms are 0, 1, 2: mean 1, s 1.
    summary = estimate_mean([1.0, math.e, math.e**2])
    assert summary is not None
    assert summary.interval is not None
    assert math.log(summary.interval.high) == pytest.approx(1 + 4.3027 / math.sqrt(3), rel=1e-4)
    plain = estimate_mean([-1.0, 0.0, 1.0], is_ratio=False)
    assert plain is not None
    assert plain.interval is not None
    assert (plain.mean, plain.interval.high) == pytest.approx((0, 4.3027 / math.sqrt(3)), rel=1e-4)


def test_one_round_has_no_interval_and_none_has_no_summary() -> None:
    one = estimate_mean([5.0])
    assert one is not None
    assert one.interval is None
    assert estimate_mean([]) is None
    assert estimate_mean([1.0, 0.0]) is None


def test_what_runs_differ_by_is_in_the_interval_of_a_mean() -> None:
    # Equal rounds of one run say nothing about another run.
    equal = estimate_mean([40.0] * 5, between=0.01**2)
    assert equal is not None
    assert equal.interval is not None
    assert (equal.interval.low, equal.interval.high) == pytest.approx(
        (40 * math.exp(-0.0196), 40 * math.exp(0.0196)), rel=1e-4
    )
    plain, wider = estimate_mean([40.0, 44.0, 41.0]), estimate_mean([40.0, 44.0, 41.0], between=0.02**2)
    assert plain is not None
    assert wider is not None
    assert wider.mean == plain.mean
    assert plain.interval is not None
    assert wider.interval is not None
    # More noise of known size, but also more freedom.
    assert wider.interval.high > wider.mean * math.exp(1.96 * 0.02)


def test_a_moved_mean_takes_its_interval_along() -> None:
    estimate = estimate_mean([1.0, 2.0])
    assert estimate is not None
    assert estimate.interval is not None
    moved, shifted = estimate.moved_to(3 * estimate.mean), estimate.moved_to(estimate.mean + 1, is_ratio=False)
    assert moved.interval is not None
    assert shifted.interval is not None
    low, high = estimate.interval.low, estimate.interval.high
    assert (moved.interval.low, moved.interval.high) == pytest.approx((3 * low, 3 * high))
    assert (shifted.interval.low, shifted.interval.high) == pytest.approx((low + 1, high + 1))


# The model of a table


def _table(
    seed: int, rows: int, columns: int, *, noise: float = 0.02, missing: float = 0.0
) -> dict[int, dict[int, float]]:
    chance = np.random.default_rng(seed)
    logs = 0.1 * np.arange(rows)[:, None] + 0.5 * chance.standard_normal(columns)
    found = np.exp(logs + noise * chance.standard_normal((rows, columns)))
    return {
        row: {number: float(found[row, number]) for number in range(columns) if chance.random() >= missing}
        for row in range(rows)
    }


def test_two_rows_are_compared_by_the_paired_t_test() -> None:
    # Differences 0.1, 0.2, 0.3: mean 0.2, standard error 0.1/√3, two degrees of freedom.
    first = {number: math.exp(5 * number + 0.1 * number) for number in (1, 2, 3)}
    second = {number: math.exp(5 * number) for number in (1, 2, 3)}
    found = fit_rounds({"a": first, "b": second}).contrast("a", "b")
    assert found is not None
    assert (found.difference, found.error, found.freedom) == pytest.approx((0.2, 0.1 / math.sqrt(3), 2))
    assert found.interval is not None
    assert math.log(found.interval.high) == pytest.approx(0.2 + 4.3027 * 0.1 / math.sqrt(3), rel=1e-4)


@given(
    st.integers(0, 10**6), st.integers(2, 6), st.integers(3, 7), st.lists(st.floats(0.1, 10), min_size=7, max_size=7)
)
@example(seed=0, rows=3, columns=3, factors=[1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]).via("rows with equal variances")
def test_what_a_round_does_to_all_rows_changes_nothing(
    seed: int, rows: int, columns: int, factors: list[float]
) -> None:
    table = _table(seed, rows, columns, missing=0.2)
    shifted = {
        row: {number: value * factors[number] for number, value in of_row.items()} for row, of_row in table.items()
    }
    before, after = fit_rounds(table), fit_rounds(shifted)
    for pair, one in before.contrasts().items():
        other = after.contrasts()[pair]
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert other.difference == pytest.approx(one.difference, abs=1e-7)
            assert (other.error or 0) == pytest.approx(one.error or 0, abs=1e-7)


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 7))
def test_contrasts_turn_round_and_add_up(seed: int, rows: int, columns: int) -> None:
    model = fit_rounds(_table(seed, rows, columns))
    there, back = model.contrast(0, 1), model.contrast(1, 0)
    assert there is not None
    assert back is not None
    assert there.value * back.value == pytest.approx(1)
    assert there.swapped.difference == back.difference
    assert there.error == pytest.approx(back.error)
    mean, other = model.mean(0), model.mean(1)
    assert mean is not None
    assert other is not None
    assert mean / other == pytest.approx(there.value)


def test_a_row_without_a_round_is_compared_as_if_it_had_been_in_it() -> None:
    # The second round is twice as slow for all; row c was not in it.
    table = {"a": {1: 10.0, 2: 20.0}, "b": {1: 11.0, 2: 22.0}, "c": {1: 12.0}}
    model = fit_rounds(table)
    assert model.mean("c") == pytest.approx(12 * math.sqrt(2))
    found = model.contrast("c", "a")
    assert found is not None
    assert found.value == pytest.approx(1.2)
    assert found.error is None
    assert model.contrast("a", "nobody") is None


def test_rows_that_share_no_round_are_not_compared() -> None:
    model = fit_rounds({"a": {1: 1.0, 2: 1.1}, "b": {1: 2.0, 2: 2.1}, "c": {3: 1.0, 4: 1.2}, "d": {4: 1.0}})
    assert model.contrast("a", "b") is not None
    assert model.contrast("c", "d") is not None
    assert model.contrast("a", "c") is None


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_the_noise_of_each_row_is_found(missing: float) -> None:
    """One row of ten is five times as noisy; over many rounds the model must find both."""
    table = _table(7, 10, 150, noise=0.01, missing=missing)
    chance = np.random.default_rng(8)
    table[2] = {number: value * math.exp(0.05 * chance.standard_normal()) for number, value in table[2].items()}
    spreads = np.sqrt(fit_rounds(table).variances)
    assert spreads[2] == pytest.approx(0.051, rel=0.2)
    assert np.delete(spreads, 2).tolist() == pytest.approx([0.01] * 9, rel=0.2)


def test_a_table_of_nothing_and_of_one_row_has_no_contrast() -> None:
    assert fit_rounds({}).contrasts() == {}
    assert fit_rounds({"a": {1: 1.0, 2: 2.0}}).contrasts() == {}
    assert fit_rounds({"a": {1: 1.0}, "b": {1: 0.0}}).contrast("a", "b") is None, "zero has no logarithm"


def test_a_row_of_a_single_round_says_nothing_about_noise() -> None:
    alike, with_a_visitor = _table(3, 6, 8), _table(3, 6, 8)
    with_a_visitor[6] = {2: 1.0}
    before, after = fit_rounds(alike), fit_rounds(with_a_visitor)
    assert after.variances[:6].tolist() == pytest.approx(before.variances.tolist(), rel=0.05)
    assert after.freedoms[:6].tolist() == pytest.approx(before.freedoms.tolist(), rel=0.05)
    assert after.variances[6] == pytest.approx(np.median(after.variances[:6]))


@pytest.mark.parametrize("further", [{}, {"c": {1: 3.0, 4: 1.0}}])
def test_values_that_are_fitted_exactly_have_no_error(further: dict[str, dict[int, float]]) -> None:
    found = fit_rounds({"a": {1: 1.0, 2: 1.5}, "b": {1: 2.0, 3: 2.5}, **further}).contrast("a", "b")
    assert found is not None
    assert found.value == pytest.approx(1 / 2)
    assert found.error is None


def test_equal_variances_are_treated_alike_whatever_their_last_digits() -> None:
    ulp = np.finfo(float).eps
    for last_digits in ([0, 1, 2], [2, 1, 0], [2, 0, 0], [0, 0, 1]):
        found = moderate(1.0 + ulp * np.array(last_digits), np.full(3, 0.25))
        assert found.variances.tolist() == pytest.approx([found.variances[0]] * 3)
        assert found.variances.tolist() == pytest.approx(moderate(np.ones(3), np.full(3, 0.25)).variances.tolist())


def test_differences_of_values_that_may_be_negative() -> None:
    table = {"a": {1: 3.0, 2: 4.0, 3: 5.5}, "b": {1: -1.0, 2: 0.0, 3: 1.0}}
    found = fit_rounds(table, is_ratio=False).contrast("a", "b")
    assert found is not None
    assert found.value == pytest.approx(25 / 6)
    assert found.interval is not None
    assert found.interval.low > 0


def test_what_differs_between_runs_widens_every_interval() -> None:
    table = _table(1, 4, 6)
    plain, wider = fit_rounds(table).contrast(0, 1), fit_rounds(table, between=0.01**2).contrast(0, 1)
    assert plain is not None
    assert wider is not None
    assert plain.error is not None
    assert wider.error == pytest.approx(math.hypot(plain.error, 0.01 * math.sqrt(2)))


# Moderated variances


def test_alike_rows_share_one_variance() -> None:
    found = moderate(np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.0]), np.full(6, 9.0))
    assert len(set(found.variances.tolist())) == 1
    assert 0.9 < found.variances[0] < 1.3
    assert np.all(found.freedoms > 9)
    assert np.all(found.freedoms <= 54 + 1e-9), "not more than all rows have together"


def test_a_noisy_row_keeps_its_noise_and_borrows_nothing() -> None:
    found = moderate(np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 40.0]), np.full(7, 4.0))
    assert found.variances[-1] == 40.0
    assert found.freedoms[-1] == pytest.approx(4.0, abs=0.01)
    assert np.all(found.variances[:-1] < 2)


def test_a_quiet_row_is_moved_to_the_others() -> None:
    found = moderate(np.array([1.0, 1.2, 0.8, 1.1, 0.9, 0.01]), np.full(6, 2.0))
    assert found.variances[-1] > 0.1


@given(st.lists(st.floats(1e-8, 1e3), min_size=1, max_size=20), st.floats(0.5, 30))
def test_moderation_never_makes_a_row_quieter_nor_takes_freedom(variances: list[float], freedom: float) -> None:
    before = np.array(variances)
    found = moderate(before, np.full(len(before), freedom))
    assert np.all(found.variances >= before * (1 - 1e-9))
    assert np.all(found.freedoms >= freedom * (1 - 1e-9))


def test_rows_without_noise_stay_so() -> None:
    found = moderate(np.zeros(4), np.full(4, 3.0))
    assert found.variances.tolist() == [0.0] * 4


# Corrected p-values


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_correction_only_makes_stricter_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = false_discovery_adjusted(np.array(p_values)).tolist()
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))
    assert all(value <= 1 for value in adjusted)
    in_order = sorted(zip(p_values, adjusted, strict=True))
    assert [after for _, after in in_order] == sorted(adjusted)


def test_the_correction_by_hand() -> None:
    assert false_discovery_adjusted(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.04, 0.04])
    assert false_discovery_adjusted(np.array([])).tolist() == []


# Outcomes


def _judge(*contrasts: Contrast) -> list[Judgement]:
    return list(judge(dict(enumerate(contrasts)), lambda _: MARGIN).values())


@pytest.mark.parametrize(
    ("percent", "error", "expected"),
    [
        (30, 0.01, Judgement("above", "above")),
        (-30, 0.01, Judgement("below", "below")),
        (3, 0.005, Judgement("same", "above")),
        (3, 0.02, Judgement("same")),
        (0.5, 0.0001, Judgement("same")),
        (8, 0.02, Judgement("unknown", "above", "size")),
        (30, 0.2, Judgement("unknown", None, "noise")),
    ],
)
def test_the_outcomes(percent: float, error: float, expected: Judgement) -> None:
    assert _judge(Contrast(math.log1p(percent / 100), error, 30, MANY_ROUNDS)) == [expected]


def test_a_wide_interval_is_noise_only_after_many_rounds() -> None:
    (few,) = _judge(Contrast(0.0, 0.3, 8, MANY_ROUNDS - 1))
    assert few == Judgement("unknown", None, "few rounds")


def test_without_an_error_nothing_is_known_and_without_noise_everything() -> None:
    assert _judge(Contrast(1.0, None, 1, 1)) == [Judgement("unknown", None, "not enough data")]
    assert _judge(Contrast(1.0, 0.0, math.inf, 5), Contrast(0.0, 0.0, math.inf, 5)) == [
        Judgement("above", "above"),
        Judgement("same"),
    ]


def test_correction_spares_a_difference_that_many_comparisons_explain() -> None:
    barely = Contrast(math.log(1.3), math.log(1.3) / 2.7, 1000, 20)  # p = 0.007
    nothing = [Contrast(0.01, 0.1, 1000, 20)] * 9
    assert _judge(barely)[0].outcome == "above"
    assert _judge(barely, *nothing)[0].outcome == "unknown"


contrasts = st.builds(
    Contrast, st.floats(-1, 1), st.one_of(st.none(), st.floats(1e-4, 0.5)), st.floats(1, 100), st.integers(2, 20)
)


@given(st.lists(contrasts, max_size=8))
def test_what_differs_is_certain_and_beyond_the_margin_and_what_is_equal_is_within(found: list[Contrast]) -> None:
    for contrast, judgement in zip(found, _judge(*found), strict=True):
        if judgement.outcome in ("above", "below"):
            assert judgement.side == judgement.outcome
            assert abs(contrast.difference) >= MARGIN
        if judgement.outcome == "same":
            assert abs(contrast.difference) < MARGIN
        if judgement.side is not None:
            assert (judgement.side == "above") == (contrast.difference > 0)
            assert abs(contrast.difference) > math.log(SMALLEST_RELEVANT_RATIO)
            assert contrast.interval is not None
            assert 1.0 not in contrast.interval, "the level is stricter than the interval's"
        assert (judgement.reason is not None) == (judgement.outcome == "unknown")


@given(st.lists(contrasts, max_size=8))
def test_the_way_round_does_not_matter(found: list[Contrast]) -> None:
    turned = _judge(*(contrast.swapped for contrast in found))
    opposite = {"above": "below", "below": "above"}
    assert [opposite.get(one.outcome, one.outcome) for one in turned] == [one.outcome for one in _judge(*found)]


def test_the_decision_is_stricter_than_the_intervals() -> None:
    assert DECISION_LEVEL < 1 - CONFIDENCE


# Ranks


@given(st.sets(st.integers(0, 6)), st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=9, unique=True))
def test_a_rank_range_counts_who_is_surely_before_and_after(items: set[int], pairs: list[tuple[int, int]]) -> None:
    before = [(a, b) for a, b in pairs if a < b and {a, b} <= items]
    found = rank_ranges(items, before)
    for item in items:
        assert found[item] == RankRange(
            1 + sum(b == item for _, b in before), len(items) - sum(a == item for a, _ in before)
        )
    assert not items or any(rank.first == 1 for rank in found.values())
