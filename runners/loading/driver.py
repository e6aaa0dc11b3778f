"""Applies a load: splits it over shards, starts them, tells them what to do, merges their samples."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from runners.judging.thresholds import SEND_LAG, WARMUP_DIFFERENCE, WARMUP_LENGTH, WARMUP_MESSAGES, WORKING_TIME
from runners.loadgen.buckets import SparseCounts, counts_of, dense
from runners.loadgen.job import (
    MIN_PAYLOAD_BYTES,
    Brief,
    CaughtUp,
    Connected,
    Exchange,
    Job,
    LedgerTotals,
    Protocol,
    Recovered,
    Sample,
    Serializer,
)
from runners.loadgen.pace import Arrivals, Closed, Open, share_of
from runners.record import Histogram, Percentiles, RtsiteError
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Scenario

_SLACK_S = 20.0
"""Beyond the planned times before a shard is taken for hung."""
_STARTING_S = 60.0
"""The first shard on a machine compiles its kernel."""
PIECE_S = 1.0
"""Of warm-up."""


class LoadError(RtsiteError):
    """The load could not be applied."""


@dataclass(frozen=True)
class LoadResult:
    """The samples of all shards as one. Histograms by name, in nanoseconds; ``seconds`` one per second."""

    samples: tuple[Sample, ...]
    ledger: LedgerTotals
    histograms: dict[str, Histogram]
    seconds: tuple[Histogram, ...]

    @property
    def window_s(self) -> float:
        return max(sample.window_ns for sample in self.samples) / 1e9

    @property
    def messages_per_s(self) -> float:
        """Answers per second, each shard over its own window."""
        return sum(sample.answered_in_window / sample.window_ns for sample in self.samples) * 1e9

    @property
    def offered_per_s(self) -> float:
        return sum(sample.offered / sample.window_ns for sample in self.samples) * 1e9

    @property
    def errors(self) -> dict[str, int]:
        kinds = {kind for sample in self.samples for kind in sample.errors}
        return {kind: sum(sample.errors.get(kind, 0) for sample in self.samples) for kind in sorted(kinds)}

    def total(self, figure: Callable[[Sample], int]) -> int:
        return sum(figure(sample) for sample in self.samples)

    def percent(self, figure: Callable[[Sample], int]) -> float:
        """A time of each shard as a share of its window, the busiest shard's."""
        return max(100 * figure(sample) / sample.window_ns for sample in self.samples)


@dataclass(frozen=True)
class RecoveryResult:
    """What clients went through when their server died. Histograms in nanoseconds."""

    noticed: Histogram
    back: Histogram
    lost: int
    unsent: int
    attempts: int


@dataclass(frozen=True)
class WarmUp:
    """How long it took, whether its last two pieces agreed, and the throughput of the last one."""

    seconds: float
    settled: bool | None
    """``None``: too few messages to tell."""
    messages_per_s: float


@dataclass
class Hooks:
    """What the starter wants to do as the load proceeds."""

    window_start: Callable[[], None] = lambda: None
    window_end: Callable[[], None] = lambda: None
    each_second: Callable[[], None] = lambda: None
    """Called about once per second while a slice is applied."""
    is_hopeless: Callable[[], bool] = lambda: False
    """Asked several times per second; true ends the load at once."""
    started: Callable[[list[int]], None] = lambda pids: None  # noqa: ARG005
    """Told the shards' process ids."""


def job_for(
    scenario: Scenario,
    *,
    url: str,
    protocol: Protocol,
    serializer: Serializer = "json",
    profile: Profile,
    seed: int,
    connections: int | None = None,
    first_client: int = 0,
) -> Job:
    """The job of one measurement, before it is split over shards. ``url``: ``ws://host:port``.

    ``connections``: a part of the scenario's, numbered from ``first_client``.
    """
    return Job(
        url=url + ("/" if protocol == "socket.io" else scenario.path),
        protocol=protocol,
        serializer=serializer,
        exchange=scenario.exchange,
        pace=scenario.pace,
        connections=scenario.connections if connections is None else connections,
        first_client=first_client,
        at_once=scenario.at_once,
        warmup_s=profile.warmup_s,
        duration_s=profile.duration_s,
        payload_bytes=scenario.payload_bytes,
        payload_kind=scenario.payload_kind,
        transport=scenario.transport,
        paused=scenario.paused_readers,
        push_period_s=scenario.push_period_s,
        seed=seed,
    )


