"""Opens WebSocket connections, many at a time: TCP, TLS, the upgrade (RFC 6455, section 4), and joining Socket.IO.

It uses one thread and never blocks, so many clients connect at the same time: all send their request before the first
is accepted. The time of each counts from its first packet until it may send.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
from collections.abc import Callable, Generator, Iterator, Sequence
from time import perf_counter_ns as clock_ns
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from runners.loadgen import engine_io, frames, packed, tls
from runners.loadgen.causes import Cause, RefusedError, describe, harmless
from runners.loadgen.connection import NO_CLOSE_FRAME, DeflateStreams, WebSocketConnection, closed_with, refused_for
from runners.loadgen.job import CLIENT_IN_URL, NO_OPTIONS, ClientOptions, Protocol, Serializer, Transport
from runners.loadgen.message import namespace_prefix
from runners.loadgen.own_messages import AnswerPattern, Place, parts_of
from runners.loadgen.upgrade import UpgradeReader, upgrade_request

NOT_CONNECTED = "not-connected"
"""The key in the table of errors of a connection that could not be opened."""
_TLS = "finish the TLS handshake"
_RECEIVE_BYTES = 65536
_TICK_S = 0.05
PAUSED_BUFFER_BYTES = 65536
"""Receive buffer of a connection that will stop reading. Data that does not fit stays with the server. The kernel would
let it grow to tens of megabytes (tcp_rmem). One that is smaller than a segment of the loopback interface, 64 KiB, makes
TCP wait for timers while the client still reads."""


class HandshakeResult(NamedTuple):
    """One connection and the nanoseconds that it took to open, or the reason why there is none."""

    number: int
    connection: WebSocketConnection | None
    took_ns: int
    cause: Cause | None = None


def open_all(
    url: str,
    protocol: Protocol,
    masks: Sequence[bytes],
    *,
    at_once: int,
    timeout_s: float,
    paused: int = 0,
    serializer: Serializer = "json",
    options: ClientOptions = NO_OPTIONS,
    first_client: int = 0,
    url_of: Callable[[int], str] | None = None,
) -> Iterator[HandshakeResult]:
    """Open one connection per mask, at most ``at_once`` at any time; yields each when it is ready or has failed.

    After ``at_once`` timeouts in a row the server accepts no more. The rest is then not tried, because each would take
    a timeout. The last ``paused`` connections have a small receive buffer, because they will not read. Clients are
    numbered from ``first_client``, in the address as well. ``url_of``: the address of each connection by its index, if
    they differ otherwise.
    Raises `OSError` if the address cannot be resolved or, having several, cannot be reached.
    """
    address = socket_url(url) if protocol == "socket.io" else url
    where = resolve_address(address, timeout_s)
    waiting = iter(range(len(masks)))
    in_progress: dict[int, Handshake] = {}
    timed_out = 0
    with select.epoll() as ready:
        while True:
            if timed_out >= at_once:
                reason = f"not tried: {timed_out} clients before it waited {timeout_s:g} s without success"
                cause = Cause(NOT_CONNECTED, "not tried", reason)
                yield from (HandshakeResult(index, None, 0, cause) for index in waiting)
            while len(in_progress) < at_once and (index := next(waiting, None)) is not None:
                try:
                    own_url = address if url_of is None else url_of(index)
                    handshake = Handshake(
                        index,
                        url_of_client(own_url, first_client + index),
                        where,
                        protocol,
                        masks[index],
                        paused=index >= len(masks) - paused,
                        serializer=serializer,
                        options=options.of_client(first_client + index),
                    )
                except OSError as error:
                    yield HandshakeResult(index, None, 0, cause_of(error))
                    continue
                in_progress[handshake.socket.fileno()] = handshake
                ready.register(handshake.socket.fileno(), handshake.wanted)
            if not in_progress:
                return
            touched = [in_progress[descriptor] for descriptor, _ in ready.poll(_TICK_S)]
            overdue = clock_ns() - int(timeout_s * 1e9)
            touched += [handshake for handshake in in_progress.values() if handshake.started_ns < overdue]
            for handshake in dict.fromkeys(touched):
                descriptor = handshake.socket.fileno()
                result = handshake.proceed(overdue)
                if result is None:
                    ready.modify(descriptor, handshake.wanted)
                else:
                    ready.unregister(descriptor)
                    del in_progress[descriptor]
                    handshake.release(result)
                    timed_out = timed_out + 1 if handshake.started_ns < overdue else 0
                    yield result


def url_of_client(url: str, number: int) -> str:
    """The address for the client with this number in the load."""
    return url.replace(CLIENT_IN_URL, str(number))


def socket_url(url: str, transport: Transport = "websocket") -> str:
    """The Engine.IO 4 address of a Socket.IO server for this transport, with the default path if none is given."""
    parts = urlsplit(url)
    path = parts.path if parts.path not in ("", "/") else "/socket.io/"
    query = "&".join(filter(None, [parts.query, f"EIO=4&transport={transport}"]))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


class Address(NamedTuple):
    """The address of a server's socket, in the form for `socket.socket.connect`."""

    family: socket.AddressFamily
    place: Any


