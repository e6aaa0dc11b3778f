"""One shard's life: connect, warm up, measure, settle. Talks to its starter by lines of JSON.

Out: ``{"event": "connected"}``, ``window_start``, ``window_end``, then ``sample`` with the `Sample`, or
``error`` with a reason. In: the job on the first line, then one line ``go`` when all shards are connected.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from itertools import pairwise
from time import perf_counter_ns as clock_ns
from typing import Any

import numpy as np
import uvloop
from picows import WSError

from runners.loadgen import histogram, schedule
from runners.loadgen.connection import ClosedLoopConnection, Connection, OpenLoopConnection, Recorder
from runners.loadgen.job import Job, Ledger, Sample
from runners.loadgen.message import EchoCodec, codec_for

CONNECTING_AT_ONCE = 32
BURST = 32
"""Messages sent in one turn of the loop when the schedule is behind, before answers are read."""
_TICK_S = 0.05
_PR_SET_PDEATHSIG = 1
_SECOND_NS = 1_000_000_000

Emit = Callable[[dict[str, Any]], None]


class LoadError(Exception):
    """The load could not be applied; the text says why."""


def main() -> int:
    """Read the job from stdin, apply the load, write events and the sample to stdout."""

    def emit(event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    _end_with_starter()
    job = Job.from_json(sys.stdin.readline())
    if job.cpus:
        os.sched_setaffinity(0, job.cpus)
    try:
        sample = uvloop.run(apply(job, emit, wait_for_go))
    except LoadError as error:
        emit({"event": "error", "reason": str(error)})
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    emit({"event": "sample", "sample": asdict(sample)})
    return 0


def _end_with_starter() -> None:
    """If the starter is killed, so is this process (prctl(2), PR_SET_PDEATHSIG); elsewhere it ends with its job."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


async def wait_for_go() -> None:
    """Until the starter says ``go``; it has gone away if the line is empty."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if line.strip() != "go":
        raise LoadError("the process that started this shard went away")


async def apply(job: Job, emit: Emit, ready: Callable[[], Any]) -> Sample:
    """Run one job from connecting to the sample; raises `LoadError`."""
    connections, connect_ns, before = await _connect(job)
    emit({"event": "connected"})
    await ready()
    gc.collect()
    gc.freeze()
    gc.disable()
    warmup = await _phase(job, connections, job.warmup_s, lambda: None)
    cpu_before = time.process_time_ns()
    emit({"event": "window_start"})
    window = await _phase(job, connections, job.duration_s, lambda: emit({"event": "window_end"}))
    cpu_ns = window.cpu_at_end_ns - cpu_before
    sample = _sample(job, connections, connect_ns, before, warmup, window, cpu_ns)
    for connection in connections:
        connection.close()
    await asyncio.sleep(0)
    return sample


async def _connect(job: Job) -> tuple[list[Connection], array[int], Recorder]:
    """Open all connections; those that fail are counted, and if none comes up the load cannot be applied."""
    recorder = Recorder()
    took = array("q")
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
    failures: list[str] = []

    async def open_one(client: int) -> Connection | None:
        codec = codec_for(job, client)
        connection: Connection
        if job.mode == "open":
            connection = OpenLoopConnection(client, codec, job, recorder)
        elif isinstance(codec, EchoCodec):
            connection = ClosedLoopConnection(client, codec, job, recorder)
        else:
            raise LoadError(f"the {job.exchange} exchange has no closed loop")
        async with gate:
            started = clock_ns()
            try:
                await connection.open(job.url, job.connect_timeout_s)
            except (OSError, WSError) as error:
                failures.append(_reason(error))
                recorder.count_error("not-connected")
                connection.close()
                return None
            took.append(clock_ns() - started)
            return connection

    opened = await asyncio.gather(*(open_one(job.first_client + index) for index in range(job.connections)))
    connections = [connection for connection in opened if connection is not None]
    if not connections:
        raise LoadError(f"none of {job.connections} connections to {job.url} could be opened: {failures[0]}")
    return connections, took, recorder


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}"[:300]


class _Phase:
    """What one phase left behind, besides what stands in the recorder and the connections' ledgers."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.started_ns = 0
        self.ended_ns = 0
        self.answered = 0
        self.pushed = 0
        self.offered = 0
        self.censored = 0
        self.idle_ns = 0
        self.cpu_at_end_ns = 0
        self.marks: list[int] = []
        self.ledger = Ledger()