def echo_job(
    url: str,
    protocol: Protocol,
    *,
    connections: int,
    duration_s: float,
    warmup_s: float,
    rate_per_s: float | None,
    payload_bytes: int,
    arrivals: Arrivals = "steady",
) -> Job:
    """A job for anybody's echo server; raises `LoadError` where it makes no sense."""
    if payload_bytes < MIN_PAYLOAD_BYTES:
        raise LoadError(
            f"a payload of {payload_bytes} bytes is too small: at least {MIN_PAYLOAD_BYTES} carry the numbers"
            " by which loss is counted"
        )
    try:
        pace = Closed() if rate_per_s is None else Open(rate_per_s, arrivals)
    except ValueError as error:
        raise LoadError(str(error)) from error
    return Job(
        url=url,
        protocol=protocol,
        exchange="echo",
        pace=pace,
        connections=connections,
        warmup_s=warmup_s,
        duration_s=duration_s,
        payload_bytes=payload_bytes,
    )


def shards_for(exchange: Exchange, connections: int, cores: int) -> int:
    """How many shards apply a load; a room has one, which sends every message and sees it arrive everywhere."""
    return 1 if exchange == "room" else max(1, min(cores, connections))


def split(job: Job, shards: int, cpus: Sequence[int]) -> list[Job]:
    """One job per shard: connections and rate shared out, clients numbered apart, one CPU each where given."""
    shards = shards_for(job.exchange, job.connections, shards)
    parts = []
    first = 0
    for index in range(shards):
        connections = job.connections // shards + (index < job.connections % shards)
        parts.append(
            replace(
                job,
                connections=connections,
                pace=share_of(job.pace, connections, job.connections),
                first_client=job.first_client + first,
                seed=job.seed + index,
                cpus=(cpus[index % len(cpus)],) if cpus else (),
            )
        )
        first += connections
    return parts


def apply(job: Job, *, shards: int = 1, cpus: Sequence[int] = (), hooks: Hooks | None = None) -> LoadResult:
    """Warm up, apply the whole load in one slice, and end; raises `LoadError`. No shard is left running."""
    hooks = hooks or Hooks()
    with Load(min(shards, job.connections), cpus, hooks) as running:
        running.connect(job)
        running.warm_up()
        hooks.window_start()
        running.load(job.duration_s)
        hooks.window_end()
        return running.finish()


