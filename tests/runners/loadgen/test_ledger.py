"""The books of a connection balance whatever comes back."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.job import Ledger
from runners.loadgen.ledger import ConnectionLedger

FIRST = 100


def balanced(ledger: Ledger) -> bool:
    return ledger.sent == ledger.received + ledger.lost + ledger.in_flight


def play(actions: Iterable[int | None], *, intact: bool = True) -> ConnectionLedger:
    """``None`` sends the next message; a number receives that one, counted from the first."""
    ledger = ConnectionLedger(FIRST)
    following = FIRST
    for action in actions:
        if action is None:
            ledger.send(following, following * 10)
            following += 1
        else:
            ledger.receive(FIRST + action, intact=intact)
    return ledger


@given(st.lists(st.none() | st.integers(-FIRST - 3, 30)), st.booleans(), st.booleans())
def test_it_balances_over_any_sends_and_receives(actions: list[int | None], alive: bool, intact: bool) -> None:
    ledger = play(actions, intact=intact).settle(alive=alive)
    assert balanced(ledger)
    assert ledger.sent == actions.count(None)
    assert min(ledger.received, ledger.lost, ledger.in_flight) >= 0
    assert alive or ledger.in_flight == 0


@given(st.integers(1, 40), st.data())
def test_each_fault_is_counted_exactly(count: int, data: st.DataObject) -> None:
    """All sent, then a chosen subset answered in a chosen order, some of it again."""
    answered = data.draw(st.permutations(range(count)))[: data.draw(st.integers(0, count))]
    again = data.draw(st.lists(st.sampled_from(answered), max_size=10)) if answered else []
    ledger = play([*[None] * count, *answered, *again]).settle(alive=True)
    highest = max(answered, default=-1)
    late = sum(any(other > one for other in answered[:index]) for index, one in enumerate(answered))
    assert ledger == Ledger(
        sent=count,
        received=len(answered),
        lost=sum(one < highest for one in set(range(count)) - set(answered)),
        in_flight=sum(one > highest for one in set(range(count)) - set(answered)),
        duplicated=len(again),
        reordered=late,
        corrupted=0,
    )


def test_what_is_foreign_is_corrupted_and_what_is_from_closed_books_is_not_entered() -> None:
    ledger = play([None, None, 0])
    assert ledger.receive(-1) is None
    assert ledger.receive(FIRST + 7) is None
    assert ledger.receive(FIRST - 1) is None
    found = ledger.settle(alive=True)
    assert (found.corrupted, found.duplicated, found.received) == (2, 0, 1)


def test_a_changed_answer_is_received_and_corrupted() -> None:
    ledger = play([None])
    assert ledger.receive(FIRST, intact=False) == FIRST * 10
    found = ledger.settle(alive=True)
    assert (found.received, found.corrupted) == (1, 1)


def test_a_dead_connection_owes_everything() -> None:
    assert play([None, None, None, 0]).settle(alive=False) == Ledger(sent=3, received=1, lost=2)


def test_what_is_long_unanswered_is_lost() -> None:
    ledger = play([None, None, None])
    assert ledger.settle(alive=True, overdue_ns=FIRST * 10 + 11) == Ledger(sent=3, lost=2, in_flight=1)


@given(st.integers(0, 50), st.booleans())
def test_exchanges_counted_in_bulk_equal_those_entered_one_by_one(count: int, unanswered: bool) -> None:
    single = play([item for number in range(count) for item in (None, number)] + [None] * unanswered)
    bulk = ConnectionLedger(FIRST)
    if count:
        bulk.answer_in_order(count, FIRST + count - 1)
    if unanswered:
        bulk.send(FIRST + count, 0)
    assert bulk.settle(alive=True) == single.settle(alive=True)


numbers = st.builds(Ledger, *[st.integers(0, 10**9)] * 7)


@given(numbers, numbers, numbers)
def test_adding_ledgers_is_associative_and_commutative(a: Ledger, b: Ledger, c: Ledger) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Ledger() == a
