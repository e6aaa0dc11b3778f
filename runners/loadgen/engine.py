"""The engine of a shard: it applies slices of load with all connections, and adds up their results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from time import perf_counter_ns as clock_ns

import numpy as np

from runners.loadgen import arrays, arrivals, buckets, kernel, schedule
from runners.loadgen.arrays import Chunk, HistogramRow
from runners.loadgen.buckets import SparseCounts
from runners.loadgen.job import Brief, CaughtUp, Job, LedgerTotals, TrafficCounts
from runners.loadgen.kernel import Reason
from runners.loadgen.ledger import Ledger
from runners.loadgen.own_messages import assumes_order
from runners.loadgen.pace import Closed, Open
from runners.loadgen.slow_path import Pushes, SlowPath
from runners.loadgen.wire import Client

_MIN_DEPTH = 64
"""Minimum number of places for messages in flight on a connection; a closed loop needs no more."""
_TICK_NS = 50_000_000
_SECOND_NS = 1_000_000_000
_CATCH_UP = 0.1
"""Open loop: for this part of the slice, or for a second, the load generator may still send what was due in it. A pause
of the load generator so delays messages, but a rate beyond its ability does not delay the end."""
_LEAST_CATCH_UP_NS = 1_000_000_000
_LEAST_LINGER_S = 0.1
"""Seconds to wait for messages that are too many, if the drain time is shorter."""


@dataclass
class Totals:
    """The sums over all slices."""

    window_ns: int = 0
    slices: int = 0
    ledger: LedgerTotals = field(default_factory=LedgerTotals)
    answered: float = 0.0
    overrun_ns: int = 0
    offered: int = 0
    unanswered_at_end: int = 0
    censored: int = 0
    cpu_ns: int = 0
    working_ns: int = 0
    pushes: int = 0
    rows: list[SparseCounts] = field(default_factory=list)
    """The latency histogram of each second of load."""
    traffic: TrafficCounts = field(default_factory=TrafficCounts)
    received: list[int] = field(default_factory=list)
    """Answers that arrived in each of these seconds. A latency is counted for lost messages as well."""


@dataclass
class _Slice:
    """A slice of load in progress. Times are clock readings."""

    start_ns: int
    stop_ns: int
    """Time at which the last message is due."""
    send_until_ns: int
    """Time after which messages that are due are not sent any more."""
    row_due_ns: int
    """Time at which the current second of load ends."""
    cpu_before_ns: int
    pushed_before: int
    traffic_before: TrafficCounts
    drain_until_ns: int = 0
    sent_all_ns: int = 0
    """Time at which all messages were sent; 0 before that."""
    cpu_ns: int = 0
    idle_ns: int = 0
    offered: int = 0
    unanswered_at_end: int = 0
    give_up_at_ns: int = 0
    """Time of the next check for overdue messages."""

    @property
    def duration_ns(self) -> int:
        return self.stop_ns - self.start_ns

    def next_event_ns(self, now_ns: int) -> int:
        """The next time at which the engine has something to do."""
        if self.sent_all_ns:
            return self.drain_until_ns
        if now_ns >= self.stop_ns:
            return self.send_until_ns
        return max(now_ns, min(self.stop_ns, self.row_due_ns))


class Engine:
    """Runs the kernel and, for the work that it leaves to Python, the slow path. It counts window by window."""

    def __init__(self, job: Job, clients: Sequence[Client]) -> None:
        self.job = job
        self.totals = Totals()
        self._pace = job.pace
        self._room = job.exchange == "room"
        self._assumes_order = assumes_order(job.own, job.answers)
        self.ledger = Ledger(
            len(clients),
            open_loop=not isinstance(job.pace, Closed),
            depth=_depth_for(job, len(clients)),
            room=self._room,
        )
        self.ledger.state["yields"] = job.idling != "spin"
        self.ledger.state["sleeps"] = job.idling == "sleep"
        self.slow_path = SlowPath(job, clients, self.ledger)
        self._chunk = arrays.no_chunk()
        self._schedule: Iterator[Chunk] = iter(())
        self._seed = job.seed
        self._counted = buckets.no_counts()
        """The latency counts of all completed seconds."""
        self._stops_early = False
        self._row_ns = 0
        """Nanoseconds of the current second that earlier slices measured."""
        self._slice_is_open = False

    # One slice of load

    def load(self, duration_s: float) -> Brief:
        """Apply the load for ``duration_s`` seconds, wait for unanswered messages, and close the ledger."""
        before = self.ledger.counts(HistogramRow.LATENCY).copy()
        current = self._open_slice(duration_s)
        self._run_slice(current)
        self.slow_path.clear_shelf()
        if self._assumes_order:
            self.slow_path.note_unanswered()
        cutoff_ns = clock_ns()
        ledger, censored = self.ledger.settle(cutoff_ns, cutoff_ns - int(self.job.answer_timeout_s * _SECOND_NS))
        self._add_up(current, ledger, censored)
        while current.stop_ns >= current.row_due_ns:  # a second may have ended with the window
            self._close_row()
            current.row_due_ns += _SECOND_NS
        self._row_ns = current.stop_ns - (current.row_due_ns - _SECOND_NS)
        answered = float(self.ledger.state["answered"][0])
        p50_ns = buckets.median_ns(self.ledger.counts(HistogramRow.LATENCY) - before)
        return Brief(answered, current.duration_ns, p50_ns)

    def _open_slice(self, duration_s: float) -> _Slice:
        ledger, state = self.ledger, self.ledger.state
        ledger.open()
        self.slow_path.open_streams()
        self.slow_path.learn_answers()
        self._slice_is_open = True
        for k, last_sent in enumerate(ledger.connections["last_sent"].tolist()):
            self.slow_path.expect(k, last_sent + 1)
        cpu_before_ns = time.process_time_ns()
        start_ns = clock_ns()
        duration_ns = int(duration_s * _SECOND_NS)
        stop_ns = start_ns + duration_ns
        for name in ("start_ns", "last_turn_ns", "looked_ns"):
            state[name] = start_ns
        state["stop_ns"] = stop_ns
        for name in ("idle_ns", "sending", "position", "due", "is_last_chunk"):
            state[name] = 0
        # A closed loop goes on when an answer is read, and throughput times latency is the number of connections only
        # if latency lasts until then. Stamps would take 2 % more CPU time for each message.
        has_stamps = arrivals.ARE_KNOWN and not isinstance(self._pace, Closed)
        state["clock_ahead_ns"] = arrivals.clock_ahead_ns() if has_stamps else 0
        current = _Slice(
            start_ns=start_ns,
            stop_ns=stop_ns,
            send_until_ns=stop_ns + max(_LEAST_CATCH_UP_NS, int(_CATCH_UP * duration_ns)),
            row_due_ns=start_ns + _SECOND_NS - self._row_ns,
            cpu_before_ns=cpu_before_ns,
            pushed_before=len(self.pushes.number),
            traffic_before=self._traffic(),
        )
        match self._pace:
            case Open() as pace:
                self._schedule = schedule.schedule_of(pace, len(self.slow_path.clients), self._seed)
                self._seed += 1
                state["sending"] = 1
                self._refill(current)
            case Closed(in_flight):
                living = np.flatnonzero(ledger.connections["alive"] & ledger.connections["reading"]).tolist()
                for k in islice(cycle(living), in_flight) if self._room else living:
                    self.slow_path.send_next(k, clock_ns())
        return current

    def _run_slice(self, current: _Slice) -> None:
        """Run the kernel until the window has ended and every message is answered, or the drain time is over."""
        state, slow_path = self.ledger.state, self.slow_path
        while True:
            now_ns = clock_ns()
            if self._stops_early and now_ns < current.stop_ns:
                self._shorten(current, now_ns)
            if state["sending"][0] and now_ns >= current.send_until_ns:
                self._stop_sending(current)
            if not current.sent_all_ns and now_ns >= current.stop_ns and not state["sending"][0]:
                self._end_window(current, now_ns)
            while current.row_due_ns <= now_ns and current.row_due_ns < current.stop_ns:
                self._close_row()
                current.row_due_ns += _SECOND_NS
            if isinstance(self._pace, Closed) and now_ns >= current.give_up_at_ns:  # it checks all messages in flight
                self._give_up(now_ns)
                current.give_up_at_ns = now_ns + _TICK_NS
            if current.sent_all_ns and now_ns >= current.drain_until_ns:
                return
            state["until_ns"] = min(now_ns + _TICK_NS, current.next_event_ns(now_ns))
            reason, k = kernel.run(self.ledger.tables, slow_path.messages, self._chunk, slow_path.buffers)
            if reason == Reason.SETTLED and current.sent_all_ns:
                return
            if reason == Reason.REFILL:
                self._refill(current)
            elif reason == Reason.SEND:
                intended_ns = current.start_ns + int(self._chunk.due_ns[state["position"][0]])
                state["position"] += 1
                slow_path.send(k, intended_ns, clock_ns())
            else:
                slow_path.attend(reason, k)

    def _refill(self, current: _Slice) -> None:
        """Take the next chunk of the schedule."""
        state = self.ledger.state
        self._chunk = next(self._schedule)
        due = int(np.searchsorted(self._chunk.due_ns, current.duration_ns))
        state["position"], state["due"] = 0, due
        state["is_last_chunk"] = due < len(self._chunk.due_ns)
        current.offered += due

    def stop_early(self) -> None:
        """End the slice in progress, and every later one, as if its time were over. A signal handler may call it."""
        self._stops_early = True

    def _shorten(self, current: _Slice, now_ns: int) -> None:
        """Let the slice end now. Messages that are due later were not offered."""
        state = self.ledger.state
        current.stop_ns = now_ns
        state["stop_ns"] = now_ns
        if state["sending"][0]:
            due = int(np.searchsorted(self._chunk.due_ns, current.duration_ns))
            current.offered -= max(0, int(state["due"][0]) - due)
            state["sending"] = 0

    def _stop_sending(self, current: _Slice) -> None:
        """Open loop: give up the rest of the schedule. Its messages were due and are not sent."""
        state = self.ledger.state
        if not state["is_last_chunk"][0] and isinstance(self._pace, Open):
            rest_ns = current.duration_ns - int(self._chunk.due_ns[-1])
            current.offered += int(self._pace.rate_per_s * rest_ns / _SECOND_NS)
        state["sending"] = 0

    def _end_window(self, current: _Slice, now_ns: int) -> None:
        """End the window after the last send. From now on the engine only waits for answers.

        In the closed loop every message is waited for until it is answered or lost.
        """
        state = self.ledger.state
        current.sent_all_ns = now_ns
        current.cpu_ns = time.process_time_ns() - current.cpu_before_ns
        current.idle_ns, current.unanswered_at_end = int(state["idle_ns"][0]), int(state["pending"][0])
        wait_s = self.job.drain_s
        if isinstance(self._pace, Closed):
            wait_s = max(wait_s, self.job.answer_timeout_s + _TICK_NS / _SECOND_NS)
        current.drain_until_ns = now_ns + int(wait_s * _SECOND_NS)

    def _give_up(self, now_ns: int) -> None:
        """Closed loop: continue on connections whose answer is overdue."""
        for k, slot in self.ledger.overdue(now_ns - int(self.job.answer_timeout_s * _SECOND_NS)):
            self.ledger.give_up(k, slot, now_ns)
            self.slow_path.go_on(k, slot, now_ns)

    # Results

    def _add_up(self, current: _Slice, ledger: LedgerTotals, censored: int) -> None:
        """Add the slice to the totals."""
        totals, state = self.totals, self.ledger.state
        if isinstance(self._pace, Closed):
            offered = ledger.sent
            working_ns = current.cpu_ns
        else:
            offered = current.offered
            if self._room:
                offered *= int(self.ledger.connections["reading"].sum())
            working_ns = min(current.sent_all_ns - current.start_ns - current.idle_ns, current.duration_ns)
        totals.window_ns += current.duration_ns
        totals.slices += 1
        totals.ledger += ledger
        self._slice_is_open = False
        totals.answered += float(state["answered"][0])
        totals.overrun_ns += int(state["overrun_ns"][0])
        totals.offered += offered
        totals.unanswered_at_end += current.unanswered_at_end
        totals.censored += censored
        totals.cpu_ns += current.cpu_ns
        totals.working_ns += working_ns
        totals.traffic += self._traffic() - current.traffic_before
        totals.pushes += sum(at_ns <= current.stop_ns for at_ns in self.pushes.at_ns[current.pushed_before :])

    def _traffic(self) -> TrafficCounts:
        """What Python and the kernel have sent and received so far."""
        state = self.ledger.state[0]
        sent, received = int(state["sent_messages"]), int(state["received_messages"])
        return self.slow_path.meter + TrafficCounts(
            sent_messages=sent,
            sent_payload_bytes=sent * int(state["request_bytes"] - state["request_header"]),
            sent_wire_bytes=int(state["sent_wire_bytes"]),
            received_messages=received,
            received_payload_bytes=received * int(state["answer_bytes"] - state["answer_header"]),
            received_wire_bytes=int(state["received_wire_bytes"]),
        )

    def _close_row(self) -> None:
        counts = self.ledger.counts(HistogramRow.LATENCY)
        self.totals.rows.append(buckets.sparse(counts - self._counted))
        self._counted[:] = counts
        received = self.totals.ledger.received
        if self._slice_is_open:
            received += int(self.ledger.connections["received"].sum())
        self.totals.received.append(received - sum(self.totals.received))

    def finish_rows(self) -> None:
        """Count the last second if at least half of it was measured."""
        if self._row_ns > _SECOND_NS // 2:
            self._close_row()

    def forget(self) -> None:
        """Discard all counts so far, because they belong to the warm-up."""
        self.totals = Totals()
        self.slow_path.pushes = Pushes()
        self.ledger.clear_counts()
        self._counted[:] = 0
        self._row_ns = 0

    @property
    def pushes(self) -> Pushes:
        return self.slow_path.pushes

    @property
    def counts(self) -> dict[str, buckets.Counts]:
        """Histograms by name. The open loop has three more, and a room has another one."""
        rows = {"latency": HistogramRow.LATENCY}
        if not isinstance(self._pace, Closed):
            rows |= {
                "latency_from_send": HistogramRow.LATENCY_FROM_SEND,
                "send_lag": HistogramRow.SEND_LAG,
                "read_lag": HistogramRow.READ_LAG,
            }
        if self._room:
            rows["last_delivery"] = HistogramRow.LAST_DELIVERY
        return {name: self.ledger.counts(row) for name, row in rows.items()}

    @property
    def closed_early(self) -> int:
        """Number of connections that the server closed."""
        return int(np.count_nonzero(self.ledger.connections["alive"] == 0))

    # Connections

    def idle(self, wake: int) -> None:
        """Answer pings until the file descriptor ``wake`` is readable."""
        self.slow_path.idle(wake)

    def count_surplus(self) -> int:
        """After all slices: wait for messages to which no message belongs, for the drain time; returns how many there
        were. Where answers have numbers, this takes no time.
        """
        if self._assumes_order:
            self.slow_path.linger(max(_LEAST_LINGER_S, self.job.drain_s))
        return self.slow_path.surplus

    def pause(self) -> int:
        """Let the paused members of a room stop reading; returns the size of their receive buffers in bytes."""
        return self.slow_path.pause()

    def catch_up(self, seconds: float) -> CaughtUp:
        """Let the paused members of a room read, for at most this many seconds."""
        return self.slow_path.catch_up(seconds)

    def close(self) -> None:
        """Close every open connection."""
        self.slow_path.close()


def _depth_for(job: Job, connections: int) -> int:
    """Maximum number of unanswered messages per connection. Older ones are lost by the timeout and need no place."""
    if not isinstance(job.pace, Open):
        return _MIN_DEPTH
    kept_s = min(max(job.duration_s, job.warmup_s), job.answer_timeout_s)
    each = job.pace.rate_per_s * kept_s / (1 if job.exchange == "room" else connections)
    return int(each + 10 * each**0.5) + _MIN_DEPTH  # ten standard deviations above the mean of random arrivals
