"""Streams of chunks: each outcome is counted once, and lateness is that of the server."""

from __future__ import annotations

import time
from typing import Any, get_args

import pytest

from runners.loadgen.job import Job, StreamRequest
from runners.loadgen.pace import Open
from runners.loadgen.stream_clients import APART_NS, StreamClient, StreamClients
from runners.loading import driver
from runners.loading.load_result import StreamResult
from tests.support import halts
from tests.support.chunks import CLUMP, LATE_S, PING_EVERY_S, Habit, StreamServer, serving_streams
from tests.support.loading import job
from tests.support.marks import few_of

pytestmark = pytest.mark.measures

CLIENTS = 6
ASKED = StreamRequest(chunks=20, chunks_per_s=100.0, cancel_every=4)
SECONDS = 1.0
protocols = pytest.mark.parametrize("protocol", ["sse", "websocket", "socket.io"])


def streams(server: StreamServer, protocol: str, asked: StreamRequest = ASKED, **changes: Any) -> Job:
    over: dict[str, dict[str, Any]] = {
        "sse": {"exchange": "stream-events", "transport": "sse", "path": "/stream/events"},
        "websocket": {"exchange": "stream", "path": "/stream"},
        "socket.io": {"exchange": "stream", "protocol": "socket.io", "path": "/"},
    }
    given = over[protocol]
    url = f"ws://{server.address}{given.pop('path')}"
    return job(url, stream=asked, pace=Open(CLIENTS / asked.seconds), connections=CLIENTS, **{**given, **changes})


def asked_of(habit: Habit, protocol: str, asked: StreamRequest = ASKED) -> tuple[StreamResult, StreamServer]:
    with serving_streams(habit) as server, driver.ShardGroup(1) as running:
        running.connect(streams(server, protocol, asked))
        return running.stream(SECONDS), server


def total(result: StreamResult, name: str) -> int:
    return result.total(lambda shard: int(getattr(shard, name)))


@protocols
@pytest.mark.parametrize("habit", few_of(get_args(Habit), {"honest", "cuts"}))
def test_every_stream_and_every_chunk_has_one_outcome(protocol: str, habit: Habit) -> None:
    result, _ = asked_of(habit, protocol)
    due, begun = total(result, "due"), total(result, "begun")
    completed, cancelled, broken, unfinished = (
        total(result, name) for name in ("completed", "cancelled", "broken", "unfinished")
    )
    assert due >= begun == completed + cancelled + broken + unfinished > 0
    chunks, missing = total(result, "chunks"), total(result, "missing")
    halves = cancelled * ASKED.chunks // 2
    assert chunks + missing == (begun - cancelled) * ASKED.chunks + halves
    assert result.histograms["chunk_lateness"].total == chunks
    assert result.histograms["send_lag"].total == begun


@protocols
def test_an_honest_server_is_complete_and_hears_who_cancels(protocol: str) -> None:
    result, server = halts.undisturbed(lambda: asked_of("honest", protocol), most_s=0.05)
    # Five streams of each client begin in the second; of all of them every fourth is cancelled.
    assert total(result, "due") == total(result, "begun") == server.begun == 5 * CLIENTS
    assert total(result, "cancelled") == pytest.approx(5 * CLIENTS / 4, abs=1)
    assert (total(result, "broken"), total(result, "missing"), total(result, "wrong")) == (0, 0, 0)
    assert result.causes.errors() == {}
    assert server.left <= total(result, "cancelled")


@protocols
def test_a_late_server_is_late_from_when_streams_were_due(protocol: str) -> None:
    """Each stream of a client is late by as much as the first, and those after a late one begin late as well."""
    result, _ = asked_of("late", protocol)
    for name in ("first_chunk", "chunk_lateness"):
        shown_ms = result.histograms[name].percentile_ms(0.5)
        assert shown_ms is not None
        assert shown_ms >= 1000 * LATE_S * 0.999


