"""The processes of the load generator. Shards are forked by a fork server, and each has a thread that reads its
events.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from runners import process
from runners.loadgen.job import REFUSED, STOP_EARLY
from runners.loading.clocks import OUR_CLOCK, ClockOffset
from runners.record import RtsiteError


class LoadError(RtsiteError):
    """The load could not be applied."""


Event = tuple[int, dict[str, Any]]
"""What a shard says, with the index of the shard."""
Events = queue.SimpleQueue[Event]
"""The events of all shards of a load."""


class EventSink(Protocol):
    """Takes events, from any thread."""

    def put(self, item: Event, /) -> object: ...


class ShardHandle(Protocol):
    """A shard that applies a part of a load, wherever it runs. Its events are in the queue that it was started with;
    the last one is ``ended``, or ``error`` with a reason, or ``lost`` if its host is.
    """

    pid: int | None
    """Its process on this machine, if it is one."""
    host: str
    """The name of the host that it runs on; empty: this machine."""

    def clock(self) -> ClockOffset:
        """How far its clock was from ours since the window was opened."""

    def send(self, command: dict[str, Any]) -> None:
        """Send a command; no effect if it has ended."""

    def write(self, line: str) -> None:
        """Send a line; no effect if it has ended."""

    def stop_early(self) -> None:
        """End its slice of load as if its time were over. A signal handler may call it."""

    def stop(self) -> None:
        """End it and wait for its end."""


Launch = Callable[[int, Events], ShardHandle]
"""Starts the shard with this index."""


class ForkServer:
    """The process that forks the shards. It is started when it is first needed, and ends with this process."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def close(self) -> None:
        """End the fork server and all shards that still run."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()
            self._socket = self._process = None

    def fork(self, streams: Sequence[int]) -> tuple[int, int | None]:
        """Fork a shard; returns its process ID and its pidfd (``None`` if it has ended). Raises `LoadError`."""
        request = {"environment": dict(os.environ), "cpus": sorted(os.sched_getaffinity(0))}
        for attempt in (1, 2):
            connection = self._socket or self._start()
            try:
                socket.send_fds(connection, [json.dumps(request).encode()], list(streams))
                answer, handles, _, _ = socket.recv_fds(connection, 4096, 1)
            except OSError:
                answer = b""
            if answer.startswith(REFUSED):
                self.close()
                raise LoadError(answer.removeprefix(REFUSED).decode())
            if answer:
                return int(answer), handles[0] if handles else None
            # The fork server was killed: try once more with a new one.
            self.close()
            if attempt == 2:
                break
        raise LoadError(
            "the load generator does not start;"
            f" `{shlex.join([*process.PYTHON, '-m', 'runners.loadgen.forkserver'])}` shows why"
        )

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*process.PYTHON, "-m", "runners.loadgen.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C must reach only the harness, even while this process starts
                env=_environment(),
            )
        self._socket = ours
        return ours


def _environment() -> dict[str, str]:
    """The environment in which the kernel is compiled and loaded.

    Variables of Numba could slow it down without a word, or switch it off. Only the folder of its cache is the user's.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_") or name == _CACHE}
    return {**kept, "OPENBLAS_NUM_THREADS": "1"}  # a process that forks has one thread


_CACHE = "NUMBA_CACHE_DIR"
_FORK_SERVER = ForkServer()


class Shard:
    """One load generator process, and the thread that reads its events."""

    pid: int | None
    host = ""

    def __init__(self, index: int, events: EventSink) -> None:
        if sys.platform != "linux":
            raise LoadError("the load generator needs epoll, which only Linux has; measure on Linux")
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        self._stdin = os.fdopen(ours_in, "w", encoding="utf-8")
        self._stdout, self._stderr = (os.fdopen(end, encoding="utf-8") for end in (ours_out, ours_err))
        theirs = (theirs_in, theirs_out, theirs_err)
        try:
            self.pid, self._handle = _FORK_SERVER.fork(theirs)
        finally:
            for stream in theirs:
                os.close(stream)
        self._reader = threading.Thread(target=self._read, args=(index, events), daemon=True)
        self._reader.start()

    def clock(self) -> ClockOffset:
        """It is the same clock."""
        return OUR_CLOCK

    def send(self, command: dict[str, Any]) -> None:
        """Send a command to the shard; no effect if it has ended."""
        self.write(json.dumps(command))

    def write(self, line: str) -> None:
        """Send a line to the shard; no effect if it has ended."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line + "\n")
            self._stdin.flush()

    def stop_early(self) -> None:
        """End the shard's slice of load as if its time were over."""
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, STOP_EARLY)

    def _read(self, index: int, events: EventSink) -> None:
        for line in self._stdout:
            if line.endswith("\n"):  # otherwise it was killed while it wrote
                events.put((index, json.loads(line)))
        words = self._stderr.read().strip().splitlines()
        events.put((index, {"event": "ended", "stderr": words[-1][:300] if words else "no message"}))

    def stop(self) -> None:
        """End the process and wait for its end."""
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            select.select([self._handle], [], [])  # readable once the process has ended
            os.close(self._handle)
            self._handle = None
        self._reader.join()
        for stream in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()
