"""Connections over HTTP without WebSocket: Socket.IO's long-polling, and server-sent events."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http
import os
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httptools

from runners.loadgen import engine_io, tls
from runners.loadgen.arrivals import read_stamped, stamp_arrivals
from runners.loadgen.causes import Cause, RefusedError, harmless
from runners.loadgen.connection import (
    CLOSED,
    PROTOCOL,
    RECEIVE_BYTES,
    WAITING,
    Message,
    Received,
    Watcher,
    broken_by,
    close_socket,
)
from runners.loadgen.engine_io import DEFAULT_NAMESPACE
from runners.loadgen.event_stream import CONTENT_TYPE, EventReader, check_stream
from runners.loadgen.handshake import Address, bind_to_source, resolve_address, socket_url
from runners.loadgen.http_answers import Head, check_coding, fields_of, quoted, refusal_with
from runners.loadgen.job import NO_OPTIONS, ClientOptions
from runners.loadgen.upgrade import request_target

MOST_PACKETS = 16
"""Maximum number of packets in one request of a polling client; Engine.IO servers refuse more."""
SEPARATOR = b"\x1e"
"""Separates the packets of one request or answer of long-polling."""
_BINARY = b"b"
"""Prefix of a binary packet of a polling client, which is in base64."""
_OK = "200 OK"
_ENOUGH_BYTES = 1000
"""Bytes of a refusal's body after which we do not wait for its end."""
STREAM_ENDED = Cause(CLOSED, "stream ended", "the server ended the event stream")


def open_session(url: str, timeout_s: float, options: ClientOptions = NO_OPTIONS) -> PollingConnection:
    """Open an Engine.IO 4 session by polling, join the default namespace, and wait until the server accepts.

    Of the options, headers and those of TLS are used. Raises `RefusedError` or `OSError`.
    """
    address = socket_url(url, "polling")
    where, path = HttpOrigin.of(address, timeout_s, options), request_target(address)
    deadline = time.monotonic() + timeout_s
    client = HttpClient(where)
    try:
        opened, *waiting = _ask(client, "GET", path, deadline)
        client.keep_cookies()
        path = f"{path}&sid={quote(engine_io.session_of(opened), safe='~')}"
        answers = [engine_io.CONNECT]
        while True:
            for place, packet in enumerate(waiting):
                if packet[:1] == engine_io.PING:
                    answers.append(engine_io.PONG + packet[1:])
                elif packet == engine_io.CLOSE:
                    raise RefusedError("the server closed the Engine.IO session before it was ready", "session closed")
                elif engine_io.is_refused(packet):
                    raise engine_io.refused_namespace(DEFAULT_NAMESPACE, packet[2:])
                elif engine_io.is_accepted(packet, DEFAULT_NAMESPACE):
                    return PollingConnection(where, path, client.cookie, waiting[place + 1 :])
            if answers:
                _ask(client, "POST", path, deadline, SEPARATOR.join(answers))
                answers = []
            waiting = _ask(client, "GET", path, deadline)
    except httptools.HttpParserError as error:
        raise RefusedError(client.describe_invalid(error)) from None
    except AnswerEndedError as error:
        raise RefusedError(str(error), "no answer") from None
    finally:
        client.drop()


def open_stream(url: str, timeout_s: float, options: ClientOptions = NO_OPTIONS) -> EventStreamConnection:
    """An event stream. Its request is sent when it is attached. Of the options, headers and those of TLS are used.
    Raises `OSError`.
    """
    return EventStreamConnection(HttpOrigin.of(url, timeout_s, options), request_target(url))


def _ask(client: HttpClient, method: str, path: str, deadline: float, body: bytes = b"") -> list[bytes]:
    """Send a request and wait for its answer; returns the packets of the answer."""
    client.request(method, path, body)
    while (response := client.receive()) is None:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            raise RefusedError(f"the server did not answer {method} in time; rtsite load has --connect-timeout", "time")
        waiting = select.poll()
        waiting.register(client.descriptor, select.POLLIN | (0 if client.sent else select.POLLOUT))
        waiting.poll(1000 * remaining_s)
    if response.status != http.HTTPStatus.OK:
        raise refusal_with(client.head, response.body, f"{_OK} to {method}", engine_io.tip_for(response.body))
    check_coding(client.head)
    return response.body.split(SEPARATOR)