def resolve_address(url: str, timeout_s: float) -> Address:
    """The first address of a URL that answers; ``localhost``, for example, has ::1 and 127.0.0.1. Raises `OSError`."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    found = [
        Address(family, place) for family, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ]
    if len(found) == 1:
        return found[0]
    with socket.create_connection((host, port), timeout_s) as sock:
        return Address(sock.family, sock.getpeername())


class Handshake:
    """One connection that is being opened: TCP, TLS if needed, the upgrade, and joining Socket.IO if needed."""

    def __init__(
        self,
        index: int,
        url: str,
        where: Address,
        protocol: Protocol,
        mask: bytes,
        *,
        paused: bool = False,
        serializer: Serializer = "json",
        options: ClientOptions = NO_OPTIONS,
    ) -> None:
        parts = urlsplit(url)
        self.started_ns = clock_ns()
        self.socket = socket.socket(where.family, socket.SOCK_STREAM)
        self._index = index
        self._mask = mask
        self._joins = protocol == "socket.io"
        self._packed = serializer == "msgpack"
        self._options = options
        self._host = parts.hostname or ""
        self._request, accept = upgrade_request(
            url, options.headers, options.subprotocols, offers_deflate=options.deflate
        )
        self._outbox = bytearray()
        self._answer = UpgradeReader(accept, options.subprotocols, offers_deflate=options.deflate)
        self._compression: DeflateStreams | None = None
        self._reader = frames.MessageReader()
        self._missing = "accept the TCP connection"
        """What the server has not done yet."""
        self._instead = ""
        """The latest message that did not do it, as the end of a sentence."""
        self._steps = iter(self._all_steps(secure=parts.scheme == "wss"))
        self.wanted = select.EPOLLOUT
        try:
            self.socket.setblocking(False)
            # Without Nagle's algorithm, as in browsers: a message leaves when it is sent.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if paused:  # before connecting, because it determines the window that TCP offers
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PAUSED_BUFFER_BYTES)
            bind_to_source(self.socket, options)
            _begin_to_connect(self.socket, where)
        except OSError:
            self.socket.close()
            raise

    def proceed(self, overdue_ns: int) -> HandshakeResult | None:
        """Continue as far as possible. ``None``: wait for the epoll events in ``wanted``."""
        try:
            self.wanted = next(self._steps)
            if self.started_ns < overdue_ns:
                # The limit, not how long ago it began: a process that had to wait finds out later.
                waited = f"{round((clock_ns() - overdue_ns) / 1e9, 1):g} s"
                tip = "; if it has no TLS, use ws://" if self._missing == _TLS else ""
                raise self._answer.end(
                    f"the server did not {self._missing} within {waited}{self._instead}{tip}; rtsite load has"
                    " --connect-timeout"
                )
        except StopIteration as done:
            connection = WebSocketConnection(self.socket, self._mask, self._reader, done.value, self._compression)
            return HandshakeResult(self._index, connection, clock_ns() - self.started_ns)
        except (OSError, RefusedError) as error:
            return HandshakeResult(self._index, None, 0, cause_of(error))
        return None

    def release(self, result: HandshakeResult) -> None:
        """Close the socket if it did not become a connection."""
        if result.connection is None:
            self.socket.close()

    def _all_steps(self, *, secure: bool) -> Generator[int, None, list[frames.Frame]]:
        """Run all steps; each yields the epoll events that it waits for. Returns the frames that arrived early."""
        if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        if secure:
            self._missing = _TLS
            yield from self._secure()
        self._missing = "answer the WebSocket handshake"
        self._outbox += self._request
        yield from self._send()
        data = b""
        while self._answer.feed(data) is None:
            data = yield from self._receive()
            if not data:
                tip = "" if secure or self._answer.rest else "; if it expects TLS, use wss://"
                raise self._answer.end(
                    f"the server closed the connection instead of answering the WebSocket handshake{tip}"
                )
        if self._answer.agreement is not None:
            self._compression = DeflateStreams(self._answer.agreement)
            self._reader = frames.MessageReader(self._compression.inflater)
        early = self._reader.feed(self._answer.rest)
        return (yield from self._join(early)) if self._joins else (yield from self._subscribe(early))

    def _secure(self) -> Generator[int, None, None]:
        secure = self.socket = tls.wrap(self.socket, self._host, self._options)
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                yield select.EPOLLIN
            except ssl.SSLWantWriteError:
                yield select.EPOLLOUT
            else:
                return

    def _send(self) -> Generator[int, None, None]:
        while self._outbox:
            try:
                del self._outbox[: self.socket.send(self._outbox)]
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield select.EPOLLOUT
            except (BrokenPipeError, ConnectionResetError):  # what the server sent before explains it
                self._outbox.clear()

    def _receive(self) -> Generator[int, None, bytes]:
        """The next bytes; empty if the server closed the connection."""
        while True:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                return self.socket.recv(_RECEIVE_BYTES)
            yield select.EPOLLIN

    def _join(self, early: list[frames.Frame]) -> Generator[int, None, list[frames.Frame]]:
        """Socket.IO: wait for the session, join the namespace, wait until the server accepts."""
        namespace = self._options.namespace
        self._missing = "open an Engine.IO session"
        waiting = list(early)
        opened = False
        while True:
            frame = yield from self._next_message(waiting)
            packet = b"" if frame.opcode == frames.BINARY else frame.payload
            if packet == engine_io.CLOSE:
                raise RefusedError("the server closed the Engine.IO session before it was ready", "session closed")
            if not opened:
                engine_io.session_of(frame.payload, binary=frame.opcode == frames.BINARY)
                opened = True
                self._missing = f"accept the client in the namespace {namespace}"
                self._outbox += self._join_request()
            elif packet[:1] == engine_io.PING:
                self._outbox += self._framed(frames.TEXT, engine_io.PONG + packet[1:])
            elif self._is_accepted(frame):
                return waiting
            yield from self._send()

    def _subscribe(self, early: list[frames.Frame]) -> Generator[int, None, list[frames.Frame]]:
        """Send what is sent once, and wait for the answers. Messages before them are welcomes that nobody needs."""
        waiting = list(early)
        for message, answer in self._options.subscriptions:
            self._outbox += self._framed(frames.TEXT, message.encode())
            yield from self._send()
            if answer:
                self._missing = f"answer the subscription {harmless(message.encode())} by {harmless(answer.encode())}"
                pattern = AnswerPattern(parts_of(answer, (Place.ANYTHING,)))
                while pattern.read(received := (yield from self._next_message(waiting)).payload) is None:
                    self._instead = f"; the latest message was {harmless(received)}"
                self._instead = ""
        return waiting

    def _next_message(self, waiting: list[frames.Frame]) -> Generator[int, None, frames.Frame]:
        """Take the next message from those that wait, and read more if none does. Pings are answered. Raises
        `RefusedError` at the end of the connection.
        """
        while True:
            while waiting:
                frame = waiting.pop(0)
                if frame.opcode == frames.CLOSE:
                    raise _unready(closed_with(frame.payload))
                if frame.opcode == frames.PING:
                    self._outbox += frames.encode_frame(frames.PONG, frame.payload, self._mask)
                    yield from self._send()
                elif frame.opcode != frames.PONG:
                    return frame
            if self._reader.error is not None:
                raise _unready(refused_for(self._reader.error))
            data = yield from self._receive()
            if not data:
                raise _unready(NO_CLOSE_FRAME)
            waiting += self._reader.feed(data)

    def _join_request(self) -> bytes:
        namespace, auth = self._options.namespace, self._options.auth
        if self._packed:
            return self._framed(frames.BINARY, packed.connect(namespace, auth))
        packet = engine_io.CONNECT + namespace_prefix(namespace) + auth.encode()
        return self._framed(frames.TEXT, packet)

    def _framed(self, opcode: int, message: bytes) -> bytes:
        """A message as one frame, compressed if that was agreed."""
        if self._compression is None:
            return frames.encode_frame(opcode, message, self._mask)
        payload = self._compression.deflater.deflate(message)
        return frames.encode_frame(opcode, payload, self._mask, compressed=True)

    def _is_accepted(self, frame: frames.Frame) -> bool:
        """Whether a message accepts the client; raises `RefusedError` if it refuses it."""
        namespace, packet = self._options.namespace, frame.payload
        if self._packed and frame.opcode == frames.BINARY:
            if packed.refuses(packet, namespace):
                raise engine_io.refused_namespace(namespace, packed.reason_of(packet))
            return packed.accepts(packet, namespace)
        if frame.opcode == frames.BINARY:
            return False
        if engine_io.is_refused(packet):
            raise engine_io.refused_namespace(namespace, packet[2:])
        return not self._packed and engine_io.is_accepted(packet, namespace)


def _unready(cause: Cause) -> RefusedError:
    return RefusedError(f"{cause.text} before it was ready", cause.kind)


_BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
"""Number of the option in Linux; `socket` has the name since Python 3.12."""


def bind_to_source(sock: socket.socket, options: ClientOptions) -> None:
    """Connect from the client's own address, if it has one; raises `OSError`.

    The port is chosen when it connects (ip(7), IP_BIND_ADDRESS_NO_PORT), so that each address has all its ports for
    each server.
    """
    if options.sources:
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.bind((options.sources[0], 0))


def _begin_to_connect(sock: socket.socket, where: Address) -> None:
    code = sock.connect_ex(where.place)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, os.strerror(code))


def cause_of(error: Exception) -> Cause:
    """Why a connection could not be opened."""
    return Cause(NOT_CONNECTED, *describe(error))
