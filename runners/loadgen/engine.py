"""Drives the connections of one shard: slices of load, and what the compiled kernel leaves to Python."""

from __future__ import annotations

import contextlib
import random
import select
import ssl
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns as clock_ns

import numpy as np

from runners.loadgen import frames, histogram, kernel, schedule
from runners.loadgen.books import Books
from runners.loadgen.handshake import Opened
from runners.loadgen.histogram import Counts
from runners.loadgen.job import Brief, Job, Ledger
from runners.loadgen.kernel import (
    ALIVE,
    ANSWER_SIZE,
    ANSWERED,
    ASKED,
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
    OFFSET,
    POSITION,
    QUESTION_SIZE,
    SENDING,
    SENDS,
    START,
    STOP,
    UNTIL,
)  # fmt: skip
from runners.loadgen.message import DIGITS, FIRST_SEQUENCE, Codec, EchoCodec

MASK_BYTES = 4
NORMAL_CLOSURE = 1000
CLOSED_LOOP_DEPTH = 64
_TICK_NS = 50_000_000
_SECOND_NS = 1_000_000_000
_ENGINE_PING, _ENGINE_PONG, _ENGINE_OPEN, _ENGINE_CLOSE, _ENGINE_NOOP = b"2", b"3", b"0", b"1", b"6"
_SOCKET_CONNECT, _SOCKET_DISCONNECT = b"40", b"41"
_WAITING = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Line:
    """One connection as Python sees it."""

    def __init__(self, client: int, codec: Codec, mask: bytes, opened: Opened) -> None:
        self.client = client
        self.codec = codec
        self.mask = mask
        self.socket = opened.socket
        self.reader = opened.reader
        self.early = opened.early
        self.secure = isinstance(opened.socket, ssl.SSLSocket)
        self.outbox = bytearray()
        """Accepted by the kernel of the operating system not yet: the socket is full."""
        self.fragments: list[bytes] = []


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

    def __init__(self, job: Job, lines: Sequence[Line]) -> None:
        self.job = job
        self.lines = lines
        self.errors: Counter[str] = Counter()
        self.totals = Totals()
        self._socketio = job.protocol == "socket.io"
        self._open_loop = job.mode == "open"
        depth = CLOSED_LOOP_DEPTH
        if self._open_loop:
            # What is unanswered for longer than the timeout is lost, so it need not be kept.
            kept_s = min(max(job.duration_s, job.warmup_s), job.answer_timeout_s)
            each = job.rate_per_s * kept_s / len(lines)
            depth = int(each + 10 * each**0.5) + 64  # ten deviations above what random arrivals expect
        self.books = Books(len(lines), open_loop=self._open_loop, depth=depth)
        self._templated = all(isinstance(line.codec, EchoCodec) for line in lines)
        self._lay_out()
        self._epoll = select.epoll()
        slots = max(line.socket.fileno() for line in lines) + 1
        self._slots = np.zeros(slots, dtype=np.int64)
        self._events = kernel.room_for_events()
        self._data = np.zeros(kernel.DATA_BYTES, dtype=np.uint8)
        self._moment = np.zeros(2, dtype=np.int64)
        self._chunk = schedule.Chunk(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
        self.books.state[EPOLL] = self._epoll.fileno()
        for k, line in enumerate(lines):
            self._slots[line.socket.fileno()] = k
            self.books.book[k, FD] = line.socket.fileno()
            self._epoll.register(line.socket.fileno(), select.EPOLLIN)
            self._set_pace(k)
            if line.codec.greeting is not None:
                self._write(k, frames.encode(frames.TEXT, line.codec.greeting, line.mask))
            for frame in line.early:
                self._on_frame(k, frame, clock_ns())
        self._seed = job.seed
        self._row_started = np.zeros(histogram.COUNTS, dtype=np.int64)
        self._row_ns = 0

    def _lay_out(self) -> None:
        """The frames the kernel sends and expects, one row per connection."""
        questions, masks, answers = [b""], [b""], [b""]
        places = kernel.places_of((), ())
        if self._templated:
            codecs = [line.codec for line in self.lines if isinstance(line.codec, EchoCodec)]
            questions = [
                frames.encode(frames.TEXT, codec.question.fill(FIRST_SEQUENCE - 1), line.mask)
                for codec, line in zip(codecs, self.lines, strict=True)
            ]
            answers = [frames.expected(codec.answer.fill(FIRST_SEQUENCE)) for codec in codecs]
            size = len(codecs[0].question.text)
            head = len(questions[0]) - size
            # Mask over zeros is the mask itself, as long as the payload; the header is sent as it is.
            masks = [bytes(head) + frames.masked(bytes(size), line.mask) for line in self.lines]
            answer_head = len(frames.expected(codecs[0].answer.text)) - len(codecs[0].answer.text)
            places = kernel.places_of(
                tuple(head + place for place in codecs[0].question.places),
                tuple(answer_head + place for place in codecs[0].answer.places),
            )
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
        for k in range(len(self.lines)):
            self._expect(k, int(books.book[k, ASKED]) + 1)
        before = books.counts[kernel.LATENCY].copy()
        cpu_before, totals = time.process_time_ns(), self.totals
        start = clock_ns()
        stop = start + int(duration_s * _SECOND_NS)
        state[[START, STOP, LAST_TURN, LAST_ANSWER]] = start, stop, start, start
        state[[IDLE, SENDING, POSITION, DUE, LIMIT]] = 0
        offered = self._begin(duration_s)
        window_end = cpu_at_end = idle_ns = answered = pushed = 0
        pushed_before = len(totals.push_number)
        drain_until = stop + int(job.drain_s * _SECOND_NS)
        row_due = start + _SECOND_NS - self._row_ns
        while True:
            now = clock_ns()
            if not window_end and now >= stop and not state[SENDING]:
                window_end, cpu_at_end = now, time.process_time_ns()
                idle_ns, answered, pushed = int(state[IDLE]), int(state[ANSWERED]), len(totals.push_number)
                drain_until = now + int(job.drain_s * _SECOND_NS)
            if now >= row_due and not window_end:
                self._close_row()
                row_due += _SECOND_NS
            if not self._open_loop:
                self._give_up(now)
            if window_end and now >= drain_until:
                break
            state[UNTIL] = min(now + _TICK_NS, drain_until if window_end else max(now, min(stop, row_due)))
            why, k = self._run()
            if why == kernel.SETTLED and window_end:
                break
            offered += self._attend(why, k, int(duration_s * _SECOND_NS))
        cutoff = clock_ns()
        ledger, censored = books.settle(cutoff, cutoff - int(job.answer_timeout_s * _SECOND_NS))
        if self._open_loop:
            window_ns = window_end - start
            # A generator too slow for its plan ends late: what became due meanwhile was not offered.
            offered += int(job.rate_per_s * (window_end - stop) / _SECOND_NS)
            working_ns = window_ns - idle_ns
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
        totals.pushes += pushed - pushed_before
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
        """Histogram counts by name; the open loop has three."""
        rows = {"latency": kernel.LATENCY}
        if self._open_loop:
            rows |= {"latency_from_send": kernel.FROM_SEND, "send_lag": kernel.LAG}
        return {name: self.books.counts[row] for name, row in rows.items()}

    @property
    def closed_early(self) -> int:
        """Connections that the server ended."""
        return int(np.count_nonzero(self.books.book[:, ALIVE] == 0))

    def _begin(self, duration_s: float) -> int:
        """First messages; gives how many of the schedule are due in the first chunk."""
        if self._open_loop:
            arrange = schedule.poisson if self.job.arrivals == "poisson" else schedule.steady
            self._schedule = arrange(len(self.lines), self.job.rate_per_s, self._seed)
            self._seed += 1
            self.books.state[SENDING] = 1
            return self._refill(int(duration_s * _SECOND_NS))
        for k in range(len(self.lines)):
            if self.books.book[k, ALIVE]:
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
            books.state, books.book, books.ring, books.counts, self._questions, self._masks, self._answers, self._clear,
            self._places, chunk.due_ns, chunk.connection, self._slots, self._events, self._data, self._moment,
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
            self._overflow(k)
        if why in (kernel.ODD, kernel.SHORT) and state[OFFSET] < state[GOT]:
            self._on_data(k, self._data[state[OFFSET] : state[GOT]].tobytes(), int(state[AT]))
        return 0

    def _give_up(self, now: int) -> None:
        """Closed loop: go on where the answer has not come for too long."""
        overdue = now - int(self.job.answer_timeout_s * _SECOND_NS)
        book, ring = self.books.book, self.books.ring
        since = ring[np.arange(len(self.lines)), book[:, ASKED] & (ring.shape[1] - 1), kernel.SENT_AT]
        for k in np.flatnonzero((since > 0) & (since < overdue) & (book[:, ALIVE] == 1)).tolist():
            self.books.give_up(k, now)
            if now < self.books.state[STOP]:
                self._ask(k, now)

    def _close_row(self) -> None:
        counts = self.books.counts[kernel.LATENCY]
        row = counts - self._row_started
        occupied = np.flatnonzero(row)
        self.totals.rows.append((occupied.astype(np.int32), row[occupied]))
        self._row_started[:] = counts

    # Sending

    def _ask(self, k: int, now: int) -> None:
        """Closed loop: the next message of a living connection."""
        books = self.books
        if not books.book[k, SENDS]:
            self._send(k, now, now)
            return
        sent = kernel.ask(
            k, now, now, books.state, books.book, books.ring, books.counts, self._questions, self._masks, self._places
        )
        if sent != books.state[QUESTION_SIZE]:
            self._overflow(k, sent)

    def _send(self, k: int, intended: int, now: int) -> None:
        """A message that Python must send: not a template, encrypted, on a full socket, or owed by the dead."""
        sequence = self.books.send(k, intended, now)
        if not self.books.book[k, ALIVE]:
            return
        line = self.lines[k]
        if self._templated:
            kernel.advance(self._questions[k], self._places[0], self._masks[k])
            self._write(k, self._questions[k].tobytes())
        else:
            self._write(k, frames.encode(frames.TEXT, line.codec.request(sequence), line.mask))

    def _overflow(self, k: int, sent: int | None = None) -> None:
        """The operating system took only a part of the last question; the rest goes to the outbox."""
        if sent is None:
            sent = int(self.books.state[kernel.TAKEN])
        self._write(k, self._questions[k, max(0, sent) :].tobytes())

    def _write(self, k: int, data: bytes) -> None:
        """Send now, or as soon as there is room."""
        line = self.lines[k]
        line.outbox += data
        if len(line.outbox) == len(data):
            self._flush(k)

    def _flush(self, k: int) -> None:
        line = self.lines[k]
        try:
            while line.outbox:
                del line.outbox[: line.socket.send(line.outbox)]
        except _WAITING:
            pass
        except OSError:
            self._bury(k)
            return
        wanted = select.EPOLLIN | (select.EPOLLOUT if line.outbox else 0)
        self._epoll.modify(line.socket.fileno(), wanted)
        self._set_pace(k)

    def _set_pace(self, k: int) -> None:
        """What the kernel may do for this connection now."""
        line, row = self.lines[k], self.books.book[k]
        plain = self._templated and not line.secure and bool(row[ALIVE])
        row[SENDS] = plain and not line.outbox
        row[FAST] = plain and line.reader.empty

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
        line = self.lines[k]
        if line.outbox:
            self._flush(k)
        while self.books.book[k, ALIVE]:
            try:
                data = line.socket.recv(kernel.DATA_BYTES)
            except _WAITING:
                return
            except OSError:
                data = b""
            if not data:
                self._bury(k)
                return
            self._on_data(k, data, clock_ns())
            if not line.secure:
                return

    def _on_data(self, k: int, data: bytes, at: int) -> None:
        line = self.lines[k]
        try:
            arrived = line.reader.feed(data)
        except frames.FrameError:
            self.errors["protocol-error"] += 1
            self._bury(k)
            return
        for frame in arrived:
            self._on_frame(k, frame, at)
        self._set_pace(k)

    def _on_frame(self, k: int, frame: frames.Frame, at: int) -> None:
        """Sort out control frames and fragments; whole messages go to `_on_message`."""
        line = self.lines[k]
        if frame.opcode == frames.CLOSE:
            self._write(k, frames.encode(frames.CLOSE, frame.payload[:2], line.mask))
            self._bury(k)
        elif frame.opcode == frames.PING:
            self._write(k, frames.encode(frames.PONG, frame.payload, line.mask))
        elif frame.opcode in (frames.TEXT, frames.BINARY, frames.CONTINUATION):
            data = frame.payload
            if not frame.fin or frame.opcode == frames.CONTINUATION:
                line.fragments.append(data)
                if not frame.fin:
                    return
                data = b"".join(line.fragments)
                line.fragments.clear()
            if not (self._socketio and self._on_engine_packet(k, data)):
                self._on_message(k, data, at)

    def _on_engine_packet(self, k: int, data: bytes) -> bool:
        """Engine.IO 4 and Socket.IO 5 after joining: heartbeat and farewell; false: an event or acknowledgement."""
        if data == _ENGINE_PING:
            self._write(k, frames.encode(frames.TEXT, _ENGINE_PONG, self.lines[k].mask))
        elif data[:2] == _SOCKET_DISCONNECT or data == _ENGINE_CLOSE:
            self._bury(k)
        else:
            return data == _ENGINE_NOOP or data[:1] == _ENGINE_OPEN or data[:2] == _SOCKET_CONNECT
        return True

    def _on_message(self, k: int, data: bytes, at: int) -> None:
        """Anything but the next answer in one piece: late, twice, changed, foreign, in fragments, or pushed."""
        books, totals = self.books, self.totals
        answer = self.lines[k].codec.parse(data)
        if not answer.asked:
            self.errors["unasked-event"] += 1
            return
        if answer.push >= 0:
            totals.push_client.append(self.lines[k].client)
            totals.push_number.append(answer.push)
            totals.push_at.append(at)
            return
        sequence = answer.sequence
        if not self._open_loop and sequence == -1 and books.waiting_since(k):
            # One message was waiting and this came: even if unreadable, it can only be meant for that one.
            sequence = int(books.book[k, ASKED])
        if not books.receive(k, sequence, at, intact=answer.intact):
            return
        if sequence >= books.book[k, EXPECTED]:
            self._expect(k, sequence + 1)
        if not self._open_loop and at < books.state[STOP] and books.book[k, ALIVE]:
            self._ask(k, at)

    def _expect(self, k: int, sequence: int) -> None:
        """The answer that comes next is this one's."""
        self.books.book[k, EXPECTED] = sequence
        if self._templated:
            digits = np.frombuffer(b"%08d" % sequence, dtype=np.uint8)
            for place in self._places[1]:
                if place >= 0:
                    self._answers[k, place : place + DIGITS] = digits

    # Ending

    def _bury(self, k: int) -> None:
        """The server is gone on this connection."""
        if not self.books.book[k, ALIVE]:
            return
        self.books.bury(k)
        line = self.lines[k]
        line.outbox.clear()
        self._epoll.unregister(line.socket.fileno())
        self._set_pace(k)
        self.errors["closed-by-server"] += 1
        line.socket.close()

    def close(self) -> None:
        """Say goodbye on every living connection and cut it."""
        for k, line in enumerate(self.lines):
            if self.books.book[k, ALIVE]:
                with contextlib.suppress(OSError):
                    line.socket.send(frames.encode(frames.CLOSE, NORMAL_CLOSURE.to_bytes(2), line.mask))
                line.socket.close()
        self._epoll.close()


def masks(seed: int, count: int) -> list[bytes]:
    """A masking key per connection: fixed, since it guards against proxies that are not there."""
    source = random.Random(seed)
    return [bytes(source.randrange(1, 256) for _ in range(MASK_BYTES)) for _ in range(count)]
