"""The path of every message, compiled: wait, send what is due, read, compare, count. No Python runs per message.

Numba compiles it on first use and keeps the result on disk. It works on the arrays of `books.Books` and calls the C
library itself. Whatever is out of the ordinary (other bytes than the next answer, a closed connection, a full
socket, the turn of a second) it hands to Python by returning. In the open loop such bytes, a dashboard's snapshots for
instance, and all answers where they are not known byte by byte, are put on a shelf with the time they came, until
nothing is due and nothing else has come: Python takes as long over one of them as the kernel over ten, which would wait
behind it. Linux only: it waits with epoll(7).
"""

from __future__ import annotations

import platform
import select
import socket
from typing import Any

import numba
import numpy as np
from numba import types

from runners.loadgen import histogram
from runners.loadgen.histogram import COUNTS, HALF_MAGNITUDE, HIGHEST_NS, UNIT_MAGNITUDE
from runners.loadgen.message import DIGITS

Array = np.ndarray[Any, np.dtype[Any]]

# Why `run` came back.
TICK, ODD, READ, SEND, ASK, SHORT, REFILL, SETTLED, BROKEN = range(9)
"""Time is up; bytes other than the next answer (in ``data``); Python must read; Python must send what is due;
Python must send a closed loop's next message; a send took only a part; more of the schedule is needed; nothing is
unanswered any more; epoll failed."""

# Columns of ``book``: one row per connection.
(
    FD, FIRST, ASKED, EXPECTED, HIGHEST, SENT, RECEIVED, LOST, DUPLICATED, REORDERED, CORRUPTED, PENDING,
    FAST, SENDS, LISTENS, MATCHED, FOUND, SHELVED, ALIVE,
) = range(19)  # fmt: skip
"""FIRST: the first number of these books; ASKED: the last one sent; EXPECTED: the one that stands in the expected
frame; FAST: the kernel may read; SENDS: the kernel may send; LISTENS: it reads, and in a room is waited for;
MATCHED: how many bytes of the expected frame have come, where the rest has not; FOUND: something has come that is not
read, and came after the look at this time (open loop); SHELVED: its pieces on the shelf."""
FIELDS = ALIVE + 1

# Entries of ``state``.
(
    OPEN_LOOP, ROOM, EPOLL, START, UNTIL, STOP, POSITION, DUE, LIMIT, PENDING_ALL, ANSWERED, LAST_ANSWER, LAST_TURN,
    IDLE, WORKED, OFFSET, GOT, AT, QUESTION_SIZE, ANSWER_SIZE, SENDING, TAKEN,
    ASKER, PUBLISHER, BURST_SENT, LOOKED, BEFORE, READER, SHELF_BYTES, SHELF_PUT, SHELF_TAKEN,
) = range(31)  # fmt: skip
"""Clock readings in nanoseconds: START of the slice (to which due times are added), UNTIL when to come back, STOP when
a closed loop no longer asks, LAST_ANSWER, LAST_TURN, AT when what is in ``data`` came. POSITION in the chunk of the
schedule, DUE its length, LIMIT: it is the last one; SENDING: not all is sent yet. PENDING_ALL: unanswered on living
connections. ROOM: every message goes to all connections, and is answered to each of them; PUBLISHER: who sent its last
one. IDLE: nanoseconds spent waiting by the open loop. OFFSET, GOT: what is left of ``data``. ASKER: who is to ask, or
could send only a part; TAKEN: how many bytes. BURST_SENT: messages sent since answers were last read. LOOKED: when it
was last looked for answers; BEFORE: the last look that did not find what is being entered. READER: whose turn it
was to be read when Python was needed, so that the next one's comes first; -1: all had theirs. SHELF_BYTES: how much of
``data`` the shelf takes; SHELF_PUT, SHELF_TAKEN: pieces put there, and taken from it again."""
STATES = SHELF_TAKEN + 1

