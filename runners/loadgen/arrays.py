"""The arrays that the compiled kernel and Python share: the meaning of their columns, and their allocation.

A record type is defined once, as a class with annotations. Its NumPy dtype has the same fields, int64 or float64. The
kernel reads ``row.pending``, and Python reads ``connections["pending"][k]``. Times are clock readings in nanoseconds.
"""

from __future__ import annotations

import platform
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from runners.loadgen.arrivals import CONTROL_BYTES
from runners.loadgen.buckets import COUNTS
from runners.loadgen.frames import MAX_PAYLOAD_BYTES
from runners.loadgen.zlib_streams import TAIL

Array = np.ndarray[Any, np.dtype[Any]]

EVENT_WORDS = 3 if platform.machine() in ("x86_64", "AMD64") else 4
DATA_WORD = 1 if EVENT_WORDS == 3 else 2
"""Index of the data word in an epoll event. ``struct epoll_event`` is packed on x86-64 only: 12 bytes instead of 16."""
READ_BYTES = 1 << 17
"""Maximum number of bytes per read."""
_DATA_BYTES = 1 << 25
_SHELF_PIECES = 1 << 16
"""Capacity of the shelf: the snapshots of ten thousand viewers. If there are more, some are parsed before the next one
is read."""
MOST_PLACES = 4
"""Maximum number of places of the number in a message."""
MOST_HEADER_BYTES = 14
"""Space for the header of a frame: two bytes, a length of eight and a mask of four."""
_LEAST_FRAME_BYTES = 256


class State:
    """The state of all connections together: one record."""

    open_loop: int
    room: int
    """Every message goes to all connections, and is waited for on each of them."""
    epoll: int
    """File descriptor of the epoll instance."""

    # Time
    start_ns: int
    """Start of the slice; due times are relative to it."""
    until_ns: int
    """Time at which to return to Python."""
    stop_ns: int
    """Time after which a closed loop sends no more."""
    now_ns: int
    last_turn_ns: int
    idle_ns: int
    """Nanoseconds that the open loop has waited."""
    worked: int
    """Whether this turn did anything."""
    quiet: int
    """Whether the last poll found nothing to read."""
    looked_ns: int
    """Time of the last poll that found all that had arrived."""
    not_found_ns: int
    """The bytes that are being handled had not arrived at this time."""
    at_ns: int
    """When they arrived, or when they were read if that is not known."""
    clock_ahead_ns: int
    """How far CLOCK_REALTIME, by which the system stamps arrivals, is ahead of ours; 0: we do not use stamps."""

    # Schedule
    sending: int
    """Whether some of the schedule is not sent yet."""
    position: int
    """Index in the chunk of the schedule."""
    due: int
    """Number of due messages in the chunk."""
    is_last_chunk: int
    burst: int
    """Number of messages sent since answers were last read."""
    yields: int
    """Whether another load on the same core runs first, see `job.Idling`."""
    yielded: int
    """How often it let another load run first."""
    sleeps: int
    """Whether the open loop sleeps until shortly before a message is due, see `job.Idling`."""

    # Messages
    request_bytes: int
    answer_bytes: int
    """Length of an answer; 0 if the bytes of answers are not known in advance."""
    pending: int
    """Number of unanswered messages on open connections."""
    answered: float
    """Messages answered, in a room deliveries. In the closed loop some count in part, see `kernel._count_answers`."""
    overrun_ns: int
    """Closed loop: the time that answers arrived after the end of the slice, summed over them."""
    publisher: int
    """Room: the connection that sent the last message."""
    sender: int
    """The connection that has to send, or that sent only a part."""
    taken: int
    """Number of bytes in that part."""

    frame_start: int
    """Start of the compressed request in ``frame``."""
    frame_bytes: int
    """Length of the last request as a frame: ``request_bytes``, or that of its compressed form."""
    request_header: int
    """Length of a request's header, before its payload."""
    answer_header: int

    # Traffic that the kernel handled itself, as in `job.TrafficCounts`. All its messages are of one size.
    sent_messages: int
    sent_wire_bytes: int
    received_messages: int
    received_wire_bytes: int

    # Bytes read and not recorded
    data_start: int
    data_end: int
    """End of the bytes in ``data`` that are left for Python."""
    plain_start: int
    plain_end: int
    """End of the bytes in ``inflated`` that are left for Python, before those in ``data``: a frame of a message that is
    decompressed already."""
    arrived_ns: int
    """Arrival time of these bytes."""
    reader: int
    """The connection that was being read when Python was needed; the next one is then read first. -1: all were read."""
    shelf_bytes: int
    """Number of bytes in ``data`` that the shelf uses."""
    shelf_put: int
    """Number of pieces put on the shelf."""
    shelf_taken: int
    """Number of pieces taken from the shelf."""


