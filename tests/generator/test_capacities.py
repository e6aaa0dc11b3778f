"""Brackets are merged, ordered and grouped, and compared only if they are conclusive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import synthetic
from generator.charts import Identities, range_chart
from generator.charts.wording import bracket, parameters_in_words
from generator.comparison import Bracket, CapacityTable, capacity_tables, compare_runs, decide_capacity
from generator.comparison.capacities import P99_LIMITS_MS, _bracket, _brackets, _row
from generator.comparison.scored_values import _capacity_cell
from generator.comparison.tables import rows_of
from generator.dataset import load_results
from generator.statistics import Interval, RankRange, bracket_rank_ranges
from generator.statistics.ratio_of_intervals import ratio_interval
from runners.judging import thresholds
from runners.record import Capacity, estimate_sustained_load, problems_in
from tests.support import documents


@pytest.fixture(scope="module")
def tables(results: Path) -> tuple[CapacityTable, ...]:
    runs = load_results(results).headline
    return capacity_tables(runs)


brackets = st.builds(
    lambda low, width, conclusive, open_low, open_high: Bracket(
        None if open_low and not conclusive else low, None if open_high and not conclusive else low + width, conclusive
    ),
    st.integers(1, 50),
    st.integers(1, 20),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def test_a_search_has_a_table_of_its_own(tables: tuple[CapacityTable, ...], results: Path) -> None:
    (run,) = load_results(results).runs
    assert [(table.slug, table.unit, len(table.rows)) for table in tables] == [
        ("capacity-rate", "messages/s", 10),
        ("capacity-users", "users", 10),
    ]
    assert not any(table.workload.slug == "capacity" for table in compare_runs([run]).tables)
    assert not run.unmeasured


def test_no_search_of_the_synthetic_results_contradicts_itself(results: Path) -> None:
    problems = [problem for path in results.glob("*/*/*.yml") for problem in problems_in(path)]
    assert not [problem for problem in problems if "capacity" in problem.message or problem.path.name == "run.yml"]


def test_the_reference_comes_first_then_the_highest(tables: tuple[CapacityTable, ...]) -> None:
    rate, _ = tables
    assert rate.rows[0].framework.is_reference
    lows = [row.bracket.low or 0 for row in rate.rows[1:] if row.bracket is not None]
    assert lows == sorted(lows, reverse=True)
    assert (rate.rows[-1].variant.slug, rate.rows[-1].status, rate.rows[-1].bracket) == ("threading", "failed", None)


def test_each_row_shows_the_result_of_its_search(tables: tuple[CapacityTable, ...]) -> None:
    rows = {row.variant.slug: row for row in tables[0].rows}
    uvicorn, picows, gevent = rows["uvicorn"], rows["picows"], rows["gevent"]
    assert uvicorn.bracket is not None
    assert uvicorn.bracket.low is not None
    assert uvicorn.bracket.high is not None
    assert uvicorn.bracket.conclusive
    assert uvicorn.bracket.typical is not None
    assert uvicorn.bracket.low <= 0.85 * 66_800 < uvicorn.bracket.high
    assert uvicorn.bracket.low < uvicorn.bracket.typical < uvicorn.bracket.high
    assert uvicorn.server_cpu_percent is not None
    assert 90 < uvicorn.server_cpu_percent <= 100
    assert uvicorn.broken is not None
    assert uvicorn.broken.startswith("p99 1")
    assert picows.bracket is not None
    assert (picows.status, picows.bracket.high, picows.broken) == ("invalid", None, None)
    assert picows.bracket.low is not None
    assert gevent.bracket is not None
    assert not gevent.bracket.conclusive


def test_pages_show_the_limits_that_searches_look_for() -> None:
    assert (thresholds.TRY_P99.limit, thresholds.STRICT_P99.limit) == P99_LIMITS_MS


def test_each_row_has_the_load_at_the_strict_limit_as_well(tables: tuple[CapacityTable, ...]) -> None:
    """The simulated p99 is 20 ms at 61 % of the load at which it is 100 ms."""
    assert tables[0].other_limits_ms == (20.0,)
    uvicorn = next(row for row in tables[0].rows if row.variant.slug == "uvicorn")
    strict = uvicorn.at[20.0]
    assert strict.low is not None
    assert strict.high is not None
    assert strict.low <= 0.61 * 0.85 * 66_800 <= strict.high
    assert strict.conclusive
    assert uvicorn.at[100.0].low == (uvicorn.bracket and uvicorn.bracket.low)
    older = documents.capacity(confirmations=3)
    assert _brackets([older]) == {}, "attempts of the older kind were repeated at the ends of one limit only"


def test_overlapping_brackets_have_the_same_place(tables: tuple[CapacityTable, ...]) -> None:
    found = {row.variant.slug: row.rank for row in tables[0].rows}
    memory, uvicorn = found["uvicorn-memory"], found["uvicorn"]
    assert memory is not None
    assert uvicorn is not None
    assert memory == found["uvicorn-redis"]
    assert (uvicorn.first, uvicorn.last) < (memory.first, memory.last)
    assert found["picows"] is found["threading"] is None


def test_one_may_be_called_higher_only_where_brackets_do_not_overlap(tables: tuple[CapacityTable, ...]) -> None:
    rate = tables[0]
    assert decide_capacity(rate, "fastapi", "django-channels").outcome == "unknown", "from one search"
    rate = _searched_again(rate)
    assert decide_capacity(rate, "fastapi", "django-channels").outcome == "better"
    assert decide_capacity(rate, "django-channels", "fastapi").outcome == "worse"
    itself = decide_capacity(rate, "fastapi", "fastapi")
    assert (itself.outcome, itself.overlap) == ("unknown", True), "that intervals overlap is no sign of equality"
    assert decide_capacity(rate, "fastapi", "nobody").outcome == "unknown"
    assert decide_capacity(rate, "reference", "fastapi").outcome == "better", "at least so much is enough here"


def _searched_again(table: CapacityTable) -> CapacityTable:
    rows = [
        row if row.bracket is None else replace(row, bracket=replace(row.bracket, searches=2)) for row in table.rows
    ]
    return replace(table, rows=tuple(rows))


def test_narrowing_places_anew(tables: tuple[CapacityTable, ...]) -> None:
    own = tables[0].only({"flask-socketio"})
    assert {row.framework.slug for row in own.rows} == {"flask-socketio"}
    assert own.rows[0].rank is not None
    assert own.rows[0].rank.first == 1


@given(first=brackets, second=brackets)
def test_being_above_is_one_way_and_never_for_overlapping_brackets(first: Bracket, second: Bracket) -> None:
    assert not (first.is_above(second) and second.is_above(first))
    assert not first.is_above(first)
    if first.is_above(second):
        assert first.interval.low >= second.interval.high


@given(found=st.dictionaries(st.integers(0, 20), brackets, max_size=8))
def test_a_place_counts_the_brackets_above_and_below(found: dict[int, Bracket]) -> None:
    for key, place in bracket_rank_ranges({key: one.interval for key, one in found.items()}).items():
        above = sum(one.is_above(found[key]) for one in found.values())
        below = sum(found[key].is_above(one) for one in found.values())
        assert place == RankRange(above + 1, len(found) - below)


def test_a_search_that_failed_in_every_round_scores_nothing(tables: tuple[CapacityTable, ...]) -> None:
    rate = tables[0]
    failed = rate.rows[-1]
    assert failed.status == "failed"
    assert _capacity_cell(rate, replace(failed, rounds=2), {}).state == "failed"
    assert _capacity_cell(rate, replace(failed, rounds=1), {}).state == "few-rounds"


def test_one_search_alone_decides_nothing() -> None:
    high, low = Bracket(200, 210, conclusive=True, searches=2), Bracket(100, 110, conclusive=True, searches=2)
    assert high.against(low) == "better"
    assert low.against(high) == "worse"
    assert replace(high, searches=1).against(low) == "unknown"
    assert high.against(replace(low, searches=1)) == "unknown"


def test_capacities_are_equal_only_if_their_ratio_is_surely_near_one() -> None:
    def found(middle: int, spread: float) -> Bracket:
        return Bracket(round(middle / spread), round(middle * spread), True, middle, searches=2)

    assert found(10_000, 1.03).against(found(10_100, 1.03)) == "same"
    assert found(10_000, 1.25).against(found(10_000, 1.25)) == "unknown", "one may be 1.37 times the other"
    assert found(10_000, 1.03).against(found(10_700, 1.05)) == "unknown"
    assert replace(found(10_000, 1.03), conclusive=False).against(found(10_000, 1.03)) == "unknown"
    assert found(10_000, 1.03).times(Bracket(9_000, None, False, searches=2)) is None


spans = st.tuples(*3 * [st.floats(1, 1e6)]).map(sorted).map(tuple)


@given(spans, spans)
def test_a_ratio_of_intervals_contains_that_of_the_estimates(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> None:
    found, swapped = ratio_interval(first, second), ratio_interval(second, first)
    assert found.low <= first[1] / second[1] * (1 + 1e-9)
    assert found.high >= first[1] / second[1] * (1 - 1e-9)
    assert found.low == pytest.approx(1 / swapped.high)
    assert found.low >= first[0] / second[2] * (1 - 1e-9), "never as wide as that of the ends"


def test_every_search_with_usable_attempts_counts(results: Path) -> None:
    """Also one that the load generator's limit ended. Without it, the fastest servers would seem slower."""
    tries = [documents.capacity_probe(load, passed=load <= 12_000) for load in (8_000, 16_000, 11_500, 12_500) * 4]
    faster = [documents.capacity_probe(load, passed=True) for load in (8_000, 16_000) * 4]
    one = documents.capacity(confirmations=None, probes=tries)
    limited = documents.capacity(confirmations=None, probes=faster, high=None, conclusive=False, reason="its limit")
    useless = documents.capacity(confirmations=None, probes=[], low=None, high=None, conclusive=False, reason="lags")
    (run,) = load_results(results).runs
    row = next(rows_of(run, searched=True))

    def found(*searches: Capacity) -> Bracket:
        measurements = [
            documents.capacity_measurement(search).model_copy(update={"round": number})
            for number, search in enumerate(searches, start=1)
        ]
        bracket = _row(replace(row, cell=row.cell.model_copy(update={"measurements": measurements}))).bracket
        assert bracket is not None
        return bracket

    both, alone = found(one, limited), found(one, useless)
    assert (both.searches, alone.searches) == (2, 1)
    assert both.middle is not None
    assert alone.middle is not None
    assert both.middle > alone.middle
    assert (both.conclusive, found(limited, limited).conclusive) == (True, False)


