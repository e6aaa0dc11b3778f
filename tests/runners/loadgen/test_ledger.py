"""The ledger balances for any answers, on every connection, also after failures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from runners.loadgen import arrays, kernel
from runners.loadgen.arrays import HistogramRow
from runners.loadgen.job import LedgerTotals
from runners.loadgen.ledger import Ledger
from tests.support.pencil import Pencil

FIRST = 100
DEPTH = 8
NEVER = 0
"""As the moment before which everything sent is overdue."""

given_actions = settings(deadline=None)
"""The first example may have to compile the kernel."""


def made(connections: int = 1, depth: int = 1 << 10, *, open_loop: bool = True) -> Ledger:
    return Ledger(connections, open_loop=open_loop, depth=depth, first=FIRST)


def play(actions: Iterable[int | None], *, intact: bool = True) -> Ledger:
    """``None`` sends the next message, at ten times its number; a number receives that one, counted from the first."""
    ledger = made()
    following = FIRST
    for action in actions:
        if action is None:
            assert ledger.send(0, following * 10, following * 10) == following
            following += 1
        else:
            ledger.receive(0, FIRST + action, following * 10, intact=intact)
    return ledger


def balanced(totals: LedgerTotals) -> bool:
    return totals.sent == totals.received + totals.lost + totals.in_flight


@given(st.lists(st.none() | st.integers(-FIRST - 3, 30)), st.booleans(), st.booleans())
@given_actions
def test_they_balance_over_any_sends_and_receives(actions: list[int | None], alive: bool, intact: bool) -> None:
    ledger = play(actions, intact=intact)
    if not alive:
        ledger.end_connection(0, 10**9)
    totals, censored = ledger.settle(10**9, NEVER)
    assert balanced(totals)
    assert totals.sent == actions.count(None)
    assert min(totals.received, totals.lost, totals.in_flight) >= 0
    assert alive or totals.in_flight == 0
    assert censored == totals.lost + totals.in_flight


@given(st.integers(1, 40), st.data())
@given_actions
def test_each_fault_is_counted_exactly(count: int, data: st.DataObject) -> None:
    """All sent, then a chosen subset answered in a chosen order, some of it again."""
    answered = data.draw(st.permutations(range(count)))[: data.draw(st.integers(0, count))]
    again = data.draw(st.lists(st.sampled_from(answered), max_size=10)) if answered else []
    totals, _ = play([*[None] * count, *answered, *again]).settle(10**9, NEVER)
    highest = max(answered, default=-1)
    late = sum(any(other > one for other in answered[:index]) for index, one in enumerate(answered))
    assert totals == LedgerTotals(
        sent=count,
        received=len(answered),
        lost=sum(one < highest for one in set(range(count)) - set(answered)),
        in_flight=sum(one > highest for one in set(range(count)) - set(answered)),
        duplicated=len(again),
        reordered=late,
        corrupted=0,
    )


def test_what_is_foreign_is_counted_and_what_is_from_a_closed_ledger_is_not_recorded() -> None:
    ledger = play([None, None, 0])
    assert not ledger.receive(0, -1, 1)
    assert not ledger.receive(0, FIRST + 7, 1)
    assert not ledger.receive(0, FIRST - 1, 1)
    found, _ = ledger.settle(10**9, NEVER)
    assert (found.foreign, found.corrupted, found.duplicated, found.received) == (2, 0, 0, 1)


@given(st.lists(st.none() | st.integers(0, 60), max_size=80), st.integers(0, 80))
@given_actions
def test_the_oldest_message_that_is_waited_for_is_always_known(actions: list[int | None], opened_at: int) -> None:
    ledger = made(depth=16)
    waiting: set[int] = set()
    following = FIRST
    for turn, action in enumerate(actions):
        if turn == opened_at:
            ledger.open()
            waiting.clear()
        if action is None:
            ledger.send(0, following, following)
            following += 1
            waiting = {number for number in waiting | {following - 1} if number >= following - ledger.depth}
        elif FIRST + action in waiting and action % 3 == 0:
            ledger.give_up(0, ledger.slot_of(FIRST + action), following)
            waiting.discard(FIRST + action)
        else:
            ledger.receive(0, FIRST + action, following)
            waiting.discard(FIRST + action)
        assert ledger.oldest_waiting(0) == min(waiting, default=-1)


def test_a_new_ledger_knows_nothing_of_the_old_one() -> None:
    ledger = play([None, None, None, 1])
    ledger.open()
    assert not any(ledger.receive(0, number, 1) for number in range(FIRST, FIRST + 3))
    assert ledger.send(0, 1, 1) == FIRST + 3
    assert ledger.receive(0, FIRST + 3, 2)
    assert ledger.settle(10**9, NEVER) == (LedgerTotals(sent=1, received=1), 0)


def test_a_settled_ledger_stays_settled() -> None:
    ledger = play([None, None])
    assert ledger.settle(10**9, NEVER) == (LedgerTotals(sent=2, in_flight=2), 2)
    assert not ledger.receive(0, FIRST, 1), "the pings of an idle connection may bring late answers with them"
    ledger.open()
    assert ledger.settle(10**9, NEVER) == (LedgerTotals(), 0)


def test_a_changed_answer_is_received_and_corrupted() -> None:
    ledger = play([None])
    assert ledger.receive(0, FIRST, FIRST * 10, intact=False)
    found, _ = ledger.settle(10**9, NEVER)
    assert (found.received, found.corrupted) == (1, 1)


def test_a_dead_connection_owes_everything() -> None:
    ledger = play([None, None, None, 0])
    assert ledger.end_connection(0, 1) == []
    assert ledger.end_connection(0, 1) == []
    assert ledger.settle(10**9, NEVER) == (LedgerTotals(sent=3, received=1, lost=2), 2)


def test_what_is_long_unanswered_is_lost() -> None:
    totals, censored = play([None, None, None]).settle(10**9, overdue_ns=FIRST * 10 + 11)
    assert (totals, censored) == (LedgerTotals(sent=3, lost=2, in_flight=1), 3)


def test_what_a_whole_ring_of_newer_ones_overtook_is_lost_with_the_time_it_waited() -> None:
    ledger = made(depth=DEPTH)
    assert ledger.depth == DEPTH
    for number in range(DEPTH + 3):
        ledger.send(0, 1000 * (number + 1), 1000 * (number + 1))
    assert not any(ledger.receive(0, FIRST + number, 10**6) for number in range(3)), "too late"
    assert ledger.receive(0, FIRST + 3, 1000 * DEPTH)
    totals, censored = ledger.settle(10**6, NEVER)
    assert totals == LedgerTotals(sent=DEPTH + 3, received=1, lost=3, in_flight=DEPTH - 1)
    assert censored == 3 + DEPTH - 1
    latency, from_send, lag = (
        ledger.counts(row) for row in (HistogramRow.LATENCY, HistogramRow.LATENCY_FROM_SEND, HistogramRow.SEND_LAG)
    )
    assert latency.sum() == from_send.sum() == lag.sum() == DEPTH + 3


def test_an_answer_that_was_given_up_counts_neither_as_received_nor_as_a_duplicate() -> None:
    ledger = made(open_loop=False)
    ledger.send(0, 10, 10)
    assert ledger.oldest_waiting(0) == FIRST
    slot = FIRST & (ledger.depth - 1)
    assert ledger.overdue(11) == [(0, slot)]
    assert ledger.overdue(10) == []
    ledger.give_up(0, slot, 500)
    assert ledger.overdue(11) == []
    assert ledger.oldest_waiting(0) == -1
    ledger.send(0, 700, 700)
    assert not ledger.receive(0, FIRST, 800)
    assert ledger.receive(0, FIRST + 1, 900)
    assert not ledger.receive(0, FIRST, 950)
    totals, censored = ledger.settle(1000, NEVER)
    assert (totals, censored) == (LedgerTotals(sent=2, received=1, lost=1), 1)
    assert ledger.counts(HistogramRow.LATENCY).sum() == 2


def test_the_latencies_of_the_unanswered_are_the_time_they_waited() -> None:
    ledger = made()
    ledger.send(0, 1_000_000, 3_000_000)
    ledger.settle(10_000_000, NEVER)
    expected = arrays.ledger_tables(1, 16).counts
    for row, value in (
        (HistogramRow.LATENCY, 9_000_000),
        (HistogramRow.LATENCY_FROM_SEND, 7_000_000),
        (HistogramRow.SEND_LAG, 2_000_000),
    ):
        kernel.count(expected, int(row), value)
    assert all((ledger.counts(row) == expected[row]).all() for row in HistogramRow)


who = st.integers(0, 2)
actions = st.lists(
    st.tuples(st.just("send"), who)
    | st.tuples(st.just("receive"), who, st.integers(-FIRST - 2, 30), st.booleans())
    | st.tuples(st.just("next"), who)
    | st.tuples(st.sampled_from(["give_up", "bury"]), who),
    max_size=80,
)
OVERWRITTEN_WHEN_DEAD = [("send", 0)] * 3 + [("bury", 0)] + [("send", 0)] * (DEPTH + 2)


@given(st.lists(actions, min_size=1, max_size=3))
@example([[("send", 0)] * 3 + [("receive", 0, 1, True)] + [("send", 0)] * DEPTH + [("receive", 0, 0, True)]])
@example([OVERWRITTEN_WHEN_DEAD, [*OVERWRITTEN_WHEN_DEAD, ("receive", 0, 4, True)]])
@settings(deadline=None, max_examples=300)
def test_several_ledgers_of_several_connections_are_as_if_kept_with_a_pencil(
    ledgers_of: list[list[tuple[Any, ...]]],
) -> None:
    ledger = made(3, DEPTH, open_loop=False)
    alive = [True] * 3
    sent = 0
    for index, turn in enumerate(ledgers_of):
        if index:
            ledger.open()
        start = [int(ledger.connections["last_sent"][k]) + 1 for k in range(3)]
        models = [Pencil(older=FIRST, depth=DEPTH) for _ in range(3)]
        for model, lives in zip(models, alive, strict=True):
            model.alive = lives
        for what, k, *rest in turn:
            model = models[k]
            if what == "send":
                assert ledger.send(k, 5, 5) == start[k] + len(model.fate)
                model.send()
            elif what == "give_up":
                for waiting, slot in ledger.overdue(10**6):
                    if waiting == k and slot == int(ledger.connections["last_sent"][k]) & (DEPTH - 1):
                        ledger.give_up(k, slot, 9)
                model.give_up()
            elif what == "bury":
                ledger.end_connection(k, 9)
                model.alive = alive[k] = False
            else:
                number, intact = rest or (model.highest + 1, True)
                # Far below zero are numbers that no message ever had.
                asked = start[k] + number if number >= -FIRST else -1
                assert ledger.receive(k, asked, 7, intact=intact) == model.receive(number, intact=intact)
            assert ledger.state["pending"][0] == sum(one.waiting for one in models)
            assert ledger.connections["pending"][k] == model.fate.count("waits")
        totals, censored = ledger.settle(11, NEVER)
        expected = [model.settle() for model in models]
        assert astuple(totals) == tuple(map(sum, zip(*map(astuple, expected), strict=True)))
        assert balanced(totals)
        assert censored == totals.lost + totals.in_flight
        sent += totals.sent
        assert ledger.counts(HistogramRow.LATENCY).sum() == sent, "every message has a latency"


numbers = st.builds(LedgerTotals, *[st.integers(0, 10**9)] * 7)


@given(numbers, numbers, numbers)
def test_adding_ledgers_is_associative_and_commutative(a: LedgerTotals, b: LedgerTotals, c: LedgerTotals) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + LedgerTotals() == a
