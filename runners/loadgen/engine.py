"""Drives the connections of one shard: slices of load, and what the compiled kernel leaves to Python."""

from __future__ import annotations

import random
import select
import socket
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from time import perf_counter_ns as clock_ns
from typing import NamedTuple

import numpy as np

from runners.loadgen import frames, histogram, kernel, lines, schedule
from runners.loadgen.books import Books
from runners.loadgen.histogram import Counts
from runners.loadgen.job import Brief, Heard, Job, Ledger
from runners.loadgen.kernel import (
    ALIVE,
    ANSWER_SIZE,
    ANSWERED,
    ASKED,
    ASKER,
    AT,
    DUE,
    EPOLL,
    EXPECTED,
    FAST,
    FD,
    GOT,
    IDLE,
    LAST_ANSWER,
    LAST_TURN,
    LIMIT,
    LISTENS,
    LOOKED,
    MATCHED,
    OFFSET,
    POSITION,
    QUESTION_SIZE,
    SENDING,
    SENDS,
    SHELF_PUT,
    START,
    STOP,
    TAKEN,
    UNTIL,
)
from runners.loadgen.lines import Line, Message, Received, WebSocketLine
from runners.loadgen.message import DIGITS, FIRST_SEQUENCE, Codec, Part, Template, TemplateCodec

MASK_BYTES = 4
CLOSED_LOOP_DEPTH = 64
_TICK_NS = 50_000_000
_SECOND_NS = 1_000_000_000
_AMPLE_BYTES = 1 << 22
_QUIET_NS = 1_000_000_000
"""Without a message, after which no more is expected of what a server had kept."""
_ENGINE_PING, _ENGINE_PONG, _ENGINE_OPEN, _ENGINE_CLOSE, _ENGINE_NOOP = b"2", b"3", b"0", b"1", b"6"
_SOCKET_CONNECT, _SOCKET_DISCONNECT = b"40", b"41"


@dataclass(frozen=True)
class Client:
    """A connection: its number in the load, what it says and understands, and how. ``mask`` covers its frames."""

    number: int
    codec: Codec
    line: Line
    mask: bytes = b""


@dataclass
class Totals:
    """What the slices came to, raw."""

    window_ns: int = 0
    slices: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    answered: int = 0
    offered: int = 0
    censored: int = 0
    cpu_ns: int = 0
    working_ns: int = 0
    pushes: int = 0
    push_client: array[int] = field(default_factory=lambda: array("q"))
    push_number: array[int] = field(default_factory=lambda: array("q"))
    push_at: array[int] = field(default_factory=lambda: array("q"))
    rows: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    """Per second of load: which buckets of the latency histogram are occupied, and their counts."""


