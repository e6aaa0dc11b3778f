"""Visitors who come and go: each visit has one outcome, and what a server does to them shows."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from runners.loadgen.job import Visited, Visits
from runners.loading import driver
from runners.loading.shards import LoadError
from tests.support.loading import job
from tests.support.servers import EchoServer, Talk, WireProtocol, serving

pytestmark = pytest.mark.runs

VISITS = Visits(per_s=50.0, stay_s=0.3)
SECONDS = 1.0


def greet(talk: Talk) -> bool:
    talk.send(b'42["hello"]')
    return True


def say_nothing(talk: Talk) -> bool:
    return True


def hang_up(talk: Talk) -> bool:
    return False


def visited(
    greeting: Callable[[Talk], bool], protocol: WireProtocol = "websocket", *, refuse: bool = False
) -> tuple[Visited, EchoServer]:
    with serving(protocol, greet=greeting, refuse=refuse) as server, driver.ShardGroup(1) as running:
        running.connect(job(server.url, protocol=protocol, visits=VISITS))
        running.begin_visits(SECONDS)
        (found,) = running.end_visits().shards
        until = time.monotonic() + 10
        while server.gone < server.connections and time.monotonic() < until:
            time.sleep(0.01)
    return found, server


@pytest.mark.parametrize("greeting", [greet, say_nothing, hang_up])
@pytest.mark.parametrize("refuse", [False, True])
def test_each_visit_has_one_outcome_and_leaves_nothing(greeting: Callable[[Talk], bool], refuse: bool) -> None:
    found, server = visited(greeting, refuse=refuse)
    assert found.begun == found.stayed + found.ended + found.refused + found.unfinished == VISITS.per_s * SECONDS
    assert server.gone == server.connections
    assert sum(found.histograms["send_lag"].counts) == found.begun
    if refuse:
        assert found.refused >= found.begun - found.unfinished > 0
        assert {one.kind for one in found.causes} == {"status 404"}
    elif greeting is hang_up:
        assert found.ended > 0
        assert found.stayed <= found.begun - found.ended
    else:
        assert (found.ended, found.refused) == (0, 0)
        assert sum(found.histograms["connect"].counts) == found.stayed
        assert (found.silent > 0) == (greeting is say_nothing)
        assert (found.received > 0) == (greeting is greet)


def test_visitors_over_socket_io_answer_pings() -> None:
    found, server = visited(say_nothing, "socket.io")
    assert server.pongs > 0
    assert (found.ended, found.refused, found.received) == (0, 0, 0)


def test_a_server_without_an_address_is_a_reason() -> None:
    with driver.ShardGroup(1) as running:
        running.connect(job("ws://nowhere.invalid:1/", visits=VISITS))
        running.begin_visits(0.1)
        with pytest.raises(LoadError, match=r"ws://nowhere\.invalid:1/ cannot be reached"):
            running.end_visits()
