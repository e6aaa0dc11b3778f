"""The schedule of the open loop: when each message is due. Pure functions give endless chunks of times for a seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from runners.loadgen.arrays import Chunk
from runners.loadgen.pace import Open

CHUNK = 1024
"""Number of messages scheduled at a time. This takes only microseconds, so it does not delay the load generator."""


def schedule_of(pace: Open, connections: int, seed: int) -> Iterator[Chunk]:
    """The schedule of an open loop."""
    arrange = poisson if pace.arrivals == "poisson" else steady
    return arrange(connections, pace.rate_per_s, seed)


def steady(connections: int, rate_per_s: float, seed: int) -> Iterator[Chunk]:
    """A steady schedule: each connection sends at ``rate_per_s / connections``, with its own phase.

    The intended time of message i is phase + i / rate. The phases are evenly spread over one interval and assigned in
    seeded order, so that the load is even at any rate and no connection is always first.
    """
    gap_ns = 1e9 / rate_per_s
    turn = np.random.default_rng(seed).permutation(connections).astype(np.int64)
    first = 0
    while True:
        number = np.arange(first, first + CHUNK)
        yield Chunk(((number + 0.5) * gap_ns).astype(np.int64), turn[number % connections])
        first += CHUNK


def poisson(connections: int, rate_per_s: float, seed: int) -> Iterator[Chunk]:
    """A random schedule: messages are due independently, as from many users. Each is sent by a random connection.

    The gaps of a Poisson process are exponential with mean 1 / rate.
    """
    chance = np.random.default_rng(seed)
    last = 0.0
    while True:
        due = last + np.cumsum(chance.exponential(1e9 / rate_per_s, size=CHUNK))
        last = float(due[-1])
        yield Chunk(due.astype(np.int64), chance.integers(connections, size=CHUNK, dtype=np.int64))
