"""Members who lose their network: each message has one outcome for each of them, and what servers do wrong shows."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen import room_members
from runners.loadgen.client_sockets import Opened
from runners.loadgen.handshake import open_all
from runners.loadgen.job import IN_TIME_S, Delivered, Departures, Job, Serializer
from runners.loadgen.pace import Open
from runners.loadgen.packet_filter import admit_packets
from runners.loadgen.room_members import RoomMembers, Stay, was_there
from runners.loadgen.wire import masks
from runners.loading import driver
from runners.loading.shards import LoadError
from tests.support.loading import job
from tests.support.marks import few_of
from tests.support.processes import until
from tests.support.servers import EchoServer, Lie, Talk, serving
from tests.support.web import serving_web

pytestmark = pytest.mark.runs

MEMBERS = 5
RATE_PER_S = 100.0
SECONDS = 3.0
DEPARTURES = {
    "reset": Departures("reset", every_s=2.8, away_s=0.2),
    "silence": Departures("silence", every_s=1.5, away_s=0.3),
}
MOVES = Departures("move", every_s=2.8)
ROOMS = 2


def others(talk: Talk) -> list[Talk]:
    return [member for member in talk.server.talks if not member.transport.is_disconnected]


def tell_all(talk: Talk, message: bytes) -> None:
    for member in others(talk):
        member.send(message)


def tell_all_twice(talk: Talk, message: bytes) -> None:
    tell_all(talk, message)
    tell_all(talk, message)


def forget_every_tenth(talk: Talk, message: bytes) -> None:
    """Only the sender gets it."""
    for member in [talk] if talk.server.received % 10 == 0 else others(talk):
        member.send(message)


def tell_something_else(talk: Talk, message: bytes) -> None:
    tell_all(talk, message)
    tell_all(talk, b"hello")


def members(url: str, kind: str, **changes: Any) -> Job:
    given: dict[str, Any] = {
        "exchange": "room",
        "connections": MEMBERS,
        "pace": Open(RATE_PER_S),
        "departures": DEPARTURES[kind],
    }
    return job(url, **{**given, **changes})


def cut_off(kind: str, lie: Lie = tell_all, **changes: Any) -> tuple[Delivered, EchoServer]:
    with serving(lie=lie) as server, driver.ShardGroup(1) as running:
        running.connect(members(server.url, kind, **changes))
        (found,) = running.deliver(SECONDS).shards
    return found, server


LIES: dict[str, Lie] = {
    lie.__name__: lie for lie in (tell_all, tell_all_twice, forget_every_tenth, tell_something_else)
}


@pytest.mark.parametrize(
    "case",
    few_of(map("-".join, product(DEPARTURES, LIES)), {"reset-forget_every_tenth", "silence-tell_all_twice"}),
)
def test_each_message_has_one_outcome_for_each_member(case: str) -> None:
    kind, lie = case.split("-")
    found, server = cut_off(kind, LIES[lie])
    assert found.messages == server.received == SECONDS * RATE_PER_S
    assert found.due == found.messages * (MEMBERS - 1) == found.in_time + found.late + found.never
    assert sum(found.histograms["delivery"].counts) == found.in_time + found.late
    assert len(found.causes) == found.ended + found.refused == 0
    assert (found.twice > 0) == (lie == "tell_all_twice")
    assert (found.foreign > 0) == (lie == "tell_something_else")
    assert (found.never_connected > 0) == (lie == "forget_every_tenth")


def test_a_reset_loses_what_was_sent_meanwhile() -> None:
    found, server = cut_off("reset")
    assert 0 < found.never < found.due
    assert found.departures == server.connections - MEMBERS == sum(found.histograms["rejoin"].counts)
    assert found.never >= found.departures * RATE_PER_S * DEPARTURES["reset"].away_s * 0.9
    assert found.away == 0


def test_what_is_dropped_for_a_moment_is_late_and_not_lost() -> None:
    found, server = cut_off("silence")
    assert (found.never, found.ended, server.connections) == (0, 0, MEMBERS)
    assert found.departures > 0
    assert sum(found.histograms["rejoin"].counts) == 0
    assert found.in_time + found.late == found.due


@pytest.mark.parametrize(
    "case", few_of(map("-".join, product(["json", "msgpack"], ["reset", "move"])), {"json-reset", "msgpack-move"})
)
def test_members_over_socket_io_join_again(case: str) -> None:
    serializer: Serializer = "json" if case.startswith("json") else "msgpack"
    departures = MOVES if case.endswith("move") else DEPARTURES["reset"]
    rooms = ROOMS if departures is MOVES else 1
    with serving_web(serializer="msgpack" if serializer == "msgpack" else "default") as server:
        asked = members(server.url, "reset", protocol="socket.io", serializer=serializer, departures=departures)
        with driver.ShardGroup(1) as running:
            running.connect(replace(asked, connections=8, rooms=rooms))
            (found,) = running.deliver(SECONDS).shards
    assert found.messages == server.received
    assert found.departures == sum(found.histograms["rejoin"].counts) > 0
    assert (found.never > 0) == (departures is not MOVES)
    assert (found.never_connected, found.twice, found.foreign, found.ended, found.away) == (0, 0, 0, 0, 0)


def test_the_member_that_sends_must_stay() -> None:
    def end_the_sender(talk: Talk, message: bytes) -> None:
        talk.transport.disconnect()

    with pytest.raises(LoadError, match="a member that sends lost its connection: the server closed"):
        cut_off("silence", end_the_sender)


def opened(asked: Job) -> list[Opened]:
    keys = masks(asked.seed, asked.connections)
    found = open_all(
        asked.url, asked.protocol, keys, serializer="json", at_once=5, timeout_s=5.0, paused=0, options=asked.client
    )
    made = {index: connection for index, connection, _, _ in found if connection is not None}
    return [Opened(index, made[index], keys[index]) for index in sorted(made)]


def test_a_silence_that_lasts_longer_than_planned_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's kernel repeats after 0.2, 0.6 and 1.4 s. Who is back after 0.9 s has all half a second later."""

    def admit_late(connection: socket.socket) -> None:
        time.sleep(0.8)  # as if there was no processor for the load generator
        admit_packets(connection)

    monkeypatch.setattr(room_members, "admit_packets", admit_late)
    monkeypatch.setattr(room_members, "_IN_TIME_NS", 50_000_000)
    with serving(lie=tell_all) as server:
        departures = Departures("silence", every_s=0.4, away_s=0.1)
        load = RoomMembers(asked := members(server.url, "silence", connections=2, departures=departures), opened(asked))
        found = load.run(0.35)
        load.close()
    assert (found.departures, found.never) == (1, 0)
    assert found.late > 0


