"""Applies a load: splits it over shards, starts them, follows their events, merges their samples."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from runners.loadgen.job import MIN_PAYLOAD_BYTES, Arrivals, Job, Ledger, Protocol, Sample
from runners.record import Histogram, Percentiles, RtsiteError
from runners.workloads import Case, Profile, Workload

_SLACK_S = 20.0
"""Beyond the planned times before a shard is taken for hung."""

MAX_BUSY_PERCENT = 85.0
"""A generator that works more than this of its time limits a fast server: see the table in `validity`."""
MAX_LAG_MS = 1.0
"""Above it the generator's own lateness is a visible part of the latencies of fast servers."""


class LoadError(RtsiteError):
    """The load could not be applied."""


@dataclass(frozen=True)
class LoadResult:
    """The samples of all shards as one. Histograms by name, in nanoseconds; ``seconds`` one per second."""

    samples: tuple[Sample, ...]
    ledger: Ledger
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


@dataclass
class Hooks:
    """What the starter wants to do as the load proceeds."""

    window_start: Callable[[], None] = lambda: None
    window_end: Callable[[], None] = lambda: None
    is_hopeless: Callable[[], bool] = lambda: False
    """Asked several times per second; true ends the load at once."""
    started: Callable[[list[int]], None] = lambda pids: None  # noqa: ARG005
    """Told the shards' process ids."""


def job_for(workload: Workload, case: Case, *, url: str, protocol: Protocol, profile: Profile, seed: int) -> Job:
    """The job of one measurement, before it is split over shards. ``url``: ``ws://host:port``."""
    return Job(
        url=url + ("/" if protocol == "socket.io" else workload.path),
        protocol=protocol,
        exchange=workload.exchange,
        mode=case.mode,
        connections=case.connections,
        warmup_s=profile.warmup_s,
        duration_s=profile.duration_s,
        payload_bytes=case.payload_bytes,
        rate_per_s=case.rate_per_s,
        push_period_s=case.push_period_s,
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
    return Job(
        url=url,
        protocol=protocol,
        exchange="echo",
        mode="closed" if rate_per_s is None else "open",
        connections=connections,
        warmup_s=warmup_s,
        duration_s=duration_s,
        payload_bytes=payload_bytes,
        rate_per_s=rate_per_s or 0.0,
        arrivals=arrivals,
    )


def split(job: Job, shards: int, cpus: Sequence[int]) -> list[Job]:
    """One job per shard: connections and rate shared out, clients numbered apart, one CPU each where given."""
    shards = max(1, min(shards, job.connections))
    parts = []
    first = 0
    for index in range(shards):
        connections = job.connections // shards + (index < job.connections % shards)
        parts.append(
            replace(
                job,
                connections=connections,
                rate_per_s=job.rate_per_s * connections / job.connections,
                first_client=first,
                seed=job.seed + index,
                cpus=(cpus[index % len(cpus)],) if cpus else (),
            )
        )
        first += connections
    return parts


def apply(job: Job, *, shards: int = 1, cpus: Sequence[int] = (), hooks: Hooks | None = None) -> LoadResult:
    """Run the job and wait for it; raises `LoadError`. No shard is left running, whatever happens."""
    hooks = hooks or Hooks()
    jobs = split(job, shards, cpus)
    running: list[_Shard] = []
    try:
        events: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()
        for index, part in enumerate(jobs):
            running.append(_Shard(index, part, events))
        hooks.started([shard.pid for shard in running])
        samples = _follow(job, running, events, hooks)
    finally:
        for shard in running:
            shard.stop()
    return merge(samples)


def _follow(
    job: Job, shards: list[_Shard], events: queue.SimpleQueue[tuple[int, dict[str, Any]]], hooks: Hooks
) -> list[Sample]:
    """Pass the shards' events on until each has given its sample."""
    until = time.monotonic() + (
        job.connect_timeout_s * (1 + job.connections / 32) + job.warmup_s + job.duration_s + 2 * job.drain_s + _SLACK_S
    )
    seen = {"connected": 0, "window_start": 0, "window_end": 0}
    samples: dict[int, Sample] = {}
    while len(samples) < len(shards):
        try:
            index, event = events.get(timeout=0.2)
        except queue.Empty:
            if hooks.is_hopeless():
                raise LoadError("the server ended while it was under load") from None
            if time.monotonic() > until:
                raise LoadError("the load generator did not finish in time") from None
            continue
        name = event["event"]
        if name == "error":
            raise LoadError(event["reason"])
        if name == "ended":
            if index not in samples:
                raise LoadError(f"the load generator ended without a sample: {event['stderr']}")
        elif name == "sample":
            samples[index] = Sample.from_mapping(event["sample"])
        else:
            seen[name] += 1
            if name == "connected" and seen[name] == len(shards):
                for shard in shards:
                    shard.go()
            elif name == "window_start" and seen[name] == 1:
                hooks.window_start()
            elif name == "window_end" and seen[name] == len(shards):
                hooks.window_end()
    return [samples[index] for index in range(len(shards))]


class _Shard:
    """One load generator process and the thread that reads it."""

    def __init__(self, index: int, job: Job, events: queue.SimpleQueue[tuple[int, dict[str, Any]]]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runners.loadgen"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._write(job.to_json())
        self._reader = threading.Thread(target=self._read, args=(index, events), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def go(self) -> None:
        self._write("go")

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _read(self, index: int, events: queue.SimpleQueue[tuple[int, dict[str, Any]]]) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for line in self._process.stdout:
            events.put((index, json.loads(line)))
        words = self._process.stderr.read().strip().splitlines()
        events.put((index, {"event": "ended", "stderr": words[-1][:300] if words else "no message"}))

    def stop(self) -> None:
        if self._process.poll() is None and self._reader.is_alive():
            self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def merge(samples: Sequence[Sample]) -> LoadResult:
    """Add up ledgers and histograms; percentiles are only ever taken of the sums."""
    decoded = [{name: Histogram.decode(text) for name, text in sample.histograms.items()} for sample in samples]
    seconds = [[Histogram.decode(text) for text in sample.seconds] for sample in samples]
    return LoadResult(
        samples=tuple(samples),
        ledger=reduce(lambda total, sample: total + sample.ledger, samples, Ledger()),
        histograms={name: reduce(Histogram.merge, (histograms[name] for histograms in decoded)) for name in decoded[0]},
        seconds=tuple(reduce(Histogram.merge, column) for column in zip(*seconds, strict=False)),
    )


def report(result: LoadResult, *, open_loop: bool) -> dict[str, Any]:
    """What ``rtsite load`` tells of a result: figures, and whether the generator was good enough."""
    percentiles = {name: histogram.percentiles() for name, histogram in result.histograms.items()}
    ledger = result.ledger
    busy = result.percent(lambda sample: sample.working_ns)
    lag_p99_ms = result.histograms["send_lag"].percentile_ms(0.99) if open_loop else None
    reasons = []
    if busy > MAX_BUSY_PERCENT:
        reasons.append(f"generator working {busy:.0f} % of the time, limit {MAX_BUSY_PERCENT:g} %: add --shards")
    if lag_p99_ms is not None and lag_p99_ms > MAX_LAG_MS:
        reasons.append(f"send lag p99 {lag_p99_ms:.3g} ms, limit {MAX_LAG_MS:g} ms")
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
