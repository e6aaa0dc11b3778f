"""Starts shards by forking: ``python -m runners.loadgen.forkserver FD``.

Loading the compiled kernel takes a shard one or two seconds and 150 MB. This program loads it once; each request on the
socket ``FD`` forks a shard, which is ready in milliseconds and shares that memory. A request has a JSON object
(``environment``, ``cpus``) and three file descriptors: the shard's stdin, stdout and stderr. The answer has the
shard's process id and its pidfd (pidfd_open(2)), which ends this process and never another one with the same id.
The program ends when the socket is closed, also if its starter was interrupted before it had read the answer.
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

MOST_BYTES = 1 << 20
STREAMS = 3


def main() -> None:
    """Serve until the other end of the socket is closed."""
    shard.end_with_starter()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that nobody needs to be waited for
    channel = socket.socket(fileno=int(sys.argv[1]))
    if kernel.SUPPORTED:
        kernel.compile_kernel()
    gc.freeze()
    with contextlib.suppress(ConnectionError):  # a starter that ended has not read the last answer
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
    except ProcessLookupError:  # it has ended already
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
    except BaseException as error:  # noqa: BLE001 - whatever it was, the starter reads it, and no shard serves on
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
