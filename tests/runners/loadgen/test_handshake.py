"""Many connections opened at a time: successes, failures, and the duration of each."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen import frames
from runners.loadgen.causes import RefusedError
from runners.loadgen.handshake import HandshakeResult, open_all
from runners.loadgen.upgrade import UpgradeReader, accept_value
from runners.loadgen.wire import masks
from tests.support.servers import Talk, WireProtocol, serving

protocols = pytest.mark.parametrize("protocol", ["websocket", "socket.io"])


def opened(
    url: str, protocol: WireProtocol, count: int, *, at_once: int = 4, timeout_s: float = 5.0
) -> list[HandshakeResult]:
    found = list(open_all(url, protocol, masks(1, count), at_once=at_once, timeout_s=timeout_s))
    for result in found:
        if result.connection is not None:
            result.connection.close()
    return found


def why(result: HandshakeResult) -> str:
    assert result.cause is not None
    return result.cause.text


@protocols
@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_all_come_up(protocol: WireProtocol, at_once: int) -> None:
    with serving(protocol) as server:
        found = opened(server.url, protocol, 40, at_once=at_once)
        assert server.connections == 40
    assert sorted(result.number for result in found) == list(range(40))
    assert all(result.connection is not None and result.took_ns > 0 for result in found)


@protocols
def test_those_that_are_turned_away_say_why(protocol: WireProtocol) -> None:
    def every_other(talk: Talk) -> bool:
        return talk.number % 2 == 0

    with serving(protocol, greet=every_other) as server:
        found = opened(server.url, protocol, 20)
    failed = [result for result in found if result.connection is None]
    if protocol == "socket.io":  # a plain WebSocket is up before it is cut
        assert len(failed) == 10
    for result in failed:
        assert "closed the connection" in why(result)


def test_a_server_that_speaks_no_websocket_is_named() -> None:
    with serving(refuse=True) as server:
        (result,) = opened(server.url, "websocket", 1)
    assert result.connection is None
    assert "404" in why(result)
    assert "instead of 101" in why(result)


@contextmanager
def silent() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/"


def test_a_server_that_sends_nothing_is_given_up() -> None:
    with silent() as url:
        found = opened(url, "websocket", 5, at_once=5, timeout_s=0.3)
    assert len(found) == 5
    for result in found:
        assert "did not answer the WebSocket handshake within 0.3 s" in why(result)
        assert "--connect-timeout" in why(result)


def test_where_there_is_no_room_the_rest_is_not_tried() -> None:
    with silent() as url:
        found = opened(url, "websocket", 200, at_once=5, timeout_s=0.3)
    assert len(found) == 200
    assert all(result.connection is None for result in found)
    assert sum(why(result).startswith("not tried: ") for result in found) >= 185


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
    (result,) = opened(url, "websocket", 1)
    assert result.connection is None
    assert why(result) == "connection refused (ECONNREFUSED)"


def answer_in_pieces(data: bytes, size: int) -> str:
    """A server that answers one handshake with these bytes, so many at a time; what the client made of it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                request = connection.recv(4096)
                key = next(line for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))[19:]
                whole = data.replace(b"ACCEPT", accept_value(key))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for start in range(0, len(whole), size):
                    connection.sendall(whole[start : start + size])
                select.select([connection], [], [], 5)  # until the client has had enough

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            url = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
            (result,) = open_all(url, "websocket", masks(1, 1), at_once=1, timeout_s=5.0)
            if result.connection is None:
                return why(result)
            received = result.connection.feed(b"")
            result.connection.close()
            return " ".join(message.payload.decode() for message in received.messages)
        finally:
            thread.join(10)


GOOD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
)


@pytest.mark.parametrize("size", [1, 40, 4096])
def test_a_greeting_that_comes_with_the_handshake_is_not_lost(size: int) -> None:
    """In as many pieces as may be: a frame may come together with the headers, or in part."""
    early = frames.server_frame(frames.TEXT, b"hello")
    assert answer_in_pieces(GOOD + b"\r\n" + early, size) == "hello"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (GOOD.replace(b"101 Switching Protocols", b"200 OK"), "200 OK instead of 101"),
        (GOOD.replace(b"ACCEPT", b"AAAA"), "does not fit the key"),
        (GOOD.replace(b"Upgrade: WebSocket\r\n", b""), "does not upgrade to WebSocket"),
        (GOOD + b"Sec-WebSocket-Extensions: permessage-deflate\r\n", "an extension that was not offered"),
    ],
)
def test_a_handshake_that_is_wrong_is_refused(answer: bytes, words: str) -> None:
    assert words in answer_in_pieces(answer + b"\r\n", 4096)


@given(st.binary(max_size=200))
def test_whatever_comes_instead_of_a_handshake_is_refused(head: bytes) -> None:
    reader = UpgradeReader(accept_value(b"key"))
    try:
        assert reader.feed(head) is None
    except RefusedError:
        return
    assert isinstance(reader.end("the server closed the connection"), RefusedError)
