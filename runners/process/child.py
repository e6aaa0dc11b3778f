"""A child process with its warden: start, stop, and the last lines of its log."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.record import UnavailableError

GRACE_S = 2.0
"""Seconds between SIGTERM and SIGKILL."""
PYTHON = (sys.executable, "-P")
"""The start of a command that runs our own modules. With ``-P``, modules in the current folder cannot replace them, nor
those of the standard library."""
_ANSWER_S = 10.0
_WARDEN = Path(__file__).with_name("warden.py")
_LOG_TAIL_BYTES = 16_384


class ProcessError(UnavailableError):
    """A process could not be started, or broke the protocol with its warden."""


@dataclass
class Child:
    """A running command. ``pid`` is the ID of the command's own process, the root of its process tree."""

    name: str
    pid: int
    log: Path
    _warden: subprocess.Popen[str]
    _last: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        """Whether the command has not ended by itself."""
        if self._last is None and self._has_word(0.0):
            self._last = self._read_line()
        return self._last is None

    @property
    def status(self) -> int | None:
        """The exit status after its end, negative for a signal."""
        return None if self._last is None else self._last.get("status")

    def stop(self) -> bool:
        """End the command and all processes that it started; returns true if it ended by itself or within the grace
        period.
        """
        by_itself = not self.running
        if not by_itself:
            with contextlib.suppress(BrokenPipeError, ValueError):
                assert self._warden.stdin is not None
                self._warden.stdin.write("stop\n")
                self._warden.stdin.flush()
            if self._has_word(GRACE_S + _ANSWER_S):
                self._last = self._read_line()
        self._warden.communicate()
        return by_itself or self.status is None or self.status != -9

    def last_lines(self, count: int = 20) -> list[str]:
        """The last lines that the command printed, each cut at 300 characters."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        printable = ("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines())
        return [line[:300] for line in printable if line.strip()][-count:]

    def _has_word(self, timeout_s: float) -> bool:
        assert self._warden.stdout is not None
        return bool(select.select([self._warden.stdout], [], [], timeout_s)[0])

    def _read_line(self) -> dict[str, Any]:
        assert self._warden.stdout is not None
        line = self._warden.stdout.readline()
        return dict(json.loads(line)) if line else {}


def start_process(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    cpus: Sequence[int],
    log: Path,
    traceable: bool = False,
) -> Child:
    """Start a command on the given CPUs (empty: any), with its output in ``log``; raises `ProcessError`.

    ``traceable``: allow a profiler that is not an ancestor to read its memory, if the kernel lets a process allow that.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    warden = subprocess.Popen(
        [sys.executable, "-S", "-E", str(_WARDEN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        process_group=0,  # Ctrl-C reaches the whole foreground group, but only the harness ends its children
    )
    assert warden.stdin is not None
    order = {
        "command": list(command),
        "folder": str(folder),
        "environment": dict(environment),
        "cpus": list(cpus),
        "log": str(log),
        "traceable": traceable,
        "grace_s": GRACE_S,
    }
    warden.stdin.write(json.dumps(order) + "\n")
    child = Child(name, 0, log, warden)
    answer = child._read_line() if child._has_word(_ANSWER_S) else {}
    if "pid" not in answer:
        with contextlib.suppress(subprocess.TimeoutExpired):
            warden.communicate(timeout=GRACE_S)
        raise ProcessError(f"{name}: {answer.get('error', 'its warden did not answer')}")
    child.pid = answer["pid"]
    return child


def find_free_port() -> int:
    """A TCP port of the loopback interface that is free at this moment."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