class Engine:
    """All connections of a shard, and their books."""

    def __init__(self, job: Job, clients: Sequence[Client]) -> None:
        self.job = job
        self.clients = clients
        self.errors: Counter[str] = Counter()
        self.totals = Totals()
        self._socketio = job.protocol == "socket.io"
        self._open_loop = job.mode == "open"
        self._room = job.exchange == "room"
        depth = CLOSED_LOOP_DEPTH
        if self._open_loop:
            # What is unanswered for longer than the timeout is lost, so it need not be kept.
            kept_s = min(max(job.duration_s, job.warmup_s), job.answer_timeout_s)
            each = job.rate_per_s * kept_s / (1 if self._room else len(clients))
            depth = int(each + 10 * each**0.5) + 64  # ten deviations above what random arrivals expect
        self.books = Books(len(clients), open_loop=self._open_loop, depth=depth, room=self._room)
        self._templated = all(isinstance(client.codec, TemplateCodec) for client in clients)
        self._lay_out()
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        """What is waited for, by file descriptor."""
        self._slots = np.zeros(1024, dtype=np.int64)
        self._events = kernel.room_for_events(2 * len(clients))  # polling has two sockets at most
        self._data, self._shelf = kernel.room_for_data(), kernel.room_for_shelf()
        self._moment = np.zeros(2, dtype=np.int64)
        self._chunk = schedule.Chunk(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
        self.books.state[EPOLL] = self._epoll.fileno()
        for k, client in enumerate(clients):
            client.line.attach(_Watcher(self, k))
            self.books.book[k, FD] = client.line.descriptor
            if isinstance(client.line, WebSocketLine):
                self._take(k, client.line.feed(b""), clock_ns())
            if client.codec.greeting is not None:
                self._say(k, [client.codec.greeting])
            self._set_pace(k)
        for k in range(len(clients) - job.deaf, len(clients)):
            self._hush(k)
        self._seed = job.seed
        self._window_end = self._belated = 0
        """When the slice's window ended, and the answers that came within it and were understood after it."""
        self._row_started = np.zeros(histogram.COUNTS, dtype=np.int64)
        self._row_ns = 0

    def _lay_out(self) -> None:
        """The messages the kernel sends and expects, one row per connection."""
        questions, masks, answers = [b""], [b""], [b""]
        places = kernel.places_of((), ())
        if self._templated:
            codecs = [client.codec for client in self.clients if isinstance(client.codec, TemplateCodec)]
            asked = [_asked(codec.question, client.mask) for codec, client in zip(codecs, self.clients, strict=True)]
            questions, masks = [message.data for message in asked], [message.mask for message in asked]
            expected = [_expected(codec.answer) for codec in codecs]
            answers = [message.data for message in expected]
            places = kernel.places_of(asked[0].places, expected[0].places)
        self._questions, self._masks, self._answers = (
            np.frombuffer(bytearray().join(table), dtype=np.uint8).reshape(len(table), -1)
            for table in (questions, masks, answers)
        )
        self._clear = np.zeros(self._answers.shape[1], dtype=np.uint8)
        self._places = places
        self.books.state[QUESTION_SIZE] = self._questions.shape[1]
        self.books.state[ANSWER_SIZE] = self._answers.shape[1]

    # One slice of load

    def load(self, duration_s: float) -> Brief:
        """Apply the load for ``duration_s``, wait for what is still unanswered, close the books."""
        job, books, state = self.job, self.books, self.books.state
        books.open()
        for k in range(len(self.clients)):
            self._expect(k, int(books.book[k, ASKED]) + 1)
        before = books.counts[kernel.LATENCY].copy()
        cpu_before, totals = time.process_time_ns(), self.totals
        start = clock_ns()
        stop = start + int(duration_s * _SECOND_NS)
        state[[START, STOP, LAST_TURN, LAST_ANSWER, LOOKED]] = start, stop, start, start, start
        state[[IDLE, SENDING, POSITION, DUE, LIMIT]] = 0
        offered = self._begin(duration_s)
        cpu_at_end = idle_ns = answered = 0
        self._window_end = self._belated = 0
        pushed_before = len(totals.push_number)
        drain_until = stop + int(job.drain_s * _SECOND_NS)
        row_due = start + _SECOND_NS - self._row_ns
        look_at = start
        while True:
            now = clock_ns()
            if not self._window_end and now >= stop and not state[SENDING]:
                self._window_end = now
                cpu_at_end, idle_ns, answered = time.process_time_ns(), int(state[IDLE]), int(state[ANSWERED])
                drain_until = now + int(job.drain_s * _SECOND_NS)
            if now >= row_due and not self._window_end:
                self._close_row()
                row_due += _SECOND_NS
            if not self._open_loop and now >= look_at:  # it looks at every message that is under way
                self._give_up(now)
                look_at = now + _TICK_NS
            if self._window_end and now >= drain_until:
                break
            state[UNTIL] = min(now + _TICK_NS, drain_until if self._window_end else max(now, min(stop, row_due)))
            why, k = self._run()
            if why == kernel.SETTLED and self._window_end:
                break
            offered += self._attend(why, k, int(duration_s * _SECOND_NS))
        self._clear_shelf()
        cutoff = clock_ns()
        ledger, censored = books.settle(cutoff, cutoff - int(job.answer_timeout_s * _SECOND_NS))
        if self._open_loop:
            window_ns = self._window_end - start
            # A generator too slow for its plan ends late: what became due meanwhile was not offered.
            offered += int(job.rate_per_s * (self._window_end - stop) / _SECOND_NS)
            if self._room:
                offered *= int(books.book[:, LISTENS].sum())
            working_ns = window_ns - idle_ns
            answered += self._belated
        else:
            # All that was asked counts, and the time until its last answer: the server worked all that time.
            window_ns = max(stop, int(state[LAST_ANSWER])) - start
            offered, answered = ledger.sent, ledger.received
            working_ns = cpu_at_end - cpu_before
        totals.window_ns += window_ns
        totals.slices += 1
        totals.ledger += ledger
        totals.answered += answered
        totals.offered += offered
        totals.censored += censored
        totals.cpu_ns += cpu_at_end - cpu_before
        totals.working_ns += working_ns
        totals.pushes += sum(at <= self._window_end for at in totals.push_at[pushed_before:])
        # A second may have ended with the window, or while a closed loop's last answers came.
        while start + window_ns >= row_due:
            self._close_row()
            row_due += _SECOND_NS
        self._row_ns = start + window_ns - (row_due - _SECOND_NS)
        return Brief(answered, window_ns, histogram.median_ns(books.counts[kernel.LATENCY] - before))

    def forget(self) -> None:
        """Begin anew: what was counted so far was warm-up."""
        self.totals = Totals()
        self.books.counts[:] = 0
        self._row_started[:] = 0
        self._row_ns = 0

    def finish_rows(self) -> None:
        """The last second counts as one if at least half of it was measured."""
        if self._row_ns > _SECOND_NS // 2:
            self._close_row()

    def rows(self) -> Iterator[Counts]:
        """The latency histogram of each second of load."""
        for occupied, counts in self.totals.rows:
            row = histogram.empty()
            row[occupied] = counts
            yield row

    @property
    def counts(self) -> dict[str, Counts]:
        """Histogram counts by name; the open loop has three more, a room another."""
        rows = {"latency": kernel.LATENCY}
        if self._open_loop:
            rows |= {"latency_from_send": kernel.FROM_SEND, "send_lag": kernel.LAG, "read_lag": kernel.READ_LAG}
        if self._room:
            rows["last_delivery"] = kernel.LAST
        return {name: self.books.counts[row] for name, row in rows.items()}

    @property
    def closed_early(self) -> int:
        """Connections that the server ended."""
        return int(np.count_nonzero(self.books.book[:, ALIVE] == 0))

    def _begin(self, duration_s: float) -> int:
        """First messages; gives how many of the schedule are due in the first chunk."""
        if self._open_loop and not self.job.rate_per_s:  # what the server pushes is all there is
            return 0
        if self._open_loop:
            arrange = schedule.poisson if self.job.arrivals == "poisson" else schedule.steady
            self._schedule = arrange(len(self.clients), self.job.rate_per_s, self._seed)
            self._seed += 1
            self.books.state[SENDING] = 1
            return self._refill(int(duration_s * _SECOND_NS))
        living = np.flatnonzero(self.books.book[:, ALIVE] & self.books.book[:, LISTENS]).tolist()
        askers = list(islice(cycle(living), self.job.under_way)) if self._room else living
        for k in askers:
            self._ask(k, clock_ns())
        return 0

    def _refill(self, duration_ns: int) -> int:
        state = self.books.state
        self._chunk = next(self._schedule)
        within = int(np.searchsorted(self._chunk.due_ns, duration_ns))
        state[POSITION], state[DUE] = 0, within
        state[LIMIT] = within < len(self._chunk.due_ns)
        return within

    def _run(self) -> tuple[int, int]:
        books, chunk = self.books, self._chunk
        return kernel.run(
            books.state, books.book, books.ring, books.left, books.counts, self._questions, self._masks, self._answers,
            self._clear, self._places, chunk.due_ns, chunk.connection, self._slots, self._events, self._data,
            self._shelf, self._moment,
        )  # fmt: skip

    def _attend(self, why: int, k: int, duration_ns: int) -> int:
        """Do what the kernel left to do; gives how many more messages came to be due."""
        state = self.books.state
        if why == kernel.REFILL:
            return self._refill(duration_ns)
        if why == kernel.READ:
            self._read(k)
        elif why == kernel.SEND:
            intended = int(state[START]) + int(self._chunk.due_ns[state[POSITION]])
            state[POSITION] += 1
            self._send(k, intended, clock_ns())
        elif why == kernel.SHORT:
            self._overflow(int(state[ASKER]), int(state[TAKEN]))
        elif why == kernel.ASK:
            self._ask(int(state[ASKER]), clock_ns())
        if why in (kernel.ODD, kernel.ASK, kernel.SHORT) and state[OFFSET] < state[GOT]:
            self._on_data(k)
        return 0

    def _give_up(self, now: int) -> None:
        """Closed loop: go on where the answer has not come for too long."""
        for k, slot in self.books.overdue(now - int(self.job.answer_timeout_s * _SECOND_NS)):
            self.books.give_up(k, slot, now)
            self._go_on(k, slot, now)

    def _close_row(self) -> None:
        counts = self.books.counts[kernel.LATENCY]
        row = counts - self._row_started
        occupied = np.flatnonzero(row)
        self.totals.rows.append((occupied.astype(np.int32), row[occupied]))
        self._row_started[:] = counts

    # Sending

    def _go_on(self, k: int, slot: int, now: int) -> None:
        """Closed loop: ask the next question, now that connection ``k`` waits no longer for the one at this place."""
        if now < self.books.state[STOP]:
            asker = self.books.next_asker(k, slot)
            if asker >= 0 and self.books.book[asker, ALIVE]:
                self._ask(asker, now)

    def _ask(self, k: int, now: int) -> None:
        """Closed loop: the next message of a living connection."""
        books = self.books
        if not books.book[k, SENDS]:
            self._send(k, now, now)
            return
        sent = kernel.ask(
            k, now, now, books.state, books.book, books.ring, books.left, books.counts, self._questions, self._masks,
            self._places,
        )  # fmt: skip
        if sent != books.state[QUESTION_SIZE]:
            self._overflow(k, sent)

    def _send(self, k: int, intended: int, now: int) -> None:
        """A message that Python must send: not a template, encrypted, on a full socket, or owed by the dead.

        In a room somebody living stands in for the dead.
        """
        able = self.books.book[:, ALIVE] & self.books.book[:, LISTENS]
        living = np.flatnonzero(able)
        if self._room and living.size and not able[k]:
            k = int(living[k % living.size])
        sequence = self.books.send(k, intended, now)
        if self._templated:  # what the kernel sends next has the number after this one
            row = self._row_of(k)
            kernel.advance(self._questions[row], self._places[0], self._masks[row])
        if self.books.book[k, ALIVE]:
            self._say(k, self.clients[k].codec.request(sequence))

    def _say(self, k: int, messages: Iterable[Message]) -> None:
        line = self.clients[k].line
        for payload, binary in messages:
            if not line.say(payload, binary=binary):
                self._bury(k, lines.CLOSED)
                return
        self._set_pace(k)

    def _overflow(self, k: int, sent: int) -> None:
        """The operating system took only a part of the last question; the rest waits until there is room."""
        line = self.clients[k].line
        assert isinstance(line, WebSocketLine)
        if line.push(self._questions[self._row_of(k), max(0, sent) :].tobytes()):
            self._set_pace(k)
        else:
            self._bury(k, lines.CLOSED)

    def _row_of(self, k: int) -> int:
        """Where connection ``k``'s question stands: a room has one for all."""
        return 0 if self._room else k

    def _set_pace(self, k: int) -> None:
        """Whether the kernel may read and write for this connection now."""
        row = self.books.book[k]
        able = row[ALIVE] and row[LISTENS] and self.clients[k].line.fast
        row[SENDS] = able and self._templated
        # What is read ahead of Python lies on the shelf; the closed loop, which goes on with the answer, has none.
        row[FAST] = able and (self._templated or self._open_loop)

    def watch(self, k: int, descriptor: int, *, for_room: bool) -> None:
        """Wait for what comes on a socket of connection ``k``, and for room to send if that is wanted."""
        wanted = select.EPOLLIN | (select.EPOLLOUT if for_room else 0)
        known = self._watched.get(descriptor)
        if known is None:
            if descriptor >= len(self._slots):
                self._slots = np.concatenate([self._slots, np.zeros(descriptor, dtype=np.int64)])
            self._slots[descriptor] = k
            self._epoll.register(descriptor, wanted)
        elif known != wanted:
            self._epoll.modify(descriptor, wanted)
        self._watched[descriptor] = wanted

    def forget_socket(self, descriptor: int) -> None:
        """Wait for nothing on it any more; it is about to be closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    # Receiving

    def idle(self, wake: int) -> None:
        """Answer pings until the file descriptor ``wake`` can be read."""
        self._epoll.register(wake, select.EPOLLIN)
        try:
            while True:
                events = self._epoll.poll()
                for descriptor, _ in events:
                    if descriptor != wake:
                        self._read(int(self._slots[descriptor]))
                if any(descriptor == wake for descriptor, _ in events):
                    return
        finally:
            self._epoll.unregister(wake)

    def _read(self, k: int) -> None:
        if self.books.book[k, ALIVE]:
            self._take_over(k)
            received = self.clients[k].line.receive()
            self._take(k, received, clock_ns())

    def _on_data(self, k: int) -> None:
        """What the kernel read and did not understand; of a connection that ended meanwhile, nothing."""
        if self.books.book[k, ALIVE]:
            state = self.books.state
            data, at = self._data[state[OFFSET] : state[GOT]].tobytes(), int(state[AT])
            self._take_over(k)
            self._take(k, self.clients[k].line.feed(data), at)

    def _clear_shelf(self) -> None:
        while self.books.state[SHELF_PUT]:
            self._on_data(kernel.take_piece(self.books.state, self.books.book, self._shelf))

    def _take_over(self, k: int) -> None:
        """What the kernel has seen of an answer that is not all there yet: from here on Python puts it together."""
        matched = int(self.books.book[k, MATCHED])
        if matched:
            self.books.book[k, MATCHED] = 0
            line = self.clients[k].line
            assert isinstance(line, WebSocketLine)
            self._take(k, line.feed(self._answers[k, :matched].tobytes()), clock_ns())

    def _take(self, k: int, received: Received, at: int) -> None:
        self._set_pace(k)  # first, since an answer may be answered by the next question
        for payload, binary in received.messages:
            if not (self._socketio and not binary and self._on_engine_packet(k, payload)):
                self._on_message(k, payload, at, binary=binary)
        if received.end is not None:
            self._bury(k, received.end)

    def _on_engine_packet(self, k: int, data: bytes) -> bool:
        """Engine.IO 4 and Socket.IO 5 after joining: heartbeat and farewell; false: an event or acknowledgement."""
        if data == _ENGINE_PING:
            self._say(k, [Message(_ENGINE_PONG)])
        elif data[:2] == _SOCKET_DISCONNECT or data == _ENGINE_CLOSE:
            self._bury(k, lines.CLOSED)
        else:
            return data == _ENGINE_NOOP or data[:1] == _ENGINE_OPEN or data[:2] == _SOCKET_CONNECT
        return True

    def _on_message(self, k: int, data: bytes, at: int, *, binary: bool) -> None:
        """Anything but the next answer in one piece: late, twice, changed, foreign, in fragments, or pushed."""
        books, totals = self.books, self.totals
        answer = self.clients[k].codec.parse(data, binary=binary)
        if answer is None:
            return
        if not answer.asked:
            self.errors["unasked-event"] += 1
            return
        if answer.push >= 0:
            totals.push_client.append(self.clients[k].number)
            totals.push_number.append(answer.push)
            totals.push_at.append(at)
            return
        sequence = answer.sequence
        if not self._open_loop and sequence == -1 and books.waiting_since(k):
            # One message was waiting and this came: even if unreadable, it can only be meant for that one.
            sequence = int(books.book[k, ASKED])
        if not books.receive(k, sequence, at, intact=answer.intact):
            return
        self._belated += at <= self._window_end
        if sequence >= books.book[k, EXPECTED]:
            self._expect(k, sequence + 1)
        if not self._open_loop:
            self._go_on(k, sequence & (books.ring.shape[1] - 1), at)

    def _expect(self, k: int, sequence: int) -> None:
        """The answer that comes next is this one's."""
        self._take_over(k)
        self.books.book[k, EXPECTED] = sequence
        if self._templated:
            digits = np.frombuffer(b"%08d" % sequence, dtype=np.uint8)
            for place in self._places[1]:
                if place >= 0:
                    self._answers[k, place : place + DIGITS] = digits

    # Members that do not read

    def _hush(self, k: int) -> None:
        """From now on nothing is read on this connection."""
        line = self.clients[k].line
        assert isinstance(line, WebSocketLine)
        self.forget_socket(line.socket.fileno())
        self.books.book[k, LISTENS] = 0
        self._set_pace(k)

    def listen(self, seconds: float) -> Heard:
        """Read what waits on the connections that were not read, until nothing more comes, or for this long."""
        silent = np.flatnonzero(self.books.book[:, LISTENS] == 0).tolist()
        first, last = FIRST_SEQUENCE, int(self.books.book[:, ASKED].max())
        heard = closed = 0
        until = clock_ns() + int(seconds * _SECOND_NS)
        for k in silent:
            client = self.clients[k]
            assert isinstance(client.line, WebSocketLine)
            # Through the small window that kept the server waiting it would take seconds.
            client.line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _AMPLE_BYTES)
            numbers: set[int] = set()
            heard_at = clock_ns()
            while (now := clock_ns()) < min(until, heard_at + _QUIET_NS) and len(numbers) <= last - first:
                received = client.line.receive()
                for payload, binary in received.messages:
                    answer = client.codec.parse(payload, binary=binary)
                    if answer is not None and first <= answer.sequence <= last:
                        numbers.add(answer.sequence)
                if received.end is not None:
                    closed += 1
                    break
                if received.messages:
                    heard_at = now
                else:
                    time.sleep(_TICK_NS / _SECOND_NS)
            heard += len(numbers)
        return Heard(said=last - first + 1, heard=heard, closed=closed)

    # Ending

    def _bury(self, k: int, why: str) -> None:
        """The server is gone on this connection."""
        if not self.books.book[k, ALIVE]:
            return
        now = clock_ns()
        completed = self.books.bury(k, now)
        self._set_pace(k)
        self.errors[why] += 1
        self.clients[k].line.close()
        if not self._open_loop:
            for slot in completed:
                self._go_on(k, slot, now)

    def close(self) -> None:
        """Say goodbye on every living connection and cut it."""
        for k, client in enumerate(self.clients):
            if self.books.book[k, ALIVE]:
                client.line.close()
        self._epoll.close()


