"""The arrays that the compiled kernel and Python share: what their columns mean, and how they are allocated.

A record type is written once, as a class with annotations; its NumPy dtype has the same fields, all int64. The kernel
reads ``row.pending``, Python ``connections["pending"][k]``. Times are clock readings in nanoseconds.
"""

from __future__ import annotations

import platform
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from runners.loadgen.buckets import COUNTS

Array = np.ndarray[Any, np.dtype[Any]]

EVENT_WORDS = 3 if platform.machine() in ("x86_64", "AMD64") else 4
DATA_WORD = 1 if EVENT_WORDS == 3 else 2
"""``struct epoll_event`` is packed on x86-64 only: 12 bytes instead of 16."""
READ_BYTES = 1 << 17
"""Read at a time, at most."""
_DATA_BYTES = 1 << 25
_SHELF_PIECES = 1 << 16
"""The snapshots of ten thousand viewers. If there are more, some have to be parsed before the next is read."""
_PLACES = 4


class State:
    """What concerns all connections: one record."""

    open_loop: int
    room: int
    """Every message goes to all connections, and is waited for on each of them."""
    epoll: int
    """File descriptor."""

    # Time
    start_ns: int
    """Of the slice; due times are added to it."""
    until_ns: int
    """When to return to Python."""
    stop_ns: int
    """When a closed loop sends no more."""
    now_ns: int
    last_answer_ns: int
    last_turn_ns: int
    idle_ns: int
    """Time that the open loop spent waiting."""
    worked: int
    """Whether this turn did anything."""
    quiet: int
    """Whether the last look found nothing to read."""
    looked_ns: int
    """When the kernel last looked for answers."""
    not_found_ns: int
    """The last look that did not find what is being recorded."""

    # Schedule
    sending: int
    """Not all of the schedule is sent yet."""
    position: int
    """In the chunk of the schedule."""
    due: int
    """Length of the chunk."""
    is_last_chunk: int
    burst: int
    """Messages sent since answers were last read."""

    # Messages
    request_bytes: int
    answer_bytes: int
    """0: answers are not known byte by byte."""
    pending: int
    """Unanswered on living connections."""
    answered: int
    publisher: int
    """Room: who sent the last message."""
    sender: int
    """Who has to send, or could send only a part."""
    taken: int
    """How many bytes of that part."""

    # Bytes read and not recorded
    data_start: int
    data_end: int
    """What is left of ``data`` for Python."""
    arrived_ns: int
    """When it came."""
    reader: int
    """The connection whose turn it was when Python was needed, so that the next one is read first; -1: all were."""
    shelf_bytes: int
    """How much of ``data`` the shelf takes."""
    shelf_put: int
    """Pieces put on the shelf."""
    shelf_taken: int
    """Pieces taken from it again."""


class ConnectionRow:
    """One connection."""

    descriptor: int
    """Of its socket."""
    first: int
    """The first number of this ledger."""
    last_sent: int
    """The number of the last message sent."""
    expected: int
    """The number in the expected frame."""
    highest: int
    """The highest number answered."""
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    corrupted: int
    pending: int
    """Unanswered."""
    kernel_reads: int
    """The kernel may read from the socket."""
    kernel_sends: int
    """The kernel may send to the socket."""
    reading: int
    """It is not paused; a room waits for it."""
    matched: int
    """How many bytes of the expected frame have come, where the rest has not."""
    not_found_ns: int
    """Open loop: something came that is not read yet, after the look at this time."""
    shelved: int
    """Its pieces on the shelf."""
    alive: int


class RingPlace:
    """One of the last messages of a connection, by the low bits of its number."""

    intended_ns: int
    sent_ns: int
    """0: answered, or none; `GIVEN_UP`: counted as lost already."""


GIVEN_UP = -1
"""In place of a send time: an answer that comes after all is no duplicate."""


class Piece:
    """Bytes on the shelf: where they are in ``data``, when they came, and the last look that did not find them."""

    connection: int
    start: int
    end: int
    arrived_ns: int
    not_found_ns: int


