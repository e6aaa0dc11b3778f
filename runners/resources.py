"""CPU time and memory of a process tree, read from outside."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field

import psutil

from runners.record import Usage

SAMPLE_EVERY_S = 1.0
_MB = 1e6
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Reading:
    """One look at a process tree. CPU time is nanoseconds per process, memory bytes of the whole tree."""

    at_ns: int
    cpu_ns: dict[int, int]
    ended_children_s: dict[int, float]
    """Per process, the CPU seconds of its children that ended and were waited for."""
    pss: int
    uss: int
    rss: int
    threads: int


def read_cpu(pid: int) -> tuple[dict[int, int], dict[int, float]]:
    """CPU nanoseconds of every process of the tree, and seconds of their ended children."""
    cpu: dict[int, int] = {}
    ended: dict[int, float] = {}
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            cpu[process.pid] = _cpu_clock_ns(process.pid, times.user + times.system)
            ended[process.pid] = times.children_user + times.children_system
    return cpu, ended


def read(pid: int) -> Reading:
    """CPU and memory of a process tree. PSS counts a page shared by n processes as 1/n in each."""
    cpu, ended = read_cpu(pid)
    at_ns = time.perf_counter_ns()  # reading the memory below takes milliseconds per process
    pss = uss = rss = threads = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            pss += getattr(memory, "pss", memory.uss)
            uss += memory.uss
            rss += memory.rss
            threads += process.num_threads()
    return Reading(at_ns, cpu, ended, pss, uss, rss, threads)


def read_others() -> dict[int, int]:
    """CPU nanoseconds of every process of this machine that is neither this one nor descended from it.

    The kernel's own totals will not do: where they are counted in ticks, a load that beats in time with the
    ticks is seen as a core always or never busy.
    """
    ours = {process.pid for process in _tree(os.getpid())}
    clocks: dict[int, int] = {}
    for pid in psutil.pids():
        if pid not in ours and pid > 0:
            with contextlib.suppress(OSError, AttributeError, OverflowError):
                clocks[pid] = time.clock_gettime_ns(_clock_number(pid))
    return clocks


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _clock_number(pid: int) -> int:
    return ((~pid) << 3) | _CPUCLOCK_SCHED


def _cpu_clock_ns(pid: int, seconds: float) -> int:
    """The process's CPU clock, in nanoseconds where Linux offers it, else the kernel's ticks.

    The clock's number is ~pid << 3 | CPUCLOCK_SCHED, as clock_getcpuclockid(3) makes it; it covers
    threads that have ended, and needs no permission. Ticks are 10 ms, too coarse for a light load.
    """
    try:
        return time.clock_gettime_ns(_clock_number(pid))
    except (OSError, AttributeError, OverflowError):
        return int(seconds * 1e9)


@dataclass
class Watch:
    """Follows a process tree through the timed window: exact CPU at its edges, memory once per second."""

    pid: int
    _first: Reading | None = None
    _last: Reading | None = None
    _between: list[Reading] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """The window opens."""
        self._first = read(self.pid)
        self._thread = threading.Thread(target=self._follow, name=f"watch-{self.pid}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """The window closes; harmless if it never opened."""
        if self._first is None or self._last is not None:
            return
        cpu, ended = read_cpu(self.pid)
        at_ns = time.perf_counter_ns()
        self.abandon()
        memory = read(self.pid)
        self._last = Reading(at_ns, cpu, ended, memory.pss, memory.uss, memory.rss, memory.threads)

    def abandon(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _follow(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            self._between.append(read(self.pid))

    def usage(self, messages: int | None) -> Usage | None:
        """What the tree used in the window; ``messages``: what CPU time is divided by."""
        if self._first is None or self._last is None:
            return None
        first, last = self._first, self._last
        readings = [reading for reading in (first, *self._between, last) if reading.pss]
        cpu_s = cpu_seconds(first, last)
        window_s = (last.at_ns - first.at_ns) / 1e9
        return Usage(
            cpu_s=round(cpu_s, 6),
            cpu_percent=round(100 * cpu_s / window_s, 2),
            cpu_us_per_message=round(1e6 * cpu_s / messages, 3) if messages else None,
            pss_mean_mb=_mean_mb([reading.pss for reading in readings]),
            pss_peak_mb=round(max((reading.pss for reading in readings), default=0) / _MB, 2) or None,
            uss_mean_mb=_mean_mb([reading.uss for reading in readings]),
            rss_mean_mb=_mean_mb([reading.rss for reading in readings]),
            threads=max((reading.threads for reading in readings), default=None),
            processes=len(last.cpu_ns) or None,
        )


def cpu_seconds(first: Reading, last: Reading) -> float:
    """CPU seconds of the tree between two readings, processes that started or ended in between included.

    A process seen only in the first reading ended: what it used after that is in its parent's account
    of ended children, from which what it had used before the window is taken off.
    """
    alive = sum(used - first.cpu_ns.get(pid, 0) for pid, used in last.cpu_ns.items()) / 1e9
    ended = sum(seconds - first.ended_children_s.get(pid, 0.0) for pid, seconds in last.ended_children_s.items())
    gone_before = sum(used for pid, used in first.cpu_ns.items() if pid not in last.cpu_ns) / 1e9
    return max(0.0, alive + max(0.0, ended - gone_before))


def _mean_mb(values: list[int]) -> float | None:
    return round(sum(values) / len(values) / _MB, 2) if values else None