class HttpOrigin(NamedTuple):
    """The server of an HTTP client."""

    where: Address
    netloc: str
    """The field ``Host`` of requests."""
    host: str
    """The name that its certificate must have."""
    secure: bool
    """Whether it speaks TLS."""
    options: ClientOptions

    @classmethod
    def of(cls, url: str, timeout_s: float, options: ClientOptions) -> HttpOrigin:
        """The server of this ``ws://`` or ``wss://`` address. Raises `OSError` if it cannot be resolved."""
        parts = urlsplit(url)
        where = resolve_address(url, timeout_s)
        return cls(where, parts.netloc, parts.hostname or "", parts.scheme == "wss", options)

    def of_client(self, number: int) -> HttpOrigin:
        """The same server, as the client with this number requests it."""
        return self._replace(options=self.options.of_client(number))


class _Response(NamedTuple):
    """``body`` is decoded: read as sent without chunks."""

    status: int
    body: bytes


class AnswerEndedError(Exception):
    """The server closed the connection before its answer was complete; the text says so."""


class HttpClient:
    """Sends one HTTP/1.1 request at a time, over a connection that stays open if the server keeps it open.

    It skips interim answers, accepts lines that end in LF alone, and bodies that end with the connection, like
    `runners.loadgen.http_answers`; this one is compiled.
    """

    def __init__(self, origin: HttpOrigin, *, accept: str = "*/*", cookie: str = "") -> None:
        """``accept`` and ``cookie``: values of the request's fields; no cookie if it is empty."""
        self._origin = origin
        self._accept = accept
        self.cookie = cookie
        self._socket: socket.socket | None = None
        self._ready = False
        """Whether requests can be sent: the connection is open and, over TLS, its handshake is made."""
        self._writes = False
        """Whether the handshake waits until the socket is writable."""
        self._parser: httptools.HttpResponseParser | None = None
        self._outbox = bytearray()
        self._body: list[bytes] = []
        self._fields: list[tuple[bytes, bytes]] = []
        self._reason, self._status = b"", 0
        self.headed = False
        """Whether the head of the final answer has arrived."""
        self._complete = False
        """Whether its body has arrived too."""
        self._kept = False
        """Whether the server keeps the connection. The parser knows it only while it reads the end of an answer."""
        self._last = b""
        """The bytes that were parsed last."""
        self.busy = False
        """Whether a request is not answered yet."""
        self.stamp_ns = 0
        """When the bytes arrived that were read last, see `arrivals.read_stamped`."""
        self.watcher: Watcher | None = None

    def request(self, method: str, path: str, body: bytes = b"") -> None:
        """Send a request, one at a time; raises `OSError`."""
        fields = [("Host", self._origin.netloc), ("Accept", self._accept)]
        if method == "POST":
            fields += [("Content-Type", "text/plain;charset=UTF-8"), ("Content-Length", str(len(body)))]
        given = self._origin.options.headers
        names = {name.lower() for name, _ in given}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {v}" for name, v in fields if name.lower() not in names)]
        # A request has one field of cookies (RFC 6265, section 5.4), whoever set them.
        cookies = [*filter(None, [self.cookie]), *(value for name, value in given if name.lower() == "cookie")]
        if cookies:
            lines.append(f"Cookie: {'; '.join(cookies)}")
        lines += [f"{name}: {value}" for name, value in given if name.lower() != "cookie"]
        self.busy = True
        if self._socket is None:
            self._open()
        self._outbox += "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        self._flush()

    def _open(self) -> None:
        self._socket = socket.socket(self._origin.where.family, socket.SOCK_STREAM)
        self._ready = not self._origin.secure
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp_arrivals(self._socket)
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        bind_to_source(self._socket, self._origin.options)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect(self._origin.where.place)

    def _flush(self) -> None:
        assert self._socket is not None
        if self._ready or self._becomes_secure():
            with contextlib.suppress(*WAITING):
                while self._outbox:
                    del self._outbox[: self._socket.send(self._outbox)]
        if self.watcher is not None:
            self.watcher.watch(self._socket, writable=not self.sent)

    def _becomes_secure(self) -> bool:
        """Continue the TLS handshake as far as possible; returns whether it is made. Raises `OSError`."""
        self._writes = False
        if not isinstance(self._socket, tls.SecureSocket):
            assert self._socket is not None
            if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code))
            try:
                self._socket.getpeername()
            except OSError:  # it is still connecting
                self._writes = True
                return False
            if self.watcher is not None:  # a socket whose TLS fails at once is closed
                self.watcher.forget(self._socket)
            self._socket = tls.wrap(self._socket, self._origin.host, self._origin.options)
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self._writes = True
            return False
        self._ready = True
        return True

    def receive(self) -> _Response | None:
        """The answer, if it is complete. Raises `OSError`, `httptools.HttpParserError` or `AnswerEndedError` if it
        cannot become complete.
        """
        if self._socket is None:
            return None
        if self._outbox:
            self._flush()
        if not self._ready:
            return None
        try:
            data, self.stamp_ns = read_stamped(self._socket, RECEIVE_BYTES)
        except WAITING:
            return None
        if data:
            return self.feed(data)
        self.drop()
        if not self.busy:
            return None
        if self.headed and not {b"content-length", b"transfer-encoding"} & {name.lower() for name, _ in self._fields}:
            return self._finish()
        part = "its answer was complete" if self.headed else "it answered"
        raise AnswerEndedError(f"the server closed the connection before {part}")

    def feed(self, data: bytes) -> _Response | None:
        """Like `receive`, for bytes that the caller read."""
        assert self._parser is not None
        self._last = data
        self._parser.feed_data(data)
        if not self._complete:
            return None
        response = self._finish()
        if not self._kept:
            self.drop()
        return response

    def _finish(self) -> _Response:
        response = _Response(self._status, self.take_body())
        self.headed = self._complete = self.busy = False
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
        self._ready = self._writes = False
        self._outbox.clear()

    @property
    def descriptor(self) -> int:
        """File descriptor of the connection's socket; -1 if there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def native_tls(self) -> int:
        """Address of OpenSSL's connection; 0 if there is none."""
        return self._socket.native if isinstance(self._socket, tls.SecureSocket) else 0

    @property
    def is_readable(self) -> bool:
        """Whether whoever knows the socket may read from it: all is sent, and it is plain or known to OpenSSL."""
        return self.descriptor >= 0 and not self._outbox and bool(self.native_tls or not self._origin.secure)

    @property
    def sent(self) -> bool:
        """Whether nothing waits for a writable socket."""
        return not (self._outbox if self._ready else self._writes)

    @property
    def head(self) -> Head:
        """The last head that has arrived."""
        return Head((1, 1), self._status, self._reason.decode("latin-1"), fields_of(self._fields))

    def keep_cookies(self) -> None:
        """Send the cookies of the last answer with the next requests, as browsers do (RFC 6265, section 5.4). The
        answers of a session come from one place, so their attributes do not matter.
        """
        pairs = [value.partition(";")[0].strip() for value in self.head.fields.get("set-cookie", ())]
        self.cookie = "; ".join(pair for pair in pairs if "=" in pair and pair.isprintable())

    def describe_invalid(self, error: httptools.HttpParserError) -> str:
        """The sentence for bytes that are not HTTP."""
        return f"the server's answer is not valid HTTP ({harmless(str(error))}); it sent {quoted(self._last)}"

    # The parser calls these.

    def on_message_begin(self) -> None:
        self._fields.clear()
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._status = self._parser.get_status_code()
        self.headed = not 100 <= self._status < 200

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        self._complete, self._kept = self.headed, self._parser.should_keep_alive()


