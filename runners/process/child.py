"""A child process with its warden: start, stop, the last lines of its log; and commands that run to their end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.record import UnavailableError

GRACE_S = 2.0
"""Seconds between SIGTERM and SIGKILL, if `start` is not given others."""
PYTHON = (sys.executable, "-P")
"""The start of a command that runs our own modules. With ``-P``, modules in the current folder cannot replace them, nor
those of the standard library."""
LOOPBACK = "127.0.0.1"
"""The address of this machine that others cannot reach."""
_ANSWER_S = 10.0
_KILL_S = 10.0
"""Seconds in which killed processes must end. One that waits for a broken device, or that belongs to another user, can
stay longer."""
_LOOK_S = 0.01
"""Seconds between two looks at whether a child is ready."""
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
    grace_s: float = GRACE_S
    """Seconds between SIGTERM and SIGKILL when it is stopped."""
    _last: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        """Whether the command has not ended by itself."""
        return not self.wait(0.0)

    @property
    def status(self) -> int | None:
        """The exit status after its end, negative for a signal."""
        return None if self._last is None else self._last.get("status")

    def wait(self, timeout_s: float) -> bool:
        """Wait until the command has ended by itself; returns false if it did not within this time."""
        if self._last is None and self._has_word(timeout_s):
            self._last = self._read_line()
        return self._last is not None

    def stop(self) -> bool:
        """End the command and all processes that it started; returns true if it ended by itself or within the grace
        period. Raises `ProcessError` if one of its processes cannot be ended.
        """
        by_itself = not self.running
        if not by_itself:
            with contextlib.suppress(BrokenPipeError, ValueError):
                assert self._warden.stdin is not None
                self._warden.stdin.write("stop\n")
                self._warden.stdin.flush()
            self.wait(self.grace_s + _KILL_S + _ANSWER_S)
        self._warden.communicate()
        if left := (self._last or {}).get("left"):
            raise ProcessError(f"{self.name}: processes {left} cannot be ended; end them with `sudo kill -9`")
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


def becomes_ready(child: Child, is_ready: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until a child is ready. If it ends before, or takes longer, it is stopped and the result is false."""
    until = time.monotonic() + timeout_s
    while not is_ready():
        if not child.running or time.monotonic() > until:
            child.stop()
            return False
        time.sleep(_LOOK_S)
    return True


@dataclass(frozen=True)
class Finished:
    """A command that ran to its end, and what it printed. Of long output only the end is kept."""

    returncode: int
    """Negative for a signal."""
    stdout: str
    stderr: str


def run(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    stdin: str = "",
) -> Finished:
    """Run a command to its end. However this ends, no process of the command is left.

    Raises `ProcessError` if it cannot be started, or takes longer than ``timeout_s``.
    """
    with tempfile.TemporaryDirectory(prefix="rtsite-") as home:
        given, out, errors = (Path(home, one) for one in ("stdin", "stdout", "stderr"))
        given.write_text(stdin, encoding="utf-8")
        child = start(
            name, command, folder=folder, environment=environment, cpus=(), log=out, errors=errors, stdin=given
        )
        try:
            in_time = child.wait(timeout_s)
        finally:
            child.stop()
        if not in_time:
            raise ProcessError(f"{name}: took longer than {timeout_s:g} s, and was ended")
        if child.status is None:
            raise ProcessError(f"{name}: its warden was killed")
        printed, complained = (path.read_bytes().decode("utf-8", "replace") for path in (out, errors))
        return Finished(child.status, printed, complained)


def copied_environment() -> dict[str, str]:
    """A copy of this process's environment for a child.

    Without one, execve(2) reads the environment itself while the child starts. If another thread changes it at that
    moment, it fails with EFAULT.
    """
    return {name: value for name in list(os.environ) if (value := os.environ.get(name)) is not None}


def start(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    cpus: Sequence[int],
    log: Path,
    errors: Path | None = None,
    stdin: Path | None = None,
    traceable: bool = False,
    grace_s: float = GRACE_S,
) -> Child:
    """Start a command on the given CPUs (empty: any), with its output in ``log``; raises `ProcessError`.

    ``errors``: a log of its own for stderr. ``stdin``: a file to read from. ``traceable``: allow a profiler that is not
    an ancestor to read its memory, if the kernel lets a process allow that. ``grace_s``: seconds between SIGTERM and
    SIGKILL when it is stopped.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    warden = subprocess.Popen(
        [sys.executable, "-S", "-E", str(_WARDEN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        process_group=0,  # Ctrl-C reaches the whole foreground group, but only the harness ends its children
        env=copied_environment(),
    )
    assert warden.stdin is not None
    order = {
        "command": list(command),
        "folder": str(folder),
        "environment": dict(environment),
        "cpus": list(cpus),
        "log": str(log),
        "errors": None if errors is None else str(errors),
        "stdin": str(stdin or os.devnull),
        "traceable": traceable,
        "grace_s": grace_s,
        "kill_s": _KILL_S,
    }
    child = Child(name, 0, log, warden, grace_s)
    try:
        warden.stdin.write(json.dumps(order) + "\n")
        answer = child._read_line() if child._has_word(_ANSWER_S) else {}
    except BaseException:
        _dismiss(warden)
        raise
    if "pid" not in answer:
        _dismiss(warden)
        raise ProcessError(f"{name}: {answer.get('error', 'its warden did not answer')}")
    child.pid = answer["pid"]
    return child


def _dismiss(warden: subprocess.Popen[str]) -> None:
    """Close the warden's input and wait until it has ended what it may have started."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        warden.communicate(timeout=GRACE_S + _KILL_S)


def find_free_port(address: str = LOOPBACK) -> int:
    """A TCP port of this address of the machine that is free at this moment."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
