"""The compiled path of every message: send due messages, wait, read, compare, count. No Python runs per message.

Numba compiles it on first use and caches the result on disk. It works on the arrays of `runners.loadgen.arrays` and
calls the C library directly. It returns to Python for every special event: bytes other than the next answer, a closed
connection, a full socket, the end of a second.

In the open loop such bytes go to a shelf with their arrival time, until nothing is due and nothing else has arrived.
Examples are a dashboard's snapshots and answers whose bytes are not known in advance. Python takes as long for one of
them as the kernel for ten, which would have to wait. The kernel runs only on Linux, because it waits with epoll(7).

In the open loop, where the system stamps arrivals (SO_TIMESTAMPNS, socket(7)), an answer has arrived when it was
received by TCP, however long it waits to be read. But what was not there when we looked has not arrived before that.

On compressed connections it calls zlib as well. A message that is not the next answer goes to Python as a frame of its
decompressed form, because zlib reads each message once.
"""

from __future__ import annotations

import select
import socket
import zlib
from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

import llvmlite.binding
import numba
import numpy as np
from numba import types

from runners.loadgen import arrays, arrivals, kernel_cache, tls, zlib_streams
from runners.loadgen.arrays import (
    DATA_WORD,
    EVENT_WORDS,
    MOST_HEADER_BYTES,
    READ_BYTES,
    Array,
    Buffers,
    Chunk,
    ConnectionRow,
    HistogramRow,
    LedgerTables,
    Piece,
    RingPlace,
    RoomPlace,
    State,
    WireMessages,
)
from runners.loadgen.buckets import HALF_MAGNITUDE, HIGHEST_NS, UNIT_MAGNITUDE
from runners.loadgen.message import DIGITS


class Reason(IntEnum):
    """The reason why `run` returned, and what Python has to do."""

    CONTINUE = 0
    """Python has nothing to do. A part of the kernel returns this to `run`, which continues."""
    TICK = 1
    """The time limit is reached."""
    UNEXPECTED = 2
    """Bytes other than the next answer are in ``data``."""
    READ = 3
    """Python must read from the connection."""
    SEND = 4
    """Python must send the message that is due."""
    SEND_NEXT = 5
    """Python must send the next message of a closed loop, on the connection ``state.sender``."""
    SHORT = 6
    """The socket of ``state.sender`` accepted only a part of a request."""
    REFILL = 7
    """The chunk of the schedule is used up."""
    SETTLED = 8
    """Every message is answered, and no more will be sent."""
    BROKEN = 9
    """epoll failed."""


BURST = 32
"""Maximum number of messages sent in one turn before answers are read, if the schedule is behind."""
BATCH = 32
"""Maximum number of connections read in one turn before due messages are sent. To read ten thousand takes 20 ms and
more."""
_MAX_WAIT_MS = 50
_NOWAIT = int(socket.MSG_DONTWAIT)
_STAMP = (arrivals.SO_TIMESTAMPNS << 32) | socket.SOL_SOCKET
"""Kind and level of a control message with a stamp, as a word."""
_CONTROL_BYTES = arrivals.CONTROL_BYTES
_CONTROL_LENGTH, _STAMP_BYTES = 5, 32
"""In `Buffers.message`: the place of the length of the control message; and that length if it is a stamp."""
_NOWAIT_NOSIGNAL = int(socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0))
_CLOCK_MONOTONIC = 1
_HALF = 1 << HALF_MAGNITUDE
_SCALE = (1 << (HALF_MAGNITUDE + 1)) - 1
_ZERO, _NINE = ord("0"), ord("9")
_WANT_READ = tls.WANT_READ
_TLS_BUFFER_BYTES = 1 << 14
"""What OpenSSL reads at a time. If so much has arrived, there may be more."""
_COMPRESSED = 0x40
"""The bit in the first byte of a frame whose message is compressed."""
_WIDE, _WIDEST = 126, 127
"""In the second byte: the length is in the next two, or eight, bytes."""
_MASKED = 0x80
_FIELDS_BYTES = 16
"""A pointer of a stream and the number after it."""
# Names of this module, which compiled code can read.
_NEXT_IN, _AVAILABLE_IN = zlib_streams.NEXT_IN, zlib_streams.AVAILABLE_IN
_NEXT_OUT, _AVAILABLE_OUT = zlib_streams.NEXT_OUT, zlib_streams.AVAILABLE_OUT
_DATA_TYPE = zlib_streams.DATA_TYPE
_SYNC_FLUSH, _OK, _STREAM_END = zlib_streams.SYNC_FLUSH, zlib_streams.OK, zlib_streams.STREAM_END
_BUFFER_ERROR, _AT_BLOCK = zlib_streams.BUFFER_ERROR, zlib_streams.AT_BLOCK
_CORRUPT, _TOO_LARGE, _CUT = zlib_streams.CORRUPT, zlib_streams.TOO_LARGE, zlib_streams.CUT
_TAIL_BYTES = len(zlib_streams.TAIL)