def test_brackets_that_touch_do_not_overlap() -> None:
    touching = bracket_rank_ranges({"a": Interval(105, 110), "b": Interval(100, 105)})
    assert touching == {"a": RankRange(1, 1), "b": RankRange(2, 2)}


def test_a_search_of_the_older_kind_is_marked_as_such(tables: tuple[CapacityTable, ...]) -> None:
    assert not any(table.is_of_ends for table in tables)
    (row,) = tables[0].only({"fastapi"}).rows[:1]
    older = row.cell.model_copy(update={"measurements": [documents.capacity_measurement()]})
    assert replace(tables[0], rows=(replace(row, cell=older),)).is_of_ends


def test_the_tries_of_several_searches_are_taken_together() -> None:
    tries = [documents.capacity_probe(load, passed=load <= 12_000) for load in (8_000, 16_000, 11_500, 12_500) * 4]
    found = estimate_sustained_load([(one.load, one.passed) for one in tries])
    one = documents.capacity(confirmations=None, **vars(found), probes=tries)
    alone, together = _bracket([one]), _bracket([one, one, one])
    assert alone is not None
    assert together is not None
    assert alone.low is not None
    assert alone.high is not None
    assert together.low is not None
    assert together.high is not None
    assert alone.low < together.low < 12_000 < together.high < alone.high


