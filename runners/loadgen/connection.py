"""Connections of the load generator: their interface, and the connection over WebSocket.

A connection implements its transport and does not measure. Sockets are non-blocking. Data that cannot be sent at once
waits in an outbox, and the watcher waits until the socket is writable.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import NamedTuple, Protocol

from runners.loadgen import frames, tls
from runners.loadgen.arrivals import read_stamped, stamp_arrivals
from runners.loadgen.causes import Cause, describe, harmless
from runners.loadgen.deflate import Agreement
from runners.loadgen.job import TrafficCounts
from runners.loadgen.zlib_streams import Deflater, Inflater

RECEIVE_BYTES = 65536
NORMAL_CLOSURE = 1000
CLOSED, PROTOCOL = "closed-by-server", "protocol-error"
"""Keys of the table of errors."""
WAITING = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that has to wait."""


class Message(NamedTuple):
    """A whole message."""

    payload: bytes
    binary: bool = False


class Received(NamedTuple):
    """The messages received and, if the connection has ended, the cause."""

    messages: list[Message]
    end: Cause | None = None


class Taken(NamedTuple):
    """Bytes of a connection that are not parsed yet and, if it has ended after them, the cause.

    ``stamp_ns``: when they arrived, see `arrivals.read_stamped`.
    """

    data: bytes
    end: Cause | None = None
    stamp_ns: int = 0


SESSION_CLOSED = Cause(CLOSED, "session closed", "the server closed the Engine.IO session")
DISCONNECTED = Cause(CLOSED, "disconnected", "the server disconnected the client from the namespace")
NO_CLOSE_FRAME = Cause(CLOSED, "no close frame", "the server closed the connection without a close frame")


def closed_with(payload: bytes) -> Cause:
    """The cause for a valid close frame of the server with this payload."""
    code, reason = frames.close_reason(payload)
    if code is None:
        return Cause(CLOSED, "close", "the server closed the connection with a close frame without a code")
    said = f": '{harmless(reason)}'" if reason else ""
    text = f"the server closed the connection with code {code}{frames.close_name(code)}{said}"
    return Cause(CLOSED, f"close {code}", text)


def broken_by(error: OSError) -> Cause:
    """The cause for an error of the socket."""
    kind, text = describe(error)
    return Cause(CLOSED, kind, f"the connection broke: {text}")


def refused_for(error: Exception) -> Cause:
    """The cause for bytes of the server that the protocol forbids."""
    return Cause(PROTOCOL, str(error), f"rtsite closed the connection because the server sent {error}")


class Watcher(Protocol):
    """Waits for sockets to become readable and, if requested, writable."""

    def watch(self, sock: socket.socket, *, writable: bool) -> None: ...

    def forget(self, sock: socket.socket) -> None: ...


class Connection(Protocol):
    """The interface of a connection."""

    @property
    def descriptor(self) -> int:
        """File descriptor of the socket that the compiled kernel may read and write itself; -1 if there is none."""

    @property
    def fast(self) -> bool:
        """Whether the compiled kernel may do so now: no message is partly sent or partly received."""

    @property
    def native_tls(self) -> int:
        """Address of OpenSSL's connection, which the compiled kernel then reads and writes; 0 if there is no TLS."""

    @property
    def stamp_ns(self) -> int:
        """When the bytes arrived that it read last, see `arrivals.read_stamped`."""

    def attach(self, watcher: Watcher) -> None:
        """Register the sockets with the watcher. The next `receive` includes the data that has already arrived."""

    def send(self, payload: bytes | bytearray, *, binary: bool = False) -> bool:
        """Send a message, now or as soon as the socket is writable. If it returns false, the connection has ended, and
        `receive` returns the cause.
        """

    def receive(self) -> Received:
        """The messages received since the last call."""

    def feed(self, data: bytes) -> Received:
        """The messages in these bytes, which the caller read; raises `TypeError` if only the connection may read."""

    def close(self) -> None:
        """Close it, with a close handshake if that is possible at once."""


class DeflateStreams:
    """The agreed compression of one connection, and its own streams in both directions."""

    def __init__(self, agreement: Agreement) -> None:
        self.agreement = agreement
        self.deflater, self.inflater = Deflater(agreement), Inflater(agreement)


