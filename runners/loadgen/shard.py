"""One shard: it connects, applies slices of load on command, and sends its sample. It speaks JSON lines.

Input is the `Job` on the first line, and then commands:

- ``{"do": "load", "seconds": s}`` applies one slice of load;
- ``{"do": "forget"}`` discards the counts so far as warm-up;
- ``{"do": "pause"}`` lets the paused members stop reading;
- ``{"do": "catch_up", "seconds": s}`` lets them read again;
- ``{"do": "recover", "seconds": s}`` continues while the server ends and restarts;
- ``{"do": "stream", "seconds": s, "then": "read"}`` begins streams for this long, and reads them to their end; with
  ``"cancel"`` it cancels them instead;
- ``{"do": "deliver", "seconds": s}`` sends messages to rooms, and waits until all members are there and have them;
- ``{"do": "visit", "seconds": s}`` lets visitors come and go for this long;
- ``{"do": "beat"}`` requests the beat of the pushes (`push_beat`);
- ``{"do": "finish", "beat_ns": t}`` ends the shard. Pushes are late from this beat; ``null``: the shard's own.

Output is ``connected`` with a `Connected`, per slice ``loaded`` with a `Brief`, and ``paused`` with the bytes of a
receive buffer. ``caught_up`` comes with a `CaughtUp`, ``recovered`` with a `Recovered`, ``streamed`` with a `Streamed`,
``delivered`` with a `Delivered`, ``visited`` with a `Visited`, and ``beat`` with a time of its clock. The last line is
``sample`` with the `Sample`, or ``error`` with a reason. Only a shard of messages has a sample.

The signal `STOP_EARLY` ends the slice in progress as if its time were over.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from time import perf_counter_ns as clock_ns
from typing import Any

import numpy as np

from runners.loadgen import buckets, kernel, zlib_streams
from runners.loadgen.causes import Cause, CauseTable, RefusedError, merge, summary
from runners.loadgen.client_sockets import Opened
from runners.loadgen.codecs import codec_for
from runners.loadgen.connection import Connection, WebSocketConnection
from runners.loadgen.engine import Engine
from runners.loadgen.handshake import cause_of, open_all
from runners.loadgen.job import DECLINED, STOP_EARLY, Connected, Job, LedgerTotals, Recovered, Sample
from runners.loadgen.outside import PublisherLostError
from runners.loadgen.own_streams import OwnStreams
from runners.loadgen.pace import Closed
from runners.loadgen.polling import open_session, open_stream
from runners.loadgen.reconnection import Reconnection
from runners.loadgen.room_members import RoomMembers, SenderLostError, room_url
from runners.loadgen.slow_path import Pushes
from runners.loadgen.streaming import Streaming
from runners.loadgen.visitors import Visitors
from runners.loadgen.wire import Client, masks

_PR_SET_PDEATHSIG = 1
_PR_SET_THP_DISABLE = 41
_SECOND_NS = 1_000_000_000

Emit = Callable[[dict[str, Any]], None]


class ShardError(Exception):
    """The load could not be applied; the text gives the reason."""


def main() -> int:
    """Read the job and then commands from stdin, apply the load, write events and the sample to stdout."""

    def emit(event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    prepare_process()
    commands = _Commands(sys.stdin.fileno())
    try:
        _prepare()
        job = Job.from_json(commands.next())
        if job.cpus:
            os.sched_setaffinity(0, job.cpus)
        _shard_for(job).follow(commands, emit)
    except ShardError as error:
        emit({"event": "error", "reason": str(error)})
        return 1
    except MemoryError:
        reason = "the load does not fit in memory; reduce its rate, answer timeout, connections or payload"
        emit({"event": "error", "reason": reason})
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


def _shard_for(job: Job) -> _LoadShard | _StreamShard | _OwnStreamShard | _RoomShard | _VisitorShard:
    if job.visits is not None:
        return _VisitorShard(job)
    if job.stream is not None:
        return _StreamShard(job)
    if job.own is not None and job.own.method:
        return _OwnStreamShard(job)
    return _LoadShard(job) if job.departures is None and job.publisher is None else _RoomShard(job)


def _prepare() -> None:
    """Prepare what takes time and does not depend on the job."""
    if not kernel.SUPPORTED:
        raise ShardError("the load generator needs epoll, which only Linux has; measure on Linux")
    if not zlib_streams.IS_THERE:
        name = zlib_streams.LIBRARY_NAME
        raise ShardError(f"the load generator needs {name}; install zlib, for example with `apt-get install zlib1g`")
    kernel.compile_kernel()


def prepare_process() -> None:
    """End this process when its starter is killed, and use no huge pages, which NumPy requests for large arrays
    (prctl(2), PR_SET_PDEATHSIG and PR_SET_THP_DISABLE; children that it forks use none either).

    On a virtual machine the first write to a huge page can take 5 ms, in which nothing is sent. On other systems this
    process ends with its job.
    """
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)


class _Commands:
    """Lines from a file descriptor, read without Python's buffer, because epoll must see the unread data."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.beat_ns: int | None = None
        """The beat of the command ``finish``."""
        self._rest = b""

    @property
    def waiting(self) -> bool:
        return b"\n" in self._rest

    def next(self) -> str:
        """The next line; raises `ShardError` if the starter has ended."""
        while not self.waiting:
            more = os.read(self.descriptor, 65536)
            if not more:
                raise ShardError("the process that started this shard has ended")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def until_finish(self, idle: Callable[[int], None] = lambda _: None) -> Iterator[dict[str, Any]]:
        """The commands before ``finish``. ``idle``: called while none waits, until this descriptor is readable."""
        while True:
            if not self.waiting:
                idle(self.descriptor)
            command = json.loads(self.next())
            if command["do"] == "finish":
                self.beat_ns = command["beat_ns"]
                return
            yield command