class ConnectionRow:
    """One connection."""

    descriptor: int
    """File descriptor of its socket."""
    tls: int
    """Address of OpenSSL's connection; 0 if it is not over TLS."""
    first: int
    """The first sequence number of this ledger."""
    last_sent: int
    """The sequence number of the last message sent."""
    expected: int
    """The sequence number in the expected frame."""
    highest: int
    """The highest sequence number answered."""
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    corrupted: int
    foreign: int
    empty: int
    pending: int
    """Number of unanswered messages."""
    kernel_reads: int
    """Whether the kernel may read from the socket."""
    kernel_sends: int
    """Whether the kernel may send to the socket."""
    reading: int
    """Whether it reads. A room does not wait for paused members."""
    matched: int
    """Number of bytes received of an incomplete expected frame."""
    not_found_ns: int
    """Open loop: time of the last poll before the arrival of data that is not read yet."""
    shelved: int
    """Number of its pieces on the shelf."""
    alive: int
    deflater: int
    """Address of the stream that compresses its requests; 0 if there is none, or not yet."""
    deflater_forgets: int
    """Whether each request is compressed as if it were the first."""
    inflater: int
    """Address of the stream that decompresses the server's messages; 0 if there is none, or not yet."""
    inflater_forgets: int
    broken: int
    """Why the next message cannot be decompressed, see `zlib_streams.CORRUPT`; 0: it can."""


class RingPlace:
    """One of the last messages of a connection. The low bits of its sequence number are its place in the ring."""

    intended_ns: int
    sent_ns: int
    """Send time. 0: answered, or no message; `GIVEN_UP`: already counted as lost."""


class RoomPlace:
    """One of the last messages of a room. The low bits of its sequence number are its place."""

    waiting: int
    """Number of members that still wait for it."""
    delivered: int
    """Number of members that received it."""
    delivered_ns: int
    """Time of its last delivery."""


GIVEN_UP = -1
"""Replaces the send time, so that a late answer does not count as a duplicate."""


class Piece:
    """Bytes on the shelf: their position in ``data``, their arrival time, and the time of the last poll before it."""

    connection: int
    start: int
    end: int
    arrived_ns: int
    not_found_ns: int


class HistogramRow(IntEnum):
    """Rows of ``counts``; each is one histogram."""

    LATENCY = 0
    """Latency; in the open loop from the intended send."""
    LATENCY_FROM_SEND = 1
    SEND_LAG = 2
    LAST_DELIVERY = 3
    """Room: latency of the last delivery of a message."""
    READ_LAG = 4
    """Open loop: the longest time that an answer may have waited to be read without our knowledge, which is the time
    since a poll that did not find it. 0 if the system says when it arrived."""


class LedgerTables(NamedTuple):
    """The ledger of all messages as arrays."""

    state: Array
    """One `State`."""
    connections: Array
    """`ConnectionRow`, shape (connections,)."""
    ring: Array
    """`RingPlace`, shape (connections, depth); the depth is a power of two."""
    room: Array
    """`RoomPlace`, by the place in the ring; shape (depth,)."""
    counts: Array
    """One histogram per `HistogramRow`; shape (rows, `COUNTS`)."""


class WireMessages(NamedTuple):
    """The next message of each connection as bytes on the wire."""

    requests: Array
    """Requests; shape (connections, bytes). In a room all connections send the first row."""
    masks: Array
    """The mask of each byte of ``requests``; the same shape."""
    answers: Array
    """Expected answers; shape (connections, bytes)."""
    unmasked: Array
    """The mask of an answer: zeros; shape (bytes,)."""
    places: Array
    """Offsets of the sequence numbers in a request and in an answer, padded with -1; shape (2, places)."""


class Chunk(NamedTuple):
    """A part of the schedule. Both arrays have the shape (n,)."""

    due_ns: Array
    """Due times relative to the start of the slice, ascending."""
    connection: Array