class HistogramRow(IntEnum):
    """Rows of ``counts``: one histogram each."""

    LATENCY = 0
    """From the intended send in the open loop."""
    LATENCY_FROM_SEND = 1
    SEND_LAG = 2
    LAST_DELIVERY = 3
    """Room: the latency of the last member to receive a message."""
    READ_LAG = 4
    """Open loop: how long an answer may have been there: since the last look that did not find it, at most."""


class LedgerTables(NamedTuple):
    """What became of the messages."""

    state: Array
    """One `State`."""
    connections: Array
    """`ConnectionRow`, shape (connections,)."""
    ring: Array
    """`RingPlace`, shape (connections, depth); the depth is a power of two."""
    left: Array
    """Room: how many members still wait for the message, by its place in the ring; shape (depth,)."""
    counts: Array
    """One histogram per `HistogramRow`; shape (rows, `COUNTS`)."""


class WireMessages(NamedTuple):
    """The next message of each connection as bytes on the wire."""

    requests: Array
    """Shape (connections, bytes); in a room all send the first row."""
    masks: Array
    """What covers each byte of ``requests``; the same shape."""
    answers: Array
    """Expected; shape (connections, bytes)."""
    unmasked: Array
    """The mask of an answer: zeros; shape (bytes,)."""
    places: Array
    """Where the numbers are in a request and in an answer, filled up with -1; shape (2, places)."""


class Chunk(NamedTuple):
    """A part of the schedule; shape (n,) each."""

    due_ns: Array
    """From the start, ascending."""
    connection: Array


class Buffers(NamedTuple):
    """Room for what the kernel reads."""

    slots: Array
    """Connection by file descriptor."""
    events: Array
    """What epoll_wait(2) writes: words of 32 bits."""
    data: Array
    """Bytes that were read, and the pieces on the shelf."""
    shelf: Array
    """`Piece`, in the order of arrival."""
    moment: Array
    """A clock reading: seconds and nanoseconds."""


def _dtype(record: type) -> np.dtype[Any]:
    return np.dtype([(name, np.int64) for name in record.__annotations__], align=True)


def ledger_tables(connections: int, depth: int) -> LedgerTables:
    """Empty; ``depth`` is a power of two."""
    return LedgerTables(
        state=np.zeros(1, dtype=_dtype(State)),
        connections=np.zeros(connections, dtype=_dtype(ConnectionRow)),
        ring=np.zeros((connections, depth), dtype=_dtype(RingPlace)),
        left=np.zeros(depth, dtype=np.int64),
        counts=np.zeros((len(HistogramRow), COUNTS), dtype=np.int64),
    )


def buffers(connections: int) -> Buffers:
    """For so many connections; each has two sockets at most."""
    return Buffers(
        slots=np.zeros(1024, dtype=np.int64),
        events=np.zeros(2 * connections * EVENT_WORDS, dtype=np.uint32),
        data=np.zeros(_DATA_BYTES, dtype=np.uint8),
        shelf=np.zeros(_SHELF_PIECES, dtype=_dtype(Piece)),
        moment=np.zeros(2, dtype=np.int64),
    )


def no_chunk() -> Chunk:
    """Nothing is due."""
    return Chunk(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def wire_messages(connections: int, request_bytes: int, answer_bytes: int) -> WireMessages:
    """Zeros, and no numbers."""
    return WireMessages(
        requests=np.zeros((connections, request_bytes), dtype=np.uint8),
        masks=np.zeros((connections, request_bytes), dtype=np.uint8),
        answers=np.zeros((connections, answer_bytes), dtype=np.uint8),
        unmasked=np.zeros(answer_bytes, dtype=np.uint8),
        places=places_of((), ()),
    )


def places_of(request: tuple[int, ...], answer: tuple[int, ...]) -> Array:
    """Where the numbers are in a request and in an answer: see `WireMessages.places`."""
    table = np.full((2, _PLACES), -1, dtype=np.int64)
    for row, places in zip(table, (request, answer), strict=True):
        row[: len(places)] = places
    return table
