"""How a connection is opened: TCP, TLS, the WebSocket handshake, and the Socket.IO one on top of it.

Blocking, each in a thread of its own, since nothing is timed yet; the sockets are non-blocking afterwards.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit, urlunsplit

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.uri import parse_uri

from runners.loadgen import frames
from runners.loadgen.job import Protocol

_OPEN, _CLOSE, _CONNECT, _REFUSED = b"0", b"1", b"40", b"44"
_MAX_HEAD_BYTES = 64 * 1024


class HandshakeError(Exception):
    """The server did not take the connection; the text says why."""


@dataclass(frozen=True)
class Opened:
    """A socket ready for messages, and what has come on it already (``reader`` may hold part of a frame)."""

    socket: socket.socket
    reader: frames.Reader
    early: list[frames.Frame]


def connect(url: str, protocol: Protocol, mask: bytes, timeout_s: float) -> Opened:
    """Open one connection; raises `HandshakeError`, `TimeoutError` or `OSError`."""
    address = socket_url(url) if protocol == "socket.io" else url
    deadline = time.monotonic() + timeout_s
    line = _dial(address, timeout_s)
    try:
        rest = _upgrade(line, address, deadline)
        reader = frames.Reader()
        early = _frames(reader, rest)
        if protocol == "socket.io":
            early = _join(line, reader, early, mask, deadline)
        line.setblocking(False)
    except BaseException:
        line.close()
        raise
    return Opened(line, reader, early)


def socket_url(url: str) -> str:
    """The Engine.IO 4 WebSocket address of a Socket.IO server, the default path if none is given."""
    parts = urlsplit(url)
    path = parts.path if parts.path not in ("", "/") else "/socket.io/"
    query = "&".join(filter(None, [parts.query, "EIO=4&transport=websocket"]))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _dial(url: str, timeout_s: float) -> socket.socket:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    line = socket.create_connection((host, parts.port or (443 if secure else 80)), timeout_s)
    # As browsers do: a message leaves when it is sent.
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return line
    try:
        return _trust().wrap_socket(line, server_hostname=host)
    except BaseException:
        line.close()
        raise


@cache
def _trust() -> ssl.SSLContext:
    """Made once: to load the system's certificates takes longer than to connect."""
    return ssl.create_default_context()


def _upgrade(line: socket.socket, url: str, deadline: float) -> bytes:
    """Ask for WebSocket, without any extension; gives what came after the server's answer."""
    protocol = ClientProtocol(parse_uri(url))
    protocol.send_request(protocol.connect())
    line.sendall(b"".join(protocol.data_to_send()))
    head = b""
    while b"\r\n\r\n" not in head:
        more = _receive(line, deadline)
        head += more
        if not more or len(head) > _MAX_HEAD_BYTES:
            raise HandshakeError("the server closed the connection instead of answering the handshake")
    head, _, rest = head.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or words[1] != b"101":
        raise HandshakeError(f"the server answered {b' '.join(words[1:])[:100].decode('latin-1')} instead of 101")
    protocol.receive_data(head + b"\r\n\r\n")
    if (refusal := protocol.handshake_exc) is not None:
        assert isinstance(refusal, WebSocketException)
        raise HandshakeError(str(refusal))
    return rest


def _join(
    line: socket.socket, reader: frames.Reader, early: list[frames.Frame], mask: bytes, deadline: float
) -> list[frames.Frame]:
    """Socket.IO: wait for the session, join the default namespace, wait to be let in."""
    waiting = list(early)
    while True:
        while waiting:
            frame = waiting.pop(0)
            if frame.opcode == frames.CLOSE or frame.payload == _CLOSE:
                raise HandshakeError("the server closed the connection before it was ready")
            if frame.opcode == frames.PING:
                line.sendall(frames.encode(frames.PONG, frame.payload, mask))
            elif frame.payload[:2] == _CONNECT:
                return waiting
            elif frame.payload[:2] == _REFUSED:
                raise HandshakeError(f"the server refused the namespace: {frame.payload[2:200]!r}")
            elif frame.payload[:1] == _OPEN:
                line.sendall(frames.encode(frames.TEXT, _CONNECT, mask))
        data = _receive(line, deadline)
        if not data:
            raise HandshakeError("the server closed the connection before it was ready")
        waiting = _frames(reader, data)


def _frames(reader: frames.Reader, data: bytes) -> list[frames.Frame]:
    try:
        return reader.feed(data)
    except frames.FrameError as error:
        raise HandshakeError(f"the server sent {error}") from error


def _receive(line: socket.socket, deadline: float) -> bytes:
    """What comes next; empty: the server has closed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    line.settimeout(left)
    try:
        return line.recv(65536)
    except ConnectionResetError:
        return b""