@protocols
def test_held_back_chunks_are_seen(protocol: str) -> None:
    result, _ = asked_of("clumps", protocol)
    share = total(result, "together") / total(result, "chunks")
    assert share == pytest.approx(1 - 1 / CLUMP, abs=0.15)
    assert total(result, "missing") == 0


@protocols
@pytest.mark.parametrize(("habit", "kind"), [("cuts", None), ("refuses", "status 503")])
def test_what_a_server_refuses_or_cuts_is_broken(protocol: str, habit: Habit, kind: str | None) -> None:
    result, _ = asked_of(habit, protocol)
    assert total(result, "broken") == total(result, "begun") - total(result, "cancelled") > 0
    if protocol == "sse" and kind is not None:
        assert {one.kind for one in result.causes.counted()} == {kind}
    assert result.causes.errors()


@protocols
@pytest.mark.parametrize("habit", ["skips", "talks"])
def test_a_chunk_that_is_not_the_next_one_is_wrong(protocol: str, habit: Habit) -> None:
    result, _ = asked_of(habit, protocol)
    assert total(result, "wrong") > 0


@protocols
def test_streams_of_all_clients_can_begin_at_the_same_moment(protocol: str) -> None:
    """A server that serves one after the other lets the last one wait for all."""
    together = StreamRequest(ASKED.chunks, ASKED.chunks_per_s, together=CLIENTS)
    result, _ = asked_of("waits", protocol, together)
    last_ms = result.histograms["first_chunk"].percentile_ms(1.0)
    assert last_ms is not None
    assert last_ms >= 1000 * (CLIENTS - 2) * ASKED.seconds
    assert total(result, "due") > total(result, "begun"), "clients wait for the streams before"
    lag_ms = result.histograms["send_lag"].percentile_ms(1.0)
    assert lag_ms is not None
    assert lag_ms < 1000 * ASKED.seconds, "a wait for the server is none of the load generator's"


def test_streams_in_a_row_are_due_one_after_the_other() -> None:
    """So the work of the load generator for those before is no lag of the next."""
    clients = [StreamClient(number=number) for number in range(7)]
    planned = StreamClients(job("ws://127.0.0.1:1/stream", connections=7), clients, gap_ns=7_000_000_000)
    began_ns = planned._begin_run(1.0, together=3)
    due = [client.due_ns - began_ns for client in clients]
    assert due == [
        0, APART_NS, 2 * APART_NS,
        3_000_000_000, 3_000_000_000 + APART_NS, 3_000_000_000 + 2 * APART_NS,
        6_000_000_000,
    ]  # fmt: skip


@protocols
def test_cancelled_streams_end_at_the_server(protocol: str) -> None:
    asked = StreamRequest(chunks=2000, chunks_per_s=50.0, together=CLIENTS)
    with serving_streams() as server, driver.ShardGroup(1) as running:
        running.connect(streams(server, protocol, asked))
        running.begin_cancelled_streams(0.5)
        result = running.end_cancelled_streams()
        until = time.monotonic() + 10
        while server.running and time.monotonic() < until:
            time.sleep(0.01)
        assert (server.begun, server.left, server.running) == (CLIENTS, CLIENTS, 0)
    assert total(result, "cancelled") == total(result, "begun") == CLIENTS
    assert total(result, "missing") == 0


def test_pings_before_the_first_stream_are_answered() -> None:
    with serving_streams() as server, driver.ShardGroup(1) as running:
        running.connect(streams(server, "socket.io"))
        time.sleep(3 * PING_EVERY_S)
        result = running.stream(SECONDS)
    assert (total(result, "broken"), total(result, "wrong")) == (0, 0)
    assert total(result, "completed") > 0


def test_several_shards_ask_for_as_many_streams_as_one() -> None:
    with serving_streams() as server, driver.ShardGroup(2) as running:
        running.connect(streams(server, "sse"))
        result = running.stream(SECONDS)
    assert len(result.shards) == 2
    assert total(result, "begun") == server.begun == 5 * CLIENTS
