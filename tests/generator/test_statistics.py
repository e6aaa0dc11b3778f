from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.statistics import (
    CONFIDENCE,
    DECISION_LEVEL,
    SMALLEST_RELEVANT_RATIO,
    RankRange,
    Ratio,
    differing,
    estimate_mean,
    false_discovery_adjusted,
    paired_ratio,
    rank_ranges,
)

values = st.floats(1e-3, 1e6)
rounds = st.lists(values, min_size=2, max_size=12)


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


def test_one_round_has_no_interval_and_none_has_no_summary() -> None:
    one = estimate_mean([5.0])
    assert one is not None
    assert one.interval is None
    assert estimate_mean([]) is None
    assert estimate_mean([1.0, 0.0]) is None


@given(rounds)
def test_a_value_is_not_distinguishable_from_itself(sample: list[float]) -> None:
    keyed = dict(enumerate(sample))
    ratio = paired_ratio(keyed, keyed)
    assert ratio is not None
    assert ratio.value == pytest.approx(1)
    assert ratio.p_value == 1
    assert not differing({"self": ratio})


@given(st.lists(st.tuples(values, values), min_size=2, max_size=12))
def test_swapping_the_sides_inverts_the_ratio(pairs: list[tuple[float, float]]) -> None:
    first, second = ({number: pair[side] for number, pair in enumerate(pairs)} for side in (0, 1))
    there, back = paired_ratio(first, second), paired_ratio(second, first)
    assert there is not None
    assert back is not None
    assert there.value * back.value == pytest.approx(1)
    assert there.p_value == pytest.approx(back.p_value, abs=1e-9)


def test_pairing_removes_what_a_round_does_to_both() -> None:
    slow_rounds = [1.0, 0.5, 2.0, 0.8]
    first = {number: 110 * factor for number, factor in enumerate(slow_rounds)}
    second = {number: 100 * factor * (1 + 0.001 * number) for number, factor in enumerate(slow_rounds)}
    ratio = paired_ratio(first, second)
    assert ratio is not None
    assert ratio.interval is not None
    assert 1.0 not in ratio.interval


def test_only_common_rounds_are_compared() -> None:
    ratio = paired_ratio({1: 2.0, 2: 4.0, 3: 9.0}, {2: 2.0, 3: 4.5, 4: 1.0})
    assert ratio is not None
    assert ratio.rounds == 2
    assert ratio.value == pytest.approx(2.0)
    assert paired_ratio({1: 1.0}, {2: 1.0}) is None


def test_a_single_round_never_differs() -> None:
    assert not differing({"pair": paired_ratio({1: 100.0}, {1: 1.0})})


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_correction_only_makes_stricter_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = false_discovery_adjusted(p_values)
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))
    assert all(value <= 1 for value in adjusted)
    in_order = sorted(zip(p_values, adjusted, strict=True))
    assert [after for _, after in in_order] == sorted(adjusted)


def test_the_correction_by_hand() -> None:
    assert false_discovery_adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert false_discovery_adjusted([]) == []


def test_correction_spares_a_difference_that_many_comparisons_explain() -> None:
    alone = {"pair": Ratio(1.1, None, 0.4 * DECISION_LEVEL, 5)}
    among_many = alone | {f"other {number}": Ratio(1.0, None, 0.9, 5) for number in range(9)}
    assert differing(alone) == {"pair"}
    assert not differing(among_many)


ratios = st.builds(Ratio, st.floats(0.5, 2), st.none(), st.one_of(st.none(), st.floats(0, 1)), st.just(7))


@given(st.dictionaries(st.integers(), ratios, max_size=8))
def test_what_differs_is_sure_and_matters(found: dict[int, Ratio]) -> None:
    for ratio in (found[key] for key in differing(found)):
        assert ratio.p_value is not None
        assert ratio.p_value < DECISION_LEVEL
        assert abs(math.log(ratio.value)) >= math.log(SMALLEST_RELEVANT_RATIO) * (1 - 1e-9)


@given(st.dictionaries(st.integers(), ratios, max_size=8))
def test_one_more_comparison_of_equals_makes_nothing_else_differ(found: dict[int, Ratio]) -> None:
    assert differing({**found, "one more": Ratio(1.0, None, 1.0, 7)}) <= differing(found)


@given(st.dictionaries(st.integers(), ratios, max_size=8))
def test_the_way_round_does_not_matter(found: dict[int, Ratio]) -> None:
    turned = {key: Ratio(1 / ratio.value, None, ratio.p_value, ratio.rounds) for key, ratio in found.items()}
    assert differing(found) == differing(turned)