class WebSocketConnection:
    """A connection by RFC 6455, plain or over TLS. It answers pings and close frames itself, and joins fragments.

    With a ``compression`` it compresses its messages, and reads compressed ones.
    """

    def __init__(
        self,
        sock: socket.socket,
        mask: bytes,
        reader: frames.MessageReader,
        early: list[frames.Frame],
        compression: DeflateStreams | None = None,
    ) -> None:
        """``reader`` may hold part of a message. ``early``: frames that have already arrived."""
        self.socket = sock
        stamp_arrivals(sock)
        self.stamp_ns = 0
        self.compression = compression
        self.meter = TrafficCounts()
        """Counts what it sends and receives."""
        self._mask = mask
        self._reader = reader
        self._early = early
        self._secure = isinstance(sock, ssl.SSLSocket)
        self.native_tls = 0
        if isinstance(sock, tls.SecureSocket):
            self.native_tls = sock.native
            tls.OPENSSL.read_ahead(sock)
        self._outbox = bytearray()
        self._failure: OSError | None = None
        """Why nothing can be sent any more."""
        self._end: Cause | None = None
        """Why a close frame has been sent."""
        self._watcher: Watcher | None = None

    @property
    def descriptor(self) -> int:
        return self.socket.fileno()

    @property
    def fast(self) -> bool:
        return not self._outbox and bool(self.native_tls or not self._secure) and self._reader.empty

    def attach(self, watcher: Watcher) -> None:
        self._watcher = watcher
        watcher.watch(self.socket, writable=False)

    def send(self, payload: bytes | bytearray, *, binary: bool = False) -> bool:
        self.meter.sent_messages += 1
        self.meter.sent_payload_bytes += len(payload)
        opcode = frames.BINARY if binary else frames.TEXT
        if self.compression is None:
            return self.send_frames(frames.encode_frame(opcode, payload, self._mask))
        compressed = self.compression.deflater.deflate(payload)
        return self.send_frames(frames.encode_frame(opcode, compressed, self._mask, compressed=True))

    def send_frames(self, data: bytes) -> bool:
        """Send bytes of encoded frames, or the rest of them."""
        self._outbox += data
        return len(self._outbox) > len(data) or self._flush()

    def _flush(self) -> bool:
        try:
            while self._outbox:
                taken = self.socket.send(self._outbox)
                del self._outbox[:taken]
                self.meter.sent_wire_bytes += taken
        except WAITING:
            pass
        except OSError as error:
            self._failure = error
            return False
        if self._watcher is not None:
            self._watcher.watch(self.socket, writable=bool(self._outbox))
        return True

    def receive(self) -> Received:
        return self.parse(self.take())

    def take(self) -> Taken:
        """The bytes that have arrived since the last call, which `parse` gets in the same order."""
        if self._end is not None:
            return Taken(b"", self._end)
        if self._outbox and self._failure is None:
            self._flush()
        data = b""
        while True:
            try:
                more, self.stamp_ns = read_stamped(self.socket, RECEIVE_BYTES)
            except WAITING:
                return Taken(data, None if self._failure is None else broken_by(self._failure), self.stamp_ns)
            except OSError as error:
                return Taken(data, broken_by(error), self.stamp_ns)
            if not more:
                return Taken(data, NO_CLOSE_FRAME, self.stamp_ns)
            self.meter.received_wire_bytes += len(more)
            data = data + more if data else more
            # epoll does not report data that TLS has already read. After a failure, what the server sent before it is
            # read to the end. Otherwise the next connection is read.
            holds_more = isinstance(self.socket, ssl.SSLSocket) and tls.OPENSSL.holds_more(self.socket)
            if not (holds_more or self._failure):
                return Taken(data, stamp_ns=self.stamp_ns)

    def parse(self, taken: Taken) -> Received:
        """The messages in bytes that were taken."""
        received = self.feed(taken.data) if taken.data else Received([])
        return received if received.end is not None else Received(received.messages, taken.end)

    def feed(self, data: bytes) -> Received:
        found: list[Message] = []
        arrived = [*self._early, *self._reader.feed(data)]
        self._early = []
        for frame in arrived:
            if frame.opcode == frames.CLOSE:
                return Received(found, self._end_with(closed_with(frame.payload), frame.payload[:2]))
            if frame.opcode == frames.PING:
                self.send_frames(frames.encode_frame(frames.PONG, frame.payload, self._mask))
            elif frame.opcode != frames.PONG:
                self.meter.received_messages += 1
                self.meter.received_payload_bytes += len(frame.payload)
                found.append(Message(frame.payload, frame.opcode == frames.BINARY))
        error = self._reader.error
        if error is None:
            return Received(found)
        return Received(found, self._end_with(refused_for(error), error.code.to_bytes(2)))

    def _end_with(self, cause: Cause, payload: bytes) -> Cause:
        """Send a close frame with this payload; nothing that happens later is the cause."""
        self.send_frames(frames.encode_frame(frames.CLOSE, payload, self._mask))
        self._end = cause
        return cause

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._end is None:
                self.socket.send(frames.encode_frame(frames.CLOSE, NORMAL_CLOSURE.to_bytes(2), self._mask))
        close_socket(self.socket, self._watcher)


def close_socket(sock: socket.socket, watcher: Watcher | None) -> None:
    """Remove a socket from the watcher and close it."""
    if watcher is not None:
        watcher.forget(sock)
    sock.close()
