"""The rounds of an adaptive run after those of everything: what they measure, in which order, and why they end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.campaign import planning
from runners.campaign.next_round import further_round, look_at, next_round
from runners.campaign.planning import Limits, Plan, comparison_key
from runners.campaign.run_document import key_of
from runners.record import Advice, PartLook, Undecided, scenario_of
from runners.subjects import catalog, workloads
from runners.subjects.profiles import PROFILES

NAMES = ("echo/closed", "echo/open", "connect/storm", "capacity/rate")
"""All servers in turns; four at most; each alone; a search."""


@cache
def plan(seed: int = 1, *, has_reference: bool = True) -> Plan:
    standard = PROFILES["standard"]
    frameworks = [one for one in catalog.discover() if has_reference or not one.reference]
    return planning.plan_run(frameworks, workloads.choose_workloads(NAMES, standard), standard, seed)


def scenarios(whole: Plan) -> dict[str, list[int]]:
    """The indexes of the cells of each scenario, by the name of its part."""
    found: dict[str, list[int]] = {}
    for index, cell in enumerate(whole.cells):
        found.setdefault(f"{cell.workload.slug}/{cell.scenario.kind}", []).append(index)
    return found


def undecided(whole: Plan, *indexes: int, decisions: float = 1.0, rounds: int = 1) -> Undecided:
    return Undecided(
        tuple(key_of(whole.cells[index]) for index in indexes),
        "inconclusive" if len(indexes) == 2 else "wide",
        rounds,
        decisions,
    )


@st.composite
def advices(draw: st.DrawFn) -> Advice:
    """Anything that may be undecided: comparisons within a scenario, and single cells."""
    whole, found = plan(), []
    for _ in range(draw(st.integers(0, 25))):
        cells = scenarios(whole)[draw(st.sampled_from(NAMES))]
        chosen = draw(st.lists(st.sampled_from(cells), min_size=1, max_size=2, unique=True))
        found.append(undecided(whole, *chosen, decisions=draw(st.floats(0.1, 50)), rounds=draw(st.integers(1, 15))))
    return Advice(undecided=tuple(found))


seconds = st.one_of(st.just(math.inf), st.floats(0, 4000))


@given(advice=advices(), seconds=seconds)
@settings(max_examples=40)
def test_a_round_fits_has_no_cell_twice_and_always_the_reference(advice: Advice, seconds: float) -> None:
    whole = plan()
    turn = next_round(whole, advice, seconds)
    assert whole.round_s(turn) <= seconds
    assert max(Counter(turn).values(), default=1) == 1
    open_cells = {key for one in advice.undecided for key in one.cells}
    for index in turn:
        assert key_of(whole.cells[index]) in open_cells or whole.cells[index].framework.reference
    for group in whole.groups(turn):
        cells = [whole.cells[index] for index in group]
        assert len({comparison_key(cell) for cell in cells}) == 1
        most = cells[0].scenario.most_together
        assert most is None or len(group) <= most
        of_first_pass = [other for other in whole.groups(whole.order[0]) if group[0] in other]
        if any(whole.cells[index].framework.reference for other in of_first_pass for index in other):
            assert any(cell.framework.reference for cell in cells)
    measured = {comparison_key(whole.cells[index]) for index in turn}
    assert measured == {comparison_key(cell) for cell in (whole.cells[i] for i in turn) if cell.framework.reference}


@given(advice=advices())
@settings(max_examples=40)
def test_with_enough_time_everything_undecided_is_measured(advice: Advice) -> None:
    whole = plan()
    keys = {key_of(whole.cells[index]) for index in next_round(whole, advice)}
    assert keys >= {key for one in advice.undecided for key in one.cells}


@given(advice=advices(), seconds=seconds, seed=st.integers(0, 2**31))
@settings(max_examples=40)
def test_the_seed_and_the_number_of_the_round_decide_the_order(advice: Advice, seconds: float, seed: int) -> None:
    whole = replace(plan(), seed=seed)
    turn = next_round(whole, advice, seconds)
    assert turn == next_round(replace(plan(), seed=seed), advice, seconds)
    backwards = Advice(undecided=tuple(reversed(advice.undecided)))
    assert sorted(next_round(whole, backwards)) == sorted(next_round(whole, advice))


def test_each_round_has_another_order() -> None:
    whole = plan()
    cells = scenarios(whole)["echo/closed"]
    advice = Advice(undecided=tuple(undecided(whole, index) for index in cells))
    turns = []
    for _ in range(5):
        turns.append(next_round(whole, advice))
        whole = replace(whole, order=(*whole.order, turns[-1]))
    assert len(set(turns)) == 5
    assert len({next_round(replace(plan(), seed=seed), advice) for seed in range(5)}) == 5


def test_a_run_without_a_reference_measures_what_is_undecided_alone() -> None:
    whole = plan(has_reference=False)
    first, second, *_ = scenarios(whole)["echo/open"]
    assert sorted(next_round(whole, Advice(undecided=(undecided(whole, first, second),)))) == [first, second]


def test_cells_that_the_plan_does_not_know_are_left_alone() -> None:
    other = Undecided(("nobody/own echo mode=closed",), "wide", 1, 1.0)
    assert next_round(plan(), Advice(undecided=(other,))) == ()


def pair_s(whole: Plan, *indexes: int) -> float:
    """Seconds of a round of these cells and the reference of their scenario."""
    key = comparison_key(whole.cells[indexes[0]])
    reference = [i for i, cell in enumerate(whole.cells) if cell.framework.reference and comparison_key(cell) == key]
    return whole.round_s([*indexes, *(index for index in reference if index not in indexes)])


def test_what_becomes_decided_per_second_comes_first() -> None:
    whole = plan()
    echo, storm = scenarios(whole)["echo/closed"][:2], scenarios(whole)["connect/storm"][:2]
    pairs = (undecided(whole, *echo), undecided(whole, *storm))
    echo_s, storm_s = pair_s(whole, *echo), pair_s(whole, *storm)
    assert storm_s < echo_s
    assert set(next_round(whole, Advice(undecided=pairs), echo_s + storm_s)) > {*echo, *storm}
    assert set(next_round(whole, Advice(undecided=pairs), echo_s)) > {*storm}, "the same for less time"
    assert not set(next_round(whole, Advice(undecided=pairs), echo_s)) & {*echo}
    more = (undecided(whole, *echo, decisions=2 * echo_s / storm_s), pairs[1])
    assert set(next_round(whole, Advice(undecided=more), echo_s)) > {*echo}
    slower = (undecided(whole, *echo, decisions=2 * echo_s / storm_s, rounds=3), pairs[1])
    assert set(next_round(whole, Advice(undecided=slower), echo_s)) > {*storm}, "decisions per round count"


def test_what_comes_first_keeps_the_time_of_all_rounds_that_it_needs() -> None:
    whole = plan()
    echo, storm = scenarios(whole)["echo/closed"][:2], scenarios(whole)["connect/storm"][:2]
    advice = Advice(undecided=(undecided(whole, *echo, decisions=100.0, rounds=3), undecided(whole, *storm)))
    echo_s, storm_s = pair_s(whole, *echo), pair_s(whole, *storm)
    assert not set(next_round(whole, advice, 3 * echo_s)) & {*storm}
    assert set(next_round(whole, advice, 3 * echo_s + storm_s + 1)) > {*storm}


def test_of_a_scenario_that_is_too_long_the_cells_with_least_to_decide_are_left_out() -> None:
    whole = plan()
    first, second, third, *_ = (i for i in scenarios(whole)["echo/closed"] if not whole.cells[i].framework.reference)
    advice = Advice(
        undecided=(
            undecided(whole, first, second, decisions=3.0),
            undecided(whole, second, third, decisions=1.0),
            undecided(whole, third, decisions=0.5),
        )
    )
    turn = next_round(whole, advice, pair_s(whole, first, second, third) - 1)
    assert set(turn) >= {first, second}
    assert third not in turn
    assert next_round(whole, advice, 1) == ()


def test_neighbours_are_those_that_have_most_to_decide() -> None:
    whole = plan()
    others = [i for i in scenarios(whole)["echo/open"] if not whole.cells[i].framework.reference]
    pairs = list(zip(others[::2], others[1::2], strict=False))
    advice = Advice(undecided=tuple(undecided(whole, *pair) for pair in pairs))
    groups = whole.groups(next_round(whole, advice))
    beside = sum(any(set(pair) <= set(group) for group in groups) for pair in pairs)
    assert beside >= len(groups) - 2, "a group has the reference and three others: a pair, and one of another"


# Looks


def counts(*, decided: int, deciding: int, wide: int = 0, values: int = 0, short: int = 0) -> PartLook:
    return PartLook(decided=decided, deciding=deciding, short=short, wide=wide, values=values)


def advice_of(parts: Mapping[str, PartLook], items: Sequence[Undecided] = ()) -> Advice:
    """Counts by the name of a part."""
    whole = plan()
    by_part = {name: scenario_of(key_of(whole.cells[cells[0]])) for name, cells in scenarios(whole).items()}
    return Advice({by_part[name]: part for name, part in parts.items()}, tuple(items))


def test_a_look_has_the_counts_of_each_part_and_their_sums() -> None:
    whole = plan()
    parts = {"echo/closed": counts(decided=3, deciding=4), "connect/storm": counts(decided=0, deciding=6, short=1)}
    look = look_at(whole, advice_of(parts), (7, 3), 12.3456)
    assert (look.after_round, look.decided, look.deciding) == (len(whole.order), 3, 10)
    assert dict(look.parts) == parts
    assert (look.cells, look.spent_s) == ([3, 7], 12.3)


LIMITS = Limits(first_rounds=5, most_rounds=6, target_decided_percent=90.0)


def test_a_run_ends_for_the_first_reason_that_applies() -> None:
    whole = plan()
    cells = scenarios(whole)["echo/closed"][:2]
    pair = undecided(whole, *cells)
    short = Undecided(pair.cells[:1], "short", 1, 1.0)
    most = replace(whole, order=(*whole.order, whole.order[0]))

    def found(plan: Plan, part: PartLook, *items: Undecided, seconds: float = math.inf) -> str | None:
        turn, ended = further_round(plan, LIMITS, advice_of({"echo/closed": part}, items), seconds)
        assert (not turn) == (ended is not None)
        return ended

    some, enough = counts(decided=8, deciding=10), counts(decided=9, deciding=10)
    assert found(whole, some, pair) is None
    assert found(whole, enough, pair) == found(most, enough, pair) == "target reached"
    assert found(whole, enough, pair, short) is None, "a row that does not count yet is part of the target"
    assert found(whole, counts(decided=9, deciding=10, wide=2, values=10), pair) is None
    assert found(whole, counts(decided=9, deciding=10, wide=1, values=10), pair) == "target reached"
    assert found(whole, counts(decided=0, deciding=0)) == "more rounds would not decide", "every row failed"
    assert found(whole, counts(decided=0, deciding=0, values=2)) == "target reached", "there is one framework"
    assert found(most, some, pair) == "all rounds measured"
    assert found(whole, some) == "more rounds would not decide"
    assert found(whole, some, pair, seconds=1) == "time is up"


@pytest.mark.parametrize("left", [-5.0, 0.0])
def test_no_time_is_no_round(left: float) -> None:
    whole = plan()
    pair = undecided(whole, *scenarios(whole)["echo/closed"][:2])
    assert next_round(whole, Advice(undecided=(pair,)), left) == ()


def test_a_look_counts_a_part_over_all_versions_of_python() -> None:
    standard = PROFILES["standard"]
    both = planning.plan_run(
        catalog.discover(), workloads.choose_workloads(["echo"], standard), standard, 1, pythons=["", "3.13"]
    )
    counts = PartLook(decided=3, deciding=4, short=1, wide=2, values=5)
    advice = Advice({scenario_of(key_of(cell)): counts for cell in both.cells})
    assert len(advice.scenarios) == 4
    found = look_at(both, advice, [], 60.0)
    assert found.parts == dict.fromkeys(
        ("echo/closed", "echo/open"), PartLook(decided=6, deciding=8, short=2, wide=4, values=10)
    )
    assert (found.decided, found.deciding) == (12, 16)