@given(st.lists(st.floats(0.999, 1.001), min_size=2, max_size=12), st.floats(0.993, 1.007))
def test_however_sure_a_difference_that_does_not_matter_is_none(noise: list[float], factor: float) -> None:
    first = {number: factor * value for number, value in enumerate(noise)}
    assert not differing({"pair": paired_ratio(first, dict.fromkeys(first, 1.0))})


def test_the_decision_is_stricter_than_the_intervals() -> None:
    assert DECISION_LEVEL < 1 - CONFIDENCE


@pytest.mark.parametrize("tails", ["normal", "heavy"])
@pytest.mark.parametrize(
    ("rounds", "spread", "effect", "at_least"),
    [(7, 0.01, 0.03, 0.95), (7, 0.015, 0.03, 0.85), (15, 0.01, 0.02, 0.95), (15, 0.015, 0.02, 0.93)],
)
def test_equals_come_out_equal_and_differences_are_found(
    tails: str, rounds: int, spread: float, effect: float, at_least: float
) -> None:
    """Simulated pairs; ``spread`` is the standard deviation of a round's log ratio. The tails: Student's t(3)."""
    chance = np.random.default_rng(3)
    shape = (2000, rounds)
    noise = chance.standard_normal(shape) if tails == "normal" else chance.standard_t(3, shape) / math.sqrt(3)
    logs = spread * noise
    assert _told_apart(logs) <= 0.013  # 0.01, and what 2,000 trials may stray from it
    assert _told_apart(logs + math.log(1 + effect)) >= at_least


def _told_apart(logs: np.ndarray) -> float:
    one = dict.fromkeys(range(logs.shape[1]), 1.0)
    told = [differing({0: paired_ratio(dict(enumerate(row)), one)}) for row in np.exp(logs).tolist()]
    return sum(map(bool, told)) / len(told)


def test_in_a_large_table_few_reported_differences_are_false_and_most_are_found() -> None:
    """Simulated tables of 30 variants in 5 rounds with 5 % noise: ten kinds of three equals, each 15 % apart."""
    chance = np.random.default_rng(5)
    kinds = np.repeat(1.15 ** np.arange(10), 3)
    told = false = missed = 0
    for _ in range(40):
        rounds = kinds * np.exp(0.05 * chance.standard_normal((5, 30)))
        rows = [dict(enumerate(rounds[:, row].tolist())) for row in range(30)]
        pairs = {(a, b): paired_ratio(rows[a], rows[b]) for a in range(30) for b in range(a)}
        apart = differing(pairs)
        told += len(apart)
        false += sum(a // 3 == b // 3 for a, b in apart)
        missed += sum(abs(a // 3 - b // 3) > 3 for a, b in pairs.keys() - apart)
    assert false <= DECISION_LEVEL * told
    assert missed <= 0.1 * 40 * sum(abs(a // 3 - b // 3) > 3 for a in range(30) for b in range(a))


@given(
    st.dictionaries(st.integers(0, 6), st.lists(st.floats(0.9, 1.1), min_size=4, max_size=4), max_size=7),
    st.booleans(),
)
def test_a_place_counts_who_is_surely_before_and_after(samples: dict[int, list[float]], highest_first: bool) -> None:
    keyed = {item: dict(enumerate(value * (1 + item) for value in sample)) for item, sample in samples.items()}
    found = rank_ranges(keyed, highest_first=highest_first)
    ratios = {(a, b): paired_ratio(keyed[a], keyed[b]) for a in keyed for b in keyed if a < b}
    apart = differing(ratios)
    for item in keyed:
        surely = {pair for pair in apart if item in pair}
        higher = sum(max(pair, key=lambda one: _mean(keyed[one])) != item for pair in surely)
        before = higher if highest_first else len(surely) - higher
        assert found[item] == RankRange(before + 1, len(keyed) - (len(surely) - before))
    assert not keyed or any(place.first == 1 for place in found.values())


def _mean(rounds: dict[int, float]) -> float:
    return math.prod(rounds.values())


def test_places_the_other_way_round_are_mirrored() -> None:
    values = {item: {number: item * (1 + number / 1e4) for number in range(5)} for item in (1.0, 2.0, 2.001, 4.0)}
    down, up = rank_ranges(values, highest_first=True), rank_ranges(values, highest_first=False)
    assert [down[item] for item in values] == [RankRange(4, 4), RankRange(2, 3), RankRange(2, 3), RankRange(1, 1)]
    assert all(up[item] == RankRange(5 - down[item].last, 5 - down[item].first) for item in values)