INTENDED, SENT_AT = 0, 1
"""The last axis of ``ring``."""
LATENCY, FROM_SEND, LAG, LAST, READ_LAG = range(5)
"""Rows of ``counts``. LAST: the latency of the last one in the room to receive a message. READ_LAG: open loop, how long
an answer may have lain there: since the last look that did not find it, at most."""
PIECE_FIELDS = 5
"""Columns of ``shelf``: the connection of a piece, where in ``data`` it starts and ends, its AT and its BEFORE."""

BURST = 32
"""Messages sent in one turn when the schedule is behind, before answers are read."""
_EVENT_WORDS = 3 if platform.machine() in ("x86_64", "AMD64") else 4
_DATA_WORD = 1 if _EVENT_WORDS == 3 else 2
"""``struct epoll_event`` is packed on x86-64 only: 12 bytes instead of 16."""
DATA_BYTES = 1 << 17
"""Read at a time, at most."""
_SHELF_BYTES = 1 << 25
_SHELF_PIECES = 1 << 16
"""The snapshots of ten thousand viewers. If there are more, some have to be understood before the next is read."""
_PLACES = 4
_NOWAIT = int(socket.MSG_DONTWAIT)
_NOWAIT_NOSIGNAL = int(socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0))
_CLOCK_MONOTONIC = 1
_HALF = 1 << HALF_MAGNITUDE
_SCALE = (1 << (HALF_MAGNITUDE + 1)) - 1
_ZERO, _NINE = ord("0"), ord("9")

SUPPORTED = hasattr(select, "epoll")

_recv: Any = types.ExternalFunction("recv", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_send: Any = types.ExternalFunction("send", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_epoll_wait: Any = types.ExternalFunction("epoll_wait", types.int32(types.int32, types.uintp, types.int32, types.int32))
_clock_gettime: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))


@numba.njit(cache=True)
def _now(moment: Array) -> int:
    """CLOCK_MONOTONIC in nanoseconds, as `time.perf_counter_ns` gives it on Linux."""
    _clock_gettime(_CLOCK_MONOTONIC, moment.ctypes.data)
    return int(moment[0] * 1_000_000_000 + moment[1])


@numba.njit(cache=True)
def count(counts: Array, row: int, value_ns: int) -> None:
    """Enter a value in nanoseconds into a row of ``counts``, in the bucket HdrHistogram would use."""
    value = min(max(value_ns, 0), HIGHEST_NS)
    bucket = 0
    above = ((value >> UNIT_MAGNITUDE) | _SCALE) >> (HALF_MAGNITUDE + 1)
    while above:
        above >>= 1
        bucket += 1
    counts[row, ((bucket + 1) << HALF_MAGNITUDE) + (value >> (bucket + UNIT_MAGNITUDE)) - _HALF] += 1


@numba.njit(cache=True)
def advance(frame: Array, places: Array, masks: Array) -> None:
    """Turn the decimal number at each of ``places`` to the next one; ``masks`` covers the whole frame."""
    for place in places:
        if place < 0:
            break
        at = place + DIGITS - 1
        while (frame[at] ^ masks[at]) == _NINE:
            frame[at] = _ZERO ^ masks[at]
            at -= 1
        frame[at] = ((frame[at] ^ masks[at]) + 1) ^ masks[at]


@numba.njit(cache=True)
def enter(k: int, intended: int, now: int, state: Array, book: Array, ring: Array, counts: Array) -> None:
    """Enter the connection's next message as sent."""
    book[k, ASKED] += 1
    slot = book[k, ASKED] & (ring.shape[1] - 1)
    if ring[k, slot, SENT_AT] > 0:
        # Never answered, and a whole ring of newer ones was sent since: lost, with the time it has waited.
        count(counts, LATENCY, now - ring[k, slot, INTENDED])
        if state[OPEN_LOOP]:
            count(counts, FROM_SEND, now - ring[k, slot, SENT_AT])
        book[k, LOST] += 1
        book[k, PENDING] -= 1
        state[PENDING_ALL] -= book[k, ALIVE]
    ring[k, slot, INTENDED] = intended
    ring[k, slot, SENT_AT] = now
    book[k, SENT] += 1
    book[k, PENDING] += 1
    state[PENDING_ALL] += book[k, ALIVE]


