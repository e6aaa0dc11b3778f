"""Supervises one server for the harness, so that no process of the server survives either of them.

The warden is a script that needs only the standard library. It reads one JSON line from stdin (command, folder,
environment, CPUs, log file), starts the command in a new session, and prints its process ID. When it reads ``stop``, or
when stdin ends because the harness died, it sends SIGTERM to the server. After the grace period it kills the server and
all its descendants. On Linux it is their *subreaper*: a grandchild whose parent ends becomes its child, so that no
process escapes (prctl(2), PR_SET_CHILD_SUBREAPER).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = -1
_KILL_ROUNDS = 50


def main() -> int:
    """Start the server, wait until it or the harness ends, clean up, and report the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    prctl(PR_SET_CHILD_SUBREAPER, 1)

    line = read_line(sys.stdin.fileno())
    if not line.endswith(b"\n"):  # the harness ended before it sent a command
        return 0
    order = json.loads(line)
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        server = subprocess.Popen(
            order["command"],
            cwd=order["folder"],
            env=order["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: confine_itself(order["cpus"], order["traceable"]),  # this process has one thread
        )
    except OSError as error:
        send({"error": f"{order['command'][0]} cannot be started: {error.strerror}: {error.filename}"})
        return 1
    except (subprocess.SubprocessError, ValueError) as error:
        send({"error": f"{order['command'][0]} cannot be started on CPUs {order['cpus']}: {error}"})
        return 1
    send({"pid": server.pid})

    stopping = wait(server, wake_read)
    status = end(server, order["grace_s"] if stopping else 0.0)
    send({"status": status})
    return 0


def read_line(descriptor: int) -> bytes:
    """Read one line and no further byte, so that ``select`` sees the following data."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def send(message: dict[str, Any]) -> None:
    """Send one line of JSON to the harness, unbuffered, if it still runs."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")


def prctl(option: int, value: int) -> None:
    """Set a process attribute on Linux; has no effect on other systems."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def confine_itself(cpus: list[int], traceable: bool) -> None:
    """In the new process: set its CPUs, and make it end with the warden.

    If Yama lets only ancestors trace a process (``ptrace_scope`` 1, as on Ubuntu), a traceable process allows every
    process of its user. This remains after exec, but does not apply to its children.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if traceable:
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)
    if cpus:
        os.sched_setaffinity(0, cpus)


def wait(server: subprocess.Popen[bytes], wake: int) -> bool:
    """Wait until the server ends (returns false), or until the harness sends ``stop`` or has ended (returns true)."""
    while True:
        readable, _, _ = select.select([sys.stdin.fileno(), wake], [], [])
        if sys.stdin.fileno() in readable:
            return True
        os.read(wake, 64)
        if server.poll() is not None:
            return False


def end(server: subprocess.Popen[bytes], grace_s: float) -> int | None:
    """Terminate the server, then kill all remaining processes; returns the server's exit status."""
    if server.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(grace_s)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    for _ in range(_KILL_ROUNDS):
        left = descendants(os.getpid())
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        time.sleep(0.01)
    return server.returncode


def reap() -> None:
    """Collect adopted processes that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def descendants(root: int) -> list[int]:
    """IDs of the running processes of the tree below ``root``; empty without /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2 :].split()[:2]
        if state != "Z":
            parents[int(entry.parent.name)] = int(parent)
    found: list[int] = []
    for pid in parents:
        above = pid
        while above in parents and above != root:
            above = parents[above]
        if above == root and pid != root:
            found.append(pid)
    return found


if __name__ == "__main__":
    sys.exit(main())