class _Shard:
    """The connections of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.connect_ns = array("q")
        self.refused = CauseTable()
        started, cpu_started = clock_ns(), time.process_time_ns()
        self.opened = self._connect()
        self.connected = Connected(
            planned=job.connections,
            established=len(self.opened),
            took_ns=clock_ns() - started,
            cpu_ns=time.process_time_ns() - cpu_started,
            errors=self.refused.errors(),
            counts=buckets.sparse(buckets.counts_of(self.connect_ns)),
            compression=compression_of(one.connection for one in self.opened) if job.client.deflate else {},
        )

    def _report(self, emit: Emit) -> None:
        """Say how connecting went, and prepare for load."""
        emit({"event": "connected", "connected": asdict(self.connected)})
        gc.collect()
        gc.freeze()
        gc.disable()

    def _connect(self) -> list[Opened]:
        """Open all connections; failed ones are counted. Raises `ShardError` if none can be opened."""
        job = self.job
        if isinstance(job.pace, Closed) and job.exchange not in ("echo", "room") and job.own is None:
            raise ShardError(f"the {job.exchange} exchange has no closed loop")
        # In a room all members send the same bytes.
        keys = masks(job.seed, 1) * job.connections if job.exchange == "room" else masks(job.seed, job.connections)

        opened = []
        for index, connection, took_ns, cause in self._open(keys):
            if connection is None:
                assert cause is not None
                self.refused.add(cause)
                continue
            self.connect_ns.append(took_ns)
            number = job.first_client + index
            opened.append(Opened(number, connection, keys[index]))
        opened.sort(key=lambda one: one.number)
        if not opened:
            reasons = summary(self.refused.counted())
            raise ShardError(f"none of {job.connections} connections to {job.url} could be opened: {reasons}")
        return opened

    def _open(self, keys: Sequence[bytes]) -> Iterator[tuple[int, Connection | None, int, Cause | None]]:
        """Yields each connection's index with the result of its handshake."""
        job = self.job
        if job.transport == "websocket":
            try:
                yield from open_all(
                    job.url,
                    job.protocol,
                    keys,
                    serializer=job.serializer,
                    at_once=job.at_once,
                    timeout_s=job.connect_timeout_s,
                    paused=job.paused,
                    options=job.client,
                    first_client=job.first_client,
                    url_of=(lambda index: room_url(job, index % job.rooms)) if job.rooms > 1 else None,
                )
            except OSError as error:
                raise ShardError(f"{job.url} cannot be reached: {cause_of(error).text}") from error
            return

        def open_one(index: int) -> tuple[int, Connection | None, int, Cause | None]:
            started = clock_ns()
            open_http = open_stream if job.transport == "sse" else open_session
            options = job.client.of_client(job.first_client + index)
            try:
                return index, open_http(job.url, job.connect_timeout_s, options), clock_ns() - started, None
            except (OSError, RefusedError) as error:
                return index, None, 0, cause_of(error)

        with ThreadPoolExecutor(job.at_once) as threads:
            yield from threads.map(open_one, range(len(keys)))


