"""A rate is answers divided by the time in which they were requested, whatever the moment at which a slice ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.loadgen.ledger import Ledger
from runners.loadgen.pace import Open
from runners.loading import driver
from runners.loading.load_report import explain
from tests.support.loading import CONNECTIONS, connected, job
from tests.support.servers import Talk, serving

MILLISECOND = 1_000_000


def answered_in(stop_ns: int, services_ns: Sequence[Sequence[int]]) -> tuple[float, int]:
    """Play a closed loop: connection ``k`` takes these times for its answers, again and again. Returns the answers that
    count, and the time that answers arrived after the end, summed.
    """
    ledger = Ledger(len(services_ns), open_loop=False, depth=64)
    ledger.open()
    ledger.state["stop_ns"] = stop_ns
    for k, times in enumerate(services_ns):
        now_ns = turn = 0
        while now_ns < stop_ns:
            number = ledger.send(k, now_ns + 1, now_ns + 1)  # a send at 0 would be no message
            now_ns += times[turn % len(times)]
            turn += 1
            ledger.receive(k, number, now_ns + 1)
    return float(ledger.state["answered"][0]), int(ledger.state["overrun_ns"][0])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(10, 2000))
@settings(deadline=None, max_examples=50)
def test_a_fixed_service_time_gives_its_rate_at_any_duration(times_ms: list[int], duration_ms: int) -> None:
    """Every connection makes one answer per service time, and the last one in part."""
    answered, _ = answered_in(duration_ms * MILLISECOND, [[one * MILLISECOND] for one in times_ms])
    assert answered == pytest.approx(sum(duration_ms / one for one in times_ms), rel=1e-5)


@given(st.integers(100, 1000), st.integers(1, 10_000))
@settings(deadline=None, max_examples=50)
def test_a_late_answer_costs_its_own_connection_alone(duration_ms: int, late_ms: int) -> None:
    services = [[MILLISECOND]] * 9
    steady, _ = answered_in(duration_ms * MILLISECOND, services)
    answered, overrun_ns = answered_in(duration_ms * MILLISECOND, [*services, [(duration_ms + late_ms) * MILLISECOND]])
    assert answered - steady == pytest.approx(duration_ms / (duration_ms + late_ms), rel=1e-5)
    assert overrun_ns == pytest.approx(late_ms * MILLISECOND, abs=1000)


@given(st.lists(st.integers(1, 400), min_size=2, max_size=6), st.integers(1, 300))
@settings(deadline=None, max_examples=50)
def test_in_a_room_a_message_counts_until_its_last_delivery(arrivals: list[int], stop: int) -> None:
    members = len(arrivals)
    ledger = Ledger(members, open_loop=False, depth=64, room=True)
    ledger.open()
    ledger.state["stop_ns"] = 1 + stop
    number = ledger.send(0, 1, 1)
    for at, k in sorted(zip(arrivals, range(members), strict=True)):
        ledger.receive(k, number, 1 + at)
    assert float(ledger.state["answered"][0]) == pytest.approx(members * min(1.0, stop / max(arrivals)))


def test_what_a_member_never_receives_counts_nothing() -> None:
    ledger = Ledger(3, open_loop=False, depth=64, room=True)
    ledger.open()
    ledger.state["stop_ns"] = 100
    number = ledger.send(0, 1, 1)
    for k in (0, 1):
        ledger.receive(k, number, 50)
    ledger.give_up(2, ledger.slot_of(number), 5000)
    assert float(ledger.state["answered"][0]) == 2
    assert ledger.settle(6000, 0)[0].lost == 1


LOOKS = 4
"""How often a load is repeated whose timers were late. On a busy machine some are; those of a broken one always."""


@pytest.mark.measures
def test_a_server_with_a_known_service_time_has_its_rate() -> None:
    """50 ms each; one answer in 20 takes 0.4 s, which is longer than the shortest slice."""

    def answer_later(talk: Talk, answer: bytes) -> None:
        delay_s = 0.4 if talk.count % 20 == 10 else 0.05
        talk.server.loop.call_later(delay_s, talk.send, answer)

    most = CONNECTIONS / ((19 * 0.05 + 0.4) / 20)

    def share_of_most(duration_s: float) -> float:
        with serving(lie=answer_later) as server:
            result = driver.apply(job(server.url, duration_s=duration_s))
        assert result.window_s == duration_s
        assert result.ledger.sent == result.ledger.received
        return result.messages_per_s / most

    for duration_s in (1.35, 2.7):  # one and two times 20 answers
        found = [share_of_most(duration_s)]
        # Timers are never early. They may be late on a busy machine, but not always by so much.
        while found[-1] <= 0.8 and len(found) < LOOKS:
            found.append(share_of_most(duration_s))
        assert 0.8 < found[-1] < 1.01, found


@pytest.mark.measures
def test_the_open_loop_counts_what_is_answered_after_the_window() -> None:
    def answer_later(talk: Talk, answer: bytes) -> None:
        talk.server.loop.call_later(0.3, talk.send, answer)

    asked = job("", "open", pace=Open(100), duration_s=0.5)

    def unanswered_at_end() -> int:
        with serving(lie=answer_later) as server, connected(job(server.url, "open", pace=asked.pace)) as (running, _):
            running.load(asked.duration_s)
            result = running.finish()
        assert result.ledger.received == result.ledger.sent == 50
        assert result.messages_per_s == result.offered_per_s == 100
        return result.total(lambda sample: sample.unanswered_at_end)

    found = [unanswered_at_end()]
    while found[-1] < 20 and len(found) < LOOKS:  # the end of a window is late where the machine halts
        found.append(unanswered_at_end())
    assert found[-1] >= 20, found


@pytest.mark.measures
def test_a_rate_beyond_the_load_generator_ends_in_time() -> None:
    with serving() as server:
        asked = job(server.url, "open", pace=Open(20_000_000), duration_s=0.2, drain_s=0.1)
        result = driver.apply(asked)
    assert result.window_s == 0.2
    assert result.offered_per_s == pytest.approx(20_000_000, rel=0.01)
    assert result.ledger.sent < 4_000_000
    ledger = result.ledger
    assert ledger.sent == ledger.received + ledger.lost + ledger.in_flight
    notes = " ".join(explain(result, asked))
    assert "of 20,000,000 messages per second. Lower --rate, or use more processes: --shards." in notes
