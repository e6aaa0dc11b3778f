"""Servers that are scripts over HTTP: long-polling of Socket.IO and event streams, legal and illegal.

`POLLING` and `STREAMS` are the tables by which the load generator's clients and those of the contract check are
compared.
"""

from __future__ import annotations

import gzip
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

from tests.support.byte_servers import OPENING, acknowledged, changed, on_event, with_blanks

SEPARATOR = b"\x1e"
BEAT_S = 0.1
"""Seconds between two snapshots of a stream."""


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    fields: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


Wrap = Callable[[bytes], bytes]
"""Makes a whole answer of a body."""


def plain(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Type: text/plain; charset=UTF-8", *fields]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def chunked(body: bytes) -> bytes:
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    chunks = b"".join(b"%x;note=x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: y\r\n\r\n"


def to_the_end(body: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\n\r\n" + body


@dataclass(frozen=True)
class PollingServer:
    """One script. ``words``: what both clients say if they refuse it; ``None``: they accept it.

    ``opening``, ``accepting``: bodies of the first two polls. ``wrap``: makes answers of bodies. ``refuse``: the whole
    answer to a request, or ``None`` for the usual one; ``answer``: the packets for a client's packet.
    """

    name: str
    words: str | None = None
    opening: bytes = OPENING
    accepting: bytes = b'40{"sid":"s"}'
    wrap: Wrap = plain
    refuse: Callable[[Request], bytes | None] = lambda request: None
    answer: Callable[[bytes], list[bytes]] = acknowledged
    first_fields: tuple[bytes, ...] = ()
    waits_for_pong: bool = False


def on_poll(
    status: bytes, body: bytes, *fields: bytes, method: str = "GET", first: bool = False
) -> Callable[[Request], bytes | None]:
    """Answers the polls of a session, or its first request, or its posts, by this."""

    def refuse(request: Request) -> bytes | None:
        concerned = request.method == method and ("sid" not in request.query) == first
        return plain(body, *fields, status=status) if concerned else None

    return refuse


def without_cookie(request: Request) -> bytes | None:
    missing = "sid" in request.query and "io=a1" not in request.fields.get("cookie", "")
    return plain(b"which backend?", status=b"400 Bad Request") if missing else None


def other_session(request: Request) -> bytes | None:
    wrong = request.query.get("sid", "é ü") != "é ü"
    return plain(b"unknown session", status=b"400 Bad Request") if wrong else None


def refused_in_chunks(request: Request) -> bytes | None:
    is_poll = request.method == "GET" and "sid" in request.query
    return chunked(b"unknown session").replace(b"200 OK", b"400 Bad") if is_poll else None


POLLING = [
    PollingServer("plain"),
    PollingServer("in chunks", wrap=chunked),
    PollingServer("to the end of the connection", wrap=to_the_end),
    PollingServer("lines end in LF", wrap=lambda body: plain(body).replace(b"\r\n", b"\n")),
    PollingServer("103 before", wrap=lambda body: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain(body)),
    PollingServer("closes each time", wrap=lambda body: plain(body, b"Connection: close")),
    PollingServer("long field", wrap=lambda body: plain(body, b"X-Long: " + b"x" * 20_000)),
    PollingServer("many fields", wrap=lambda body: plain(body, *(b"X-%d: y" % number for number in range(300)))),
    PollingServer(
        "cookie of a balancer", refuse=without_cookie, first_fields=(b"Set-Cookie: io=a1; Path=/; HttpOnly",)
    ),
    PollingServer("ID with other letters", opening=OPENING.replace(b'"s"', '"é ü"'.encode()), refuse=other_session),
    PollingServer("more with the acceptance", accepting=b'6\x1e40{"sid":"s"}\x1e42["hello"]'),
    PollingServer("ping before the acceptance", accepting=b'40{"sid":"s"}', waits_for_pong=True),
    PollingServer("namespace by name", accepting=b'40/,{"sid":"s"}'),
    PollingServer("acceptance without data", accepting=b"40"),
    PollingServer("blanks in JSON", answer=with_blanks),
    PollingServer("event between", answer=lambda packet: [b'42["news",1]', *acknowledged(packet)]),
    PollingServer(
        "no transport", "Transport unknown", refuse=on_poll(b"400 Bad", b'{"message":"Transport unknown"}', first=True)
    ),
    PollingServer(
        "redirect",
        "/elsewhere",
        refuse=on_poll(b"307 Temporary Redirect", b"", b"Location: /elsewhere", first=True),
    ),
    PollingServer("busy", "Retry-After: 7", refuse=on_poll(b"503 Busy", b"", b"Retry-After: 7", first=True)),
    PollingServer("page", "does not speak Engine.IO", opening=b"<h1>hello</h1>"),
    PollingServer("no ID", "without sid", opening=OPENING.replace(b'"sid"', b'"id"')),
    PollingServer("no interval", "without pingInterval", opening=OPENING.replace(b"pingInterval", b"interval")),
    PollingServer("no JSON", "without JSON", opening=b"0{"),
    PollingServer("namespace refused", "not you", accepting=b'44{"message":"not you"}'),
    PollingServer("session closed at once", "closed the Engine.IO session", accepting=b"1"),
    PollingServer("session closed", "closed the Engine.IO session", answer=on_event(b"1")),
    PollingServer("disconnected", "disconnected the client", answer=on_event(b"41")),
    PollingServer("poll refused", "unknown session", refuse=on_poll(b"400 Bad", b"unknown session")),
    PollingServer("poll refused in chunks", "unknown session", refuse=refused_in_chunks),
    PollingServer(
        "session of another process",
        "need sticky sessions",
        refuse=on_poll(b"400 Bad", b'"Invalid session abc"'),
    ),
    PollingServer("post refused", "boom\\x1b", refuse=on_poll(b"500 Oops", b"boom\x1b", method="POST")),
    PollingServer("post without content", "204", refuse=on_poll(b"204 No Content", b"", method="POST")),
    PollingServer(
        "not asked for gzip", "gzip", wrap=lambda body: plain(gzip.compress(body), b"Content-Encoding: gzip")
    ),
    PollingServer("SSH", "not valid HTTP", wrap=lambda body: b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    PollingServer(
        "answer cut",
        "before its answer was complete",
        wrap=lambda body: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 999\r\n\r\n" + body,
    ),
    PollingServer("nothing", "closed the connection before it answered", wrap=lambda body: b""),
    PollingServer("another answer", "expected", answer=changed),
]


@dataclass(frozen=True)
class StreamServer:
    """One script. ``words``: as in `PollingServer`. ``head``: the answer's head. ``event``: the bytes of a snapshot's
    JSON. ``piece``: the bytes that are sent at a time. ``count``: the snapshots after which it ends.
    """

    name: str
    words: str | None = None
    head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    event: Callable[[bytes], bytes] = lambda text: b"data: " + text + b"\n\n"
    piece: int = 1 << 20
    count: int = 1 << 20
    body: bytes = b""
    """What follows the head before the events."""
    key_order: tuple[str, ...] = ("type", "seq", "panels")
    required: tuple[str, str] = ("accept", "")
    """A field that a request must have, and its value."""


def chunk(text: bytes) -> bytes:
    event = b"data: " + text + b"\r\n\r\n"
    return b"%X\r\n%s\r\n" % (len(event), event)


def head(*fields: bytes, status: bytes = b"200 OK", end: bytes = b"\r\n") -> bytes:
    return end.join([b"HTTP/1.1 " + status, *fields, b"", b""])


STREAM = b"Content-Type: text/event-stream"
STREAMS = [
    StreamServer("plain"),
    StreamServer("in chunks", head=head(STREAM, b"Transfer-Encoding: chunked"), event=chunk, piece=3),
    StreamServer("one byte at a time", piece=1),
    StreamServer("lines end in CR", event=lambda text: b"data:" + text + b"\r\r"),
    StreamServer("data in several lines", event=lambda text: b"data: " + text.replace(b",", b",\ndata: ") + b"\n\n"),
    StreamServer(
        "mark, comments, other fields",
        body=b"\xef\xbb\xbf: hello\nretry: 1000\n\n",
        event=lambda text: b"id: 1\nevent: message\ndata: " + text + b"\n\n:\n\nevent: empty\n\n",
    ),
    StreamServer(
        "events of other types",
        body=b":  \n\nevent: stream-open\ndata:\n\n",
        event=lambda text: b"event: message\ndata: " + text + b"\n\nevent: keep-alive\ndata:\n\n",
    ),
    StreamServer("other letters", head=head(b"content-type: Text/Event-Stream;charset=utf-8"), body=b"\n\n"),
    StreamServer("103 before", head=b"HTTP/1.1 103 Early Hints\r\n\r\n" + head(STREAM)),
    StreamServer("head ends in LF", head=head(STREAM, end=b"\n")),
    StreamServer("long field", head=head(STREAM, b"X-Long: " + b"x" * 20_000)),
    StreamServer("accepts browsers only", required=("accept", "text/event-stream")),
    StreamServer("other order of keys", key_order=("panels", "seq", "type")),
    StreamServer("HTTP/1.0", head=head(STREAM).replace(b"HTTP/1.1", b"HTTP/1.0")),
    StreamServer(
        "not found",
        "no such path",
        head=head(b"Content-Length: 12", status=b"404 Not Found"),
        body=b"no such path",
        count=0,
    ),
    StreamServer(
        "busy", "Retry-After: 9", head=head(b"Content-Length: 0", b"Retry-After: 9", status=b"503 Busy"), count=0
    ),
    StreamServer(
        "redirect", "/there", head=head(b"Location: /there", b"Content-Length: 0", status=b"301 Moved"), count=0
    ),
    StreamServer("page", "text/html", head=head(b"Content-Type: text/html")),
    StreamServer("no type", "Content-Type nothing", head=head()),
    StreamServer("gzip", "gzip", head=head(STREAM, b"Content-Encoding: gzip")),
    StreamServer("no content", "204", head=head(status=b"204 No Content"), count=0),
    StreamServer("ends", "ended", head=head(STREAM, b"Connection: close"), count=1),
    StreamServer("SSH", "not valid HTTP", head=b"SSH-2.0-OpenSSH_9.2p1\r\n", count=0),
    StreamServer("nothing", "closed the connection before it answered", head=b"", count=0),
]


@dataclass
class _Session:
    waiting: queue.Queue[bytes] = field(default_factory=queue.Queue)

    def packets(self) -> bytes:
        """The packets that wait, at least one."""
        with suppress(queue.Empty):
            return self.waiting.get(timeout=20.0)
        return b"6"


@contextmanager
def serving_polls(server: PollingServer) -> Iterator[str]:
    """The address without a scheme, ``127.0.0.1:port``, of a running script."""
    sessions: dict[str, _Session] = {}

    def handle(request: Request, connection: socket.socket) -> bool:
        data = answer(request)
        connection.sendall(data)
        return data.startswith(b"HTTP/1.1") and b"Connection: close" not in data

    def answer(request: Request) -> bytes:
        refused = server.refuse(request)
        if refused is not None:
            return refused
        if "sid" not in request.query:
            sessions.clear()  # all have one ID: a poll that the client before left open must not take our packets
            return plain(server.opening, *server.first_fields) if server.first_fields else server.wrap(server.opening)
        session = sessions.setdefault(request.query["sid"], _Session())
        if request.method == "GET":
            return server.wrap(session.packets())
        for packet in request.body.split(SEPARATOR):
            if packet[:2] == b"40" and server.waits_for_pong:
                session.waiting.put(b"2")
            elif packet[:2] in (b"40", b"3"):
                session.waiting.put(server.accepting)
            elif packet in (b"1", b"41"):
                session.waiting.put(b"6")
            for one in server.answer(packet):
                session.waiting.put(one)
        return server.wrap(b"ok")

    with _serving(handle) as address:
        yield address


@contextmanager
def serving_stream(server: StreamServer) -> Iterator[str]:
    """The address without a scheme, ``127.0.0.1:port``, of a running script."""
    started_s = time.monotonic()

    def handle(request: Request, connection: socket.socket) -> bool:
        name, wanted = server.required
        if wanted and request.fields.get(name) != wanted:
            connection.sendall(plain(b"send what browsers send", status=b"406 Not Acceptable"))
            return False
        connection.sendall(server.head + server.body)
        first = 1 + int((time.monotonic() - started_s) / BEAT_S)
        for number in range(first, first + server.count):  # the beats of all clients: after a pause late, none missed
            time.sleep(max(0.0, started_s + number * BEAT_S - time.monotonic()))
            values = {"type": "snapshot", "seq": number, "panels": {}}
            data = server.event(json.dumps({key: values[key] for key in server.key_order}).encode())
            for start in range(0, len(data), server.piece):
                connection.sendall(data[start : start + server.piece])
        return False

    with _serving(handle) as address:
        yield address


@contextmanager
def _serving(handle: Callable[[Request, socket.socket], bool]) -> Iterator[str]:
    """``handle`` answers a request, and returns whether the connection stays open."""
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reading = connection.makefile("rb")
            while (request := _read_request(reading)) is not None and handle(request, connection):
                pass
            connection.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()


def _read_request(reading: BinaryIO) -> Request | None:
    """The next request; ``None`` if there is none."""
    method, target, _ = (reading.readline().decode().split() or ["", "", ""])[:3]
    if not method:
        return None
    fields = {}
    while line := reading.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return Request(method, target, fields, reading.read(int(fields.get("content-length", "0"))))