@pytest.mark.parametrize("refuses", ["at once", "after the handshake"])
def test_members_that_nobody_takes_back_are_away_at_the_end(
    refuses: Literal["at once", "after the handshake"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_members, "PATIENCE_S", 0.5)
    with serving(lie=tell_all, greet=lambda talk: talk.number < MEMBERS) as server:
        asked = members(server.url, "reset")
        load = RoomMembers(asked, opened(asked))
        server.refuses = refuses == "at once"
        found = load.run(2.5)
        load.close()
        until(lambda: server.gone == server.connections, "the end of all connections")
    assert found.away == MEMBERS - 1
    if refuses == "at once":
        assert found.refused > 0
    else:
        assert found.ended > found.departures, "each was ended again and again"
    assert found.never_connected == 0


@given(st.data())
def test_a_member_is_surely_there_from_a_second_after_it_came_to_a_second_before_it_left(data: st.DataObject) -> None:
    second = 1_000_000_000
    sent_ns = sorted(data.draw(st.lists(st.integers(0, 100 * second), max_size=40)))
    edges = sorted(data.draw(st.lists(st.integers(0, 100 * second), max_size=8, unique=True)))
    stays = [Stay(0, joined, ended) for joined, ended in zip(edges[::2], edges[1::2], strict=False)]
    slack_ns = int(IN_TIME_S * second)
    expected = [any(one.joined_ns + slack_ns <= at <= one.ended_ns - slack_ns for one in stays) for at in sent_ns]
    assert was_there(np.array(sent_ns, dtype=np.int64), stays).tolist() == expected


# Rooms


def tell_its_room(talk: Talk, message: bytes) -> None:
    for member in others(talk):
        if member.path == talk.path:
            member.send(message)


def forget_in_its_room(talk: Talk, message: bytes) -> None:
    """Each tenth message gets no further than to its sender."""
    if talk.server.received % 10 == 0:
        talk.send(message)
    else:
        tell_its_room(talk, message)


ROOM_LIES: dict[str, Lie] = {lie.__name__: lie for lie in (tell_its_room, tell_all, forget_in_its_room)}


@pytest.mark.parametrize("lie", few_of(ROOM_LIES, {"forget_in_its_room"}))
def test_who_moves_gets_the_messages_of_the_room_it_is_in(lie: str) -> None:
    found, server = cut_off("reset", ROOM_LIES[lie], departures=MOVES, rooms=ROOMS, connections=8)
    assert found.messages == server.received == SECONDS * RATE_PER_S
    assert found.due == found.in_time + found.late + found.never > 0
    assert found.departures == server.connections - 8 >= 6
    assert sum(found.histograms["rejoin"].counts) == found.departures
    assert (found.foreign > 0) == (lie == "tell_all")
    assert (found.never > 0) == (lie == "forget_in_its_room")
    assert found.never == found.never_connected
    assert (found.twice, found.ended, found.away) == (0, 0, 0)