class _Watcher:
    """Passes on a line's wishes, with the connection's place."""

    def __init__(self, engine: Engine, k: int) -> None:
        self._engine = engine
        self._k = k

    def watch(self, line: socket.socket, *, for_room: bool) -> None:
        self._engine.watch(self._k, line.fileno(), for_room=for_room)

    def forget(self, line: socket.socket) -> None:
        self._engine.forget_socket(line.fileno())


class _Laid(NamedTuple):
    """A message as bytes on the wire, the mask over each of them (zeros over headers), and where its number stands."""

    data: bytes
    mask: bytes
    places: tuple[int, ...]


def _asked(parts: Sequence[Part], mask: bytes) -> _Laid:
    """A question, numbered one below the first."""
    laid = _Laid(b"", b"", ())
    for template, binary in parts:
        size = len(template.text)
        frame = frames.encode(_opcode(binary), template.fill(FIRST_SEQUENCE - 1), mask)
        # Mask over zeros is the mask itself, as long as the payload; the header is sent as it is.
        cover = bytes(len(frame) - size) + frames.masked(bytes(size), mask)
        laid = _append(laid, frame, cover, template)
    return laid


def _expected(parts: Sequence[Part]) -> _Laid:
    """An answer with the first number."""
    laid = _Laid(b"", b"", ())
    for template, binary in parts:
        frame = frames.expected(_opcode(binary), template.fill(FIRST_SEQUENCE))
        laid = _append(laid, frame, bytes(len(frame)), template)
    return laid


def _append(laid: _Laid, frame: bytes, mask: bytes, template: Template) -> _Laid:
    start = len(laid.data) + len(frame) - len(template.text)
    places = tuple(start + place for place in template.places)
    return _Laid(laid.data + frame, laid.mask + mask, laid.places + places)


def _opcode(binary: bool) -> int:
    return frames.BINARY if binary else frames.TEXT


def masks(seed: int, count: int) -> list[bytes]:
    """A masking key per connection: fixed, since it guards against proxies that are not there."""
    source = random.Random(seed)
    return [bytes(source.randrange(1, 256) for _ in range(MASK_BYTES)) for _ in range(count)]
