"""Small programs for tests of processes, and functions that find processes still running."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

DEADLINE_S = 60.0
"""Seconds to wait; long enough for a machine that is slow for minutes."""

BUSY = "import time\nwhile True: sum(range(10000))\n"
SLEEPER = "import time; time.sleep(600)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fails with ``what`` if it does not become true."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S:g} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text[text.rindex(")") + 2] != "Z"


def gone(pids: Iterable[int]) -> None:
    waited = list(pids)
    until(lambda: not any(map(alive, waited)), f"processes {waited} ended")


@contextmanager
def mostly_stopped(pids: Iterable[int], share: float = 0.9, every_s: float = 0.05) -> Iterator[None]:
    """Let processes run for a part of the time only. ``share``: of each ``every_s`` in which they are stopped."""
    slowed, is_over = list(pids), threading.Event()

    def slow() -> None:
        while not is_over.is_set():
            for number, seconds in ((signal.SIGSTOP, share * every_s), (signal.SIGCONT, (1 - share) * every_s)):
                for pid in slowed:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                is_over.wait(seconds)
        for pid in slowed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def marked(marker: str) -> list[int]:
    """IDs of running processes whose environment contains this text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (entry / "environ").read_bytes() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if alive(pid)]


def children() -> set[int]:
    """IDs of the running descendants of this process."""
    return {process.pid for process in psutil.Process().children(recursive=True)}