class Load:
    """A load's shards, connected and applying slices of it as they are told. A context manager: leaving it ends them.

    Entering it starts the shards, which takes a second, so that a server may start meanwhile. All methods raise
    `LoadError`.
    """

    def __init__(self, shards: int = 1, cpus: Sequence[int] = (), hooks: Hooks | None = None) -> None:
        self._hooks = hooks or Hooks()
        self._count, self._cpus = max(1, shards), cpus
        self._shards: list[_Shard] = []
        self._events: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()

    def __enter__(self) -> Load:
        try:
            for index in range(self._count):
                self._shards.append(_Shard(index, self._events))
        except BaseException:
            self._stop()
            raise
        self._hooks.started([shard.pid for shard in self._shards])
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        for shard in self._shards:
            shard.stop()

    def connect(self, job: Job) -> list[Connected]:
        """Share the job out, and wait until all connections are open: how they came up, per shard.

        At least one connection per shard.
        """
        self._job = job
        for shard, part in zip(self._shards, split(job, self._count, self._cpus), strict=True):
            shard.write(part.to_json())
        patience_s = job.connect_timeout_s * (1 + job.connections / job.at_once) + _STARTING_S
        return [Connected.from_mapping(event["connected"]) for event in self._gather("connected", patience_s)]

    def load(self, seconds: float) -> list[Brief]:
        """Apply one slice of load by all shards at once, and wait until its answers are in."""
        self._tell({"do": "load", "seconds": float(seconds)})
        return [Brief(**event["brief"]) for event in self._gather("loaded", seconds + 2 * self._job.drain_s)]

    def warm_up(self) -> WarmUp:
        """Load for the job's warm-up time and on until two pieces agree; then forget what was measured."""
        least_s = self._job.warmup_s
        if not least_s:
            return WarmUp(0.0, settled=True, messages_per_s=0.0)
        piece_s = min(PIECE_S, least_s / 2)
        receivers = self._job.connections if self._job.exchange == "room" else 1
        spent_s = rate = last_figure = last_messages = 0.0
        settled: bool | None = None
        while spent_s < least_s - 1e-9 or (settled is False and spent_s < WARMUP_LENGTH.limit * least_s - 1e-9):
            briefs = self.load(piece_s)
            rate = sum(1e9 * brief.answered / brief.window_ns for brief in briefs if brief.window_ns)
            messages = sum(brief.answered for brief in briefs) / receivers
            # The open loop's rate is given; what has to become steady is the latency, of the slowest shard.
            figure = rate if isinstance(self._job.pace, Closed) else float(max(brief.p50_ns for brief in briefs))
            can_tell = not WARMUP_MESSAGES.is_broken_by(min(messages, last_messages))
            settled = abs(figure - last_figure) <= WARMUP_DIFFERENCE.limit / 100 * last_figure if can_tell else None
            last_figure, last_messages = figure, messages
            spent_s += piece_s
        self._tell({"do": "forget"})
        return WarmUp(round(spent_s, 6), settled, rate)

    def catch_up(self, seconds: float) -> list[CaughtUp]:
        """Let the paused members read, for so many seconds at most: what they received, per shard."""
        self._tell({"do": "catch_up", "seconds": float(seconds)})
        return [CaughtUp(**event["caught_up"]) for event in self._gather("caught_up", seconds)]

    def begin_recovery(self, seconds: float) -> None:
        """Go on for this long, whatever becomes of the server; `end_recovery` waits for it."""
        self._tell({"do": "recover", "seconds": float(seconds)})
        self._recovery_s = seconds

    def end_recovery(self, since_ns: int) -> RecoveryResult:
        """What the clients went through; times count from this moment of `time.perf_counter_ns`."""
        samples = [Recovered(**event["recovered"]) for event in self._gather("recovered", self._recovery_s)]
        return RecoveryResult(
            noticed=_since(since_ns, [moment for sample in samples for moment in sample.gone_at]),
            back=_since(since_ns, [moment for sample in samples for moment in sample.back_at]),
            lost=sum(sample.lost for sample in samples),
            unsent=sum(sample.unsent for sample in samples),
            attempts=sum(sample.attempts for sample in samples),
        )

    def finish(self) -> LoadResult:
        """Close the connections and merge what the shards measured."""
        self._tell({"do": "finish"})
        return merge([Sample.from_mapping(event["sample"]) for event in self._gather("sample", 0.0)])

    def _tell(self, command: dict[str, Any]) -> None:
        for shard in self._shards:
            shard.tell(command)

    def _gather(self, name: str, expected_s: float) -> list[dict[str, Any]]:
        """One event of this name from each shard, in order."""
        until = time.monotonic() + expected_s + _SLACK_S
        next_second = time.monotonic() + 1.0
        found: dict[int, dict[str, Any]] = {}
        while len(found) < len(self._shards):
            try:
                index, event = self._events.get(timeout=0.2)
            except queue.Empty:
                if self._hooks.is_hopeless():
                    raise LoadError("the server ended while it was under load") from None
                now = time.monotonic()
                if now > until:
                    raise LoadError("the load generator did not finish in time") from None
                if now >= next_second:
                    next_second = now + 1.0
                    self._hooks.each_second()
                continue
            if event["event"] == "error":
                raise LoadError(event["reason"])
            if event["event"] == "ended":
                # After its sample a shard is free to go.
                if index not in found:
                    raise LoadError(f"the load generator ended without a sample: {event['stderr']}")
            elif event["event"] == name:
                found[index] = event
        return [found[index] for index in range(len(self._shards))]


class _ForkServer:
    """The process that shards are forked off, started when it is first needed and ended with this one."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def close(self) -> None:
        """End it; shards that are still there end as well."""
        if self._line is not None and self._process is not None:
            self._line.close()
            self._process.wait()
            self._line = self._process = None

    def fork(self, streams: Sequence[int]) -> tuple[int, int | None]:
        """A new shard's process id and pidfd (``None``: it has ended); raises `LoadError`."""
        request = {"environment": dict(os.environ), "cpus": sorted(os.sched_getaffinity(0))}
        for attempt in (1, 2):
            line = self._line or self._start()
            try:
                socket.send_fds(line, [json.dumps(request).encode()], list(streams))
                answer, handles, _, _ = socket.recv_fds(line, 64, 1)
            except OSError:
                answer = b""
            if answer:
                return int(answer), handles[0] if handles else None
            # It was killed; one more chance, with a new one.
            self.close()
            if attempt == 2:
                break
        raise LoadError("the load generator does not start; `uv run python -m runners.loadgen.forkserver 0` tells why")

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runners.loadgen.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the harness alone, even while this one is starting
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a process that forks has one thread
            )
        self._line = ours
        return ours


_FORK_SERVER = _ForkServer()


