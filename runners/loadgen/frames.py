"""WebSocket frames as a client writes and reads them (RFC 6455, section 5). Bytes in, bytes out; no I/O."""

from __future__ import annotations

from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
MAX_CONTROL_BYTES = 125
_FIN, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_DATA, _CONTROL = (CONTINUATION, TEXT, BINARY), (CLOSE, PING, PONG)


class FrameError(Exception):
    """The bytes are not a valid frame of a server; the text gives the reason."""


class Frame(NamedTuple):
    """One frame. ``fin``: whether it is the last one of its message."""

    opcode: int
    fin: bool
    payload: bytes


def encode_frame(opcode: int, payload: bytes | bytearray, mask: bytes) -> bytes:
    """A client's frame with a whole message: header, the four bytes of ``mask``, masked payload."""
    return bytes([_FIN | opcode]) + _size(len(payload), _MASKED) + mask + masked(payload, mask)


def server_frame(opcode: int, payload: bytes | bytearray) -> bytes:
    """The frame in which a server sends this payload as one whole message."""
    return bytes([_FIN | opcode]) + _size(len(payload), 0) + payload


def masked(payload: bytes | bytearray, mask: bytes) -> bytes:
    """The payload with the mask applied or removed."""
    size = len(payload)
    cover = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(cover)).to_bytes(size)


def _size(size: int, flag: int) -> bytes:
    if size < 126:
        return bytes([flag | size])
    if size < 1 << 16:
        return bytes([flag | 126]) + size.to_bytes(2)
    return bytes([flag | 127]) + size.to_bytes(8)


class FrameReader:
    """Splits a server's bytes into frames, and keeps an incomplete frame."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def empty(self) -> bool:
        """Whether the last frame is complete and no byte of another one has arrived."""
        return not self._rest

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes; raises `FrameError` for invalid bytes."""
        rest = self._rest
        rest += data
        frames = []
        start = 0
        while (frame := self._next(start)) is not None:
            frames.append(frame[0])
            start = frame[1]
        del rest[:start]
        return frames

    def _next(self, start: int) -> tuple[Frame, int] | None:
        """The frame at ``start`` and its end, or ``None`` if it is not complete."""
        rest = self._rest
        if len(rest) - start < 2:
            return None
        first, second = rest[start], rest[start + 1]
        if first & _RESERVED:
            raise FrameError("a frame with reserved bits set, although no extension was negotiated")
        if second & _MASKED:
            raise FrameError("a masked frame, which only clients send")
        opcode, fin = first & 0x0F, bool(first & _FIN)
        size, begin = second & 0x7F, start + 2
        if opcode in _CONTROL and (not fin or size > MAX_CONTROL_BYTES):
            raise FrameError(f"a control frame in fragments, or of more than {MAX_CONTROL_BYTES} bytes")
        if opcode not in _DATA and opcode not in _CONTROL:
            raise FrameError(f"a frame of the unknown kind {opcode:#x}")
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(rest) - begin < wide:
                return None
            size = int.from_bytes(rest[begin : begin + wide])
            begin += wide
        if size > MAX_PAYLOAD_BYTES:
            raise FrameError(f"a frame of {size} bytes, more than {MAX_PAYLOAD_BYTES}")
        end = begin + size
        if len(rest) < end:
            return None
        with memoryview(rest) as view:
            return Frame(opcode, fin, bytes(view[begin:end])), end