@numba.njit(cache=True)
def enter_all(
    k: int, intended: int, now: int, state: Array, book: Array, ring: Array, left: Array, counts: Array
) -> None:
    """Enter connection ``k``'s next message as sent: one answer to wait for, or in a room one by each member."""
    if not state[ROOM]:
        enter(k, intended, now, state, book, ring, counts)
        return
    state[PUBLISHER] = k
    slot = (book[0, ASKED] + 1) & (ring.shape[1] - 1)
    if left[slot] > 0:  # a message so old that its place is needed never reached everybody
        count(counts, LAST, now - ring[0, slot, INTENDED])
    left[slot] = 0
    for member in range(book.shape[0]):
        if book[member, LISTENS]:
            enter(member, intended, now, state, book, ring, counts)
            left[slot] += book[member, ALIVE]
        else:
            book[member, ASKED] += 1


@numba.njit(cache=True)
def next_asker(k: int, slot: int, state: Array, book: Array, left: Array) -> int:
    """Closed loop: who asks next, now that connection ``k`` waits no longer for the message at this place of the ring;
    -1: nobody yet. In a room another message is due when that one has reached everybody, and members take turns.
    """
    if not state[ROOM]:
        return k
    if left[slot] > 0:
        return -1
    members = book.shape[0]
    for step in range(1, members + 1):
        candidate = (state[PUBLISHER] + step) % members
        if book[candidate, ALIVE] and book[candidate, LISTENS]:
            return int(candidate)
    return -1


@numba.njit(cache=True)
def ask(
    k: int,
    intended: int,
    now: int,
    state: Array,
    book: Array,
    ring: Array,
    left: Array,
    counts: Array,
    questions: Array,
    masks: Array,
    places: Array,
) -> int:
    """Send the connection's next message; gives how many of its bytes were taken. A room has one question for all."""
    row = 0 if state[ROOM] else k
    advance(questions[row], places[0], masks[row])
    enter_all(k, intended, now, state, book, ring, left, counts)
    size = state[QUESTION_SIZE]
    return int(_send(book[k, FD], questions[row].ctypes.data, size, _NOWAIT_NOSIGNAL))


@numba.njit(cache=True)
def answered(
    k: int, sequence: int, at: int, state: Array, book: Array, ring: Array, left: Array, counts: Array
) -> None:
    """Enter the answer to a message that waits for it."""
    slot = sequence & (ring.shape[1] - 1)
    sent_at = ring[k, slot, SENT_AT]
    count(counts, LATENCY, at - ring[k, slot, INTENDED])
    if state[OPEN_LOOP]:
        count(counts, FROM_SEND, at - sent_at)
        count(counts, READ_LAG, at - state[BEFORE])
    ring[k, slot, SENT_AT] = 0
    book[k, RECEIVED] += 1
    book[k, PENDING] -= 1
    state[PENDING_ALL] -= book[k, ALIVE]
    state[ANSWERED] += 1
    state[LAST_ANSWER] = at
    if state[ROOM] and left[slot] > 0:
        left[slot] -= 1
        if left[slot] == 0:
            count(counts, LAST, at - ring[k, slot, INTENDED])


@numba.njit(cache=True)
def _is_waited_for(k: int, book: Array, ring: Array) -> bool:
    """Whether the expected answer's message was sent, and neither given up nor so long ago that its place is taken."""
    behind = book[k, ASKED] - book[k, EXPECTED]
    slot = book[k, EXPECTED] & (ring.shape[1] - 1)
    return bool(0 <= behind < ring.shape[1] and ring[k, slot, SENT_AT] > 0)