async def _phase(job: Job, connections: list[Connection], duration_s: float, at_end: Callable[[], None]) -> _Phase:
    """Apply the load for ``duration_s``, then wait for what is still unanswered, then close the books."""
    phase = _Phase(Recorder())
    phase.started_ns = clock_ns()
    if job.mode == "closed":
        await _closed_loop(job, [c for c in connections if isinstance(c, ClosedLoopConnection)], duration_s, phase)
    else:
        await _open_loop(job, [c for c in connections if isinstance(c, OpenLoopConnection)], duration_s, phase)
    phase.ended_ns = clock_ns()
    phase.answered = len(phase.recorder.latency)
    phase.pushed = len(phase.recorder.push_number)
    phase.cpu_at_end_ns = time.process_time_ns()
    at_end()
    await _drain(job, connections)
    cutoff = clock_ns()
    overdue = cutoff - int(job.answer_timeout_s * _SECOND_NS)
    for connection in connections:
        if isinstance(connection, ClosedLoopConnection):
            connection.conclude()
        if isinstance(connection, (ClosedLoopConnection, OpenLoopConnection)):
            phase.censored += connection.censor(cutoff)
        phase.ledger += connection.ledger.settle(alive=connection.alive, overdue_ns=overdue)
    if job.mode == "closed":
        phase.offered = phase.ledger.sent
    return phase


async def _closed_loop(job: Job, connections: list[ClosedLoopConnection], duration_s: float, phase: _Phase) -> None:
    deadline = phase.started_ns + int(duration_s * _SECOND_NS)
    for connection in connections:
        connection.begin(phase.recorder, deadline)
    next_second = phase.started_ns + _SECOND_NS
    while (now := clock_ns()) < deadline:
        if now >= next_second:
            while now >= next_second:
                phase.marks.append(len(phase.recorder.latency))
                next_second += _SECOND_NS
            for connection in connections:
                connection.give_up(now - int(job.answer_timeout_s * _SECOND_NS))
        await asyncio.sleep(min(_TICK_S, (deadline - now) / _SECOND_NS))


async def _open_loop(job: Job, connections: list[OpenLoopConnection], duration_s: float, phase: _Phase) -> None:
    """Spin through the loop rather than sleep: the kernel rounds timers up to a millisecond."""
    arrange = schedule.poisson if job.arrivals == "poisson" else schedule.steady
    plan = arrange(len(connections), job.rate_per_s, duration_s, job.seed)
    due, who, total = plan.due_ns, plan.connection, len(plan.due_ns)
    for connection in connections:
        connection.begin(phase.recorder)
    phase.offered = total
    recorder = phase.recorder
    start = phase.started_ns = clock_ns()
    end = start + int(duration_s * _SECOND_NS)
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    position = 0
    last = start
    next_second = start + _SECOND_NS

    def turn() -> None:
        nonlocal position, last, next_second
        now = clock_ns()
        if not recorder.worked:
            phase.idle_ns += now - last
        recorder.worked = False
        sent = 0
        while position < total and sent < BURST:
            intended = start + due[position]
            if intended > now:
                break
            connections[who[position]].send_at(intended)
            position += 1
            sent += 1
            now = clock_ns()
            recorder.worked = True
        last = now
        while now >= next_second:
            phase.marks.append(len(recorder.latency))
            next_second += _SECOND_NS
        if now < end or position < total:
            loop.call_soon(turn)
        elif not done.done():
            done.set_result(None)

    turn()
    await done
    # A generator too slow for its plan ends late: what became due meanwhile was not offered.
    phase.offered += int(job.rate_per_s * (clock_ns() - end) / _SECOND_NS)