class Buffers(NamedTuple):
    """Buffers for the data that the kernel reads."""

    slots: Array
    """Index of the connection by file descriptor."""
    events: Array
    """Events from epoll_wait(2), as words of 32 bits."""
    data: Array
    """Bytes that were read, and the pieces on the shelf."""
    shelf: Array
    """`Piece`, in the order of arrival."""
    moment: Array
    """A clock reading: seconds and nanoseconds."""
    plain: Array
    """The payload of a request that is being compressed."""
    frame: Array
    """The last compressed request; its payload begins after `MOST_HEADER_BYTES`."""
    inflated: Array
    """The last decompressed message; it begins after `MOST_HEADER_BYTES`."""
    tail: Array
    """`zlib_streams.TAIL`."""
    words: Array
    """Fields of a stream while they are read or written: shape (2,)."""
    message: Array
    """`struct msghdr` of recvmsg(2) as words of 64 bits, with the addresses of the next two: shape (7,)."""
    vector: Array
    """Its `struct iovec`: shape (2,)."""
    control: Array
    """Its control message, a header and a `struct timespec`: shape (8,)."""


def _dtype(record: type) -> np.dtype[Any]:
    types = {"int": np.int64, "float": np.float64}
    return np.dtype([(name, types[annotation]) for name, annotation in record.__annotations__.items()], align=True)


def ledger_tables(connections: int, depth: int) -> LedgerTables:
    """Empty tables. ``depth`` is a power of two."""
    return LedgerTables(
        state=np.zeros(1, dtype=_dtype(State)),
        connections=np.zeros(connections, dtype=_dtype(ConnectionRow)),
        ring=np.zeros((connections, depth), dtype=_dtype(RingPlace)),
        room=np.zeros(depth, dtype=_dtype(RoomPlace)),
        counts=np.zeros((len(HistogramRow), COUNTS), dtype=np.int64),
    )


def buffers(connections: int, *, deflated_bytes: int = 0) -> Buffers:
    """Buffers for this number of connections; each connection has at most two sockets.

    ``deflated_bytes``: length of the requests that are compressed; 0 if none are.
    """
    # One byte more than any message shows which are larger. Memory that is never written costs nothing.
    most = MOST_HEADER_BYTES + MAX_PAYLOAD_BYTES + 1 if deflated_bytes else 0
    vector, control = np.zeros(2, dtype=np.int64), np.zeros(CONTROL_BYTES // 8, dtype=np.int64)
    return Buffers(
        slots=np.zeros(1024, dtype=np.int64),
        events=np.zeros(2 * connections * EVENT_WORDS, dtype=np.uint32),
        data=np.zeros(_DATA_BYTES, dtype=np.uint8),
        shelf=np.zeros(_SHELF_PIECES, dtype=_dtype(Piece)),
        moment=np.zeros(2, dtype=np.int64),
        plain=np.zeros(deflated_bytes, dtype=np.uint8),
        # What cannot be compressed grows by 5 bytes per 16 kB.
        frame=np.zeros(_LEAST_FRAME_BYTES + deflated_bytes + deflated_bytes // 1000, dtype=np.uint8),
        inflated=np.zeros(most, dtype=np.uint8),
        tail=np.frombuffer(bytearray(TAIL), dtype=np.uint8),
        words=np.zeros(2, dtype=np.int64),
        message=np.array([0, 0, vector.ctypes.data, 1, control.ctypes.data, control.nbytes, 0], dtype=np.int64),
        vector=vector,
        control=control,
    )


def no_chunk() -> Chunk:
    """A chunk without messages."""
    return Chunk(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def wire_messages(connections: int, request_bytes: int, answer_bytes: int) -> WireMessages:
    """Messages of zeros, without sequence numbers."""
    return WireMessages(
        requests=np.zeros((connections, request_bytes), dtype=np.uint8),
        masks=np.zeros((connections, request_bytes), dtype=np.uint8),
        answers=np.zeros((connections, answer_bytes), dtype=np.uint8),
        unmasked=np.zeros(answer_bytes, dtype=np.uint8),
        places=places_of((), ()),
    )


def places_of(request: tuple[int, ...], answer: tuple[int, ...]) -> Array:
    """The array `WireMessages.places` for these offsets in a request and in an answer."""
    table = np.full((2, MOST_PLACES), -1, dtype=np.int64)
    for row, places in zip(table, (request, answer), strict=True):
        row[: len(places)] = places
    return table
