"""When each message of the open loop is due. Pure: seeds in, times out, in chunks, without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CHUNK = 1024
"""Messages worked out at a time: microseconds of work, so that the generator is never late for it."""


class Chunk(NamedTuple):
    """Due times in nanoseconds from the start, ascending, and the connection each belongs to; shape (n,)."""

    due_ns: NDArray[np.int64]
    connection: NDArray[np.int64]


def steady(connections: int, rate_per_s: float, seed: int) -> Iterator[Chunk]:
    """Each connection sends at ``rate_per_s / connections``, at a phase of its own.

    intended = phase + i / rate. The phases are evenly spread over one interval and dealt out in seeded
    order, so that the load is level at any rate and no connection is always first.
    """
    gap_ns = 1e9 / rate_per_s
    turn = np.random.default_rng(seed).permutation(connections).astype(np.int64)
    first = 0
    while True:
        number = np.arange(first, first + CHUNK)
        yield Chunk(((number + 0.5) * gap_ns).astype(np.int64), turn[number % connections])
        first += CHUNK


def poisson(connections: int, rate_per_s: float, seed: int) -> Iterator[Chunk]:
    """Messages come at random and independently, as those of many users do; each from a random connection.

    The gaps of a Poisson process are exponential with mean 1 / rate.
    """
    chance = np.random.default_rng(seed)
    last = 0.0
    while True:
        due = last + np.cumsum(chance.exponential(1e9 / rate_per_s, size=CHUNK))
        last = float(due[-1])
        yield Chunk(due.astype(np.int64), chance.integers(connections, size=CHUNK, dtype=np.int64))
