"""Rooms: every message is expected at every member, even if members leave, are silent or miss messages."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from runners.loadgen.handshake import PAUSED_BUFFER_BYTES
from runners.loadgen.job import Job
from runners.loadgen.pace import Closed, Open
from tests.support.loading import connected, job, modes
from tests.support.processes import until
from tests.support.servers import Lie, Talk, serving

pytestmark = pytest.mark.measures

MEMBERS = 5
RATE_PER_S = 100.0


def tell_all(talk: Talk, message: bytes) -> None:
    for member in talk.server.talks:
        if not member.transport.is_disconnected:
            member.send(message)


def forgetting(every: int) -> Lie:
    """Each so many messages the first member is left out."""

    def tell_most(talk: Talk, message: bytes) -> None:
        left_out = talk.server.received % every == 0
        talk.server.lies += left_out
        for member in talk.server.talks[left_out:]:
            member.send(message)

    return tell_most


def room(url: str, mode: Literal["open", "closed"] = "closed", **changes: Any) -> Job:
    pace = Open(RATE_PER_S) if mode == "open" else Closed()
    return job(url, mode, **{"exchange": "room", "connections": MEMBERS, "pace": pace, **changes})


@modes
@pytest.mark.parametrize("in_flight", [1, 3])
def test_every_message_is_delivered_to_every_member_once(mode: Literal["open", "closed"], in_flight: int) -> None:
    pace = Open(RATE_PER_S) if mode == "open" else Closed(in_flight)
    with serving(lie=tell_all) as server, connected(room(server.url, mode, pace=pace)) as (running, _):
        running.load(0.3)
        running.load(0.2)
        result = running.finish()
    ledger = result.ledger
    assert server.received > 10
    assert ledger.sent == ledger.received == MEMBERS * server.received == result.histograms["latency"].total
    assert (ledger.lost, ledger.duplicated, ledger.reordered, ledger.corrupted) == (0, 0, 0, 0)
    assert result.histograms["last_delivery"].total == server.received
    assert result.errors == {}
    if mode == "open":
        assert server.received == pytest.approx(RATE_PER_S * 0.5, abs=2)
        assert result.offered_per_s == pytest.approx(MEMBERS * RATE_PER_S, rel=0.1)


def test_members_take_turns_in_the_closed_loop() -> None:
    with serving(lie=tell_all) as server, connected(room(server.url, pace=Closed(2))) as (running, _):
        running.load(0.3)
        running.finish()
        said = [talk.count for talk in server.talks]
    assert max(said) - min(said) <= 2
    assert min(said) > 0


def test_what_a_member_never_gets_is_lost() -> None:
    with serving(lie=forgetting(10)) as server, connected(room(server.url, "open")) as (running, _):
        running.load(1.0)
        result = running.finish()
    assert server.lies >= 9
    ledger = result.ledger
    assert ledger.sent == MEMBERS * server.received
    # The very last message may have been one of them: nothing newer came to show that it is lost.
    assert ledger.lost + ledger.in_flight == server.lies
    assert ledger.in_flight <= 1
    assert ledger.received == ledger.sent - server.lies
    assert result.histograms["last_delivery"].total == server.received


def test_a_closed_loop_goes_on_past_what_somebody_never_gets() -> None:
    asked: dict[str, Any] = {"answer_timeout_s": 0.1, "pace": Closed(2)}
    with serving(lie=forgetting(5)) as server, connected(room(server.url, **asked)) as (running, _):
        running.load(1.0)
        result = running.finish()
    assert server.lies >= 3
    assert result.ledger.lost + result.ledger.in_flight == server.lies
    assert result.ledger.received == result.ledger.sent - server.lies


@modes
def test_who_leaves_is_waited_for_no_more(mode: Literal["open", "closed"]) -> None:
    with serving(lie=tell_all) as server, connected(room(server.url, mode)) as (running, _):
        running.load(0.2)
        server.say_goodbye(server.talks[1])
        until(lambda: server.gone == 1, "the shard let go of it")
        before = server.received
        running.load(0.3)
        said = server.received - before
        result = running.finish()
    assert said > 10
    assert result.errors == {"closed-by-server": 1}
    ledger = result.ledger
    # What is said afterwards is owed to the one that is gone, and lost.
    assert ledger.lost == said
    assert ledger.received == ledger.sent - said
    assert ledger.in_flight == 0


def test_who_stops_to_read_is_not_waited_for_and_finds_it_all_later() -> None:
    with serving(lie=tell_all) as server, connected(room(server.url, "open", paused=2)) as (running, _):
        running.load(0.2)
        before = server.received
        buffer_bytes = running.pause()
        running.load(0.5)
        heard = running.catch_up(5.0)
        result = running.finish()
    said = server.received - before
    assert 0 < before < server.received
    assert result.ledger.sent == result.ledger.received == MEMBERS * before + (MEMBERS - 2) * said
    (found,) = heard
    assert (found.sent, found.received, found.closed) == (said, 2 * said, 0)
    assert PAUSED_BUFFER_BYTES <= buffer_bytes <= 2 * PAUSED_BUFFER_BYTES, "Linux doubles it for its own records"


def test_a_paused_reader_that_is_disconnected_is_reported() -> None:
    with serving(lie=tell_all) as server, connected(room(server.url, "open", paused=1)) as (running, _):
        running.pause()
        running.load(0.2)
        paused = server.talks[-1]
        server.say_goodbye(paused)
        until(lambda: paused.transport.is_close_frame_sent, "the server has closed the connection")
        (found,) = running.catch_up(5.0)
        running.finish()
    assert found.closed == 1
    assert found.received == found.sent


def test_a_reader_that_left_before_its_pause_is_not_paused() -> None:
    with serving(lie=tell_all) as server, connected(room(server.url, "open", paused=1)) as (running, _):
        server.say_goodbye(server.talks[-1])
        running.load(0.2)
        running.pause()
        running.load(0.2)
        (found,) = running.catch_up(5.0)
        result = running.finish()
    assert (found.received, found.closed) == (0, 0)
    assert result.total(lambda sample: sample.closed_early) == 1


def test_nobody_sends_for_a_room_in_which_only_paused_readers_are_left() -> None:
    def end_readers(talk: Talk, message: bytes) -> None:
        for member in talk.server.talks[:-1]:
            talk.server.say_goodbye(member)

    with serving(lie=end_readers) as server, connected(room(server.url, "open", paused=1)) as (running, _):
        running.pause()
        running.load(0.3)
        (found,) = running.catch_up(1.0)
        result = running.finish()
    assert (found.received, found.closed) == (0, 0), "the paused reader is still connected"
    assert result.ledger.lost + result.ledger.in_flight == result.ledger.sent > 0


@pytest.mark.parametrize("stays_silent", [False, True])
def test_seconds_without_a_delivery_are_counted_though_lost_messages_have_a_latency(stays_silent: bool) -> None:
    def tell(talk: Talk, message: bytes) -> None:
        if not stays_silent:
            tell_all(talk, message)

    # More messages than a member may wait for at a time: older ones are lost while the load goes on.
    fast = Open(2000.0)
    with (
        serving(lie=tell) as server,
        connected(room(server.url, "open", pace=fast, connections=2, answer_timeout_s=0.1)) as (running, _),
    ):
        running.load(2.0)
        result = running.finish()
    assert result.silent_seconds == (2 if stays_silent else 0)
    if stays_silent:
        assert result.ledger.received == 0
        assert sum(second.total for second in result.seconds[:1]) > 0