SUPPORTED = hasattr(select, "epoll")

_IS_CACHED = kernel_cache.find_place()
_njit: Any = numba.njit  # its annotations lack the option `_nrt`
_typeof: Any = numba.typeof

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function without Numba's reference counts, which took half of the kernel's time.

    They are not needed, because no function creates an array, and the caller keeps references to its arguments.
    """
    return _njit(cache=_IS_CACHED, _nrt=False)(function)  # type: ignore[no-any-return]


def inlined(function: Function) -> Function:
    """Compile a function like `compiled`, but inline it into its caller."""
    return _njit(cache=_IS_CACHED, _nrt=False, forceinline=True)(function)  # type: ignore[no-any-return]


class Native:
    """A compiled function that Python calls with tables.

    Numba determines the type of each argument in every call. For tables this takes longer than the kernel needs for ten
    messages. The types are always the same here, so this class determines them once. All arrays must be contiguous.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self._call: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self._call is None:
            self.compile_for(*arguments)
        assert self._call is not None
        return self._call(*arguments)

    def compile_for(self, *arguments: Any) -> None:
        """Compile the function, or load it from disk, for arguments of these types."""
        self._call = self.function.compile(tuple(_typeof(argument) for argument in arguments))


for _symbol, _address in tls.OPENSSL.addresses.items():  # before compiled code that calls them is loaded
    llvmlite.binding.add_symbol(_symbol, _address)

_recv: Any = types.ExternalFunction("recv", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_recvmsg: Any = types.ExternalFunction("recvmsg", types.intp(types.int32, types.uintp, types.int32))
_send: Any = types.ExternalFunction("send", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_tls_read: Any = types.ExternalFunction("rtsite_tls_read", types.int32(types.uintp, types.uintp, types.int32))
_tls_write: Any = types.ExternalFunction("rtsite_tls_write", types.int32(types.uintp, types.uintp, types.int32))
_tls_pending: Any = types.ExternalFunction("rtsite_tls_pending", types.int32(types.uintp))
_tls_error: Any = types.ExternalFunction("rtsite_tls_error", types.int32(types.uintp, types.int32))
_epoll_wait: Any = types.ExternalFunction("epoll_wait", types.int32(types.int32, types.uintp, types.int32, types.int32))
_copy: Any = types.ExternalFunction("memmove", types.uintp(types.uintp, types.uintp, types.uintp))
_deflate: Any = types.ExternalFunction("deflate", types.int32(types.uintp, types.int32))
_inflate: Any = types.ExternalFunction("inflate", types.int32(types.uintp, types.int32))
_deflate_reset: Any = types.ExternalFunction("deflateReset", types.int32(types.uintp))
_inflate_reset: Any = types.ExternalFunction("inflateReset", types.int32(types.uintp))
_sched_yield: Any = types.ExternalFunction("sched_yield", types.int32())
_clock_gettime: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))


@inlined
def _now_ns(buffers: Buffers) -> int:
    """CLOCK_MONOTONIC in nanoseconds, as `time.perf_counter_ns` gives it on Linux."""
    _clock_gettime(_CLOCK_MONOTONIC, buffers.moment.ctypes.data)
    return int(buffers.moment[0] * 1_000_000_000 + buffers.moment[1])


@compiled
def count(counts: Array, row: int, value_ns: int) -> None:
    """Count a value in nanoseconds in a `HistogramRow` of ``counts``, in the bucket HdrHistogram would use."""
    value = min(max(value_ns, 0), HIGHEST_NS)
    bucket = 0
    above = ((value >> UNIT_MAGNITUDE) | _SCALE) >> (HALF_MAGNITUDE + 1)
    while above:
        above >>= 1
        bucket += 1
    counts[row, ((bucket + 1) << HALF_MAGNITUDE) + (value >> (bucket + UNIT_MAGNITUDE)) - _HALF] += 1


@compiled
def increment(frame: Array, places: Array, masks: Array) -> None:
    """Add 1 to the decimal number at each of ``places``. ``masks`` has the mask of the whole frame."""
    for place in places:
        if place < 0:
            break
        at = place + DIGITS - 1
        while (frame[at] ^ masks[at]) == _NINE:
            frame[at] = _ZERO ^ masks[at]
            at -= 1
        frame[at] = ((frame[at] ^ masks[at]) + 1) ^ masks[at]


# Bookkeeping


@compiled
def _count_answers(number: int, sent_ns: int, at_ns: int, state: State) -> None:
    """Count the answers of a message whose last one arrived at ``at_ns``.

    In the closed loop a message that was waited for when the slice ended counts by the part of its wait that lies in
    the slice. So answers divided by the length of the slice do not depend on the moment at which the slice ends.
    """
    if state.open_loop or at_ns <= state.stop_ns:
        state.answered += number
    else:
        state.answered += number * (max(0, state.stop_ns - sent_ns) / max(1, at_ns - sent_ns))


