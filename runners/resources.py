"""CPU time and memory of a process tree, read by another process."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from runners.record import Usage

_LOOK_UP_EVERY_NS = 1_000_000_000
_MB = 1e6
_ESTABLISHED = "01"
"""State of a connection in /proc/net/tcp (include/net/tcp_states.h of Linux)."""
_EVENTFD = "anon_inode:[eventfd]"
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Memory:
    """One reading of a process tree's memory, in bytes. PSS counts a page that n processes share as 1/n in each."""

    pss: int
    uss: int
    rss: int
    threads: int


CpuTimes = tuple[dict[int, int], dict[int, float]]
"""CPU nanoseconds by process ID, and CPU seconds of its ended children by process ID of the parent that waited for
them."""


def read_cpu(processes: Iterable[psutil.Process]) -> CpuTimes:
    """Read the CPU times of processes; processes that have ended are omitted."""
    cpu: dict[int, int] = {}
    ended: dict[int, float] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            cpu[process.pid] = _cpu_clock_ns(process.pid, times.user + times.system)
            ended[process.pid] = times.children_user + times.children_system
    return cpu, ended


def read_memory(*pids: int) -> Memory:
    """Read the memory of a process tree, or of several together."""
    pss = uss = rss = threads = 0
    for process in _trees(pids):
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            pss += getattr(memory, "pss", memory.uss)
            uss += memory.uss
            rss += memory.rss
            threads += process.num_threads()
    return Memory(pss, uss, rss, threads)


def count_processes(pid: int) -> int:
    """The number of processes in a tree."""
    return len(_tree(pid))


def count_threads(pid: int) -> int:
    """The number of threads in a process tree."""
    return sum(process.num_threads() for process in _tree(pid))


def read_open_files(pid: int) -> list[tuple[int, int]]:
    """The number of open files of each process in a tree, and how many it may have."""
    found = []
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            found.append((process.num_fds(), process.rlimit(psutil.RLIMIT_NOFILE)[0]))
    return found


def read_spread(pid: int, port: int) -> list[int]:
    """The number of clients that each process of a tree has on this TCP port, in descending order, without zeros."""
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


def runs_uvloop(pid: int) -> bool:
    """Whether a process of the tree runs uvloop's event loop.

    It has loaded uvloop's compiled module, and has an eventfd open. A framework may load the module without using it.
    libuv opens an eventfd for each of uvloop's loops. asyncio's own loop opens none.
    """
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error, OSError):
            loaded = any("/uvloop/" in mapped.path for mapped in process.memory_maps())
            if loaded and any(_target(file) == _EVENTFD for file in Path(f"/proc/{process.pid}/fd").iterdir()):
                return True
    return False


def _target(descriptor: Path) -> str:
    """What this entry of a process's fd folder (proc(5)) points to; empty if it is closed meanwhile."""
    try:
        return os.readlink(descriptor)  # noqa: PTH115 - no path: anon_inode:[eventfd]
    except FileNotFoundError:
        return ""


def read_established() -> set[tuple[int, int]]:
    """Local and remote port of every established TCP connection over IPv4, as the kernel sees it (proc(5), net/tcp)."""
    found = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if state == _ESTABLISHED:
            found.add((int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16)))
    return found


def read_own() -> set[int]:
    """The IDs of this process and all its descendants."""
    return {process.pid for process in _tree(os.getpid())}


def read_others(own: Collection[int]) -> dict[int, int]:
    """CPU nanoseconds of every process on this machine except these.

    The kernel's own totals are not precise enough. Some kernels count them in ticks. A load that is synchronous with
    the ticks then seems to use a whole core or none.
    """
    clocks: dict[int, int] = {}
    for pid in psutil.pids():
        if pid not in own and pid > 0:
            with contextlib.suppress(OSError, AttributeError, OverflowError):
                clocks[pid] = time.clock_gettime_ns(_clock_number(pid))
    return clocks


def name_of(pid: int) -> str | None:
    """The system's name of a process, at most 15 characters; ``None`` if it has ended."""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None


