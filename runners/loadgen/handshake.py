"""Opens WebSocket connections, many at a time: TCP, TLS, the upgrade (RFC 6455, section 4), and joining Socket.IO.

It uses one thread and never blocks, so many clients connect at the same time: all send their request before the first
is accepted. The time of each counts from its first packet until it may send.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import secrets
import select
import socket
import ssl
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from time import perf_counter_ns as clock_ns
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from runners.loadgen import frames, packed
from runners.loadgen.connection import WebSocketConnection
from runners.loadgen.job import Protocol, Serializer, Transport

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The GUID of RFC 6455, section 1.3."""
_OPEN, _CLOSE, _CONNECT, _REFUSED = b"0", b"1", b"40", b"44"
_MOST_HEAD_BYTES = 64 * 1024
_RECEIVE_BYTES = 65536
_TICK_S = 0.05
PAUSED_BUFFER_BYTES = 4096
"""Receive buffer of a connection that will not read. Data that does not fit stays with the server."""


class HandshakeError(Exception):
    """The server did not accept the connection; the text gives the reason."""


class HandshakeResult(NamedTuple):
    """One connection and the nanoseconds that it took to open, or the reason why there is none."""

    number: int
    connection: WebSocketConnection | None
    took_ns: int
    error: str = ""


def open_all(
    url: str,
    protocol: Protocol,
    masks: Sequence[bytes],
    *,
    at_once: int,
    timeout_s: float,
    paused: int = 0,
    serializer: Serializer = "json",
) -> Iterator[HandshakeResult]:
    """Open one connection per mask, at most ``at_once`` at any time; yields each when it is ready or has failed.

    After ``at_once`` timeouts in a row the server accepts no more. The rest is then not tried, because each would take
    a timeout. The last ``paused`` connections have a small receive buffer, because they will not read.
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
                yield from (HandshakeResult(index, None, 0, reason) for index in waiting)
            while len(in_progress) < at_once and (index := next(waiting, None)) is not None:
                try:
                    handshake = Handshake(
                        index,
                        address,
                        where,
                        protocol,
                        masks[index],
                        paused=index >= len(masks) - paused,
                        serializer=serializer,
                    )
                except OSError as error:
                    yield HandshakeResult(index, None, 0, reason_of(error))
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
    ) -> None:
        parts = urlsplit(url)
        self.started_ns = clock_ns()
        self.socket = socket.socket(where.family, socket.SOCK_STREAM)
        self._index = index
        self._mask = mask
        self._joins = protocol == "socket.io"
        self._packed = serializer == "msgpack"
        self._host = parts.hostname or ""
        self._request, self._accept = upgrade_request(url)
        self._outbox = bytearray()
        self._head = b""
        self._reader = frames.FrameReader()
        self._steps = iter(self._all_steps(secure=parts.scheme == "wss"))
        self.wanted = select.EPOLLOUT
        try:
            self.socket.setblocking(False)
            # Without Nagle's algorithm, as in browsers: a message leaves when it is sent.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if paused:  # before connecting, because it determines the window that TCP offers
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PAUSED_BUFFER_BYTES)
            _begin_to_connect(self.socket, where)
        except OSError:
            self.socket.close()
            raise

    def proceed(self, overdue_ns: int) -> HandshakeResult | None:
        """Continue as far as possible. ``None``: wait for the epoll events in ``wanted``."""
        try:
            self.wanted = next(self._steps)
            if self.started_ns < overdue_ns:
                raise TimeoutError
        except StopIteration as done:
            connection = WebSocketConnection(self.socket, self._mask, self._reader, done.value)
            return HandshakeResult(self._index, connection, clock_ns() - self.started_ns)
        except (OSError, HandshakeError, frames.FrameError) as error:
            return HandshakeResult(self._index, None, 0, reason_of(error))
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
            yield from self._secure()
        self._outbox += self._request
        yield from self._send()
        while b"\r\n\r\n" not in self._head:
            self._head += yield from self._receive("instead of answering the handshake")
            if len(self._head) > _MOST_HEAD_BYTES:
                raise HandshakeError("the header of the server's answer to the handshake is too long")
        head, _, rest = self._head.partition(b"\r\n\r\n")
        check_upgrade(head, self._accept)
        early = self._reader.feed(rest)
        if self._joins:
            early = yield from self._join(early)
        return early

    def _secure(self) -> Generator[int, None, None]:
        self.socket = _trust().wrap_socket(self.socket, server_hostname=self._host, do_handshake_on_connect=False)
        while True:
            try:
                self.socket.do_handshake()
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

    def _receive(self, when: str) -> Generator[int, None, bytes]:
        while True:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                data = self.socket.recv(_RECEIVE_BYTES)
                if not data:
                    raise HandshakeError(f"the server closed the connection {when}")
                return data
            yield select.EPOLLIN

    def _join(self, early: list[frames.Frame]) -> Generator[int, None, list[frames.Frame]]:
        """Socket.IO: wait for the session, join the default namespace, wait until the server accepts."""
        waiting = list(early)
        while True:
            while waiting:
                frame = waiting.pop(0)
                if frame.opcode == frames.CLOSE or frame.payload == _CLOSE:
                    raise HandshakeError("the server closed the connection before it was ready")
                if frame.opcode == frames.PING:
                    self._outbox += frames.encode_frame(frames.PONG, frame.payload, self._mask)
                elif (
                    self._packed and frame.opcode == frames.BINARY and packed.accepts(frame.payload)
                ) or frame.payload[:2] == _CONNECT:
                    return waiting
                elif frame.payload[:2] == _REFUSED:
                    raise HandshakeError(f"the server refused the namespace: {frame.payload[2:200]!r}")
                elif frame.payload[:1] == _OPEN:
                    self._outbox += (
                        frames.encode_frame(frames.BINARY, packed.CONNECT, self._mask)
                        if self._packed
                        else frames.encode_frame(frames.TEXT, _CONNECT, self._mask)
                    )
                yield from self._send()
            waiting = self._reader.feed((yield from self._receive("before it was ready")))


def _begin_to_connect(sock: socket.socket, where: Address) -> None:
    code = sock.connect_ex(where.place)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, os.strerror(code))


def upgrade_request(url: str) -> tuple[bytes, bytes]:
    """The client's opening handshake without extensions, and the accept value that the answer must have."""
    parts = urlsplit(url)
    key = base64.b64encode(secrets.token_bytes(16))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2]}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return "\r\n".join([*lines, "", ""]).encode("ascii"), accept


def check_upgrade(head: bytes, accept: bytes) -> None:
    """Check the server's answer, given without its empty line; raises `HandshakeError`."""
    status, *lines = head.split(b"\r\n")
    words = status.split(b" ", 2)
    if len(words) < 2 or words[1] != b"101":
        raise HandshakeError(f"the server answered {b' '.join(words[1:])[:100].decode('latin-1')} instead of 101")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if fields.get(b"upgrade", b"").lower() != b"websocket":
        raise HandshakeError("the server's answer does not upgrade to WebSocket")
    if fields.get(b"sec-websocket-accept") != accept:
        raise HandshakeError("the server's Sec-WebSocket-Accept does not fit the key that was sent")
    if extensions := fields.get(b"sec-websocket-extensions"):
        raise HandshakeError(f"the server chose an unoffered extension: {extensions[:100].decode('latin-1')}")


@cache
def _trust() -> ssl.SSLContext:
    """The TLS context. It is created once, because loading the system's certificates takes longer than connecting."""
    return ssl.create_default_context()


def reason_of(error: Exception) -> str:
    """A short reason why a connection could not be opened."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}"[:300]
