"""Many connections opened at a time: successes, failures, and the duration of each."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from runners.loadgen import frames
from runners.loadgen.causes import RefusedError
from runners.loadgen.handshake import HandshakeResult, open_all
from runners.loadgen.job import NO_OPTIONS, ClientOptions
from runners.loadgen.upgrade import UpgradeReader, accept_value
from runners.loadgen.wire import masks
from runners.loading.address import read_address
from tests.support.byte_servers import HEAD, OPENING, ByteServer, part, serving_bytes
from tests.support.servers import CERTIFICATE, Talk, WireProtocol, serving, serving_securely

WAITED = r"within [\d.]+ s"
"""On a busy machine it is more than the timeout."""
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
        assert re.search(rf"did not answer the WebSocket handshake {WAITED}", why(result))
        assert "--connect-timeout" in why(result)


@pytest.mark.parametrize(
    ("early", "missing"),
    [(b"", "open an Engine.IO session"), (OPENING, "accept the client in the namespace /")],
)
def test_a_server_that_upgrades_and_says_no_more_is_told_what_is_missing(early: bytes, missing: str) -> None:
    greeting = frames.server_frame(frames.TEXT, early) if early else b""
    with serving_bytes(ByteServer("", HEAD + greeting, lambda opcode, payload: b"")) as address:
        (result,) = opened(f"ws://{address}/", "socket.io", 1, timeout_s=0.3)
    assert re.match(rf"the server did not {missing} {WAITED}; ", why(result))


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
            while not received.messages and received.end is None:  # the rest of a message may still be on its way
                assert select.select([result.connection.descriptor], [], [], 5)[0]
                received = result.connection.receive()
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


def why_not(
    url: str, options: ClientOptions = NO_OPTIONS, protocol: WireProtocol = "websocket", *, timeout_s: float = 5.0
) -> str | None:
    """The reason why one connection could not be opened; ``None`` if it was."""
    (result,) = open_all(url, protocol, masks(1, 1), at_once=1, timeout_s=timeout_s, options=options)
    if result.connection is None:
        return why(result)
    result.connection.close()
    return None


@contextmanager
def demanding(name: str, value: str, status: HTTPStatus) -> Iterator[str]:
    """A server that refuses with this status whoever does not send this header."""

    def judge(connection: ServerConnection, request: Request) -> Response | None:
        return None if request.headers.get(name) == value else connection.respond(status, "not without it\n")

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    spoken = [Subprotocol(value)] if name == "Sec-WebSocket-Protocol" else None
    with serve(echo, "127.0.0.1", 0, process_request=judge, subprotocols=spoken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize(
    ("name", "value", "status", "options", "option"),
    [
        (
            "Origin",
            "https://a.example",
            HTTPStatus.FORBIDDEN,
            {"headers": (("Origin", "https://a.example"),)},
            "--origin",
        ),
        ("Cookie", "id=1", HTTPStatus.UNAUTHORIZED, {"headers": (("Cookie", "id=1"),)}, "--header"),
        ("Host", "b.example", HTTPStatus.BAD_REQUEST, {"headers": (("host", "b.example"),)}, "--header"),
        ("Sec-WebSocket-Protocol", "v2", HTTPStatus.BAD_REQUEST, {"subprotocols": ("v2",)}, "--subprotocol"),
    ],
)
def test_what_a_server_requires_can_be_sent_and_is_named(
    name: str, value: str, status: HTTPStatus, options: dict[str, Any], option: str
) -> None:
    with demanding(name, value, status) as url:
        assert why_not(url, ClientOptions(**options)) is None
        reason = why_not(url)
    assert reason is not None
    assert option in reason
    assert "not without it" in reason


def test_addresses_headers_and_subprotocols_have_the_number_of_their_client() -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    def note(_: ServerConnection, request: Request) -> None:
        headers = request.headers
        seen.append((request.path, headers.get("Authorization"), headers.get("Sec-WebSocket-Protocol")))

    options = ClientOptions(headers=(("Authorization", "Bearer {client}-{client}"),), subprotocols=("room-{client}",))
    spoken = [Subprotocol(f"room-{number}") for number in (7, 8)]
    with serve(lambda connection: None, "127.0.0.1", 0, process_request=note, subprotocols=spoken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = read_address(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws/{{client}}?x={{}}")
        found = list(open_all(url, "websocket", masks(1, 2), at_once=2, timeout_s=5.0, options=options, first_client=7))
        server.shutdown()
        thread.join(10)
    for result in found:
        assert result.connection is not None, why(result)
        result.connection.close()
    assert sorted(seen, key=str) == [
        ("/ws/7?x=%7B%7D", "Bearer 7-7", "room-7"),
        ("/ws/8?x=%7B%7D", "Bearer 8-8", "room-8"),
    ]


def test_a_client_subscribes_before_it_is_ready() -> None:
    asked: list[bytes] = []

    def answer(opcode: int, message: bytes) -> bytes:
        asked.append(message)
        said = [b"welcome", b'{"at": 1, "type": "joined", "user": 0}'] if b"join" in message else []
        ping = frames.server_frame(frames.PING, b"")
        return ping + b"".join(frames.server_frame(frames.TEXT, one) for one in said)

    join = ('{"type":"join","user":{client}}', '{"type":"joined","user":{client}}')
    with serving_bytes(ByteServer("", HEAD, answer)) as address:
        url = f"ws://{address}/"
        assert why_not(url, ClientOptions(subscriptions=(("hello {client}", ""), join))) is None
        assert asked[0] == b"hello 0"
        assert b'{"type":"join","user":0}' in asked
        reason = why_not(url, ClientOptions(subscriptions=(("hello", "{any}!"),)), timeout_s=0.3) or ""
        other = why_not(url, ClientOptions(subscriptions=(("join", "welcome!"),)), timeout_s=0.3) or ""
    assert re.search(rf'{WAITED}; the latest message was {{"at": 1, "type": "joined", "user": 0}}; rtsite load', other)
    assert re.search(rf"did not answer the subscription hello by \{{any\}}! {WAITED}", reason)


def test_certificates_of_ones_own() -> None:
    with serving_securely() as url:
        assert why_not(url, ClientOptions(ca=str(CERTIFICATE))) is None
        assert why_not(url, ClientOptions(insecure=True)) is None
        reason = why_not(url) or ""
        assert "not trusted" in reason
        assert "--ca" in reason
        assert "--insecure" in reason
        assert why_not(url.replace("wss", "ws"))


def test_a_server_that_hangs_up_may_expect_tls() -> None:
    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        reason = why_not(f"ws://127.0.0.1:{listening.getsockname()[1]}/") or ""
        thread.join(10)
    assert reason.endswith("if it expects TLS, use wss://")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["closes", "answers"])
def test_a_server_without_tls_is_named(answer: bytes) -> None:
    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        reason = why_not(f"wss://127.0.0.1:{listening.getsockname()[1]}/") or ""
        thread.join(10)
    assert "use ws://" in reason


def test_a_server_that_waits_for_more_than_a_client_of_tls_sends_is_given_up() -> None:
    with silent() as url:
        reason = why_not(url.replace("ws", "wss", 1), timeout_s=0.3) or ""
    assert re.search(rf"did not finish the TLS handshake {WAITED}; if it has no TLS, use ws://", reason)


def test_socketio_in_a_namespace_with_auth() -> None:
    def answer(opcode: int, packet: bytes) -> bytes:
        accepted = packet == b'40/chat,{"token": 1}'
        said = b'40/chat,{"sid":"s"}' if accepted else b'44/chat,{"message":"Unknown \x1b token"}'
        return frames.server_frame(frames.TEXT, said)

    # Also in fragments, since a whole message counts and not a frame.
    opening = part(frames.TEXT, OPENING[:2]) + part(0x80, OPENING[2:])
    with serving_bytes(ByteServer("", HEAD + opening, answer)) as address:
        url = f"ws://{address}/"
        assert why_not(url, ClientOptions(namespace="/chat", auth='{"token": 1}'), "socket.io") is None
        reason = why_not(url, ClientOptions(namespace="/chat"), "socket.io") or ""
    assert "refused the namespace /chat" in reason
    assert r"Unknown \x1b token" in reason
    assert "--auth" in reason


@pytest.mark.parametrize(
    ("early", "words"),
    [
        (frames.server_frame(frames.TEXT, b"hello"), "does not speak Engine.IO; it sent 'hello'"),
        (frames.server_frame(frames.TEXT, b"1"), "closed the Engine.IO session"),
        (frames.server_frame(frames.CLOSE, b"\x03\xf0no"), "1008 (policy violation): 'no'"),
        (b"\x91\x00", "reserved bits"),
    ],
)
def test_a_server_without_socketio_is_named(early: bytes, words: str) -> None:
    with serving_bytes(ByteServer("", HEAD + early)) as address:
        assert words in (why_not(f"ws://{address}/", protocol="socket.io") or "")