async def _drain(job: Job, connections: list[Connection]) -> None:
    until = clock_ns() + int(job.drain_s * _SECOND_NS)
    while clock_ns() < until:
        waiting = (c.waiting for c in connections if isinstance(c, (ClosedLoopConnection, OpenLoopConnection)))
        if not any(waiting):
            return
        await asyncio.sleep(0.005)


def _sample(
    job: Job,
    connections: list[Connection],
    connect_ns: array[int],
    before: Recorder,
    warmup: _Phase,
    window: _Phase,
    cpu_ns: int,
) -> Sample:
    recorder = window.recorder
    histograms = {"latency": histogram.encode(recorder.latency), "connect": histogram.encode(connect_ns)}
    pushes = pushes_missed = 0
    if job.mode == "open":
        histograms["latency_from_send"] = histogram.encode(recorder.latency_from_send)
        histograms["send_lag"] = histogram.encode(recorder.send_lag)
    if job.push_period_s:
        lateness = push_lateness(recorder.push_number, recorder.push_at, job.push_period_s)
        pushes = window.pushed  # those that came while late answers were waited for belong to no second of it
        pushes_missed = missed_pushes(recorder.push_client, recorder.push_number, len(connections))
        histograms["push_lateness"] = histogram.encode(lateness)
    window_ns = window.ended_ns - window.started_ns
    edges = [0, *window.marks]
    if window.ended_ns - window.started_ns - _SECOND_NS * len(window.marks) > _SECOND_NS // 2:
        edges.append(window.answered)
    errors: Counter[str] = Counter()
    for part in (before, warmup.recorder, recorder):
        errors.update(part.errors)
    return Sample(
        window_ns=window_ns,
        ledger=window.ledger,
        warmup_ledger=warmup.ledger,
        planned=job.connections,
        established=len(connections),
        closed_early=sum(not connection.alive for connection in connections),
        answered_in_window=window.answered,
        offered=window.offered,
        censored=window.censored,
        pushes=pushes,
        pushes_missed=pushes_missed,
        errors=dict(errors),
        histograms=histograms,
        seconds=[histogram.encode(recorder.latency[start:end]) for start, end in pairwise(edges)],
        cpu_ns=cpu_ns,
        working_ns=cpu_ns if job.mode == "closed" else window_ns - window.idle_ns,
        packages={name: version(name) for name in ("picows", "uvloop", "hdrhistogram", "numpy")},
    )


def push_lateness(number: array[int], at_ns: array[int], period_s: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How late each push arrived, in nanoseconds, shape (n,).

    Push k is due at t0 + k * period. The server's t0 is not known to a client, so the earliest steady
    beat that fits all arrivals stands for it: t0 = min(arrival - k * period). A stall or a drifting
    timer shows as lateness; a constant delay common to all pushes cannot.
    """
    if not len(number):
        return np.zeros(0, dtype=np.int64)
    beat = np.array(at_ns, dtype=np.int64) - np.array(number, dtype=np.int64) * int(period_s * _SECOND_NS)
    return np.asarray(beat - beat.min(), dtype=np.int64)


def missed_pushes(client: array[int], number: array[int], clients: int) -> int:
    """Gaps in what each client saw between its own first and last push, plus clients that saw none."""
    if not len(number):
        return 0
    numbers: dict[int, set[int]] = {}
    for who, which in zip(client, number, strict=True):
        numbers.setdefault(who, set()).add(which)
    missed = sum(max(seen) - min(seen) + 1 - len(seen) for seen in numbers.values())
    typical = int(np.median([len(seen) for seen in numbers.values()]))
    return missed + typical * (clients - len(numbers))