class PollingConnection:
    """A connection by Engine.IO 4 long-polling: one request waits for messages, and another one sends them."""

    descriptor = -1
    native_tls = 0
    stamp_ns = 0
    fast = False

    def __init__(self, origin: HttpOrigin, path: str, cookie: str = "", early: Sequence[bytes] = ()) -> None:
        """``path``: the target of the session's requests. ``early``: packets that have already arrived."""
        self._path = path
        self._waiting, self._carrying = (HttpClient(origin, cookie=cookie) for _ in range(2))
        self._early = list(early)
        self._queue: deque[bytes] = deque()
        self._failure: OSError | None = None
        """Why nothing can be sent any more."""

    def attach(self, watcher: Watcher) -> None:
        self._waiting.watcher = self._carrying.watcher = watcher
        try:
            self._waiting.request("GET", self._path)
        except OSError as error:
            self._failure = error

    def send(self, payload: bytes | bytearray, *, binary: bool = False) -> bool:
        self._queue.append(_BINARY + base64.b64encode(payload) if binary else bytes(payload))
        try:
            self._carry()
        except OSError as error:
            self._failure = error
            return False
        return True

    def _carry(self) -> None:
        if self._queue and not self._carrying.busy:
            packets = [self._queue.popleft() for _ in range(min(MOST_PACKETS, len(self._queue)))]
            self._carrying.request("POST", self._path, SEPARATOR.join(packets))

    def receive(self) -> Received:
        found: list[Message] = []
        for client in (self._waiting, self._carrying):
            try:
                if self._early:
                    found += [_message(packet) for packet in self._early]
                    self._early = []
                response = client.receive()
                if response is None:
                    continue
                if response.status != http.HTTPStatus.OK:
                    return Received(found, _wrong_status(client.head, response.body))
                if client is self._waiting:
                    found += [_message(packet) for packet in response.body.split(SEPARATOR)]
                    client.request("GET", self._path)
                else:
                    self._carry()
            except (httptools.HttpParserError, binascii.Error, OSError, AnswerEndedError) as error:
                return Received(found, _end_of(client, error))
        return Received(found, None if self._failure is None else broken_by(self._failure))

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


