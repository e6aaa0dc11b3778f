"""The process that forks shards ends whenever its parent ends."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def fork_server() -> Iterator[tuple[socket.socket, subprocess.Popen[str]]]:
    """Its socket and its process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "runners.loadgen.forkserver", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
    with process, ours:  # the socket is closed first, also where a test failed: the process ends with it
        yield ours, process


@pytest.mark.parametrize("answered", [True, False], ids=["answer-unread", "not-answered"])
def test_ends_in_silence_when_its_starter_is_interrupted_in_the_middle_of_a_request(answered: bool) -> None:
    request = {"environment": dict(os.environ), "cpus": sorted(os.sched_getaffinity(0))}
    with fork_server() as (line, process), Path(os.devnull).open("r+b") as nothing:
        socket.send_fds(line, [json.dumps(request).encode()], [nothing.fileno()] * 3)
        if answered:
            assert select.select([line], [], [], 60)[0]
        line.close()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