class _LoadShard(_Shard):
    """One job, from connecting to the sample."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.clients = [Client(one.number, codec_for(job, one.number), one.connection, one.mask) for one in self.opened]
        self.engine = Engine(job, self.clients)
        self.warmup = LedgerTotals()

    def follow(self, commands: _Commands, emit: Emit) -> None:
        """Execute commands until ``finish``; raises `ShardError`."""
        signal.signal(STOP_EARLY, lambda *_: self.engine.stop_early())
        self._report(emit)
        for command in commands.until_finish(self.engine.idle):
            match command:
                case {"do": "load", "seconds": float(seconds)}:
                    emit({"event": "loaded", "brief": asdict(self.engine.load(seconds))})
                case {"do": "pause"}:
                    emit({"event": "paused", "receive_buffer_bytes": self.engine.pause()})
                case {"do": "catch_up", "seconds": float(seconds)}:
                    emit({"event": "caught_up", "caught_up": asdict(self.engine.catch_up(seconds))})
                case {"do": "recover", "seconds": float(seconds)}:
                    emit({"event": "recovered", "recovered": asdict(self._recover(seconds))})
                case {"do": "forget"}:
                    self._check_alive()
                    self.warmup = self.engine.totals.ledger
                    self.engine.forget()
                case {"do": "beat"}:
                    pushes = self.engine.pushes
                    emit({"event": "beat", "beat_ns": push_beat(pushes.number, pushes.at_ns, self.job.push_period_s)})
                case _:
                    raise ShardError(f"unknown command: {command}")
        emit({"event": "sample", "sample": asdict(self._sample(commands.beat_ns))})
        self.engine.close()

    def _check_alive(self) -> None:
        """Raise `ShardError` if all connections ended in the warm-up, so that nothing can be measured."""
        if self.engine.closed_early == len(self.clients):
            reasons = summary(self.engine.slow_path.causes.counted())
            raise ShardError(f"all {len(self.clients)} connections to {self.job.url} ended in the warm-up: {reasons}")

    def _recover(self, seconds: float) -> Recovered:
        reconnection = Reconnection(self.job, self.clients)
        try:
            return reconnection.run(seconds)
        finally:
            reconnection.close()

    def _sample(self, beat_ns: int | None) -> Sample:
        engine, job = self.engine, self.job
        engine.finish_rows()
        surplus = engine.count_surplus()
        totals = engine.totals
        causes = merge([self.refused.counted(), engine.slow_path.causes.counted()])
        histograms = {name: buckets.sparse(counts) for name, counts in engine.counts.items()}
        histograms["connect"] = self.connected.counts
        pushes = push_events = pushes_missed = 0
        if job.push_period_s:
            lateness = push_lateness(engine.pushes.number, engine.pushes.at_ns, job.push_period_s, beat_ns)
            pushes = totals.pushes  # those that arrived during a drain belong to no second of the window
            push_events = len(set(engine.pushes.number))
            pushes_missed = missed_pushes(engine.pushes, len(self.clients), int(job.drain_s * _SECOND_NS))
            histograms["push_lateness"] = buckets.sparse(buckets.counts_of(lateness))
        return Sample(
            window_ns=totals.window_ns,
            slices=totals.slices,
            ledger=totals.ledger,
            warmup_ledger=self.warmup,
            planned=job.connections,
            established=len(self.clients),
            closed_early=engine.closed_early,
            answered=totals.answered,
            overrun_ns=totals.overrun_ns,
            offered=totals.offered,
            unanswered_at_end=totals.unanswered_at_end,
            censored=totals.censored,
            pushes=pushes,
            push_events=push_events,
            pushes_missed=pushes_missed,
            errors=causes.errors(),
            causes=causes.counted(),
            traffic=totals.traffic,
            compression=self.connected.compression,
            examples=engine.slow_path.examples,
            histograms=histograms,
            seconds=totals.rows,
            received_by_second=totals.received,
            cpu_ns=totals.cpu_ns,
            working_ns=totals.working_ns,
            surplus=surplus,
        )


class _StreamShard(_Shard):
    """One job of an exchange of streams."""

    def follow(self, commands: _Commands, emit: Emit) -> None:
        """Execute commands until ``finish``; raises `ShardError`."""
        self._report(emit)
        streaming = Streaming(self.job, self.opened)
        for command in commands.until_finish(streaming.idle):
            match command:
                case {"do": "stream", "seconds": float(seconds), "then": then}:
                    streamed = streaming.run(seconds, cancels=then == "cancel")
                    emit({"event": "streamed", "streamed": asdict(streamed)})
                case _:
                    raise ShardError(f"unknown command: {command}")
        streaming.close()


class _OwnStreamShard(_Shard):
    """One job whose streams end when their server wants."""

    def follow(self, commands: _Commands, emit: Emit) -> None:
        """Execute commands until ``finish``; raises `ShardError`."""
        streams = OwnStreams(self.job, self.opened)
        signal.signal(STOP_EARLY, lambda *_: streams.stop_early())
        self._report(emit)
        for command in commands.until_finish(streams.idle):
            match command:
                case {"do": "stream", "seconds": float(seconds)}:
                    emit({"event": "streamed", "streamed": asdict(streams.run(seconds))})
                case _:
                    raise ShardError(f"unknown command: {command}")
        streams.close()


class _RoomShard(_Shard):
    """One job whose clients leave their rooms again and again, or get messages from outside."""

    def follow(self, commands: _Commands, emit: Emit) -> None:
        """Execute commands until ``finish``; raises `ShardError`."""
        self._report(emit)
        try:
            members = RoomMembers(self.job, self.opened)
            for command in commands.until_finish(members.idle):
                match command:
                    case {"do": "deliver", "seconds": float(seconds)}:
                        emit({"event": "delivered", "delivered": asdict(members.run(seconds))})
                    case _:
                        raise ShardError(f"unknown command: {command}")
        except (SenderLostError, PublisherLostError) as error:
            raise ShardError(str(error)) from error
        members.close()


class _VisitorShard:
    """Visitors, of whom none is there at the begin."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def follow(self, commands: _Commands, emit: Emit) -> None:
        """Execute commands until ``finish``; raises `ShardError`."""
        nobody = buckets.sparse(buckets.no_counts())
        emit(
            {"event": "connected", "connected": asdict(Connected(0, 0, took_ns=0, cpu_ns=0, errors={}, counts=nobody))}
        )
        for command in commands.until_finish():
            match command:
                case {"do": "visit", "seconds": float(seconds)}:
                    try:
                        visitors = Visitors(self.job)
                    except OSError as error:
                        raise ShardError(f"{self.job.url} cannot be reached: {cause_of(error).text}") from error
                    emit({"event": "visited", "visited": asdict(visitors.run(seconds))})
                    visitors.close()
                case _:
                    raise ShardError(f"unknown command: {command}")