def pause_tree(pid: int) -> None:
    """Stop a process tree until `resume_tree`."""
    _signal(pid, signal.SIGSTOP)


def resume_tree(pid: int) -> None:
    """Let a process tree run again."""
    _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _trees(pids: Iterable[int]) -> list[psutil.Process]:
    return [process for pid in pids for process in _tree(pid)]


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _clock_number(pid: int) -> int:
    return ((~pid) << 3) | _CPUCLOCK_SCHED


def _cpu_clock_ns(pid: int, seconds: float) -> int:
    """The CPU time of a process in nanoseconds, from its CPU clock on Linux, otherwise from the kernel's ticks.

    The clock's number is ~pid << 3 | CPUCLOCK_SCHED, as in clock_getcpuclockid(3). It includes threads that have ended,
    and needs no permission. Ticks are 10 ms, which is too coarse for a light load.
    """
    try:
        return time.clock_gettime_ns(_clock_number(pid))
    except (OSError, AttributeError, OverflowError):
        return int(seconds * 1e9)


class Watch:
    """Observes a process tree, or several together, during the slices of a timed window. It reads CPU time at their
    start and end, and memory on request.

    The list of processes is read at most once per second, because that takes milliseconds. The CPU time of a new
    process counts from that reading on.
    """

    def __init__(self, *pids: int) -> None:
        self.pids = pids
        """The first process of each tree."""
        self.cpu_s = 0.0
        """CPU seconds in the slices so far."""
        self._spent_ns = 0
        self._edge: CpuTimes | None = None
        self._began_ns = 0
        self._processes: list[psutil.Process] = []
        self._looked_up_ns = 0
        self.memory: list[Memory] = []
        self.looked_s: list[float] = []
        """When each of these was read, by `time.perf_counter`."""

    def begin(self) -> None:
        """Begin a slice."""
        self._edge = self._read()
        self._began_ns = time.perf_counter_ns()

    def end(self) -> None:
        """End the slice; no effect if none was begun."""
        if self._edge is None:
            return
        self._spent_ns += time.perf_counter_ns() - self._began_ns
        self.cpu_s += cpu_seconds(self._edge, self._read())
        self._edge = None

    def look(self) -> None:
        """Read the memory, which takes milliseconds per process."""
        self.memory.append(read_memory(*self.pids))
        self.looked_s.append(time.perf_counter())

    def total_cpu_s(self) -> float:
        """CPU seconds of the current processes since each was started."""
        return sum(read_cpu(_trees(self.pids))[0].values()) / 1e9

    def _read(self) -> CpuTimes:
        now = time.perf_counter_ns()
        if now - self._looked_up_ns > _LOOK_UP_EVERY_NS:
            self._processes = _trees(self.pids)
            self._looked_up_ns = now
        return read_cpu(self._processes)

    def usage(self, messages: int | None, *, alone: bool) -> Usage | None:
        """The resources that the tree used in the slices. CPU time per message is CPU time divided by ``messages``.

        If other servers run (not ``alone``), PSS is omitted, because pages shared with them would count for less.
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


def cpu_seconds(first: CpuTimes, last: CpuTimes) -> float:
    """CPU seconds of a tree between two results of `read_cpu`, including processes that started or ended in between.

    A process that is only in the first reading has ended. Its whole CPU time is then in its parent's total of ended
    children. The part that it had used before the first reading is subtracted.
    """
    cpu_before, ended_before = first
    cpu_after, ended_after = last
    alive = sum(used - cpu_before.get(pid, 0) for pid, used in cpu_after.items()) / 1e9
    ended = sum(seconds - ended_before.get(pid, 0.0) for pid, seconds in ended_after.items())
    gone_before = sum(used for pid, used in cpu_before.items() if pid not in cpu_after) / 1e9
    return max(0.0, alive + max(0.0, ended - gone_before))


def _mean_mb(values: list[int]) -> float | None:
    return round(sum(values) / len(values) / _MB, 2) if values else None
