"""WebSocket frames as a client writes and reads them (RFC 6455, section 5). Bytes in, bytes out; no I/O."""

from __future__ import annotations

from typing import NamedTuple, Protocol

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
MAX_CONTROL_BYTES = 125
PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009
"""Close codes of a client for a server's errors (RFC 6455, section 7.4.1)."""
_CLOSE_CODES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "missing extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
}
"""Close codes that a server may send, by the registry of RFC 6455, section 11.7."""
_FIN, _COMPRESSED, _RESERVED, _MASKED = 0x80, 0x40, 0x70, 0x80
_DATA, _CONTROL = (CONTINUATION, TEXT, BINARY), (CLOSE, PING, PONG)


class FrameError(Exception):
    """The bytes are not a valid frame of a server. The text names what was received; ``code`` is that of our close
    frame.
    """

    def __init__(self, text: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(text)
        self.code = code


class Frame(NamedTuple):
    """One frame. ``fin``: whether it is the last one of its message. ``compressed``: whether it is the first one of a
    compressed message.
    """

    opcode: int
    fin: bool
    payload: bytes
    compressed: bool = False


class Decompressor(Protocol):
    """Decompresses the messages of one connection, in order."""

    def inflate(self, payload: bytes) -> bytes:
        """The message with this compressed payload; raises `FrameError`."""


def encode_frame(opcode: int, payload: bytes | bytearray, mask: bytes, *, compressed: bool = False) -> bytes:
    """A client's frame with a whole message: header, the four bytes of ``mask``, masked payload.

    ``compressed``: whether the payload is compressed already.
    """
    first = _FIN | opcode | (_COMPRESSED if compressed else 0)
    return bytes([first]) + _size(len(payload), _MASKED) + mask + masked(payload, mask)


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
    """Splits a server's bytes into frames, and keeps an incomplete frame. ``deflate``: messages may be compressed."""

    def __init__(self, *, deflate: bool = False) -> None:
        self._deflate = deflate
        self._rest = bytearray()
        self.error: FrameError | None = None
        """What is invalid after the frames read so far. No more frames are read then."""

    @property
    def empty(self) -> bool:
        """Whether the last frame is complete and no byte of another one has arrived."""
        return not self._rest

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes, up to the first that is invalid; see `error`."""
        rest = self._rest
        rest += data
        frames: list[Frame] = []
        start = 0
        if self.error is not None:
            return frames
        try:
            while (frame := self._next(start)) is not None:
                frames.append(frame[0])
                start = frame[1]
        except FrameError as error:
            self.error = error
        del rest[:start]
        return frames

    def _next(self, start: int) -> tuple[Frame, int] | None:
        """The frame at ``start`` and its end, or ``None`` if it is not complete."""
        rest = self._rest
        if len(rest) - start < 2:
            return None
        first, second = rest[start], rest[start + 1]
        compressed = bool(first & _COMPRESSED) and self._deflate
        if first & _RESERVED and not (compressed and first & _RESERVED == _COMPRESSED):
            why = "that permessage-deflate does not use" if self._deflate else "although no extension was negotiated"
            raise FrameError(f"a frame with reserved bits set{' ' if self._deflate else ', '}{why}")
        if second & _MASKED:
            raise FrameError("a masked frame, which only clients may send")
        opcode, fin = first & 0x0F, bool(first & _FIN)
        size, begin = second & 0x7F, start + 2
        if opcode in _CONTROL and (not fin or size > MAX_CONTROL_BYTES):
            raise FrameError(f"a control frame in fragments, or of more than {MAX_CONTROL_BYTES} bytes")
        if opcode not in _DATA and opcode not in _CONTROL:
            raise FrameError(f"a frame of the unknown kind {opcode:#x}")
        if compressed and opcode not in (TEXT, BINARY):
            kind = "continuation" if opcode == CONTINUATION else "control"
            raise FrameError(f"a {kind} frame with the bit of compression, which only the first frame of a message has")
        if size >= 126:
            wide, least = (2, 126) if size == 126 else (8, 1 << 16)
            if len(rest) - begin < wide:
                return None
            size = int.from_bytes(rest[begin : begin + wide])
            if size < least:
                raise FrameError(f"a frame whose length {size} is not encoded in the fewest bytes")
            begin += wide
        if size > MAX_PAYLOAD_BYTES:
            raise FrameError(f"a frame of {size} bytes, more than {MAX_PAYLOAD_BYTES}", TOO_BIG)
        end = begin + size
        if len(rest) < end:
            return None
        with memoryview(rest) as view:
            return Frame(opcode, fin, bytes(view[begin:end]), compressed), end


class MessageReader:
    """Reads a server's bytes as whole messages and control frames.

    It also checks fragments, the UTF-8 of texts, and close frames (RFC 6455, sections 5.4, 5.5.1 and 8.1).
    ``inflater``: decompresses messages, if compression was agreed.
    """

    def __init__(self, inflater: Decompressor | None = None) -> None:
        self._inflater = inflater
        self._frames = FrameReader(deflate=inflater is not None)
        self._opcode = CONTINUATION
        """Kind of the message of which some fragments have arrived; `CONTINUATION` if there is none."""
        self._fragments: list[bytes] = []
        self._size = 0
        self._compressed = False
        self.error: FrameError | None = None
        """What is invalid after the frames read so far. No more frames are read then."""

    @property
    def empty(self) -> bool:
        """Whether the last message is complete and no byte of another one has arrived."""
        return self._opcode == CONTINUATION and self._frames.empty

    def feed(self, data: bytes) -> list[Frame]:
        """The messages and control frames that ``data`` completes, each as one frame, up to an error or close frame."""
        found: list[Frame] = []
        if self.error is not None:
            return found
        try:
            for frame in self._frames.feed(data):
                if frame.opcode in _CONTROL:
                    if frame.opcode == CLOSE:
                        close_reason(frame.payload)
                        return [*found, frame]
                    found.append(frame)
                elif (whole := self._join(frame)) is not None:
                    found.append(whole)
        except FrameError as error:
            self.error = error
        else:
            self.error = self._frames.error
        return found

    def _join(self, frame: Frame) -> Frame | None:
        """The message that this frame completes, if any."""
        opcode, fin, payload, compressed = frame
        if (opcode == CONTINUATION) == (self._opcode == CONTINUATION):
            raise FrameError(
                "a continuation frame without a beginning"
                if opcode == CONTINUATION
                else "a new message before the last fragment of another"
            )
        if fin and opcode != CONTINUATION:
            whole = frame
        else:
            if opcode != CONTINUATION:
                self._opcode, self._compressed = opcode, compressed
            self._fragments.append(payload)
            self._size += len(payload)
            if self._size > MAX_PAYLOAD_BYTES:
                raise FrameError(f"fragments of more than {MAX_PAYLOAD_BYTES} bytes", TOO_BIG)
            if not fin:
                return None
            whole = Frame(self._opcode, True, b"".join(self._fragments), self._compressed)
            self._opcode, self._size = CONTINUATION, 0
            self._fragments.clear()
        if whole.compressed and self._inflater is not None:
            whole = Frame(whole.opcode, True, self._inflater.inflate(whole.payload))
        if whole.opcode == TEXT and not whole.payload.isascii():
            _decoded(whole.payload, "a text message")
        return whole


def close_reason(payload: bytes) -> tuple[int | None, str]:
    """Code and reason of a close frame; no code if it is empty. Raises `FrameError` (RFC 6455, sections 5.5.1, 7.4)."""
    if not payload:
        return None, ""
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not (code in _CLOSE_CODES or 3000 <= code < 5000):
        raise FrameError(f"a close frame with the invalid code {code}")
    return code, _decoded(payload[2:], "a close frame with a reason")


def close_name(code: int) -> str:
    """The meaning of a close code, in parentheses, or nothing if it has none."""
    return f" ({_CLOSE_CODES[code]})" if code in _CLOSE_CODES else ""


def _decoded(payload: bytes, what: str) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise FrameError(f"{what} that is not UTF-8 at byte {error.start}", INVALID_DATA) from None