class _Shard:
    """One load generator process and the thread that reads it."""

    def __init__(self, index: int, events: queue.SimpleQueue[tuple[int, dict[str, Any]]]) -> None:
        if sys.platform != "linux":
            raise LoadError("the load generator waits for answers by epoll, which only Linux has; measure there")
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        self._stdin = os.fdopen(ours_in, "w", encoding="utf-8")
        self._stdout, self._stderr = (os.fdopen(end, encoding="utf-8") for end in (ours_out, ours_err))
        theirs = (theirs_in, theirs_out, theirs_err)
        try:
            self.pid, self._handle = _FORK_SERVER.fork(theirs)
        finally:
            for stream in theirs:
                os.close(stream)
        self._reader = threading.Thread(target=self._read, args=(index, events), daemon=True)
        self._reader.start()

    def tell(self, command: dict[str, Any]) -> None:
        self.write(json.dumps(command))

    def write(self, line: str) -> None:
        """A line for the shard; harmless if it is gone."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line + "\n")
            self._stdin.flush()

    def _read(self, index: int, events: queue.SimpleQueue[tuple[int, dict[str, Any]]]) -> None:
        for line in self._stdout:
            if line.endswith("\n"):  # else it was killed while it wrote
                events.put((index, json.loads(line)))
        words = self._stderr.read().strip().splitlines()
        events.put((index, {"event": "ended", "stderr": words[-1][:300] if words else "no message"}))

    def stop(self) -> None:
        """End it, if it has not ended; it is gone afterwards."""
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            select.select([self._handle], [], [])  # readable once the process has ended
            os.close(self._handle)
            self._handle = None
        self._reader.join()
        for stream in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()


def _since(start_ns: int, moments: Sequence[int]) -> Histogram:
    return Histogram(counts_of(np.array(moments, dtype=np.int64) - start_ns))


def merge(samples: Sequence[Sample]) -> LoadResult:
    """Add up ledgers and histograms; percentiles are only ever taken of the sums."""
    names = samples[0].histograms
    return LoadResult(
        samples=tuple(samples),
        ledger=reduce(lambda total, sample: total + sample.ledger, samples, LedgerTotals()),
        histograms={name: merge_counts([sample.histograms[name] for sample in samples]) for name in names},
        seconds=tuple(merge_counts(column) for column in zip(*(sample.seconds for sample in samples), strict=False)),
    )


def merge_counts(shards: Sequence[SparseCounts]) -> Histogram:
    """One histogram of what each shard counted."""
    return Histogram(reduce(np.add, map(dense, shards)))


def report(result: LoadResult, *, open_loop: bool) -> dict[str, Any]:
    """What ``rtsite load`` tells of a result: figures, and whether the generator was good enough."""
    percentiles = {name: histogram.percentiles() for name, histogram in result.histograms.items()}
    ledger = result.ledger
    busy = result.percent(lambda sample: sample.working_ns)
    lag_p99_ms = result.histograms["send_lag"].percentile_ms(0.99) if open_loop else None
    reasons = []
    if busy > WORKING_TIME.limit:
        reasons.append(f"generator working {busy:.0f} % of the time, limit {WORKING_TIME.limit:g} %: add --shards")
    if lag_p99_ms is not None and lag_p99_ms > SEND_LAG.limit:
        reasons.append(f"send lag p99 {lag_p99_ms:.3g} ms, limit {SEND_LAG.limit:g} ms")
    planned = result.total(lambda sample: sample.planned)
    established = result.total(lambda sample: sample.established)
    if established < planned:
        reasons.append(f"{established} of {planned} connections established")
    if closed_early := result.total(lambda sample: sample.closed_early):
        reasons.append(f"{closed_early} connections closed by the server")
    return {
        "messages_per_second": round(result.messages_per_s, 3),
        "connections": established,
        "duration_s": round(result.window_s, 3),
        "sent": ledger.sent,
        "received": ledger.received,
        "lost": ledger.lost,
        "in_flight": ledger.in_flight,
        "duplicated": ledger.duplicated,
        "reordered": ledger.reordered,
        "corrupted": ledger.corrupted,
        "errors": result.errors,
        "latency_ms": _shown(percentiles["latency"]),
        "latency_from_send_ms": _shown(percentiles["latency_from_send" if open_loop else "latency"]),
        "send_lag_ms": {"p99": lag_p99_ms},
        "generator_cpu_percent": round(result.percent(lambda sample: sample.cpu_ns), 2),
        "generator_working_percent": round(busy, 2),
        "valid": not reasons,
        "invalid_reasons": reasons,
    }


def _shown(percentiles: Percentiles) -> dict[str, float | None]:
    return {name: getattr(percentiles, name) for name in ("p50", "p90", "p99", "p999", "max")}