@compiled
def _end_delivery(slot: int, ledger: LedgerTables) -> None:
    """Closed loop in a room: count the deliveries of a message that no member waits for any more."""
    state: State = ledger.state[0]
    place: RoomPlace = ledger.room[slot]
    if place.delivered and not state.open_loop:
        _count_answers(place.delivered, ledger.ring[0, slot].intended_ns, place.delivered_ns, state)


@compiled
def _record_send_to(k: int, intended_ns: int, now_ns: int, ledger: LedgerTables) -> None:
    """Record that connection ``k`` waits for an answer from now on."""
    state: State = ledger.state[0]
    row: ConnectionRow = ledger.connections[k]
    row.last_sent += 1
    place: RingPlace = ledger.ring[k, row.last_sent & (ledger.ring.shape[1] - 1)]
    if place.sent_ns > 0:
        # The old message was never answered, and a whole ring of newer messages was sent since. It is lost, and its
        # latency is the time it has waited.
        count(ledger.counts, HistogramRow.LATENCY, now_ns - place.intended_ns)
        if state.open_loop:
            count(ledger.counts, HistogramRow.LATENCY_FROM_SEND, now_ns - place.sent_ns)
        row.lost += 1
        row.pending -= 1
        state.pending -= row.alive
    place.intended_ns = intended_ns
    place.sent_ns = now_ns
    row.sent += 1
    row.pending += 1
    state.pending += row.alive


@compiled
def _record_send(k: int, intended_ns: int, now_ns: int, ledger: LedgerTables) -> None:
    """Record connection ``k``'s next message as sent. It waits for one answer, or in a room for one delivery per
    member.
    """
    state: State = ledger.state[0]
    if not state.room:
        _record_send_to(k, intended_ns, now_ns, ledger)
        return
    state.publisher = k
    slot = (ledger.connections[0].last_sent + 1) & (ledger.ring.shape[1] - 1)
    place: RoomPlace = ledger.room[slot]
    if place.waiting > 0:  # a message whose place is reused has not reached all members
        count(ledger.counts, HistogramRow.LAST_DELIVERY, now_ns - ledger.ring[0, slot].intended_ns)
        _end_delivery(slot, ledger)
    place.waiting = place.delivered = place.delivered_ns = 0
    for member in range(ledger.connections.shape[0]):
        row: ConnectionRow = ledger.connections[member]
        if row.reading:
            _record_send_to(member, intended_ns, now_ns, ledger)
            place.waiting += row.alive
        else:
            row.last_sent += 1


@compiled
def _record_answer(k: int, sequence: int, at_ns: int, ledger: LedgerTables) -> None:
    """Record the answer to a message that waits for it."""
    state: State = ledger.state[0]
    row: ConnectionRow = ledger.connections[k]
    slot = sequence & (ledger.ring.shape[1] - 1)
    place: RingPlace = ledger.ring[k, slot]
    count(ledger.counts, HistogramRow.LATENCY, at_ns - place.intended_ns)
    if state.open_loop:
        count(ledger.counts, HistogramRow.LATENCY_FROM_SEND, at_ns - place.sent_ns)
        count(ledger.counts, HistogramRow.READ_LAG, at_ns - state.not_found_ns)
    place.sent_ns = 0
    row.received += 1
    row.pending -= 1
    state.pending -= row.alive
    if not state.open_loop and at_ns > state.stop_ns:
        state.overrun_ns += at_ns - max(state.stop_ns, place.intended_ns)
    if state.open_loop or not state.room:
        _count_answers(1, place.intended_ns, at_ns, state)
    if state.room:
        message: RoomPlace = ledger.room[slot]
        message.delivered += 1
        message.delivered_ns = max(message.delivered_ns, at_ns)
        if message.waiting > 0:
            message.waiting -= 1
            if message.waiting == 0:
                count(ledger.counts, HistogramRow.LAST_DELIVERY, message.delivered_ns - place.intended_ns)
                _end_delivery(slot, ledger)


@compiled
def _next_sender(k: int, slot: int, ledger: LedgerTables) -> int:
    """The connection that sends next in a closed loop after ``k`` stops waiting for the message in this slot; -1: none
    yet. In a room the next message is due when this one has reached all members. Members send in turn.
    """
    state: State = ledger.state[0]
    if not state.room:
        return k
    if ledger.room[slot].waiting > 0:
        return -1
    members = ledger.connections.shape[0]
    for step in range(1, members + 1):
        candidate = (state.publisher + step) % members
        if ledger.connections[candidate].alive and ledger.connections[candidate].reading:
            return int(candidate)
    return -1


