"""Bytes have arrived when the system received them, however late they are read, and not before they could be read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns as clock_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.arrivals import ARE_KNOWN, clock_ahead_ns, read_stamped, stamp_arrivals
from runners.loadgen.client_sockets import ClientSockets
from tests.support.loading import job

MS = 1_000_000
pytestmark = pytest.mark.skipif(not ARE_KNOWN, reason="only Linux stamps arrivals in this way")


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection over TCP; what arrives at the first one is stamped."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    with ours, theirs:
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp_arrivals(ours)
        yield ours, theirs


def test_a_stamp_is_from_the_time_of_sending_and_not_of_reading() -> None:
    with pair() as (ours, theirs):
        theirs.send(b"the system may begin to stamp only now")
        read_stamped(ours, 100)
        before_ns = clock_ns()
        theirs.send(b"x")
        sent_ns = clock_ns()
        while clock_ns() < sent_ns + 20 * MS:
            pass
        data, stamp_ns = read_stamped(ours, 100)
    assert data == b"x"
    assert before_ns - MS <= stamp_ns - clock_ahead_ns() <= sent_ns + 5 * MS


def test_what_has_no_stamp_is_zero() -> None:
    one, other = socket.socketpair()
    with one, other:
        other.send(b"x")
        assert read_stamped(one, 100) == (b"x", 0)


def test_the_clock_of_stamps_is_compared_with_ours() -> None:
    before_ns = time.time_ns() - clock_ns()
    assert clock_ahead_ns() == pytest.approx(before_ns, abs=100 * MS)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.one_of(st.none(), st.integers(-(10**9), 2 * 10**9)),
)
def test_an_arrival_is_between_the_last_look_without_it_and_now(
    waited_ns: int, since_ns: int, stamped_ns: int | None
) -> None:
    """Whatever the stamp, which is none where ``stamped_ns`` is ``None``."""
    sockets = ClientSockets(job("ws://127.0.0.1:9/", "open"))
    try:
        not_found_ns = sockets.not_found_ns = 10**12
        sockets._unread_ns = not_found_ns + min(since_ns, waited_ns)
        now_ns = not_found_ns + waited_ns
        stamp_ns = 0 if stamped_ns is None else not_found_ns + stamped_ns + sockets._clock_ahead_ns
        at_ns, lag_ns = sockets.arrival_of(stamp_ns, now_ns)
    finally:
        sockets.close()
    assert not_found_ns <= at_ns <= now_ns
    assert 0 <= lag_ns <= waited_ns
    if stamped_ns is not None and stamped_ns <= waited_ns:
        assert (at_ns, lag_ns) == (max(not_found_ns, not_found_ns + stamped_ns), 0)
    else:
        assert at_ns == now_ns
