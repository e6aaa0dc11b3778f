"""Messages from outside of a room: each has one outcome for each member, and what goes wrong shows."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runners.loadgen.client_sockets import ClientSockets
from runners.loadgen.job import ClientOptions, Delivered, Job, Serializer
from runners.loadgen.outside import NOT_PUBLISHED, LinePublisher, RequestPublisher
from runners.loadgen.pace import Open
from runners.loading import driver
from runners.loading.shards import LoadError
from runners.measurement.deliveries import published_record
from runners.process import find_free_port
from runners.record import Percentiles
from tests.support.loading import job
from tests.support.marks import few_of
from tests.support.publishing import POST_HABITS, TRAILS_S, PostHabit, PostServer, serving_posts
from tests.support.servers import CERTIFICATE
from tests.support.web import serving_web

pytestmark = pytest.mark.runs

MEMBERS = 5
RATE_PER_S = 50.0
SECONDS = 1.0
MESSAGES = 50


def outside_job(url: str, **changes: Any) -> Job:
    given: dict[str, Any] = {
        "exchange": "room",
        "connections": MEMBERS,
        "pace": Open(RATE_PER_S),
        "publisher": "http",
    }
    return job(url, **{**given, **changes})


class Outcome(NamedTuple):
    """What a server's habit must lead to, of each message. ``missed``: the members who do not get it. ``connections``:
    whether each request needs one. ``twice`` and ``foreign``: further messages to each member."""

    missed: int = 0
    taken: bool = True
    connections: bool = False
    twice: int = 0
    foreign: int = 0


OUTCOMES: dict[PostHabit, Outcome] = {
    "honest": Outcome(),
    "twice": Outcome(twice=1),
    "forgets": Outcome(missed=1),
    "leaks": Outcome(),
    "refuses": Outcome(missed=MEMBERS, taken=False),
    "closes": Outcome(connections=True),
    "drops": Outcome(missed=MEMBERS, taken=False, connections=True),
    "hangs": Outcome(taken=False, connections=True),
    "babbles": Outcome(foreign=1),
    "trails": Outcome(),
    "loses": Outcome(missed=1),
}
"""Here nobody is in another room, to which a message could leak."""


def posted(habit: PostHabit) -> tuple[Delivered, PostServer]:
    # What is never answered is waited for, one after the other.
    patience = {"pace": Open(5.0), "answer_timeout_s": 0.5} if habit == "hangs" else {}
    with serving_posts(habit) as server, driver.ShardGroup(1) as running:
        running.connect(outside_job(f"ws://{server.address}/room/load", **patience))
        (found,) = running.deliver(SECONDS).shards
    return found, server


@pytest.mark.parametrize("habit", few_of(POST_HABITS, {"honest", "forgets", "refuses", "closes"}))
def test_each_posted_message_has_one_outcome_for_each_member(habit: PostHabit) -> None:
    found, server = posted(habit)
    expected, messages = OUTCOMES[habit], 5 if habit == "hangs" else MESSAGES
    assert found.messages == messages
    assert found.due == messages * MEMBERS == found.in_time + found.late + found.never
    assert sum(found.histograms["delivery"].counts) == found.in_time + found.late
    assert found.never == messages * expected.missed
    assert found.complete == sum(found.histograms["last_delivery"].counts) == (0 if expected.missed else messages)
    # A run ends when all members have the last message, before what may follow it.
    for further, each in ((found.twice, expected.twice), (found.foreign, expected.foreign)):
        assert each * (messages - 1) * MEMBERS <= further <= each * messages * MEMBERS
    assert found.unpublished == (0 if expected.taken else messages)
    assert sum(found.histograms["answer"].counts) == messages - found.unpublished
    assert len(server.posted) == messages
    assert found.publisher_connections == (messages if expected.connections else 1)
    assert len(server.ports) == found.publisher_connections
    assert (found.departures, found.ended, found.away) == (0, 0, 0)


def test_the_time_to_the_last_member_is_that_of_the_slowest() -> None:
    with serving_posts("trails") as server, driver.ShardGroup(1) as running:
        running.connect(outside_job(f"ws://{server.address}/room/load", pace=Open(10.0)))
        found = running.deliver(SECONDS)
    last, each = found.histograms["last_delivery"], found.histograms["delivery"]
    fastest_ms = last.percentile_ms(0.0)
    assert fastest_ms is not None
    assert fastest_ms >= 0.99 * 1000 * TRAILS_S, "the bucket of a histogram is that wide"
    assert (last.total, each.total) == (10, 10 * MEMBERS)
    assert each.percentile_ms(1.0) == last.percentile_ms(1.0)


def test_a_server_that_loses_one_delivery_of_each_message_has_no_percentile() -> None:
    with serving_posts("loses") as server, driver.ShardGroup(1) as running:
        running.connect(outside_job(f"ws://{server.address}/room/load"))
        found = published_record(running.deliver(SECONDS), of_requests=True)
    assert (found.messages, found.complete, found.never) == (MESSAGES, 0, MESSAGES)
    assert found.delivered_percent == 100 * (MEMBERS - 1) / MEMBERS
    assert found.complete_percent == 0
    assert found.last_delivery_ms == Percentiles(count=0, events=MESSAGES)
    assert found.delivery_ms.p50 is not None, "four of five members have it"
    assert (found.delivery_ms.mean, found.delivery_ms.max) == (None, None)


@pytest.mark.parametrize("serializer", ["json", "msgpack"])
def test_members_over_socket_io_get_what_is_posted(serializer: Serializer) -> None:
    with serving_web(serializer="msgpack" if serializer == "msgpack" else "default") as server:
        asked = outside_job(server.url, protocol="socket.io", serializer=serializer)
        with driver.ShardGroup(1) as running:
            running.connect(asked)
            (found,) = running.deliver(SECONDS).shards
    assert (found.complete, found.unpublished, found.foreign, found.ended) == (MESSAGES, 0, 0, 0)


@pytest.mark.parametrize(
    ("habit", "says"),
    [
        ("refuses", "the server answered 503 Service Unavailable instead of 200 to 299 to POST /publish/load; it says"),
        ("drops", "the server closed the connection before it answered"),
        ("hangs", "the server did not answer POST within 0.5 s"),
    ],
)
def test_why_a_message_was_not_taken_is_counted(habit: PostHabit, says: str) -> None:
    found, _ = posted(habit)
    assert found.unpublished == sum(cause.times for cause in found.causes) > 0
    assert {cause.error for cause in found.causes} == {NOT_PUBLISHED}
    assert says in found.causes[0].example


def test_requests_to_where_nothing_listens_are_refused() -> None:
    asked = outside_job(f"ws://127.0.0.1:{find_free_port()}/room/load")
    sockets = ClientSockets(asked)
    publisher = RequestPublisher(asked, sockets.of(0))
    for sequence in (1, 2):
        publisher.publish(0, sequence, time.perf_counter_ns())
    while not publisher.is_idle():
        list(sockets.ready(0.1))
        publisher.attend()
    handed = publisher.collect()
    publisher.close()
    sockets.close()
    (cause,) = handed.causes.counted()
    assert (handed.refused, cause.times, cause.example) == (2, 2, "connection refused (ECONNREFUSED)")
    assert len(handed.answer_ns) == 0


def test_the_second_run_goes_on_with_the_numbers_and_counts_anew() -> None:
    with serving_posts() as server, driver.ShardGroup(1) as running:
        running.connect(outside_job(f"ws://{server.address}/room/load"))
        (first,) = running.deliver(SECONDS / 2).shards
        (second,) = running.deliver(SECONDS).shards
    assert (first.messages, second.messages) == (MESSAGES / 2, MESSAGES)
    assert (second.in_time, second.twice, second.foreign, second.never) == (MESSAGES * MEMBERS, 0, 0, 0)
    assert (first.publisher_connections, second.publisher_connections) == (1, 0)
    assert len(server.posted) == first.messages + second.messages
    assert len({text[9:17] for text in server.posted}) == len(server.posted), "each has a number of its own"


def test_requests_over_tls() -> None:
    with serving_posts(tls=True) as server, driver.ShardGroup(1) as running:
        running.connect(outside_job(f"wss://{server.address}/room/load", client=ClientOptions(ca=str(CERTIFICATE))))
        (found,) = running.deliver(SECONDS).shards
    assert (found.complete, found.unpublished, found.publisher_connections) == (MESSAGES, 0, 1)


@contextmanager
def pipe(folder: Path) -> Iterator[str]:
    """A named pipe from which nobody reads, though its end for reading is open."""
    path = folder / "lines"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield str(path)
    finally:
        os.close(reader)


@pytest.mark.parametrize(("payload_bytes", "is_full"), [(64, False), (3000, True)])
def test_lines_that_nobody_reads_are_refused_when_the_pipe_is_full(
    tmp_path: Path, payload_bytes: int, is_full: bool
) -> None:
    with serving_posts() as server, pipe(tmp_path) as path, driver.ShardGroup(1) as running:
        url = f"ws://{server.address}/room/load"
        running.connect(outside_job(url, publisher="process", publish_to=path, payload_bytes=payload_bytes))
        (found,) = running.deliver(SECONDS).shards
    assert (found.never, found.complete, found.publisher_connections) == (MESSAGES * MEMBERS, 0, 0)
    assert (found.unpublished > 0) == is_full
    assert [cause.example for cause in found.causes] == (
        ["the program that publishes does not read its input"] if is_full else []
    )


def test_a_line_of_which_the_pipe_takes_a_part_is_finished_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    publisher = LinePublisher(outside_job("ws://host:1/room/load", publish_to=str(path), payload_bytes=100_000))
    publisher.publish(0, 1, 0)
    publisher.publish(0, 2, 0)
    refused = publisher.collect().refused
    first = read_all(reader)
    publisher.attend()
    first += read_all(reader)
    publisher.publish(0, 3, 0)
    third = read_all(reader)
    publisher.publish(0, 4, 0)
    third += read_all(reader)
    publisher.close()
    os.close(reader)
    assert refused == 1, "there is no room for the second while the first is not read"
    lines = (first + third).split(b"\n")
    assert [len(json.loads(line)["text"]) for line in lines[:2]] == [100_000, 100_000]
    assert first.endswith(b"\n"), "the rest follows without a new message"


def read_all(reader: int) -> bytes:
    """What is in a pipe."""
    found = b""
    with contextlib.suppress(BlockingIOError):
        while some := os.read(reader, 1 << 20):
            found += some
    return found


def test_a_program_that_ends_is_an_error(tmp_path: Path) -> None:
    with serving_posts() as server, driver.ShardGroup(1) as running:
        with pipe(tmp_path) as path:
            asked = outside_job(f"ws://{server.address}/room/load", publisher="process", publish_to=path)
            running.connect(asked)
            running.deliver(0.2)
        with pytest.raises(LoadError, match="the program that publishes has ended"):
            running.deliver(SECONDS)


def test_a_pipe_that_nobody_reads_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lines")
    with serving_posts() as server, driver.ShardGroup(1) as running:
        url = f"ws://{server.address}/room/load"
        running.connect(outside_job(url, publisher="process", publish_to=str(tmp_path / "lines")))
        with pytest.raises(LoadError, match="the program that publishes has ended: No such device or address"):
            running.deliver(SECONDS)