# Compression


@inlined
def _set_fields(stream: int, offset: int, pointer: int, number: int, buffers: Buffers) -> None:
    """Write a pointer of a stream, and the number after it."""
    buffers.words[0], buffers.words[1] = pointer, number
    _copy(stream + offset, buffers.words.ctypes.data, _FIELDS_BYTES)


@inlined
def _field(stream: int, offset: int, buffers: Buffers) -> int:
    """Read a number of 32 bits from a stream."""
    buffers.words[0] = 0
    _copy(buffers.words.ctypes.data, stream + offset, 4)
    return int(buffers.words[0])


@compiled
def _compress(k: int, request: int, ledger: LedgerTables, messages: WireMessages, buffers: Buffers) -> None:
    """Put a request into ``frame`` as connection ``k`` sends it compressed."""
    state: State = ledger.state[0]
    row: ConnectionRow = ledger.connections[k]
    data, masks, frame = messages.requests[request], messages.masks[request], buffers.frame
    header = state.request_header
    size = state.request_bytes - header
    for i in range(size):
        buffers.plain[i] = data[header + i] ^ masks[header + i]
    space = frame.shape[0] - MOST_HEADER_BYTES
    _set_fields(row.deflater, _NEXT_IN, buffers.plain.ctypes.data, size, buffers)
    _set_fields(row.deflater, _NEXT_OUT, frame.ctypes.data + MOST_HEADER_BYTES, space, buffers)
    _deflate(row.deflater, _SYNC_FLUSH)
    size = space - _field(row.deflater, _AVAILABLE_OUT, buffers) - _TAIL_BYTES
    if row.deflater_forgets:
        _deflate_reset(row.deflater)
    first = data[0] | _COMPRESSED
    if size < _WIDE:
        start = MOST_HEADER_BYTES - 6
        frame[start + 1] = _MASKED | size
    elif size < 1 << 16:
        start = MOST_HEADER_BYTES - 8
        frame[start + 1] = _MASKED | _WIDE
    else:
        start = 0
        frame[start + 1] = _MASKED | _WIDEST
    frame[start] = first
    for i in range(start + 2, MOST_HEADER_BYTES - 4):
        frame[i] = (size >> (8 * (MOST_HEADER_BYTES - 5 - i))) & 0xFF
    for i in range(4):
        frame[MOST_HEADER_BYTES - 4 + i] = data[header - 4 + i]
    for i in range(size):
        frame[MOST_HEADER_BYTES + i] ^= data[header - 4 + (i & 3)]
    state.frame_start = start
    state.frame_bytes = MOST_HEADER_BYTES - start + size


@compiled
def _decompress(stream: int, start: int, size: int, buffers: Buffers) -> int:
    """Decompress a message in ``data`` into ``inflated``; returns its length, or below zero why that is not possible.

    Python does the same for the messages that it reads (`zlib_streams.Inflater`).
    """
    space = buffers.inflated.shape[0] - MOST_HEADER_BYTES
    _set_fields(stream, _NEXT_OUT, buffers.inflated.ctypes.data + MOST_HEADER_BYTES, space, buffers)
    for is_tail in range(2):
        if is_tail:
            _set_fields(stream, _NEXT_IN, buffers.tail.ctypes.data, _TAIL_BYTES, buffers)
        else:
            _set_fields(stream, _NEXT_IN, buffers.data.ctypes.data + start, size, buffers)
        while True:
            code = _inflate(stream, _SYNC_FLUSH)
            left = _field(stream, _AVAILABLE_OUT, buffers)
            if not left:
                return -_TOO_LARGE
            if code == _STREAM_END:
                _inflate_reset(stream)
                if not _field(stream, _AVAILABLE_IN, buffers):
                    if not is_tail:
                        return int(space - left)
                    break
            elif code not in (_OK, _BUFFER_ERROR):
                return -_CORRUPT
            else:
                break
    if not _field(stream, _DATA_TYPE, buffers) & _AT_BLOCK:
        return -_CUT
    return int(space - left)


# Sending


@compiled
def _send_next(
    k: int, intended_ns: int, now_ns: int, ledger: LedgerTables, messages: WireMessages, buffers: Buffers
) -> int:
    """Send the connection's next message, of ``frame_bytes``; returns the number of bytes accepted. A room has one
    request for all.
    """
    state: State = ledger.state[0]
    row = 0 if state.room else k
    increment(messages.requests[row], messages.places[0], messages.masks[row])
    _record_send(k, intended_ns, now_ns, ledger)
    state.frame_bytes = state.request_bytes
    data = messages.requests[row].ctypes.data
    connection: ConnectionRow = ledger.connections[k]
    if connection.deflater:
        _compress(k, row, ledger, messages, buffers)
        data = buffers.frame.ctypes.data + state.frame_start
    if connection.tls:
        taken = int(_tls_write(connection.tls, data, state.frame_bytes))
    else:
        taken = int(_send(connection.descriptor, data, state.frame_bytes, _NOWAIT_NOSIGNAL))
    state.sent_messages += 1
    state.sent_wire_bytes += max(0, taken)
    return taken