def compression_of(connections: Iterable[Connection]) -> dict[str, int]:
    """The number of connections by the agreed compression, or `DECLINED`. Transports without WebSocket have none."""
    found = [one.compression for one in connections if isinstance(one, WebSocketConnection)]
    return dict(Counter(DECLINED if one is None else str(one.agreement) for one in found))


def push_beat(number: array[int], at_ns: array[int], period_s: float) -> int | None:
    """The beat of the pushes: when push 0 was due, in nanoseconds of this shard's clock; ``None`` without a push.

    Push k is due at t0 + k * period. A client does not know the server's t0. We use the earliest steady beat that fits
    all arrivals: t0 = min(arrival - k * period). A stall or a drifting timer is visible as lateness, but a constant
    delay of all pushes is not.
    """
    return int(_beats(number, at_ns, period_s).min()) if len(number) else None


def push_lateness(
    number: array[int], at_ns: array[int], period_s: float, beat_ns: int | None = None
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The lateness of each push in nanoseconds, shape (n,), counted from a beat; ``None``: that of these pushes.

    Where several shards receive the same pushes, the beat is the earliest of all shards.
    """
    if not len(number):
        return np.zeros(0, dtype=np.int64)
    beats = _beats(number, at_ns, period_s)
    return np.asarray(beats - (beats.min() if beat_ns is None else beat_ns), dtype=np.int64)


def _beats(number: array[int], at_ns: array[int], period_s: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each push, when push 0 was due if this one is not late."""
    return np.array(at_ns, dtype=np.int64) - np.array(number, dtype=np.int64) * int(period_s * _SECOND_NS)


def missed_pushes(pushes: Pushes, clients: int, patience_ns: int) -> int:
    """The number of pushes that clients missed: gaps after the first push of each client, and all pushes of clients
    that received none.

    A push is due to all clients once the first of them received it, and ``patience_ns`` more have passed until the last
    arrival. So a client that is disconnected from the pushes misses all later ones, and a push on its way at the end
    counts for nobody.
    """
    if not len(pushes.number):
        return 0
    first_at: dict[int, int] = {}
    numbers: dict[int, set[int]] = {}
    for who, which, at_ns in zip(pushes.client, pushes.number, pushes.at_ns, strict=True):
        first_at.setdefault(which, at_ns)
        numbers.setdefault(who, set()).add(which)
    end_ns = max(pushes.at_ns) - patience_ns
    due = max((which for which, at_ns in first_at.items() if at_ns <= end_ns), default=min(first_at))
    missed = sum(max(0, max(max(seen), due) - min(seen) + 1 - len(seen)) for seen in numbers.values())
    typical = int(np.median([len(seen) for seen in numbers.values()]))
    return missed + typical * (clients - len(numbers))
