"""A small load that tests can change, and the driver that applies it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import pytest

from runners.loadgen.job import Job
from runners.loadgen.pace import Closed, Open
from runners.loading import driver

Mode = Literal["open", "closed"]
CONNECTIONS = 6
RATE_PER_S = 600.0

modes = pytest.mark.parametrize("mode", ["open", "closed"])


def job(url: str, mode: Mode = "closed", **changes: Any) -> Job:
    """An echo load of 0.4 s without warm-up, with the changes of the test."""
    plain = Job(
        url=url,
        protocol="websocket",
        exchange="echo",
        pace=Open(RATE_PER_S) if mode == "open" else Closed(),
        connections=CONNECTIONS,
        warmup_s=0.0,
        duration_s=0.4,
        drain_s=1.0,
        connect_timeout_s=5.0,
    )
    return replace(plain, **changes)


@contextmanager
def connected(asked: Job, shards: int = 1) -> Iterator[tuple[driver.ShardGroup, list[int]]]:
    """A running load and the process IDs of its shards."""
    pids: list[int] = []
    with driver.ShardGroup(shards, hooks=driver.Hooks(started=pids.extend)) as running:
        running.connect(asked)
        yield running, pids
