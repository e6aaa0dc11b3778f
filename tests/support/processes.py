"""Small programs for tests of processes, and functions that find processes still running."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
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