@inlined
def _send_due(ledger: LedgerTables, messages: WireMessages, chunk: Chunk, buffers: Buffers) -> tuple[int, int]:
    """Open loop: send the due messages, at most one burst."""
    state: State = ledger.state[0]
    while state.burst < BURST:
        if state.position >= state.due:
            if state.is_last_chunk:
                state.sending = 0
                break
            state.worked = 1
            return Reason.REFILL.value, 0
        intended_ns = state.start_ns + chunk.due_ns[state.position]
        if intended_ns > state.now_ns:
            break
        k = chunk.connection[state.position]
        state.worked = 1
        state.burst += 1
        if not ledger.connections[k].kernel_sends:
            return Reason.SEND.value, k
        state.position += 1
        state.now_ns = _now_ns(buffers)
        count(ledger.counts, HistogramRow.SEND_LAG, state.now_ns - intended_ns)
        taken = _send_next(k, intended_ns, state.now_ns, ledger, messages, buffers)
        if taken != state.frame_bytes:
            state.sender, state.taken = k, taken
            return Reason.SHORT.value, k
        state.now_ns = _now_ns(buffers)
    return Reason.CONTINUE.value, 0


# Waiting


@inlined
def _is_settled(state: State) -> bool:
    """Whether no more messages are sent and none is unanswered."""
    return bool(not state.sending and state.pending == 0 and state.now_ns >= state.stop_ns)


