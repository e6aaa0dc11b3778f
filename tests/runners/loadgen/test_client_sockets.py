"""Waiting for the sockets of clients: what counts as idle, and since when something may have been there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter_ns as clock_ns

import pytest

from runners.loadgen.client_sockets import NEVER_NS, ClientSockets
from runners.loadgen.job import Job
from tests.support.loading import job

MS = 1_000_000
ALONE = job("ws://127.0.0.1:9/", "open")
BESIDE = replace(ALONE, publisher="process", publish_to="/nowhere")


@contextmanager
def one_client(asked: Job) -> Iterator[tuple[ClientSockets, socket.socket]]:
    """The sockets of one client, which is at place 7, and the other end of its connection."""
    ours, theirs = socket.socketpair()
    sockets = ClientSockets(asked)
    with ours, theirs:
        sockets.of(7).watch(ours, writable=False)
        yield sockets, theirs
        sockets.close()


def busy_until(at_ns: int) -> None:
    while clock_ns() < at_ns:
        pass


@pytest.mark.parametrize("asked", [ALONE, BESIDE], ids=["alone", "beside a publisher"])
def test_waiting_is_idle_and_work_is_not(asked: Job) -> None:
    with one_client(asked) as (sockets, theirs):
        began_ns = clock_ns()
        while clock_ns() < began_ns + 10 * MS:
            assert not list(sockets.ready_by(NEVER_NS))
        theirs.send(b"x")
        assert list(sockets.ready_by(NEVER_NS)) == [7]
        work_began_ns = clock_ns()
        busy_until(work_began_ns + 10 * MS)
        assert list(sockets.ready_by(NEVER_NS)) == [7], "it was not read"
        worked_ns = clock_ns() - work_began_ns
        assert 0 < sockets.idle_ns <= clock_ns() - began_ns - worked_ns


@pytest.mark.parametrize("asked", [ALONE, BESIDE], ids=["alone", "beside a publisher"])
def test_what_is_found_had_not_arrived_at_the_last_look(asked: Job) -> None:
    """What arrives while the load generator is busy waits at most since the look before."""
    with one_client(asked) as (sockets, theirs):
        looked_ns = clock_ns()
        assert not list(sockets.ready_by(0))
        sent_ns = clock_ns()
        theirs.send(b"x")
        busy_until(sent_ns + MS)
        assert list(sockets.ready_by(0)) == [7]
        assert looked_ns <= sockets.not_found_ns <= sent_ns


def test_only_beside_a_publisher_it_sleeps() -> None:
    """That process needs the same core."""
    assert min(turns(ALONE)) < 4 * MS <= min(turns(BESIDE))


def turns(asked: Job) -> list[int]:
    """How long each of some turns without work takes."""
    found = []
    with one_client(asked) as (sockets, _):
        for _ in range(10):
            before_ns = clock_ns()
            assert not list(sockets.ready_by(NEVER_NS))
            found.append(clock_ns() - before_ns)
    return found
