"""Connections over HTTP without WebSocket: Socket.IO's long-polling, and server-sent events."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http
import http.client
import json
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools

from runners.loadgen.connection import CLOSED, RECEIVE_BYTES, Message, Received, Watcher, close_socket
from runners.loadgen.handshake import HandshakeError, socket_url

MOST_PACKETS = 16
"""Maximum number of packets in one request of a polling client; Engine.IO servers refuse more."""
SEPARATOR = b"\x1e"
"""Separates the packets of one request or answer of long-polling."""
_BINARY = b"b"
"""Prefix of a binary packet of a polling client, which is in base64."""
_OPEN, _CONNECT, _REFUSED = b"0", b"40", b"44"


def open_session(url: str, timeout_s: float) -> PollingConnection:
    """Open an Engine.IO 4 session by polling, join the default namespace, and wait until the server accepts.

    Raises `HandshakeError`, `TimeoutError` or `OSError`.
    """
    parts = urlsplit(socket_url(url, "polling"))
    address = (parts.hostname or "", parts.port or 80)
    path = f"{parts.path}?{parts.query}"
    deadline = time.monotonic() + timeout_s
    client = http.client.HTTPConnection(*address, timeout=timeout_s)
    try:
        with contextlib.closing(client):
            opened, *_ = _request(client, "GET", path)
            if opened[:1] != _OPEN:
                raise HandshakeError(f"the server opened no session: {opened[:100]!r}")
            path = f"{path}&sid={json.loads(opened[1:])['sid']}"
            _request(client, "POST", path, _CONNECT)
            while time.monotonic() < deadline:
                for packet in _request(client, "GET", path):
                    if packet[:2] == _CONNECT:
                        return PollingConnection(*address, path)
                    if packet[:2] == _REFUSED:
                        raise HandshakeError(f"the server refused the namespace: {packet[2:200]!r}")
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise HandshakeError(f"the server does not speak Engine.IO: {type(error).__name__} {error}"[:300]) from error
    raise TimeoutError


def open_stream(url: str) -> EventStreamConnection:
    """An event stream. Its request is sent when it is attached."""
    parts = urlsplit(url)
    return EventStreamConnection(parts.hostname or "", parts.port or 80, parts.path)


def _request(client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> list[bytes]:
    """Send a request; returns the packets of its answer."""
    client.request(method, path, body, {"Content-Type": "text/plain;charset=UTF-8"} if body else {})
    answer = client.getresponse()
    packets = answer.read().split(SEPARATOR)
    if answer.status != http.HTTPStatus.OK:
        raise HandshakeError(f"the server answered {answer.status} to {method}: {packets[0][:100]!r}")
    return packets


class _Response(NamedTuple):
    status: int
    body: bytes


class _EndedError(Exception):
    """The server closed the connection before its answer was complete."""


class HttpClient:
    """Sends one HTTP/1.1 request at a time, over a connection that stays open if the server keeps it open."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._outbox = bytearray()
        self._body: list[bytes] = []
        self._status = 0
        self._complete = False
        self.busy = False
        """Whether a request is not answered yet."""
        self.watcher: Watcher | None = None

    def request(self, method: str, path: str, body: bytes = b"") -> None:
        """Send a request, one at a time; raises `OSError`."""
        head = [f"{method} {path} HTTP/1.1", "Host: {}:{}".format(*self._address), "Accept: */*"]
        if method == "POST":
            head += ["Content-Type: text/plain;charset=UTF-8", f"Content-Length: {len(body)}"]
        self.busy = True
        if self._socket is None:
            self._open()
        self._outbox += "\r\n".join([*head, "", ""]).encode("ascii") + body
        self._flush()

    def _open(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpResponseParser(self)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect(self._address)

    def _flush(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(BlockingIOError):
            while self._outbox:
                del self._outbox[: self._socket.send(self._outbox)]
        if self.watcher is not None:
            self.watcher.watch(self._socket, writable=bool(self._outbox))

    def receive(self) -> _Response | None:
        """The answer, if it is complete; raises `OSError` or `_EndedError` if it cannot become complete."""
        if self._socket is None:
            return None
        if self._outbox:
            self._flush()
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        if not data:
            self.drop()
            if self.busy:
                raise _EndedError
            return None
        return self.feed(data)

    def feed(self, data: bytes) -> _Response | None:
        """Like `receive`, for bytes that the caller read."""
        assert self._parser is not None
        self._parser.feed_data(data)
        if not self._complete:
            return None
        response = _Response(self._status, b"".join(self._body))
        kept = self._parser.should_keep_alive()
        self._body.clear()
        self._complete = self.busy = False
        if not kept:
            self.drop()
        return response

    def take_body(self) -> bytes:
        """The new bytes of a body that does not end."""
        data = b"".join(self._body)
        self._body.clear()
        return data

    def drop(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            close_socket(self._socket, self.watcher)
        self._socket = self._parser = None
        self._outbox.clear()

    @property
    def descriptor(self) -> int:
        """File descriptor of the connection's socket; -1 if there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def sent(self) -> bool:
        """Whether all data is sent."""
        return not self._outbox

    # The parser calls these.

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._complete = True

    @property
    def status(self) -> int:
        """Status code of the current answer; 0 if it is not known yet."""
        return self._status


class PollingConnection:
    """A connection by Engine.IO 4 long-polling: one request waits for messages, and another one sends them."""

    descriptor = -1
    fast = False

    def __init__(self, host: str, port: int, path: str) -> None:
        self._path = path
        self._waiting, self._carrying = HttpClient(host, port), HttpClient(host, port)
        self._queue: deque[bytes] = deque()

    def attach(self, watcher: Watcher) -> None:
        self._waiting.watcher = self._carrying.watcher = watcher
        self._waiting.request("GET", self._path)

    def send(self, payload: bytes | bytearray, *, binary: bool = False) -> bool:
        self._queue.append(_BINARY + base64.b64encode(payload) if binary else bytes(payload))
        try:
            self._carry()
        except OSError:
            return False
        return True

    def _carry(self) -> None:
        if self._queue and not self._carrying.busy:
            packets = [self._queue.popleft() for _ in range(min(MOST_PACKETS, len(self._queue)))]
            self._carrying.request("POST", self._path, SEPARATOR.join(packets))

    def receive(self) -> Received:
        found: list[Message] = []
        try:
            for client in (self._waiting, self._carrying):
                response = client.receive()
                if response is None:
                    continue
                if response.status != http.HTTPStatus.OK:
                    return Received(found, f"http-{response.status}")
                if client is self._waiting:
                    found += [_message(packet) for packet in response.body.split(SEPARATOR)]
                    client.request("GET", self._path)
                else:
                    self._carry()
        except httptools.HttpParserError:
            return Received(found, "protocol-error")
        except (OSError, binascii.Error, _EndedError):
            return Received(found, CLOSED)
        return Received(found)

    def feed(self, data: bytes) -> Received:
        raise TypeError(f"a session has two sockets; it is not known from which these {len(data)} bytes are")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if not self._carrying.busy:
                self._carrying.request("POST", self._path, b"1")
        for client in (self._waiting, self._carrying):
            client.drop()


def _message(packet: bytes) -> Message:
    if packet.startswith(_BINARY):
        return Message(base64.b64decode(packet[1:], validate=True), binary=True)
    return Message(packet)


class EventStreamConnection:
    """A connection by server-sent events: each event is one message. It cannot send."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._http = HttpClient(host, port)
        self._path = path
        self._text = b""

    @property
    def descriptor(self) -> int:
        return self._http.descriptor

    @property
    def fast(self) -> bool:
        return self._http.sent and self._http.descriptor >= 0

    def attach(self, watcher: Watcher) -> None:
        self._http.watcher = watcher
        self._http.request("GET", self._path)

    def send(self, payload: bytes | bytearray, *, binary: bool = False) -> bool:  # noqa: ARG002
        raise TypeError("an event stream has no messages to the server")

    def receive(self) -> Received:
        return self._parsed(self._http.receive)

    def feed(self, data: bytes) -> Received:
        return self._parsed(lambda: self._http.feed(data))

    def _parsed(self, receive: Callable[[], _Response | None]) -> Received:
        try:
            ended = receive()
        except httptools.HttpParserError:
            return Received([], "protocol-error")
        except (OSError, _EndedError):
            return Received([], CLOSED)
        if self._http.status not in (0, 200):
            return Received([], f"http-{self._http.status}")
        body = self._http.take_body() if ended is None else ended.body
        self._text += body.replace(b"\r\n", b"\n")
        *events, self._text = self._text.split(b"\n\n")
        messages = [Message(data) for event in events if (data := _data_of(event))]
        return Received(messages, None if ended is None else CLOSED)

    def close(self) -> None:
        self._http.drop()


def _data_of(event: bytes) -> bytes:
    """The joined data lines of an event (HTML standard, 9.2.6); empty for a comment or an event without data."""
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)
