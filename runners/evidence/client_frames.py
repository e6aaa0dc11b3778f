"""What a server sends at the end, and what a client that speaks to the socket itself sends (RFC 6455, 5.2). Pure."""

from __future__ import annotations

from runners.loadgen.frames import CLOSE, TEXT, FrameReader, encode_frame
from runners.loadgen.job import Protocol

_NO_MASK = bytes(4)
_NO_STATUS = 1005
_GOODBYES = (b"1", b"41")
"""Packets by which a Socket.IO server ends a session (Engine.IO 4: close) or leaves a namespace (Socket.IO 5:
disconnect)."""


def close_code(received: bytes) -> int | None:
    """The code of the first close frame; 1005 if it has none (RFC 6455, 7.4.1); ``None`` without a close frame."""
    for frame in FrameReader().feed(received):
        if frame.opcode == CLOSE:
            return int.from_bytes(frame.payload[:2]) if len(frame.payload) >= 2 else _NO_STATUS
    return None


def says_goodbye(received: bytes, protocol: Protocol) -> bool:
    """Whether a server sends a close frame, or a packet of Socket.IO that ends the session."""
    return any(
        frame.opcode == CLOSE or (protocol == "socket.io" and frame.opcode == TEXT and frame.payload in _GOODBYES)
        for frame in FrameReader().feed(received)
    )


def masked_text(payload: bytes) -> bytes:
    """A client's text frame, its mask all zeros."""
    return encode_frame(TEXT, payload, _NO_MASK)


def masked_close(code: int) -> bytes:
    """A client's close frame that repeats a code; without one for 1005, which is never sent."""
    return encode_frame(CLOSE, b"" if code == _NO_STATUS else code.to_bytes(2), _NO_MASK)