def test_several_rounds_make_one_bracket() -> None:
    first, second = documents.capacity(), documents.capacity(low=11_500, high=11_900)
    vain = documents.capacity(low=9_000, high=None, conclusive=False, reason="not settled after 9 probes")
    lost = documents.capacity(low=None, high=None, conclusive=False, reason="not settled after 9 probes")
    assert _bracket([first, second]) == Bracket(11_500, 12_500, conclusive=True, searches=2)
    assert _bracket([vain, vain]) == Bracket(9_000, None, conclusive=False, searches=2)
    assert _bracket([vain, lost]) == Bracket(None, None, conclusive=False, searches=2)
    assert _bracket([]) is None


@pytest.mark.parametrize(
    ("low", "high", "conclusive", "text"),
    [
        (12_000, 12_600, True, "12,000 to 12,600"),
        (12_000, 20_000, False, "12,000 to 20,000, inconclusive"),
        (12_000, None, False, "at least 12,000"),
        (None, 25, False, "below 25"),
        (None, None, False, "inconclusive"),
    ],
)
def test_a_bracket_in_words(low: int | None, high: int | None, conclusive: bool, text: str) -> None:
    assert bracket(low, high, conclusive=conclusive) == text


def test_a_search_in_words() -> None:
    assert (
        parameters_in_words(synthetic.RATE)
        == "highest rate, 100 connections, 64 bytes, p99 below 100 ms, 1 server core"
    )
    assert (
        parameters_in_words(synthetic.MOST)
        == "most users before updates wait behind the push, 1 update/s each, p99 below 100 ms, 1 server core"
    )


def test_the_chart_draws_every_bracket_and_names_who_has_none(tables: tuple[CapacityTable, ...]) -> None:
    for table in tables:
        chart = range_chart(table, Identities({}))
        assert chart is not None
        go.Figure(chart.figure)
        assert {len(row) for row in chart.table.rows} == {len(chart.table.columns)}
        assert len(chart.table.rows) == len(table.bracketed_rows) == 9
        assert "threading" in chart.notes[0]
    assert range_chart(tables[0].only({"nobody"}), Identities({})) is None