@numba.njit(cache=True)
def _goes_on(k: int, matched: int, start: int, length: int, data: Array, answers: Array) -> bool:
    """Whether the next bytes are those of the expected answer, of which ``matched`` bytes are there already."""
    difference = np.uint8(0)
    came, expected = data[start : start + length], answers[k, matched : matched + length]
    for i in range(length):  # of slices, whose bounds the compiler knows: many bytes at a time
        difference |= came[i] ^ expected[i]
    return bool(difference == 0)


@numba.njit(cache=True)
def _is_full(state: Array, data: Array, shelf: Array) -> bool:
    """Whether the shelf has no room for another piece."""
    return bool(state[SHELF_PUT] == shelf.shape[0] or data.shape[0] - state[SHELF_BYTES] < DATA_BYTES)


@numba.njit(cache=True)
def _is_settled(state: Array, now: int) -> bool:
    """Whether nothing more is sent, and nothing waited for."""
    return bool(not state[SENDING] and state[PENDING_ALL] == 0 and now >= state[STOP])


@numba.njit(cache=True)
def _next_reader(ready: int, reader: int, slots: Array, events: Array, connections: int) -> int:
    """The event whose connection comes next after ``reader``, around the circle of all.

    Epoll gives what is always ready in the same order: beside one at its head whose every answer needs Python, nobody
    else would ever be read.
    """
    found, nearest = 0, connections
    for event in range(ready):
        distance = (slots[events[event * _EVENT_WORDS + _DATA_WORD]] - reader - 1) % connections
        if distance < nearest:
            found, nearest = event, distance
    return found


@numba.njit(cache=True)
def take_piece(state: Array, book: Array, shelf: Array) -> int:
    """Take the piece from the shelf that came first: it is in ``data`` from OFFSET to GOT; gives its connection."""
    k, start, end, at, before = shelf[state[SHELF_TAKEN]]
    state[OFFSET], state[GOT], state[AT], state[BEFORE] = start, end, at, before
    state[SHELF_TAKEN] += 1
    book[k, SHELVED] -= 1
    if state[SHELF_TAKEN] == state[SHELF_PUT]:
        state[SHELF_TAKEN] = state[SHELF_PUT] = state[SHELF_BYTES] = 0
    state[WORKED] = 1
    return int(k)


