"""When each message of the open loop is due. Pure: seeds in, times out."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """Due times in nanoseconds from the start, ascending, and the connection each belongs to; shape (n,)."""

    due_ns: array[int]
    connection: array[int]


def steady(connections: int, rate_per_s: float, duration_s: float, seed: int) -> Schedule:
    """Each connection sends at ``rate_per_s / connections``, at a phase of its own.

    intended = phase + i / rate. The phases are evenly spread over one interval and dealt out in seeded
    order, so that the load is level at any rate and no connection is always first.
    """
    interval_ns = 1e9 * connections / rate_per_s
    turns = int(np.ceil(duration_s * 1e9 / interval_ns))
    order = np.random.default_rng(seed).permutation(connections)
    phases = (np.arange(connections) + 0.5) * (interval_ns / connections)
    due = (np.arange(turns)[:, None] * interval_ns + phases[None, :]).ravel()
    who = np.tile(order, turns)
    within = due < duration_s * 1e9
    return Schedule(array("q", due[within].astype(np.int64).tobytes()), array("q", who[within].tobytes()))


def poisson(connections: int, rate_per_s: float, duration_s: float, seed: int) -> Schedule:
    """Messages come at random and independently, as those of many users do; each from a random connection.

    The gaps of a Poisson process are exponential with mean 1 / rate.
    """
    chance = np.random.default_rng(seed)
    expected = rate_per_s * duration_s
    # Ten standard deviations more than expected always reach the end.
    gaps_ns = chance.exponential(1e9 / rate_per_s, size=int(expected + 10 * np.sqrt(expected) + 10))
    due = np.cumsum(gaps_ns)
    due = due[due < duration_s * 1e9].astype(np.int64)
    who = chance.integers(connections, size=due.size, dtype=np.int64)
    return Schedule(array("q", due.tobytes()), array("q", who.tobytes()))
