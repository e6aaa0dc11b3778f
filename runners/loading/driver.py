"""The driver of a load: it starts the shards, sends them commands, and merges their results."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runners import signals
from runners.judging.thresholds import WARMUP_DIFFERENCE, WARMUP_LENGTH, WARMUP_MESSAGES
from runners.loadgen.job import Brief, CaughtUp, Connected, Delivered, Job, Recovered, Sample, Streamed, Visited
from runners.loadgen.pace import Closed
from runners.loadgen.room_members import PATIENCE_S
from runners.loading.job_building import split_job
from runners.loading.load_result import (
    ClientsResult,
    DeliveryResult,
    LoadResult,
    RecoveryResult,
    StreamResult,
    WarmUp,
    merge_clients,
    merge_recovered,
    merge_samples,
)
from runners.loading.shards import Events, Launch, LoadError, Shard, ShardHandle
from runners.record import HostLostError

_SLACK_S = 20.0
"""Seconds beyond the planned time after which a shard counts as hung."""
_STARTING_S = 60.0
"""Seconds for the start of a shard; the first one on a machine compiles the kernel."""
PIECE_S = 1.0
"""Length of a piece of warm-up in seconds; the last two pieces are compared."""


@dataclass
class Hooks:
    """Callbacks of the caller while the load runs."""

    window_start: Callable[[], None] = lambda: None
    window_end: Callable[[], None] = lambda: None
    each_second: Callable[[], None] = lambda: None
    """Called about once per second while a slice is applied."""
    is_hopeless: Callable[[], bool] = lambda: False
    """Called several times per second; if it returns true, the load ends at once."""
    started: Callable[[list[int]], None] = lambda pids: None  # noqa: ARG005
    """Called with the process IDs of the shards."""


def apply(
    job: Job,
    *,
    shards: int = 1,
    cpus: Sequence[int] = (),
    hooks: Hooks | None = None,
    can_stop_early: bool = False,
    launch: Launch = Shard,
) -> LoadResult:
    """Warm up, apply the whole load in one slice, and end; raises `LoadError`. No shard is left running.

    ``can_stop_early``: a signal in the window ends the window, and the result has what was measured so far.
    ``launch``: starts shards elsewhere than on this machine.
    """
    hooks = hooks or Hooks()
    with ShardGroup(min(shards, job.connections), cpus, hooks, launch) as running:
        running.connect(job)
        running.warm_up()
        hooks.window_start()
        with signals.taken_by(running.stop_early) if can_stop_early else contextlib.nullcontext():
            running.load(job.duration_s)
        hooks.window_end()
        return running.finish()


class ShardGroup:
    """The shards of a load, which connect and apply slices of load on command. Leaving this context manager ends them.

    Entering it starts the shards. This takes a second, in which a server may start. All methods raise `LoadError`, and
    `HostLostError` if shards run on hosts.
    """

    def __init__(
        self, shards: int = 1, cpus: Sequence[int] = (), hooks: Hooks | None = None, launch: Launch = Shard
    ) -> None:
        self._hooks = hooks or Hooks()
        self._count, self._cpus, self._launch = max(1, shards), cpus, launch
        self._shards: list[ShardHandle] = []
        self._warm_up = WarmUp(0.0, settled=True, messages_per_s=0.0)
        self._events: Events = queue.SimpleQueue()

    def __enter__(self) -> ShardGroup:
        try:
            for index in range(self._count):
                self._shards.append(self._launch(index, self._events))
        except BaseException:
            self._stop()
            raise
        self._hooks.started([shard.pid for shard in self._shards if shard.pid is not None])
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host of each shard; empty names: this machine."""
        return tuple(shard.host for shard in self._shards)

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        for shard in self._shards:
            shard.stop()

    def connect(self, job: Job) -> list[Connected]:
        """Split the job and wait until all connections are open; returns one result per shard.

        There is at least one connection per shard.
        """
        self._job = job
        for shard, part in zip(self._shards, split_job(job, self._count, self._cpus), strict=True):
            shard.write(part.to_json())
        patience_s = job.connect_timeout_s * (1 + job.connections / job.at_once) + _STARTING_S
        return [Connected.from_mapping(event["connected"]) for event in self._gather("connected", patience_s)]

    def load(self, seconds: float) -> list[Brief]:
        """Apply one slice of load with all shards at once, and wait for the answers; returns one result per shard."""
        self.begin_load(seconds)
        return self.end_load()

    def begin_load(self, seconds: float) -> None:
        """Begin one slice of load with all shards at once; `end_load` waits for its end."""
        self._send({"do": "load", "seconds": float(seconds)})
        self._load_s = seconds

    def end_load(self) -> list[Brief]:
        """Wait for the end of the slice, and for the answers; returns one result per shard."""
        wait_s = 2 * self._job.drain_s + self._job.answer_timeout_s
        return [Brief(**event["brief"]) for event in self._gather("loaded", 2 * self._load_s + wait_s)]

    def stop_early(self) -> None:
        """End the slice in progress as if its time were over. A signal handler may call it."""
        for shard in self._shards:
            shard.stop_early()

    def warm_up(self) -> WarmUp:
        """Apply load for the job's warm-up time and longer, until two pieces agree; then discard the counts."""
        least_s = self._job.warmup_s
        if not least_s:
            return self._warm_up
        piece_s = min(PIECE_S, least_s / 2)
        receivers = self._job.connections if self._job.exchange == "room" else 1
        spent_s = rate = last_value = last_messages = 0.0
        settled: bool | None = None
        while spent_s < least_s - 1e-9 or (settled is False and spent_s < WARMUP_LENGTH.limit * least_s - 1e-9):
            briefs = self.load(piece_s)
            rate = sum(1e9 * brief.answered / brief.window_ns for brief in briefs if brief.window_ns)
            messages = sum(brief.answered for brief in briefs) / receivers
            # The rate of an open loop is fixed, so the latency of the slowest shard must become steady.
            value = rate if isinstance(self._job.pace, Closed) else float(max(brief.p50_ns for brief in briefs))
            can_tell = not WARMUP_MESSAGES.is_broken_by(min(messages, last_messages))
            settled = abs(value - last_value) <= WARMUP_DIFFERENCE.limit / 100 * last_value if can_tell else None
            last_value, last_messages = value, messages
            spent_s += piece_s
        self._send({"do": "forget"})
        self._warm_up = WarmUp(round(spent_s, 6), settled, rate)
        return self._warm_up

    def rehearse(self, seconds: float) -> None:
        """Apply one slice of load, and discard its counts."""
        self.load(seconds)
        self._send({"do": "forget"})

    def pause(self) -> int:
        """Let the paused members stop reading; returns the size of a receive buffer in bytes."""
        self._send({"do": "pause"})
        return max(int(event["receive_buffer_bytes"]) for event in self._gather("paused", 0.0))

    def catch_up(self, seconds: float) -> list[CaughtUp]:
        """Let the paused members read for at most this many seconds; returns their messages per shard."""
        self._send({"do": "catch_up", "seconds": float(seconds)})
        return [CaughtUp(**event["caught_up"]) for event in self._gather("caught_up", seconds)]

    def begin_recovery(self, seconds: float) -> None:
        """Start a recovery of this many seconds, in which the server may end and restart; `end_recovery` waits for its
        end.
        """
        self._send({"do": "recover", "seconds": float(seconds)})
        self._recovery_s = seconds

    def end_recovery(self, since_ns: int, listening_ns: int) -> RecoveryResult:
        """Wait for the end of the recovery; times in the result are relative to the end of the server and to when the
        new one listened, by `time.perf_counter_ns`.
        """
        samples = [Recovered(**event["recovered"]) for event in self._gather("recovered", self._recovery_s)]
        return merge_recovered(samples, since_ns, listening_ns, [shard.clock() for shard in self._shards])

    def stream(self, seconds: float) -> StreamResult:
        """Begin streams for so many seconds, and read all of them to their end."""
        self._send({"do": "stream", "seconds": float(seconds), "then": "read"})
        longest_s = self._job.stream.seconds if self._job.stream is not None else 0.0
        return self._streamed(seconds + longest_s + self._job.drain_s)

    def begin_cancelled_streams(self, seconds: float) -> None:
        """Begin streams for so many seconds, and then cancel all that are running; `end_cancelled_streams` waits for
        this.
        """
        self._send({"do": "stream", "seconds": float(seconds), "then": "cancel"})
        self._cancelled_s = seconds

    def end_cancelled_streams(self) -> StreamResult:
        """Wait until all streams are cancelled."""
        return self._streamed(self._cancelled_s)

    def _streamed(self, seconds: float) -> StreamResult:
        found = [Streamed.from_mapping(one["streamed"]) for one in self._gather("streamed", seconds)]
        return merge_clients(found, self.hosts)

    def deliver(self, seconds: float) -> DeliveryResult:
        """Send messages to rooms for so many seconds, and wait until all members are there and have them."""
        self._send({"do": "deliver", "seconds": float(seconds)})
        (event,) = self._gather("delivered", seconds + PATIENCE_S)
        return merge_clients([Delivered.from_mapping(event["delivered"])], self.hosts)

    def begin_visits(self, seconds: float) -> None:
        """Let visitors come and go for so many seconds; `end_visits` waits for this."""
        self._send({"do": "visit", "seconds": float(seconds)})
        self._visits_s = seconds

    def end_visits(self) -> ClientsResult[Visited]:
        """Wait until all visitors have left."""
        found = self._gather("visited", self._visits_s)
        return merge_clients([Visited.from_mapping(one["visited"]) for one in found], self.hosts)

    def finish(self) -> LoadResult:
        """Close the connections and merge the samples of all shards."""
        beats, clock_error_ns = self._common_beat()
        for shard, beat_ns in zip(self._shards, beats, strict=True):
            shard.send({"do": "finish", "beat_ns": beat_ns})
        samples = [Sample.from_mapping(event["sample"]) for event in self._gather("sample", 0.0)]
        return merge_samples(samples, self._warm_up, self.hosts, clock_error_ns)

    def _common_beat(self) -> tuple[list[int | None], int]:
        """The earliest beat of pushes that one of the shards has seen, by the clock of each, and how wrong it can be;
        both in nanoseconds. A server that pushes to one client after the other is late for the clients of the last
        shard.
        """
        if not self._job.push_period_s or len(self._shards) == 1:
            return [None] * len(self._shards), 0
        self._send({"do": "beat"})
        beats = [event["beat_ns"] for event in self._gather("beat", 0.0)]
        clocks = [shard.clock() for shard in self._shards]
        seen = [beat_ns - clock.offset_ns for beat_ns, clock in zip(beats, clocks, strict=True) if beat_ns is not None]
        earliest_ns = min(seen, default=None)
        common = [None if earliest_ns is None else earliest_ns + clock.offset_ns for clock in clocks]
        return common, max(clock.error_ns for clock in clocks)

    def _send(self, command: dict[str, Any]) -> None:
        for shard in self._shards:
            shard.send(command)

    def _gather(self, name: str, expected_s: float) -> list[dict[str, Any]]:
        """Wait for one event of this name from each shard, in order."""
        until = time.monotonic() + expected_s + _SLACK_S
        next_second = time.monotonic() + 1.0
        found: dict[int, dict[str, Any]] = {}
        while len(found) < len(self._shards):
            try:
                index, event = self._events.get(timeout=0.2)
            except queue.Empty:
                if self._hooks.is_hopeless():
                    raise LoadError("the server ended under load") from None
                now = time.monotonic()
                if now > until:
                    raise LoadError("the load generator did not finish in time") from None
                if now >= next_second:
                    next_second = now + 1.0
                    self._hooks.each_second()
                continue
            if event["event"] == "error":
                raise LoadError(event["reason"])
            if event["event"] == "lost":
                raise HostLostError(event["reason"])
            if event["event"] == "ended":
                # After its sample a shard may end.
                if index not in found:
                    raise LoadError(f"the load generator ended without a sample: {event['stderr']}")
            elif event["event"] == name:
                found[index] = event
        return [found[index] for index in range(len(self._shards))]
