"""CPU time and memory of a process tree, read from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psutil

from runners.record import Usage

_LOOK_UP_EVERY_NS = 1_000_000_000
_MB = 1e6
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Memory:
    """One look at a process tree's memory, in bytes. PSS counts a page shared by n processes as 1/n in each."""

    pss: int
    uss: int
    rss: int
    threads: int


Clocks = tuple[dict[int, int], dict[int, float]]
"""CPU nanoseconds per process, and per process the CPU seconds of its children that ended and were waited for."""


def read_cpu(processes: Iterable[psutil.Process]) -> Clocks:
    """The CPU clocks of processes; those that are gone are left out."""
    cpu: dict[int, int] = {}
    ended: dict[int, float] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            cpu[process.pid] = _cpu_clock_ns(process.pid, times.user + times.system)
            ended[process.pid] = times.children_user + times.children_system
    return cpu, ended


def read_memory(pid: int) -> Memory:
    """The memory of a process tree."""
    pss = uss = rss = threads = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            pss += getattr(memory, "pss", memory.uss)
            uss += memory.uss
            rss += memory.rss
            threads += process.num_threads()
    return Memory(pss, uss, rss, threads)


def count_processes(pid: int) -> int:
    """The processes of a tree."""
    return len(_tree(pid))


def count_threads(pid: int) -> int:
    """The threads of a process tree."""
    return sum(process.num_threads() for process in _tree(pid))


def read_spread(pid: int, port: int) -> list[int]:
    """How many clients each process of a tree serves on this TCP port, the most first; those without any left out."""
    served = []
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            served.append(
                sum(
                    one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
                    for one in process.net_connections(kind="tcp")
                )
            )
    return sorted(filter(None, served), reverse=True)


def read_own() -> set[int]:
    """The ids of the process that asks and of all descended from it."""
    return {process.pid for process in _tree(os.getpid())}


def read_others(own: Collection[int]) -> dict[int, int]:
    """CPU nanoseconds of every process of this machine but these.

    The kernel's own totals will not do: where they are counted in ticks, a load that beats in time with the
    ticks is seen as a core always or never busy.
    """
    clocks: dict[int, int] = {}
    for pid in psutil.pids():
        if pid not in own and pid > 0:
            with contextlib.suppress(OSError, AttributeError, OverflowError):
                clocks[pid] = time.clock_gettime_ns(_clock_number(pid))
    return clocks


def name_of(pid: int) -> str | None:
    """What the system calls a process, at most 15 characters of it; ``None`` once it has ended."""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None


def halt(pid: int) -> None:
    """A process tree stands still until `go_on`."""
    _signal(pid, signal.SIGSTOP)


def go_on(pid: int) -> None:
    """A process tree goes on where it stood still."""
    _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


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


class Watch:
    """Follows a process tree through the slices of a timed window: CPU at their edges, memory when it is looked at.

    Which processes there are is looked up at most once per second, since that takes milliseconds; a new one's CPU
    counts from then on.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.cpu_s = 0.0
        """Spent in the slices so far."""
        self._spent_ns = 0
        self._edge: Clocks | None = None
        self._began_ns = 0
        self._processes: list[psutil.Process] = []
        self._looked_up_ns = 0
        self.memory: list[Memory] = []

    def begin(self) -> None:
        """A slice begins."""
        self._edge = self._read()
        self._began_ns = time.perf_counter_ns()

    def end(self) -> None:
        """A slice ends; harmless if none began."""
        if self._edge is None:
            return
        self._spent_ns += time.perf_counter_ns() - self._began_ns
        self.cpu_s += cpu_seconds(self._edge, self._read())
        self._edge = None

    def look(self) -> None:
        """Read the memory; takes milliseconds per process."""
        self.memory.append(read_memory(self.pid))

    def total_cpu_s(self) -> float:
        """All CPU seconds of the processes that are there now, whenever they were spent."""
        return sum(read_cpu(_tree(self.pid))[0].values()) / 1e9

    def _read(self) -> Clocks:
        now = time.perf_counter_ns()
        if now - self._looked_up_ns > _LOOK_UP_EVERY_NS:
            self._processes = _tree(self.pid)
            self._looked_up_ns = now
        return read_cpu(self._processes)

    def usage(self, messages: int | None, *, alone: bool) -> Usage | None:
        """What the tree used in the slices; ``messages``: what CPU time is divided by.

        Beside other servers (not ``alone``) there is no PSS: pages shared with them count for less.
        """
        if not self._spent_ns:
            return None
        readings = [reading for reading in self.memory if reading.rss]
        pss = [reading.pss for reading in readings] if alone else []
        return Usage(
            cpu_s=round(self.cpu_s, 6),
            cpu_percent=round(100e9 * self.cpu_s / self._spent_ns, 2),
            cpu_us_per_message=round(1e6 * self.cpu_s / messages, 3) if messages else None,
            pss_mean_mb=_mean_mb(pss),
            pss_peak_mb=round(max(pss) / _MB, 2) if pss else None,
            uss_mean_mb=_mean_mb([reading.uss for reading in readings]),
            rss_mean_mb=_mean_mb([reading.rss for reading in readings]),
            threads=max((reading.threads for reading in readings), default=None),
            processes=len(self._processes) or None,
        )


def cpu_seconds(first: Clocks, last: Clocks) -> float:
    """CPU seconds of a tree between two results of `read_cpu`, processes that started or ended in between included.

    A process seen only in the first reading ended: what it used after that is in its parent's account
    of ended children, from which what it had used before the window is taken off.
    """
    cpu_before, ended_before = first
    cpu_after, ended_after = last
    alive = sum(used - cpu_before.get(pid, 0) for pid, used in cpu_after.items()) / 1e9
    ended = sum(seconds - ended_before.get(pid, 0.0) for pid, seconds in ended_after.items())
    gone_before = sum(used for pid, used in cpu_before.items() if pid not in cpu_after) / 1e9
    return max(0.0, alive + max(0.0, ended - gone_before))


def _mean_mb(values: list[int]) -> float | None:
    return round(sum(values) / len(values) / _MB, 2) if values else None
