"""Supervises one command for the harness, so that no process of the command survives either of them.

The warden is a script that needs only the standard library. It reads one JSON line from stdin (command, folder,
environment, CPUs, files), starts the command in a new session, and prints its process ID. When it reads ``stop``, or
when stdin ends because the harness died, it sends SIGTERM to the command. After the grace period it kills the command
and all its descendants. On Linux it is their *subreaper*: a grandchild whose parent ends becomes its child, so that no
process escapes (prctl(2), PR_SET_CHILD_SUBREAPER).

So there is a descendant if and only if there is a child. The last line, with the exit status, comes after the kernel
reported ECHILD (wait(2)). A list of processes is only a snapshot: between two looks at it a process can end and its
child be born.
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
_KILL_EVERY_S = 0.01
_KILLS_AT_ONCE = 50
"""How often all children are killed without a pause."""
_LOOK_EVERY_S, _LOOK_OFTEN_S = 0.25, 0.01
"""Seconds between two looks at the size of the log, and at the start and after a cut."""
LOG_BYTES = 4 << 20
"""A longer log is cut."""
_KEPT_BYTES = 64 << 10
"""The end of the log that a cut leaves."""


def main() -> int:
    """Start the command, wait until it or the harness ends, clean up, and report the exit status."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # only the harness ends it; the command gets the default again
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
        log, errors = open_log(order["log"]), open_log(order["errors"]) if order["errors"] else None
        stdin = os.open(order["stdin"], os.O_RDONLY)
        command = subprocess.Popen(
            order["command"],
            cwd=order["folder"],
            env=order["environment"],
            stdin=stdin,
            stdout=log,
            stderr=log if errors is None else errors,
            start_new_session=True,
            preexec_fn=lambda: confine_itself(order["cpus"], order["traceable"]),  # this process has one thread
        )
    except OSError as error:
        send({"error": f"{order['command'][0]} cannot be started: {error.strerror}: {error.filename}"})
        return 1
    except (subprocess.SubprocessError, ValueError) as error:
        send({"error": f"{order['command'][0]} cannot be started on CPUs {order['cpus']}: {error}"})
        return 1
    os.close(stdin)  # only the command reads it, so that who writes to a named pipe sees its end
    send({"pid": command.pid})

    stopping = wait(command, wake_read, [one for one in (log, errors) if one is not None])
    left = end(command, wake_read, order["grace_s"] if stopping else 0.0, order["kill_s"])
    send({"status": command.returncode, "left": left})
    return 0


def open_log(path: str) -> int:
    """A new file. Each write goes to its end, wherever a cut left that."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)


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


def wait(command: subprocess.Popen[bytes], wake: int, logs: list[int]) -> bool:
    """Wait until the command ends (returns false), or until the harness sends ``stop`` or has ended (returns true)."""
    look_s = _LOOK_OFTEN_S
    while True:
        readable, _, _ = select.select([sys.stdin.fileno(), wake], [], [], look_s)
        if sys.stdin.fileno() in readable:
            return True
        if wake in readable:
            os.read(wake, 64)
            collect(command)
            if command.returncode is not None:
                return False
        was_cut = sum(cut(log) for log in logs) > 0
        look_s = _LOOK_OFTEN_S if was_cut else min(2 * look_s, _LOOK_EVERY_S)


def cut(log: int) -> bool:
    """Cut a log that is too long to its end, so that a command that prints all the time does not fill the disk; returns
    whether it was too long. What is printed in the moment of the cut is lost.
    """
    size = os.fstat(log).st_size
    if size <= LOG_BYTES:
        return False
    kept = os.pread(log, _KEPT_BYTES, size - _KEPT_BYTES)
    kept += os.pread(log, _KEPT_BYTES, size)  # printed in the meantime
    os.ftruncate(log, 0)
    with contextlib.suppress(OSError):  # the disk is full
        os.write(log, b"[the log was longer than %d MB; what came before was cut]\n" % (LOG_BYTES >> 20) + kept)
    return True


def collect(command: subprocess.Popen[bytes]) -> bool:
    """Collect every child that has ended, adopted ones too; returns whether a child is left, as the kernel says."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
            if pid == command.pid:
                command.returncode = os.waitstatus_to_exitcode(status)
    return False


def end(command: subprocess.Popen[bytes], wake: int, grace_s: float, kill_s: float) -> list[int]:
    """Terminate the command, then kill all remaining processes; returns the IDs of those that cannot be killed."""
    if command.returncode is None:
        deliver(os.killpg, command.pid, signal.SIGTERM)
    until_s = time.monotonic() + grace_s
    while collect(command) and command.returncode is None and (left_s := until_s - time.monotonic()) > 0:
        pause(wake, left_s)
    until_s = time.monotonic() + kill_s
    while collect(command) and time.monotonic() < until_s:
        deliver(os.killpg, command.pid, signal.SIGKILL)  # at once, so that no process of the group can fork meanwhile
        for _ in range(_KILLS_AT_ONCE):
            for pid in children():
                deliver(os.kill, pid, signal.SIGKILL)
        pause(wake, _KILL_EVERY_S)
    return children() if collect(command) else []


def deliver(send_signal: Any, pid: int, number: int) -> None:
    """Send a signal, unless the process has ended or belongs to another user."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send_signal(pid, number)


def children() -> list[int]:
    """IDs of the children, adopted ones too. Whoever kills them all adopts theirs. The kernel's list is read in
    microseconds, which catches processes that fork and end all the time. Without it, the list has all descendants.
    """
    try:
        return [int(word) for word in Path("/proc/thread-self/children").read_text().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return descendants(os.getpid())


def pause(wake: int, seconds: float) -> None:
    """Wait until a child ends, at most this long."""
    if select.select([wake], [], [], seconds)[0]:
        os.read(wake, 64)


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
