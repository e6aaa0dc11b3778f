"""CPU and memory of a process tree, including processes that end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st

from runners import resources
from runners.resources import CpuTimes, Watch, cpu_seconds

CPU_S = 0.3
BURN = f"import time\nwhile time.process_time() < {CPU_S}: pass\n"
SLEEP = "import sys; sys.stdin.readline()"


@contextmanager
def told(code: str) -> Iterator[subprocess.Popen[str]]:
    """A program that does something per line it is sent and answers each by a line."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], what: str = "go") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{what}\n")
    assert process.stdout.readline() == "done\n"


BURNS_IN_CHILDREN = f"""
import subprocess, sys
burn = [sys.executable, "-c", {BURN!r}]
for line in sys.stdin:
    subprocess.run(burn)
    print("done", flush=True)
"""
BURNS_ITSELF = f"""
import sys, time
for line in sys.stdin:
    until = time.process_time() + {CPU_S}
    while time.process_time() < until: pass
    print("done", flush=True)
"""


def watched(code: str) -> Watch:
    with told(code) as process:
        tell(process)  # what was used before the window does not count
        watch = Watch(process.pid)
        watch.begin()
        tell(process)
        watch.end()
        watch.look()
    return watch


def test_cpu_of_a_busy_process_is_what_it_used() -> None:
    usage = watched(BURNS_ITSELF).usage(1000, alone=True)
    assert usage is not None
    assert CPU_S <= usage.cpu_s <= CPU_S * 1.5
    assert usage.cpu_us_per_message == round(usage.cpu_s * 1e6 / 1000, 3)
    assert 0 < usage.cpu_percent <= 102
    assert usage.pss_mean_mb is not None
    assert usage.pss_peak_mb is not None
    assert usage.uss_mean_mb is not None
    assert usage.rss_mean_mb is not None
    assert usage.uss_mean_mb <= usage.pss_mean_mb <= usage.rss_mean_mb
    assert usage.pss_mean_mb <= usage.pss_peak_mb
    assert (usage.threads, usage.processes) == (1, 1)


def test_cpu_of_children_that_ended_in_the_window_counts() -> None:
    usage = watched(BURNS_IN_CHILDREN).usage(None, alone=True)
    assert usage is not None
    assert CPU_S * 0.95 <= usage.cpu_s <= CPU_S * 3
    assert usage.cpu_us_per_message is None


def test_a_watch_that_never_saw_a_window_knows_nothing() -> None:
    watch = Watch(1)
    watch.end()
    watch.look()
    assert watch.usage(1, alone=True) is None


def test_beside_other_servers_shared_pages_say_nothing() -> None:
    usage = watched(BURNS_ITSELF).usage(None, alone=False)
    assert usage is not None
    assert usage.pss_mean_mb is usage.pss_peak_mb is None
    assert usage.uss_mean_mb is not None


def test_only_the_slices_count() -> None:
    with told(BURNS_ITSELF) as process:
        watch = Watch(process.pid)
        for counts in (True, False, True):
            if counts:
                watch.begin()
            tell(process)
            watch.end()
        usage = watch.usage(2, alone=True)
        total_s = watch.total_cpu_s()
    assert usage is not None
    assert 2 * CPU_S <= usage.cpu_s <= 3 * CPU_S
    assert total_s >= 3 * CPU_S


def test_a_process_that_is_gone_has_no_values() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    memory = resources.read_memory(process.pid)
    assert (memory.pss, memory.threads) == (0, 0)
    watch = Watch(process.pid)
    watch.begin()
    watch.end()
    usage = watch.usage(10, alone=True)
    assert usage is not None
    assert usage.cpu_s == 0
    assert usage.pss_mean_mb is None


def reading(cpu_s: dict[int, float], ended_s: dict[int, float]) -> CpuTimes:
    return {pid: round(used * 1e9) for pid, used in cpu_s.items()}, ended_s


@given(st.dictionaries(st.integers(1, 9), st.floats(0, 100)), st.dictionaries(st.integers(1, 9), st.floats(0, 100)))
def test_cpu_is_never_negative(first: dict[int, float], last: dict[int, float]) -> None:
    assert cpu_seconds(reading(first, {}), reading(last, {})) >= 0


def test_a_worker_that_ended_is_counted_from_the_window_on() -> None:
    # Worker 2 had used 5 s before the window and 7 s when it ended; its parent used 1 s itself.
    first, last = reading({1: 10.0, 2: 5.0}, {1: 100.0}), reading({1: 11.0}, {1: 107.0})
    assert cpu_seconds(first, last) == 3.0
    # Worker 3 was started and ended within.
    assert cpu_seconds(reading({1: 10.0}, {1: 0.0}), reading({1: 10.0}, {1: 2.5})) == 2.5
    # Worker 4 is new and lives.
    assert cpu_seconds(reading({1: 10.0}, {1: 0.0}), reading({1: 10.0, 4: 1.5}, {1: 0.0, 4: 0.0})) == 1.5


def test_the_loop_of_a_child_is_seen() -> None:
    """Also where uvloop is loaded, and another loop runs."""
    loads = f"""
import subprocess, sys
for line in sys.stdin:
    code = f"import asyncio, uvloop; loop = {{line.strip()}}.new_event_loop(); print('done', flush=True); {SLEEP}"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(child.stdout.readline().strip(), flush=True)
"""
    with told(loads) as process:
        assert not resources.runs_uvloop(process.pid)
        tell(process, "asyncio")
        assert not resources.runs_uvloop(process.pid)
        tell(process, "uvloop")
        assert resources.runs_uvloop(process.pid)
