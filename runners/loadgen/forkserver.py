"""Starts shards by forking: ``python -m runners.loadgen.forkserver FD``. Without ``FD`` it only loads the kernel.

Loading the compiled kernel takes one or two seconds and 150 MB. This program loads it once. Each request on the socket
``FD`` forks a shard, which is ready in milliseconds and shares that memory. A request has a JSON object
(``environment``, ``cpus``) and three file descriptors: the shard's stdin, stdout and stderr. The answer has the shard's
process ID and its pidfd (pidfd_open(2)), or `REFUSED` and a reason. Signals to a pidfd never reach another process with
the same ID. The program ends when the socket is closed, even if the starter was interrupted before it read the answer.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from typing import Any

from runners.loadgen import kernel, shard
from runners.loadgen.job import REFUSED

MOST_BYTES = 1 << 20
STREAMS = 3


def main() -> None:
    """Serve requests until the other end of the socket is closed."""
    shard.prepare_process()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that ended shards need no wait(2)
    if len(sys.argv) == 1:
        kernel.compile_kernel()
        return
    # The starter may have ended before it read the last answer.
    with socket.socket(fileno=int(sys.argv[1])) as channel, contextlib.suppress(ConnectionError):
        try:
            if kernel.SUPPORTED:
                kernel.compile_kernel()
        except (OSError, RuntimeError) as error:
            channel.recv(MOST_BYTES)
            channel.send(REFUSED + f"the load generator cannot be compiled: {error}".encode())
            return
        gc.freeze()
        _serve(channel)


def _serve(channel: socket.socket) -> None:
    while True:
        request, streams, _, _ = socket.recv_fds(channel, MOST_BYTES, STREAMS)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            _become_shard(json.loads(request), streams)
        for stream in streams:
            os.close(stream)
        _answer(channel, pid)


def _answer(channel: socket.socket, pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:  # it has already ended
        channel.send(str(pid).encode())
        return
    socket.send_fds(channel, [str(pid).encode()], [handle])
    os.close(handle)


def _become_shard(request: dict[str, Any], streams: list[int]) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.sched_setaffinity(0, request["cpus"])
        status = shard.main()
    except BaseException as error:  # noqa: BLE001 - the starter reads it, and a failed shard must not act as a server
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