def _wrong_status(head: Head, body: bytes) -> Cause:
    error = refusal_with(head, body, _OK, engine_io.tip_for(body))
    return Cause(f"http-{head.status}", error.kind, str(error))


def _end_of(client: HttpClient, error: Exception) -> Cause:
    """The cause for an error of a connection over HTTP."""
    match error:
        case OSError():
            return broken_by(error)
        case AnswerEndedError():
            return Cause(CLOSED, "no answer", str(error))
        case httptools.HttpParserError():
            return Cause(PROTOCOL, "no http", client.describe_invalid(error))
        case _:
            return Cause(
                PROTOCOL, "base64", f"the server sent a binary packet that is not base64: {harmless(str(error))}"
            )


class EventStreamConnection:
    """A connection by server-sent events: each event is one message. It cannot send."""

    def __init__(
        self, origin: HttpOrigin, path: str, *, method: str = "GET", body: bytes = b"", every_type: bool = False
    ) -> None:
        """``every_type``: events of all types are messages."""
        self._http = HttpClient(origin, accept=CONTENT_TYPE)
        self._method, self._path, self._body = method, path, body
        self._events = EventReader(every_type=every_type)
        self._accepted = False
        """Whether the head of the answer is that of an event stream."""
        self._refusal = b""
        """The body so far of an answer that is no event stream."""
        self._failure: OSError | None = None
        """Why the request could not be sent."""

    @property
    def descriptor(self) -> int:
        return self._http.descriptor

    @property
    def fast(self) -> bool:
        return self._http.is_readable

    @property
    def native_tls(self) -> int:
        return self._http.native_tls

    @property
    def stamp_ns(self) -> int:
        return self._http.stamp_ns

    def attach(self, watcher: Watcher) -> None:
        self._http.watcher = watcher
        try:
            self._http.request(self._method, self._path, self._body)
        except OSError as error:
            self._failure = error
            self._http.drop()

    def send(self, payload: bytes | bytearray, *, binary: bool = False) -> bool:  # noqa: ARG002
        raise TypeError("an event stream has no messages to the server")

    def receive(self) -> Received:
        if self._failure is not None:
            return Received([], broken_by(self._failure))
        return self._parsed(self._http.receive)

    def feed(self, data: bytes) -> Received:
        return self._parsed(lambda: self._http.feed(data))

    def _parsed(self, receive: Callable[[], _Response | None]) -> Received:
        try:
            ended = receive()
        except (httptools.HttpParserError, OSError, AnswerEndedError) as error:
            return Received([], self.silence or _end_of(self._http, error))
        if ended is None and not self._http.headed:
            return Received([])
        body = self._http.take_body() if ended is None else ended.body
        if not self._accepted:
            self._refusal += body
            cause = self._refused()
            if cause is not None:
                is_waited_for = self._http.head.status != http.HTTPStatus.OK and ended is None
                return Received([], None if is_waited_for and len(self._refusal) < _ENOUGH_BYTES else cause)
            self._accepted, self._refusal = True, b""
        messages = [Message(data) for data in self._events.feed(body)]
        return Received(messages, None if ended is None else STREAM_ENDED)

    def _refused(self) -> Cause | None:
        """Why the answer is no event stream, with its body in one line; ``None`` if it is one."""
        if self._accepted:
            return None
        try:
            check_stream(self._http.head, b" ".join(self._refusal.split()))
        except RefusedError as error:
            key = PROTOCOL if self._http.head.status == http.HTTPStatus.OK else f"http-{self._http.head.status}"
            return Cause(key, error.kind, str(error))
        return None

    @property
    def silence(self) -> Cause | None:
        """Why an answer whose head has arrived is no event stream, even if its body has not ended."""
        return self._refused() if self._http.headed else None

    def close(self) -> None:
        self._http.drop()