@inlined
def _wait(ledger: LedgerTables, chunk: Chunk, buffers: Buffers) -> int:
    """Poll for connections with data to read, and wait for data if that is allowed; returns their number.

    The kernel does not wait while messages become due, because timers are too coarse. A second load does, and polls for
    less than the last millisecond before each. Two loads on one core let each other run when they find nothing.

    The open loop waits only if the previous poll found nothing. Data that ends the wait has therefore arrived at that
    moment. The time that the turn has worked before is not idle.
    """
    state: State = ledger.state[0]
    timeout_ms = 0
    may_wait = state.quiet or not state.open_loop
    if may_wait and not state.shelf_put and not _is_settled(state):
        until_ns = state.until_ns
        if state.sending:
            due_ns = state.start_ns + chunk.due_ns[state.position] if state.sleeps else state.now_ns
            until_ns = min(until_ns, due_ns)
        timeout_ms = max(0, min(_MAX_WAIT_MS, (until_ns - state.now_ns) // 1_000_000))
    looked_ns = state.looked_ns
    waiting_ns = _now_ns(buffers) if timeout_ms and state.worked else state.last_turn_ns
    events = buffers.events
    most = min(BATCH, events.shape[0] // EVENT_WORDS)
    ready = int(_epoll_wait(state.epoll, events.ctypes.data, most, timeout_ms))
    if ready < most:  # otherwise there may be more
        state.looked_ns = state.now_ns
    state.burst = 0
    state.quiet = ready == 0
    if ready == 0 and timeout_ms == 0 and state.yields:
        state.yielded += _sched_yield() == 0
    if timeout_ms:
        looked_ns = _now_ns(buffers)
        state.idle_ns += looked_ns - waiting_ns
        state.last_turn_ns = looked_ns
    if ready > 0:
        state.worked = 1
    if state.open_loop:
        for event in range(ready):
            row: ConnectionRow = ledger.connections[_connection_of(event, buffers)]
            if not row.not_found_ns:
                row.not_found_ns = looked_ns
    return ready


@inlined
def _connection_of(event: int, buffers: Buffers) -> int:
    """The connection of an event."""
    return int(buffers.slots[buffers.events[event * EVENT_WORDS + DATA_WORD]])


@compiled
def _next_reader(ready: int, reader: int, connections: int, buffers: Buffers) -> int:
    """The event whose connection is next after ``reader``, in circular order.

    Epoll reports connections that are always ready in the same order. If the first one needs Python for every answer,
    the others would never be read.
    """
    found, nearest = 0, connections
    for event in range(ready):
        distance = (_connection_of(event, buffers) - reader - 1) % connections
        if distance < nearest:
            found, nearest = event, distance
    return found


@inlined
def _end_turn(ledger: LedgerTables, buffers: Buffers) -> int:
    """Add the idle time of the turn (the open loop spins). Returns the reason if it was the last turn."""
    state: State = ledger.state[0]
    state.now_ns = _now_ns(buffers)
    if not state.worked:
        state.idle_ns += state.now_ns - state.last_turn_ns
    state.worked = 0
    state.last_turn_ns = state.now_ns
    if _is_settled(state):
        return Reason.SETTLED.value
    if state.now_ns >= state.until_ns:
        return Reason.TICK.value
    return Reason.CONTINUE.value


# Reading


@inlined
def _is_waited_for(k: int, ledger: LedgerTables) -> bool:
    """Whether the expected answer's message was sent, is not given up, and still has its place in the ring."""
    row: ConnectionRow = ledger.connections[k]
    behind = row.last_sent - row.expected
    depth = ledger.ring.shape[1]
    return bool(0 <= behind < depth and ledger.ring[k, row.expected & (depth - 1)].sent_ns > 0)


@compiled
def _matches(received: Array, expected: Array) -> bool:
    """Whether two byte slices of equal length are equal."""
    difference = np.uint8(0)
    for i in range(received.shape[0]):  # the compiler knows the bounds of slices, so it compares many bytes at a time
        difference |= received[i] ^ expected[i]
    return bool(difference == 0)


@inlined
def _is_full(state: State, buffers: Buffers) -> bool:
    """Whether the shelf has no space for another piece."""
    return bool(state.shelf_put == buffers.shelf.shape[0] or buffers.data.shape[0] - state.shelf_bytes < READ_BYTES)


@compiled
def _take_piece(ledger: LedgerTables, shelf: Array) -> int:
    """Take the oldest piece from the shelf; returns its connection. The piece is in ``data`` from ``data_start`` to
    ``data_end``.
    """
    state: State = ledger.state[0]
    piece: Piece = shelf[state.shelf_taken]
    k = piece.connection
    state.data_start, state.data_end = piece.start, piece.end
    state.arrived_ns, state.not_found_ns = piece.arrived_ns, piece.not_found_ns
    state.shelf_taken += 1
    ledger.connections[k].shelved -= 1
    if state.shelf_taken == state.shelf_put:
        state.shelf_taken = state.shelf_put = state.shelf_bytes = 0
    state.worked = 1
    return int(k)


@inlined
def _record_next(k: int, ledger: LedgerTables, messages: WireMessages, buffers: Buffers) -> int:
    """Record the expected answer. In the closed loop, also send the next message. Returns the reason why Python is
    needed.
    """
    state: State = ledger.state[0]
    row: ConnectionRow = ledger.connections[k]
    now_ns = state.now_ns
    sequence = row.expected
    row.highest = sequence
    row.expected = sequence + 1
    increment(messages.answers[k], messages.places[1], messages.unmasked)
    _record_answer(k, sequence, state.at_ns, ledger)
    state.received_messages += 1
    if state.open_loop or now_ns >= state.stop_ns:
        return Reason.CONTINUE.value
    sender = _next_sender(k, sequence & (ledger.ring.shape[1] - 1), ledger)
    if sender < 0:
        return Reason.CONTINUE.value
    state.sender = sender
    if not ledger.connections[sender].kernel_sends:
        return Reason.SEND_NEXT.value
    taken = _send_next(sender, now_ns, now_ns, ledger, messages, buffers)
    if taken != state.frame_bytes:
        state.taken = taken
        return Reason.SHORT.value
    return Reason.CONTINUE.value


@inlined
def _put_plain(first: int, size: int, state: State, buffers: Buffers) -> None:
    """Leave the decompressed message of this length for Python, as a frame that is not compressed."""
    inflated = buffers.inflated
    if size < _WIDE:
        start = MOST_HEADER_BYTES - 2
        inflated[start + 1] = size
    elif size < 1 << 16:
        start = MOST_HEADER_BYTES - 4
        inflated[start + 1] = _WIDE
    else:
        start = MOST_HEADER_BYTES - 10
        inflated[start + 1] = _WIDEST
    inflated[start] = first & ~_COMPRESSED
    for i in range(start + 2, MOST_HEADER_BYTES):
        inflated[i] = (size >> (8 * (MOST_HEADER_BYTES - 1 - i))) & 0xFF
    state.plain_start, state.plain_end = start, MOST_HEADER_BYTES + size


@inlined
def _take_compressed(
    k: int, start: int, end: int, ledger: LedgerTables, messages: WireMessages, buffers: Buffers
) -> tuple[int, int]:
    """Like `_take_answers`, on a connection whose messages may be compressed. Python gets incomplete frames, and frames
    that are not whole messages.
    """
    state: State = ledger.state[0]
    row: ConnectionRow = ledger.connections[k]
    data, inflated, answer = buffers.data, buffers.inflated, messages.answers[k]
    header = state.answer_header
    wanted = state.answer_bytes - header
    while end - start >= 2 and not row.shelved and not row.broken and _is_waited_for(k, ledger):
        first, size, begin = int(data[start]), int(data[start + 1]), start + 2
        if first & ~_COMPRESSED != answer[0]:
            break
        if size == _WIDE and end - start >= 4:
            size, begin = int(data[start + 2]) << 8 | int(data[start + 3]), start + 4
            if size < _WIDE:
                break
        elif size >= _WIDE:
            break
        if end - begin < size:
            break
        if first & _COMPRESSED:
            got = _decompress(row.inflater, begin, size, buffers)
            if got < 0:
                row.broken = -got
                break
            if row.inflater_forgets:
                _inflate_reset(row.inflater)
            is_next = got == wanted and _matches(
                inflated[MOST_HEADER_BYTES : MOST_HEADER_BYTES + got], answer[header : header + got]
            )
            if not is_next:
                _put_plain(first, got, state, buffers)
                return Reason.UNEXPECTED.value, begin + size
        elif size != wanted or not _matches(data[begin : begin + size], answer[header : header + size]):
            break
        start = begin + size
        reason = _record_next(k, ledger, messages, buffers)
        if reason != Reason.CONTINUE.value:
            return reason, start
    return Reason.CONTINUE.value, start


@inlined
def _take_answers(
    k: int, start: int, end: int, ledger: LedgerTables, messages: WireMessages, buffers: Buffers
) -> tuple[int, int]:
    """Record the expected answers in the bytes from ``start`` to ``end``. In the closed loop, also send the next
    messages. Returns the reason why Python is needed, and the start of the remaining bytes.
    """
    state: State = ledger.state[0]
    row: ConnectionRow = ledger.connections[k]
    size = state.answer_bytes
    while size and start < end and not row.shelved and _is_waited_for(k, ledger):
        matched = row.matched
        length = min(end - start, size - matched)
        if not _matches(buffers.data[start : start + length], messages.answers[k, matched : matched + length]):
            break
        start += length
        if matched + length < size:
            row.matched = matched + length
            break
        row.matched = 0
        reason = _record_next(k, ledger, messages, buffers)
        if reason != Reason.CONTINUE.value:
            return reason, start
    return Reason.CONTINUE.value, start


@inlined
def _receive(descriptor: int, address: int, state: State, buffers: Buffers) -> int:
    """Read from a socket without TLS; returns the number of bytes, or below 1 like recv(2)."""
    if not state.clock_ahead_ns:
        return int(_recv(descriptor, address, READ_BYTES, _NOWAIT))
    buffers.vector[0], buffers.vector[1] = address, READ_BYTES
    buffers.message[_CONTROL_LENGTH] = _CONTROL_BYTES
    return int(_recvmsg(descriptor, buffers.message.ctypes.data, _NOWAIT))


@inlined
def _note_arrival(state: State, buffers: Buffers) -> None:
    """Take the time of arrival from the stamp of the bytes that were read last, if there is one."""
    control = buffers.control
    if buffers.message[_CONTROL_LENGTH] < _STAMP_BYTES or control[1] != _STAMP:
        return
    stamp_ns = control[2] * 1_000_000_000 + control[3] - state.clock_ahead_ns
    known_ns = max(stamp_ns, state.not_found_ns)
    if known_ns <= state.now_ns:
        state.at_ns = state.not_found_ns = known_ns


@inlined
def _read_ready(ready: int, ledger: LedgerTables, messages: WireMessages, buffers: Buffers) -> tuple[int, int]:
    """Read every connection that has data."""
    state: State = ledger.state[0]
    first = 0 if state.reader < 0 else _next_reader(ready, state.reader, ledger.connections.shape[0], buffers)
    for step in range(ready):
        k = _connection_of(first + step if first + step < ready else first + step - ready, buffers)
        row: ConnectionRow = ledger.connections[k]
        if state.shelf_put and _is_full(state, buffers):
            return Reason.UNEXPECTED.value, _take_piece(ledger, buffers.shelf)
        state.reader = k
        if row.shelved and not row.kernel_reads:
            return Reason.UNEXPECTED.value, _take_piece(ledger, buffers.shelf)
        state.not_found_ns, row.not_found_ns = row.not_found_ns, 0
        if not row.kernel_reads:
            return Reason.READ.value, k
        total = 0
        while True:
            start = state.shelf_bytes
            address = buffers.data.ctypes.data + start
            if row.tls:
                got = int(_tls_read(row.tls, address, READ_BYTES))
                if got <= 0 and _tls_error(row.tls, got) == _WANT_READ:
                    break  # a part of a record, or a record without data
            else:
                got = _receive(row.descriptor, address, state, buffers)
            if got <= 0:
                if row.shelved and not row.tls:  # first the data that arrived before the end
                    return Reason.UNEXPECTED.value, _take_piece(ledger, buffers.shelf)
                return Reason.READ.value, k
            state.now_ns = state.at_ns = _now_ns(buffers)
            if state.clock_ahead_ns and not row.tls:
                _note_arrival(state, buffers)
            total += got
            if total >= (_TLS_BUFFER_BYTES if row.tls else READ_BYTES):
                row.not_found_ns = state.not_found_ns
            state.received_wire_bytes += got
            end = start + got
            if row.inflater:
                reason, start = _take_compressed(k, start, end, ledger, messages, buffers)
            else:
                reason, start = _take_answers(k, start, end, ledger, messages, buffers)
            if reason == Reason.CONTINUE.value and start < end and state.open_loop:
                piece: Piece = buffers.shelf[state.shelf_put]
                piece.connection, piece.start, piece.end = k, start, end
                piece.arrived_ns, piece.not_found_ns = state.at_ns, state.not_found_ns
                state.shelf_put += 1
                state.shelf_bytes = end
                row.shelved += 1
            elif reason != Reason.CONTINUE.value or start < end:
                state.data_start, state.data_end, state.arrived_ns = start, end, state.at_ns
                return (Reason.UNEXPECTED.value if reason == Reason.CONTINUE.value else reason), k
            if not row.tls or not _tls_pending(row.tls):
                break
            if _is_full(state, buffers):
                return Reason.READ.value, k
    state.reader = -1
    if not ready and state.shelf_put:
        return Reason.UNEXPECTED.value, _take_piece(ledger, buffers.shelf)
    return Reason.CONTINUE.value, 0


@compiled
def _run(ledger: LedgerTables, messages: WireMessages, chunk: Chunk, buffers: Buffers) -> tuple[int, int]:
    """Run until Python is needed; returns the `Reason` and the connection concerned."""
    state: State = ledger.state[0]
    state.now_ns = _now_ns(buffers)
    state.data_start = state.data_end = state.plain_start = state.plain_end = state.quiet = 0
    while True:
        if state.sending:
            reason, k = _send_due(ledger, messages, chunk, buffers)
            if reason != Reason.CONTINUE.value:
                return reason, k
        ready = _wait(ledger, chunk, buffers)
        if ready < 0:
            return Reason.BROKEN.value, 0
        reason, k = _read_ready(ready, ledger, messages, buffers)
        if reason != Reason.CONTINUE.value:
            return reason, k
        reason = _end_turn(ledger, buffers)
        if reason != Reason.CONTINUE.value:
            return reason, 0


# What Python calls

record_send, record_answer, next_sender = Native(_record_send), Native(_record_answer), Native(_next_sender)
end_delivery = Native(_end_delivery)
send_next, take_piece, run = Native(_send_next), Native(_take_piece), Native(_run)


def compile_kernel() -> None:
    """Compile all functions, or load them from disk, before anything is timed. This takes seconds the first time.

    Raises `RuntimeError` if the code on disk was compiled from other sources.
    """
    ledger, buffers = arrays.ledger_tables(1, 16), arrays.buffers(1)
    messages, chunk = arrays.wire_messages(1, 8, 8), arrays.no_chunk()
    try:
        same = _compiled_fingerprint() == _FINGERPRINT  # first: nothing on disk may be older than it
        record_send.compile_for(0, 0, 0, ledger)
        record_answer.compile_for(0, 0, 0, ledger)
        next_sender.compile_for(0, 0, ledger)
        end_delivery.compile_for(0, ledger)
        send_next.compile_for(0, 0, 0, ledger, messages, buffers)
        take_piece.compile_for(ledger, buffers.shelf)
        run.compile_for(ledger, messages, chunk, buffers)
        count(ledger.counts, int(HistogramRow.LATENCY), 0)
        increment(messages.requests[0], messages.places[0], messages.masks[0])
    except (ImportError, AttributeError):  # the cache refers to modules or classes that no longer exist
        same = False
    if not same:
        place = run.function.stats.cache_path
        raise RuntimeError(f"the cached kernel was compiled from other sources; delete {place}")


_IMPORTED = (
    (EVENT_WORDS, DATA_WORD, READ_BYTES, MOST_HEADER_BYTES, HALF_MAGNITUDE, HIGHEST_NS, UNIT_MAGNITUDE, DIGITS),
    (_NEXT_IN, _AVAILABLE_IN, _NEXT_OUT, _AVAILABLE_OUT, _DATA_TYPE),
    (_SYNC_FLUSH, _OK, _STREAM_END, _BUFFER_ERROR, _AT_BLOCK),
    (_CORRUPT, _TOO_LARGE, _CUT, _TAIL_BYTES, _WANT_READ, _STAMP, _CONTROL_BYTES),
    [(row.name, row.value) for row in HistogramRow],
    [tables._fields for tables in (LedgerTables, WireMessages, Chunk, Buffers)],
)
"""What the compiled code contains of other files. Numba recompiles when this file changes, but not when one of these
changes. The order of fields counts, because compiled code finds a field by its index."""
_FINGERPRINT = zlib.crc32(repr(_IMPORTED).encode())


@compiled
def _compiled_fingerprint() -> int:
    return _FINGERPRINT
