"""Scores, facets, totals, pairs and labels: rules that hold for any values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.comparison.scoring import (
    LABELS,
    CellState,
    Criterion,
    Obstacle,
    PairStanding,
    ScoreCell,
    Sheet,
    compare_pair,
    facet_correlations,
    label_frameworks,
    score,
)
from generator.pages import score_words

amounts = st.floats(0.001, 1e6)
names = ("a", "b", "c", "d")


def sheet_of(
    columns: Mapping[str, Mapping[str, float | None]],
    facets: Mapping[str, str] | None = None,
    barred: frozenset[str] = frozenset(),
    **facts: object,
) -> Sheet:
    """A sheet in which less is better. ``columns``: values by criterion, then framework; ``None``: failed."""
    criteria = tuple(Criterion(key, key, (facets or {}).get(key, key), "lower") for key in columns)
    cells = {
        key: {slug: ScoreCell("failed") if value is None else ScoreCell("counts", value) for slug, value in row.items()}
        for key, row in columns.items()
    }
    frameworks = tuple(dict.fromkeys(slug for row in columns.values() for slug in row))
    return replace(Sheet("s", "Sheet", frameworks, criteria, cells, barred), **facts)  # type: ignore[arg-type]


columns_strategy = st.dictionaries(
    st.sampled_from(["x", "y", "z", "w"]), st.fixed_dictionaries(dict.fromkeys(names, amounts)), min_size=1
)


# One value


def test_the_best_scores_one_twice_as_much_a_half_and_four_times_nothing() -> None:
    assert score(3, 3, "lower") == 1
    assert score(6, 3, "lower") == pytest.approx(0.5)
    assert score(12, 3, "lower") == pytest.approx(0)
    assert score(100, 3, "lower") == 0
    assert score(50, 100, "higher") == pytest.approx(0.5)
    assert score(0, 100, "higher") == 0


def test_below_the_floor_nobody_notices() -> None:
    assert score(1.9, 0.1, "lower", floor=2) == 1
    assert score(4, 0.1, "lower", floor=2) == pytest.approx(0.5)
    assert score(-3, 0.1, "lower", floor=0) == 1
    assert score(1, 0, "lower", floor=0) == 0
    assert score(1, -5, "lower", floor=2) == 1


def test_own_code_is_half_of_built_in() -> None:
    assert [score(value, 1, "yes") for value in (1.0, 0.5, 0.0)] == [1.0, 0.5, 0.0]


@given(amounts, amounts, amounts, st.floats(0, 100))
def test_a_score_is_between_0_and_1_and_never_rises_with_a_cost(
    one: float, other: float, best: float, floor: float
) -> None:
    low, high = sorted((one, other))
    assert 1 >= score(low, best, "lower", floor) >= score(high, best, "lower", floor) >= 0
    assert 0 <= score(low, best, "higher") <= score(high, best, "higher") <= 1


@given(amounts, amounts, st.floats(0.01, 100))
def test_a_unit_changes_no_score(value: float, best: float, unit: float) -> None:
    assert score(value * unit, best * unit, "lower") == pytest.approx(score(value, best, "lower"), abs=1e-6)


# Sheets


@given(columns_strategy)
def test_what_is_measured_twice_counts_once(columns: dict[str, dict[str, float]]) -> None:
    once = sheet_of(columns)
    twice = sheet_of({**columns, "again": columns[next(iter(columns))]}, {"again": next(iter(columns))})
    for slug in names:
        assert twice.totals.get(slug) == pytest.approx(once.totals.get(slug))


@given(columns_strategy, amounts)
def test_what_is_the_same_for_all_counts_nothing(columns: dict[str, dict[str, float]], same: float) -> None:
    with_same = sheet_of({**columns, "same": dict.fromkeys(names, same)})
    assert [one.key for one in with_same.same_for_all if one.key == "same"] == ["same"]
    if sheet_of(columns).counting:
        assert with_same.totals == pytest.approx(sheet_of(columns).totals)
        assert "same" not in with_same.facets


@given(columns_strategy, st.sets(st.sampled_from(names), max_size=4))
def test_being_barred_changes_no_number_and_leads_nowhere(
    columns: dict[str, dict[str, float]], barred: set[str]
) -> None:
    sheet, without = sheet_of(columns, barred=frozenset(barred)), sheet_of(columns)
    assert not set(sheet.leading) & barred
    assert sheet.totals == without.totals
    for first in names:
        for second in names:
            assert compare_pair(sheet, first, second) == compare_pair(without, first, second)


def test_a_barred_framework_that_is_far_better_is_seen_to_be() -> None:
    """Not cut off at the score of the best one that is not barred."""
    sheet = sheet_of({"x": {"a": 1.0, "b": 3.0, "c": 3.0}, "y": {"a": 1.0, "b": 1.1, "c": 1.1}}, barred=frozenset("a"))
    assert sheet.totals["a"] - sheet.totals["b"] > 0.4
    assert compare_pair(sheet, "a", "b").outcome == "better"


def test_nobody_leads_because_all_others_are_flagged() -> None:
    columns = {"x": {"a": 1.0, "b": 1.0, "c": 2.0}, "y": {"a": 5.0, "b": 1.0, "c": 2.0}}
    assert sheet_of(columns, barred=frozenset("bc")).leading == ()
    assert sheet_of(columns, barred=frozenset("c")).leading == ("b",)
    titles = {slug: slug.upper() for slug in names}
    words = score_words.why_nobody_leads(sheet_of(columns, barred=frozenset("bc")), titles)
    assert words == "Of those with enough data only A has no flag and is no bare library, so it has no rival."
    assert labels_of(columns, b=1, c=1)["a"] is None
    assert labels_of(columns, c=1)["b"] == "recommended"


@given(columns_strategy)
def test_the_leading_group_has_the_best_total_and_all_close_to_it(columns: dict[str, dict[str, float]]) -> None:
    sheet = sheet_of(columns)
    best = max(sheet.totals.values())
    assert sheet.leading
    for slug, total in sheet.totals.items():
        assert (slug in sheet.leading) == (4 ** (best - total) <= 1.25 + 1e-6)


def test_a_failure_in_every_round_scores_nothing() -> None:
    sheet = sheet_of({"x": {"a": 1.0, "b": None}})
    assert sheet.totals == {"a": 1.0, "b": 0.0}


def test_a_total_needs_every_facet_that_anybody_has() -> None:
    sheet = sheet_of({"x": {"a": 1.0, "b": 2.0}, "y": {"a": 1.0, "c": 3.0}, "z": {"a": 1.0, "b": 2.0, "c": 9.0}})
    assert set(sheet.totals) == {"a"}
    assert sheet.facet_score("b", "y") is None
    assert sheet.leading == (), "there is nothing to compare it with"


def test_a_facet_needs_values_in_half_of_its_criteria() -> None:
    facets = dict.fromkeys(("x", "y", "z"), "one")
    values = {"x": {"a": 1.0, "b": 2.0}, "y": {"a": 1.0}, "z": {"a": 1.0}}
    assert set(sheet_of(values, facets).totals) == {"a"}
    two = sheet_of({"x": {"a": 1.0, "b": 2.0}, "y": {"a": 1.0, "b": 1.0}, "z": {}}, facets)
    assert set(two.totals) == {"a", "b"}
    one = sheet_of({"x": {"a": 1.0, "b": 2.0}, "y": {}, "z": {}}, facets)
    assert one.lacking_facets == ("one",)
    assert one.totals == {}


def test_half_of_the_facets_are_no_verdict_on_all() -> None:
    known = {"x": {"a": 1.0, "b": 2.0}, "y": {}}
    assert sheet_of(known).totals == {}
    assert sheet_of(known).unknown[0].key == "y"
    assert set(sheet_of({**known, "z": {"a": 1.0, "b": 2.0}}).totals) == {"a", "b"}


def test_alone_nobody_wins() -> None:
    alone = sheet_of({"x": {"a": 1.0}, "y": {"a": 5.0}})
    assert alone.leading == ()
    assert alone.counting == ()
    assert [one.key for one in alone.with_one_value] == ["x", "y"]
    assert sheet_of({}).leading == ()


def test_a_higher_score_that_does_not_lead_is_named() -> None:
    titles = {slug: slug.upper() for slug in names}
    columns = {"p": {"a": 1.0, "b": 2.0, "c": 2.2}, "q": {"a": 2.0, "b": 4.0, "c": 4.0}}
    ahead = sheet_of(columns, barred=frozenset("a"))
    assert ahead.leading == ("b", "c")
    assert score_words.ahead_of_leading(ahead, titles).startswith("A has a higher score;")
    equal = sheet_of(
        {**columns, "p": {"a": 2.0, "b": 2.0, "c": 2.2}, "q": {"a": 4.0, "b": 4.0, "c": 4.0}}, barred=frozenset("a")
    )
    for sheet in (equal, sheet_of(columns), sheet_of({})):
        assert score_words.ahead_of_leading(sheet, titles) == ""


def test_where_nothing_differs_all_lead() -> None:
    sheet = sheet_of({"x": {"a": 1.0, "b": 1.0}})
    assert sheet.leading == ("a", "b")
    assert sheet.with_one_value == ()
    assert compare_pair(sheet, "a", "b").outcome == "same"


def test_groups_weigh_the_same_however_many_criteria_they_have() -> None:
    sheet = sheet_of(
        {"x1": {"a": 1.0, "b": 4.0}, "x2": {"a": 1.0, "b": 4.0}, "y": {"a": 1.0, "b": 1.0000001}},
        dict.fromkeys(("x1", "x2", "y"), "one"),
    )
    grouped = replace(sheet, criteria=tuple(replace(one, group=one.key[0]) for one in sheet.criteria))
    assert grouped.totals["b"] == pytest.approx(0.5, abs=1e-4)


# What changes the leading group


def test_facets_that_change_the_leading_group_are_named() -> None:
    sheet = sheet_of(
        {
            "speed": {"a": 1.0, "b": 1.0, "c": 3.0},
            "memory": {"a": 1.0, "b": 3.0, "c": 1.0},
            "x": {"a": 1.0, "b": 1.1, "c": 1.1},
        }
    )
    assert sheet.leading == ("a",)
    (speed, memory) = [one for one in sheet.sensitivities if one.kind == "facet"]
    assert (speed.left_out, speed.joins, speed.leaves) == ("speed", ("c",), ())
    assert (memory.left_out, memory.joins) == ("memory", ("b",))


def test_a_round_that_changes_the_leading_group_is_named() -> None:
    criterion = Criterion("x", "x", "x", "lower", source="t")
    cells = {"x": {"a": ScoreCell("counts", 1.0, {1: 1.0, 2: 1.0}), "b": ScoreCell("counts", 2.0, {1: 1.0, 2: 4.0})}}
    sheet = Sheet("s", "S", ("a", "b"), (criterion,), cells)
    assert sheet.leading == ("a",)
    (found,) = sheet.sensitivities
    assert (found.kind, found.left_out, found.joins) == ("round", "1 of 2 rounds", ("b",))
    assert sheet.without_round("t", 2).score_of("b", criterion) == pytest.approx(1)
    assert sheet.without_round("other", 2).cells == sheet.cells


# Pairs


def test_one_is_better_only_without_a_large_difference_the_other_way() -> None:
    better = sheet_of({"x": {"a": 1.0, "b": 3.0}, "y": {"a": 1.0, "b": 2.0}, "z": {"a": 1.2, "b": 1.0}})
    assert compare_pair(better, "a", "b").outcome == "better"
    opposite = sheet_of({"x": {"a": 1.0, "b": 4.0}, "y": {"a": 1.0, "b": 4.0}, "z": {"a": 2.0, "b": 1.0}})
    found = compare_pair(opposite, "a", "b")
    assert found.outcome == "mixed"
    assert [one.title for one in found.for_second] == ["z"]


@pytest.mark.parametrize(("mine", "theirs", "titles"), [(0.0, 1.0, ["y"]), (0.5, 1.0, []), (0.0, 0.5, [])])
def test_half_a_step_between_degrees_is_no_large_difference(mine: float, theirs: float, titles: list[str]) -> None:
    criteria = (Criterion("x", "x", "x", "lower"), Criterion("y", "y", "y", "yes"))
    cells = {
        "x": {"a": ScoreCell("counts", 1.0), "b": ScoreCell("counts", 4.0)},
        "y": {"a": ScoreCell("counts", mine), "b": ScoreCell("counts", theirs)},
    }
    found = compare_pair(Sheet("s", "S", ("a", "b"), criteria, cells), "a", "b")
    assert [one.title for one in found.for_second] == titles


def test_what_is_open_makes_a_pair_inconclusive() -> None:
    sheet = sheet_of({"x": {"a": 1.0, "b": 3.0}, "y": {"a": 1.0, "b": 2.0}})

    def against(first: str, _second: str) -> Sequence[Obstacle]:
        return [Obstacle("p99", is_open=True)] if first == "a" else []

    found = compare_pair(sheet, "a", "b", against)
    assert (found.outcome, found.open_in) == ("unknown", ("p99",))
    assert compare_pair(sheet, "b", "a", lambda *_: []).outcome == "worse"


def test_an_order_that_rests_on_one_criterion_depends_on_it() -> None:
    sheet = sheet_of({"x": {"a": 1.0, "b": 1.9}, "y": {"a": 1.2, "b": 1.0}})
    found = compare_pair(sheet, "a", "b")
    assert found.outcome == "mixed"
    assert "x" in found.depends_on


@settings(max_examples=30, deadline=None)
@given(columns_strategy)
def test_a_pair_has_one_outcome_from_both_sides(columns: dict[str, dict[str, float]]) -> None:
    sheet = sheet_of(columns)
    opposite = {"better": "worse", "worse": "better"}
    for first in names:
        assert compare_pair(sheet, first, first).outcome == "same"
        for second in names:
            found = compare_pair(sheet, first, second)
            assert compare_pair(sheet, second, first).outcome == opposite.get(found.outcome, found.outcome)
            assert found.swapped.outcome == compare_pair(sheet, second, first).outcome
            if found.outcome == "better":
                assert all(row[first] < 2 * row[second] for row in columns.values())
    assert compare_pair(sheet, "a", "nobody").outcome == "unknown"


def test_a_difference_among_the_worst_is_seen_although_their_scores_are_equal() -> None:
    sheet = sheet_of({"x": {"a": 2.0, "b": 3.9, "c": 1.0}, "y": {"a": 24.0, "b": 8.0, "c": 1.0}})
    assert sheet.score_of("a", sheet.criteria[1]) == sheet.score_of("b", sheet.criteria[1]) == 0
    assert compare_pair(sheet, "a", "b").outcome == "mixed"


def test_what_one_of_two_lacks_does_not_decide_between_them() -> None:
    """Otherwise the worst value, if it is missing, would raise the total of whom it is missing for."""
    facets = {"x1": "one", "x2": "one", "y": "two"}
    values: dict[str, dict[str, float | None]] = {
        "x1": {"a": 1.0, "b": 1.0, "c": 1.3},
        "x2": {"a": 3.9, "c": 1.0},
        "y": {"a": 1.0, "b": 1.0, "c": 1.3},
    }
    sheet = sheet_of(values, facets)
    assert sheet.totals["b"] > sheet.totals["a"]
    assert [one.key for one in sheet.gaps("b")] == ["x2"]
    assert sheet.gaps("a") == ()
    assert compare_pair(sheet, "a", "b").outcome == "same"
    assert score_words.gaps(sheet, "b") == "The total leaves out x2 (not measured)."
    assert label_frameworks([sheet], ("a", "b", "c"), {})["b"].left_out == ("x2",)
    disjoint = sheet_of({"x1": {"a": 1.0, "c": 2.0}, "x2": {"b": 1.0, "c": 2.0}, "y": {"a": 1.0, "b": 2.0}}, facets)
    assert compare_pair(disjoint, "a", "b").outcome == "unknown", "they share no criterion of a facet"


@pytest.mark.parametrize("state", ["timer", "listen-queue", "trend", "unsettled"])
def test_what_a_server_limited_itself_counts_and_decides_no_pair(state: CellState) -> None:
    criteria = tuple(Criterion(key, key, key, "lower") for key in "xyz")
    cells = {key: {"a": ScoreCell("counts", 1.0), "b": ScoreCell("counts", 1.5)} for key in "xyz"}
    cells["z"] = {"a": ScoreCell(state, 3.0), "b": ScoreCell("counts", 1.0)}
    sheet = Sheet("s", "S", ("a", "b"), criteria, cells)
    assert sheet.score_of("a", criteria[2]) == pytest.approx(score(3, 1, "lower")), "left out, it would raise the total"
    (obstacle,) = compare_pair(sheet, "a", "b").for_second
    assert (obstacle.title, obstacle.is_open) == ("z", True)
    nothing = replace(sheet, cells={**cells, "z": {**cells["z"], "a": ScoreCell("undelivered")}})
    assert nothing.score_of("a", criteria[2]) == 0
    assert [one.is_open for one in compare_pair(nothing, "a", "b").for_second] == [False]


def test_intervals_that_overlap_do_not_decide() -> None:
    """As two capacities of which one may be twice the other, and samples of a start."""
    criteria = (Criterion("x", "x", "x", "higher"), *(Criterion(key, key, key, "lower") for key in "yz"))
    other = {"a": ScoreCell("counts", 1.0), "b": ScoreCell("counts", 3.0)}

    def standing(mine: tuple[float, float, float], theirs: tuple[float, float, float]) -> PairStanding:
        spans = {"a": mine, "b": theirs}
        row = {slug: ScoreCell("counts", span[1], ends=(span[0], span[2])) for slug, span in spans.items()}
        return compare_pair(Sheet("s", "S", ("a", "b"), criteria, {"x": row, "y": other, "z": other}), "a", "b")

    wide = standing((100, 150, 400), (200, 250, 500))
    assert (wide.outcome, wide.open_in) == ("unknown", ("x",))
    narrow = standing((180, 200, 220), (200, 220, 240))
    assert narrow.for_second == (), "it is surely less than twice"
    apart = standing((100, 110, 120), (230, 240, 250))
    assert [one.is_open for one in apart.for_second] == [False]


# Labels


def test_a_label_is_shared_only_with_whom_the_whole_verdict_calls_equal() -> None:
    sheet = sheet_of({"x": {"a": 1.0, "b": 1.0, "c": 1.27, "d": 1.2}})
    assert label_frameworks([sheet], names, {})["c"].label == "recommended", "it is practically equal to d"

    def open_all(_sheet: Sheet, _first: str, _second: str) -> PairStanding:
        return PairStanding("unknown")

    assert label_frameworks([sheet], names, {}, open_all)["c"].label == "good choice"


def labels_of(columns: Mapping[str, Mapping[str, float | None]], **flags: int) -> dict[str, str | None]:
    sheet = sheet_of(columns, barred=frozenset(flags))
    return {slug: one.label for slug, one in label_frameworks([sheet], sheet.frameworks, flags).items()}


def test_labels_by_distance_and_by_flags() -> None:
    values = {"x": {"best": 1.0, "near": 1.2, "good": 1.7, "far": 2.5, "one": 1.0, "two": 1.0}}
    assert labels_of(values, one=1, two=2) == {
        "best": "recommended",
        "near": "recommended",
        "good": "good choice",
        "far": "special case",
        "one": "special case",
        "two": "not for new projects",
    }


def test_a_mean_does_not_hide_a_dimension_that_is_far_behind() -> None:
    near = dict.fromkeys(("a", "b"), 1.0)
    sheets = [sheet_of({"x": {"a": 1.0, "b": 2.5}}), *(sheet_of({"x": near}) for _ in range(3))]
    found = label_frameworks(sheets, ("a", "b"), {})
    assert found["b"].total == pytest.approx(1 - math.log(2.5) / math.log(4) / 4)
    assert (found["a"].label, found["b"].label) == ("recommended", "good choice")


def test_without_data_in_each_dimension_there_is_no_label() -> None:
    full, lacking = sheet_of({"x": {"a": 1.0, "b": 1.0, "c": 1.0}}), sheet_of({"x": {"a": 1.0, "b": 1.0}})
    found = label_frameworks([full, lacking], ("a", "b", "c"), {})
    assert (found["a"].label, found["c"].label, found["c"].lacking) == ("recommended", None, ("Sheet",))
    assert label_frameworks([full], ("a",), {})["a"].label is None, "the only candidate wins nothing by default"
    assert label_frameworks([], ("a", "b"), {})["a"].label is None


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["x", "y", "z"]), st.fixed_dictionaries(dict.fromkeys(names, amounts)), min_size=2),
    st.floats(-0.001, 0.001),
)
def test_twins_get_the_same_label(columns: dict[str, dict[str, float]], noise: float) -> None:
    """Also where the noise between them lies at the edge of a label."""
    twins = {key: {**row, "twin": row["a"] * (1 + noise)} for key, row in columns.items()}
    found = labels_of(twins)
    # They may still part if a third one is equal to just one of them: at the edge of being practically equal.
    sheet = sheet_of(twins)
    others = [(compare_pair(sheet, one, slug).outcome) for one in ("a", "twin") for slug in ("b", "c", "d")]
    if others[:3] == others[3:]:
        assert found["a"] == found["twin"]
    assert all(label in LABELS for label in found.values())


# Facets that count the same


def test_facets_in_the_same_order_are_reported() -> None:
    rising = {name: float(number) for number, name in enumerate("abcdef", start=1)}
    mixed = dict(zip("abcdef", (3.0, 1.0, 6.0, 2.0, 5.0, 4.0), strict=True))
    sheet = sheet_of({"x": rising, "y": {slug: 1 + value / 3 for slug, value in rising.items()}, "z": mixed})
    found = {(one.first, one.second): one for one in facet_correlations(sheet)}
    assert found["x", "y"].is_too_high
    assert not found["x", "z"].is_too_high
    assert facet_correlations(sheet_of({"x": {"a": 1.0, "b": 2.0}, "y": {"a": 1.0, "b": 2.0}})) == ()