@numba.njit(cache=True)
def run(
    state: Array,
    book: Array,
    ring: Array,
    left: Array,
    counts: Array,
    questions: Array,
    masks: Array,
    answers: Array,
    clear: Array,
    places: Array,
    due: Array,
    who: Array,
    slots: Array,
    events: Array,
    data: Array,
    shelf: Array,
    moment: Array,
) -> tuple[int, int]:
    """Work until Python is needed: why (`TICK` and so on), and the connection concerned.

    ``left``: by place in the ring, how many members of a room still wait for the message; shape (depth,).
    ``questions``, ``masks``, ``answers``: a message per connection, shape (connections, bytes); ``clear``: zeros for a
    message without mask; ``places``: where the numbers stand in questions and answers; ``due``, ``who``: the chunk of
    the schedule; ``slots``: connection by file descriptor; ``shelf``: a row per piece that lies in ``data`` and waits;
    ``moment``: room for a clock reading.
    """
    now = _now(moment)
    state[OFFSET] = state[GOT] = 0
    quiet = False
    while True:
        # Send what is due.
        if state[SENDING]:
            while state[BURST_SENT] < BURST:
                if state[POSITION] >= state[DUE]:
                    if state[LIMIT]:
                        state[SENDING] = 0
                        break
                    state[WORKED] = 1
                    return REFILL, 0
                intended = state[START] + due[state[POSITION]]
                if intended > now:
                    break
                k = who[state[POSITION]]
                if not book[k, SENDS]:
                    state[WORKED] = 1
                    state[BURST_SENT] += 1
                    return SEND, k
                state[POSITION] += 1
                now = _now(moment)
                count(counts, LAG, now - intended)
                state[WORKED] = 1
                state[BURST_SENT] += 1
                taken = ask(k, intended, now, state, book, ring, left, counts, questions, masks, places)
                if taken != state[QUESTION_SIZE]:
                    state[ASKER], state[TAKEN] = k, taken
                    return SHORT, k
                now = _now(moment)
        # Wait for answers: not at all while messages fall due, since timers are too coarse for that. The open loop
        # waits only where a look has just found nothing, so that what ends the waiting came at that moment.
        timeout = 0
        may_wait = quiet or not state[OPEN_LOOP]
        if may_wait and not state[SENDING] and not state[SHELF_PUT] and not _is_settled(state, now):
            timeout = max(0, min(50, (state[UNTIL] - now) // 1_000_000))
        looked, state[LOOKED] = state[LOOKED], now
        ready = _epoll_wait(state[EPOLL], events.ctypes.data, events.shape[0] // _EVENT_WORDS, timeout)
        state[BURST_SENT] = 0
        if ready < 0:
            return BROKEN, 0
        quiet = ready == 0
        if timeout:
            looked = _now(moment)
        if ready:
            state[WORKED] = 1
        if state[OPEN_LOOP]:
            for event in range(ready):
                k = slots[events[event * _EVENT_WORDS + _DATA_WORD]]
                if not book[k, FOUND]:
                    book[k, FOUND] = looked
        first = 0 if state[READER] < 0 else _next_reader(ready, state[READER], slots, events, book.shape[0])
        for step in range(ready):
            event = first + step if first + step < ready else first + step - ready
            k = slots[events[event * _EVENT_WORDS + _DATA_WORD]]
            if state[SHELF_PUT] and _is_full(state, data, shelf):
                return ODD, take_piece(state, book, shelf)
            state[READER] = k
            if book[k, SHELVED] and not book[k, FAST]:
                return ODD, take_piece(state, book, shelf)
            state[BEFORE], book[k, FOUND] = book[k, FOUND], 0
            if not book[k, FAST]:
                return READ, k
            start = state[SHELF_BYTES]
            got = _recv(book[k, FD], data.ctypes.data + start, DATA_BYTES, _NOWAIT)
            if got <= 0:
                if book[k, SHELVED]:  # first what came before the end
                    return ODD, take_piece(state, book, shelf)
                return READ, k
            now = _now(moment)
            if got == DATA_BYTES:
                book[k, FOUND] = state[BEFORE]
            end = start + got
            size = state[ANSWER_SIZE]
            while size and start < end and not book[k, SHELVED] and _is_waited_for(k, book, ring):
                matched = book[k, MATCHED]
                length = min(end - start, size - matched)
                if not _goes_on(k, matched, start, length, data, answers):
                    break
                start += length
                if matched + length < size:
                    book[k, MATCHED] = matched + length
                    break
                book[k, MATCHED] = 0
                sequence = book[k, EXPECTED]
                book[k, HIGHEST] = sequence
                book[k, EXPECTED] = sequence + 1
                advance(answers[k], places[1], clear)
                answered(k, sequence, now, state, book, ring, left, counts)
                if not state[OPEN_LOOP] and now < state[STOP]:
                    asker = next_asker(k, sequence & (ring.shape[1] - 1), state, book, left)
                    if asker >= 0 and not book[asker, SENDS]:
                        state[ASKER] = asker
                        state[OFFSET], state[GOT], state[AT] = start, end, now
                        return ASK, k
                    if asker >= 0:
                        taken = ask(asker, now, now, state, book, ring, left, counts, questions, masks, places)
                        if taken != state[QUESTION_SIZE]:
                            state[ASKER], state[TAKEN] = asker, taken
                            state[OFFSET], state[GOT], state[AT] = start, end, now
                            return SHORT, k
            if start < end and state[OPEN_LOOP]:
                shelf[state[SHELF_PUT]] = k, start, end, now, state[BEFORE]
                state[SHELF_PUT] += 1
                state[SHELF_BYTES] = end
                book[k, SHELVED] += 1
            elif start < end:
                state[OFFSET], state[GOT], state[AT] = start, end, now
                return ODD, k
        state[READER] = -1
        if not ready and state[SHELF_PUT]:
            return ODD, take_piece(state, book, shelf)
        # Idle turns are told from working ones, since the open loop spins.
        now = _now(moment)
        if not state[WORKED]:
            state[IDLE] += now - state[LAST_TURN]
        state[WORKED] = 0
        state[LAST_TURN] = now
        if _is_settled(state, now):
            return SETTLED, 0
        if now >= state[UNTIL]:
            return TICK, 0


def prepare() -> None:
    """Have all of it compiled, or loaded from disk, before anything is timed: takes seconds the first time."""
    state = np.zeros(STATES, dtype=np.int64)
    book, ring = np.zeros((1, FIELDS), dtype=np.int64), np.zeros((1, 16, 2), dtype=np.int64)
    state[EPOLL] = -1  # so that `run` comes back at once, as BROKEN
    frame, line, places = np.zeros((1, 8), dtype=np.uint8), np.zeros(8, dtype=np.uint8), places_of((), ())
    none, left, counts = np.zeros(1, dtype=np.int64), np.zeros(16, dtype=np.int64), room_for_counts()
    run(
        state, book, ring, left, counts, frame, frame, frame, line, places, none, none, none, room_for_events(1), line,
        room_for_shelf(), np.zeros(2, dtype=np.int64),
    )  # fmt: skip
    state[SHELF_PUT] = 1
    take_piece(state, book, room_for_shelf())
    advance(line, places[0], line)
    enter_all(0, 0, 0, state, book, ring, left, counts)
    answered(0, 0, 0, state, book, ring, left, counts)
    next_asker(0, 0, state, book, left)
    count(counts, LATENCY, 0)
    state[QUESTION_SIZE] = 0
    book[0, FD] = -1
    ask(0, 0, 0, state, book, ring, left, counts, frame, frame, places)
    _compare_with_sources()


def _compare_with_sources() -> None:
    """Numba compiles anew when this file changes, not when a constant it took from another one does.

    Raises `RuntimeError` where what lies on disk was compiled with other constants.
    """
    values = np.array([1, 5_000, 70_000_000, 2 * HIGHEST_NS], dtype=np.int64)
    counted = np.zeros((3, 2 * COUNTS), dtype=np.int64)
    for value in values:
        count(counted, LATENCY, int(value))
    digits = np.frombuffer(b"%0*d" % (DIGITS, 9), dtype=np.uint8).copy()
    advance(digits, np.array([0, -1], dtype=np.int64), np.zeros(DIGITS, dtype=np.uint8))
    if (counted[LATENCY, :COUNTS] != histogram.of(values)).any() or digits.tobytes() != b"%0*d" % (DIGITS, 10):
        raise RuntimeError("the kernel on disk is of other sources; delete runners/loadgen/__pycache__")


def room_for_events(events: int) -> Array:
    """What epoll_wait(2) writes its events to."""
    return np.zeros(events * _EVENT_WORDS, dtype=np.uint32)


def room_for_data() -> Array:
    """What is read, and the pieces on the shelf."""
    return np.zeros(_SHELF_BYTES, dtype=np.uint8)


def room_for_shelf() -> Array:
    """What lies on the shelf, in the order it came: see `PIECE_FIELDS`."""
    return np.zeros((_SHELF_PIECES, PIECE_FIELDS), dtype=np.int64)


def room_for_counts() -> Array:
    """One histogram per row: `LATENCY`, `FROM_SEND`, `LAG`, `LAST`, `READ_LAG`."""
    return np.zeros((5, COUNTS), dtype=np.int64)


def places_of(*frames_places: tuple[int, ...]) -> Array:
    """Positions of the numbers per kind of frame, shape (kinds, 4), filled up with -1."""
    table = np.full((len(frames_places), _PLACES), -1, dtype=np.int64)
    for row, places in enumerate(frames_places):
        table[row, : len(places)] = places
    return table
