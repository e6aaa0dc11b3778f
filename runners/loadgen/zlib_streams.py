"""The two streams of zlib that a compressed connection has: one compresses its messages, one decompresses the server's.

They belong to the C library, because the compiled kernel and Python take turns on the same stream. A stream is created
when it is first needed, since it takes up to 268 kB (https://zlib.net/zlib_tech.html).
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from runners.loadgen.deflate import Agreement
from runners.loadgen.frames import INVALID_DATA, MAX_PAYLOAD_BYTES, TOO_BIG, FrameError

LIBRARY_NAME = "libz.so.1"
TAIL = b"\x00\x00\xff\xff"
"""The end of a flushed block, which a compressed message is sent without (RFC 7692, section 7.2.1)."""
SYNC_FLUSH = 2
OK, STREAM_END, BUFFER_ERROR = 0, 1, -5
AT_BLOCK = 128
"""The flag in ``data_type`` of a stream that is between two blocks, see inflate in zlib.h."""
NEXT_IN, AVAILABLE_IN, NEXT_OUT, AVAILABLE_OUT, DATA_TYPE = 0, 8, 24, 32, 88
"""Offsets in ``z_stream`` where pointers have 64 bits."""
CORRUPT, TOO_LARGE, CUT = 1, 2, 3
"""Why a message cannot be decompressed."""
_DEFLATED, _DEFAULT_LEVEL, _DEFAULT_MEMORY, _DEFAULT_STRATEGY = 8, -1, 8, 0
_LEAST_BITS = 9
"""zlib has no window of 2^8 bytes for raw data. In one of 2^9 bytes it looks back 250 bytes only, which fits into a
server's window of 2^8."""
_SCRATCH_BYTES = 1 << 16


