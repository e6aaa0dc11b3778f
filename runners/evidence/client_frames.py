"""Frames of WebSocket (RFC 6455, 5.2), as a client that speaks to the socket itself reads and writes them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from runners.loadgen.job import Protocol

_TEXT, _CLOSE = 0x1, 0x8
_NO_STATUS = 1005
_GOODBYES = (b"1", b"41")
"""Packets by which a Socket.IO server ends a session (Engine.IO 4: close) or leaves a namespace (Socket.IO 5:
disconnect)."""


def read_frames(received: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields opcode and payload of each complete frame of a server, which does not mask them."""
    while len(received) >= 2:
        size, head = received[1] & 0x7F, 2
        if size >= 126:
            head += 2 if size == 126 else 8
            size = int.from_bytes(received[2:head], "big")
        if len(received) < head + size:
            return
        yield received[0] & 0x0F, received[head : head + size]
        received = received[head + size :]


def close_code(received: bytes) -> int | None:
    """The code of the first close frame; 1005 if it has none (RFC 6455, 7.4.1); ``None`` without a close frame."""
    for opcode, payload in read_frames(received):
        if opcode == _CLOSE:
            return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else _NO_STATUS
    return None


def says_goodbye(received: bytes, protocol: Protocol) -> bool:
    """Whether a server sends a close frame, or a packet of Socket.IO that ends the session."""
    return any(
        opcode == _CLOSE or (protocol == "socket.io" and opcode == _TEXT and payload in _GOODBYES)
        for opcode, payload in read_frames(received)
    )


def masked_text(payload: bytes) -> bytes:
    """A client's text frame of fewer than 126 bytes, its mask all zeros."""
    return _masked(_TEXT, payload)


def masked_close(code: int) -> bytes:
    """A client's close frame that repeats a code; without one for 1005, which is never sent."""
    return _masked(_CLOSE, b"" if code == _NO_STATUS else code.to_bytes(2, "big"))


def _masked(opcode: int, payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload
