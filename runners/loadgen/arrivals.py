"""When bytes arrived at a socket, as the operating system saw it, however late they are read.

Linux stamps what TCP receives with CLOCK_REALTIME, and gives the stamp of the last bytes of each read (SO_TIMESTAMPNS,
socket(7)). Where there is no stamp, as over TLS, the time of reading has to do.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
import time
from collections.abc import Sequence
from time import perf_counter_ns as clock_ns

SO_TIMESTAMPNS = 35
"""The option, and the kind of the control message with a stamp; Python's socket module has no name for them."""
CONTROL_BYTES = 64
"""Space for the control message."""
_TIMESPEC = struct.Struct("@qq")
_SECOND_NS = 1_000_000_000
_READINGS = 5

ARE_KNOWN = (
    sys.platform == "linux" and sys.byteorder == "little" and struct.calcsize("P") == 8 and socket.SOL_SOCKET == 1
)
"""Whether a control message has the layout on which the compiled kernel relies."""


def stamp_arrivals(sock: socket.socket) -> None:
    """Let the system stamp what arrives at a socket from now on, if it can."""
    if ARE_KNOWN:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def read_stamped(sock: socket.socket, size: int) -> tuple[bytes, int]:
    """Read at most so many bytes; returns them with their stamp by `time.time_ns`, 0 if there is none. Raises what
    `socket.socket.recv` raises.
    """
    if not ARE_KNOWN or isinstance(sock, ssl.SSLSocket):
        return sock.recv(size), 0
    data, control, _, _ = sock.recvmsg(size, CONTROL_BYTES)
    return data, _stamp_in(control)


def _stamp_in(control: Sequence[tuple[int, int, bytes]]) -> int:
    for level, kind, value in control:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(value) >= _TIMESPEC.size:
            seconds, rest_ns = _TIMESPEC.unpack_from(value)
            return int(seconds * _SECOND_NS + rest_ns)
    return 0


def clock_ahead_ns() -> int:
    """How far the clock of stamps is ahead of ours, in nanoseconds, by the reading that took least."""
    readings = []
    for _ in range(_READINGS):
        before_ns, stamp_ns, after_ns = clock_ns(), time.time_ns(), clock_ns()
        readings.append((after_ns - before_ns, stamp_ns - (before_ns + after_ns) // 2))
    return min(readings)[1]