class _Stream(ctypes.Structure):
    """``z_stream`` of zlib.h."""

    _fields_ = (
        ("next_in", ctypes.c_char_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


def _load() -> ctypes.CDLL | None:
    try:
        # The compiled kernel finds functions by name among those that all libraries share.
        library = ctypes.CDLL(LIBRARY_NAME, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return None
    library.zlibVersion.restype = ctypes.c_char_p
    stream, number = ctypes.c_void_p, ctypes.c_int
    library.deflateInit2_.argtypes = [stream, *[number] * 5, ctypes.c_char_p, number]
    library.inflateInit2_.argtypes = [stream, number, ctypes.c_char_p, number]
    for function in (library.deflate, library.inflate):
        function.argtypes = [stream, number]
    for function in (library.deflateReset, library.inflateReset, library.deflateEnd, library.inflateEnd):
        function.argtypes = [stream]
    return library


_LIBRARY: Any = _load()
IS_THERE = _LIBRARY is not None
"""Whether this system has zlib; without it the kernel cannot be loaded."""
KERNEL_KNOWS = (sys.byteorder, ctypes.sizeof(_Stream), _Stream.data_type.offset) == ("little", 112, DATA_TYPE)
"""Whether streams have the form that the kernel knows."""
_SCRATCH = ctypes.create_string_buffer(_SCRATCH_BYTES)
_VIEW = memoryview(_SCRATCH)
_SCRATCH_ADDRESS = ctypes.addressof(_SCRATCH)


class Deflater:
    """Compresses a client's messages, one after the other."""

    def __init__(self, agreement: Agreement) -> None:
        self._bits = max(_LEAST_BITS, agreement.client_max_window_bits)
        self.forgets = agreement.client_no_context_takeover
        """Whether each message is compressed as if it were the first."""
        self._stream: _Stream | None = None
        self.address = 0
        """Address of the stream; 0 before it is created."""

    def open(self) -> _Stream:
        """Create the stream, if it is not there yet; raises `MemoryError`."""
        if self._stream is None:
            self._stream = stream = _Stream()
            code = _LIBRARY.deflateInit2_(
                ctypes.byref(stream),
                _DEFAULT_LEVEL,
                _DEFLATED,
                -self._bits,
                _DEFAULT_MEMORY,
                _DEFAULT_STRATEGY,
                _LIBRARY.zlibVersion(),
                ctypes.sizeof(stream),
            )
            _check_memory(code)
            self.address = ctypes.addressof(stream)
        return self._stream

    def deflate(self, message: bytes | bytearray) -> bytes:
        """The compressed form of a message, without `TAIL`."""
        if not message:
            return b"\x00"  # RFC 7692, section 7.2.3.6; zlib does not flush if nothing has come since the last time
        stream = self.open()
        data = bytes(message)
        stream.next_in, stream.avail_in = data, len(data)
        found = bytearray()
        while not found or not stream.avail_out:
            stream.next_out, stream.avail_out = _SCRATCH_ADDRESS, _SCRATCH_BYTES
            _LIBRARY.deflate(self.address, SYNC_FLUSH)
            found += _VIEW[: _SCRATCH_BYTES - stream.avail_out]
        if self.forgets:
            _LIBRARY.deflateReset(self.address)
        return bytes(found[: -len(TAIL)])

    def __del__(self) -> None:
        if self.address:
            _LIBRARY.deflateEnd(self.address)


class Inflater:
    """Decompresses a server's messages, one after the other."""

    def __init__(self, agreement: Agreement) -> None:
        self._bits = agreement.server_max_window_bits
        self.forgets = agreement.server_no_context_takeover
        """Whether the server compresses each message as if it were the first."""
        self._stream: _Stream | None = None
        self.address = 0
        """Address of the stream; 0 before it is created."""
        self.broken = 0
        """Why the kernel could not decompress the next message; 0: it did not try."""

    def open(self) -> _Stream:
        """Create the stream, if it is not there yet; raises `MemoryError`."""
        if self._stream is None:
            self._stream = stream = _Stream()
            code = _LIBRARY.inflateInit2_(
                ctypes.byref(stream), -self._bits, _LIBRARY.zlibVersion(), ctypes.sizeof(stream)
            )
            _check_memory(code)
            self.address = ctypes.addressof(stream)
        return self._stream

    def inflate(self, payload: bytes) -> bytes:
        """The message of which a server sent this compressed form; raises `FrameError`."""
        stream = self.open()
        found = bytearray()
        problem = self.broken or self._add_parts(stream, payload, found)
        if problem:
            raise _error(stream, problem)
        if self.forgets:
            _LIBRARY.inflateReset(self.address)
        return bytes(found)

    def _add_parts(self, stream: _Stream, payload: bytes, found: bytearray) -> int:
        """Add what is in the payload and the tail; returns why that is not possible, or 0."""
        for data in (payload, TAIL):
            stream.next_in, stream.avail_in = data, len(data)
            while True:
                stream.next_out, stream.avail_out = _SCRATCH_ADDRESS, _SCRATCH_BYTES
                code = _LIBRARY.inflate(self.address, SYNC_FLUSH)
                found += _VIEW[: _SCRATCH_BYTES - stream.avail_out]
                if len(found) > MAX_PAYLOAD_BYTES:
                    return TOO_LARGE
                if code == STREAM_END:  # a sender may end its stream with any message (RFC 7692, section 7.2.3.4)
                    _LIBRARY.inflateReset(self.address)
                    if not stream.avail_in:
                        if data is payload:
                            return 0
                        break
                elif code not in (OK, BUFFER_ERROR):
                    return CORRUPT
                elif stream.avail_out:
                    break
        return 0 if stream.data_type & AT_BLOCK else CUT

    def __del__(self) -> None:
        if self.address:
            _LIBRARY.inflateEnd(self.address)


def _check_memory(code: int) -> None:
    if code != OK:
        raise MemoryError(f"zlib has no memory for a stream (error {code})")


def _error(stream: _Stream, problem: int) -> FrameError:
    if problem == TOO_LARGE:
        return FrameError(f"a compressed message of more than {MAX_PAYLOAD_BYTES} bytes", TOO_BIG)
    if problem == CUT:
        return FrameError("a compressed message that ends within a block", INVALID_DATA)
    why = (stream.msg or b"unknown").decode("ascii", "replace")
    return FrameError(f"a compressed message that zlib cannot decompress: {why}", INVALID_DATA)
