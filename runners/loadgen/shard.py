"""One shard's life: connect, apply slices of load as it is told, hand in its sample. Talks by lines of JSON.

In: the `Job` on the first line, then commands. ``{"do": "load", "seconds": s}`` applies one slice of load,
``{"do": "forget"}`` declares what was measured so far as warm-up, ``{"do": "listen", "seconds": s}`` lets the deaf
read, ``{"do": "recover", "seconds": s}`` goes on while the server dies and comes back, ``finish`` ends it. Out:
``{"event": "connected"}`` with how the connections came up, per slice ``loaded`` with a `Brief`, ``heard`` with what
the deaf `Heard`, ``recovered`` with a `Recovered`, at the end ``sample`` with the `Sample`; or ``error`` with a reason.
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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from time import perf_counter_ns as clock_ns
from typing import Any

import numpy as np

from runners.loadgen import histogram, kernel
from runners.loadgen.codecs import codec_for
from runners.loadgen.engine import Client, Engine, Totals, masks
from runners.loadgen.job import Connected, Job, Recovered, Sample
from runners.loadgen.lines import Line
from runners.loadgen.opening import HandshakeError, open_all, told
from runners.loadgen.polling import open_session, open_stream
from runners.loadgen.recovery import Recovery

_PR_SET_PDEATHSIG = 1
_SECOND_NS = 1_000_000_000

Emit = Callable[[dict[str, Any]], None]


class LoadError(Exception):
    """The load could not be applied; the text says why."""


def main() -> int:
    """Read the job and then commands from stdin, apply the load, write events and the sample to stdout."""

    def emit(event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    end_with_starter()
    commands = _Commands(sys.stdin.fileno())
    try:
        _prepare()
        job = Job.from_json(commands.next())
        if job.cpus:
            os.sched_setaffinity(0, job.cpus)
        emit({"event": "sample", "sample": asdict(_Shard(job).follow(commands, emit))})
    except LoadError as error:
        emit({"event": "error", "reason": str(error)})
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


def _prepare() -> None:
    """Whatever takes time and needs no job yet."""
    if not kernel.SUPPORTED:
        raise LoadError("the load generator waits for answers by epoll, which only Linux has; measure there")
    kernel.prepare()


def end_with_starter() -> None:
    """If the starter is killed, so is this process (prctl(2), PR_SET_PDEATHSIG); elsewhere it ends with its job."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Commands:
    """Lines from a file descriptor, read without a buffer of Python's: epoll must see what is waiting."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""

    @property
    def waiting(self) -> bool:
        return b"\n" in self._rest

    def next(self) -> str:
        """The next line; raises `LoadError` if the starter has gone away."""
        while not self.waiting:
            more = os.read(self.descriptor, 65536)
            if not more:
                raise LoadError("the process that started this shard went away")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()


class _Shard:
    """One job, from connecting to the sample."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.connect_ns = array("q")
        self.refused: Counter[str] = Counter()
        started, cpu_started = clock_ns(), time.process_time_ns()
        clients = self._connect()
        self.connected = Connected(
            planned=job.connections,
            established=len(clients),
            took_ns=clock_ns() - started,
            cpu_ns=time.process_time_ns() - cpu_started,
            errors=dict(self.refused),
            histogram=histogram.encode(histogram.of(self.connect_ns)),
        )
        self.engine = Engine(job, clients)
        self.warmup = Totals()

    def follow(self, commands: _Commands, emit: Emit) -> Sample:
        """Do what is told until ``finish``; raises `LoadError`."""
        emit({"event": "connected", "connected": asdict(self.connected)})
        gc.collect()
        gc.freeze()
        gc.disable()
        for command in self._commands(commands):
            match command:
                case {"do": "load", "seconds": float(seconds)}:
                    emit({"event": "loaded", "brief": asdict(self.engine.load(seconds))})
                case {"do": "listen", "seconds": float(seconds)}:
                    emit({"event": "heard", "heard": asdict(self.engine.listen(seconds))})
                case {"do": "recover", "seconds": float(seconds)}:
                    emit({"event": "recovered", "recovered": asdict(self._recover(seconds))})
                case {"do": "forget"}:
                    self.warmup = self.engine.totals
                    self.engine.forget()
                case {"do": "finish"}:
                    break
                case _:
                    raise LoadError(f"an unknown command: {command}")
        sample = self._sample()
        self.engine.close()
        return sample

    def _commands(self, commands: _Commands) -> Iterator[dict[str, Any]]:
        while True:
            if not commands.waiting:
                self.engine.idle(commands.descriptor)
            yield json.loads(commands.next())

    def _recover(self, seconds: float) -> Recovered:
        recovery = Recovery(self.job, self.engine.clients)
        try:
            return recovery.run(seconds)
        finally:
            recovery.close()

    def _connect(self) -> list[Client]:
        """Open all connections; those that fail are counted, and if none comes up the load cannot be applied."""
        job = self.job
        failures: list[str] = []
        if job.mode == "closed" and job.exchange in ("dashboard", "events"):
            raise LoadError(f"the {job.exchange} exchange has no closed loop")
        # In a room any member sends the same bytes as the others.
        keys = masks(job.seed, 1) * job.connections if job.exchange == "room" else masks(job.seed, job.connections)

        clients = []
        for index, line, took_ns, error in self._open(keys):
            if line is None:
                failures.append(error)
                continue
            self.connect_ns.append(took_ns)
            number = job.first_client + index
            clients.append(Client(number, codec_for(job, number), line, keys[index]))
        clients.sort(key=lambda client: client.number)
        if failures:
            self.refused["not-connected"] = len(failures)
        if not clients:
            raise LoadError(f"none of {job.connections} connections to {job.url} could be opened: {failures[0]}")
        return clients

    def _open(self, keys: Sequence[bytes]) -> Iterator[tuple[int, Line | None, int, str]]:
        """Each connection's index, and a line with the nanoseconds it took, or why there is none."""
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
                    deaf=job.deaf,
                )
            except OSError as error:
                raise LoadError(f"{job.url} cannot be reached: {error}") from error
            return

        def open_one(index: int) -> tuple[int, Line | None, int, str]:
            started = clock_ns()
            try:
                line = open_stream(job.url) if job.transport == "sse" else open_session(job.url, job.connect_timeout_s)
            except (OSError, HandshakeError) as error:
                return index, None, 0, told(error)
            return index, line, clock_ns() - started, ""

        with ThreadPoolExecutor(job.at_once) as threads:
            yield from threads.map(open_one, range(len(keys)))

    def _sample(self) -> Sample:
        engine, job = self.engine, self.job
        engine.finish_rows()
        totals = engine.totals
        histograms = {name: histogram.encode(counts) for name, counts in engine.counts.items()}
        histograms["connect"] = histogram.encode(histogram.of(self.connect_ns))
        pushes = pushes_missed = 0
        if job.push_period_s:
            lateness = push_lateness(totals.push_number, totals.push_at, job.push_period_s)
            pushes = totals.pushes  # those that came while late answers were waited for belong to no second of it
            pushes_missed = missed_pushes(totals.push_client, totals.push_number, len(engine.clients))
            histograms["push_lateness"] = histogram.encode(histogram.of(lateness))
        return Sample(
            window_ns=totals.window_ns,
            slices=totals.slices,
            ledger=totals.ledger,
            warmup_ledger=self.warmup.ledger,
            planned=job.connections,
            established=len(engine.clients),
            closed_early=engine.closed_early,
            answered_in_window=totals.answered,
            offered=totals.offered,
            censored=totals.censored,
            pushes=pushes,
            pushes_missed=pushes_missed,
            errors=dict(self.refused + engine.errors),
            histograms=histograms,
            seconds=[histogram.encode(row) for row in engine.rows()],
            cpu_ns=totals.cpu_ns,
            working_ns=totals.working_ns,
            packages={name: version(name) for name in ("numba", "websockets", "hdrhistogram", "numpy")},
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
