"""The schedule of messages: the right number, within bounds, evenly spread, and reproducible by seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.loadgen.arrays import Chunk
from runners.loadgen.schedule import poisson, steady


def within(chunks: Iterator[Chunk], duration_s: float) -> Chunk:
    """The part of an endless schedule that is due within the duration."""
    dues, whos = [], []
    for chunk in chunks:
        inside = chunk.due_ns < duration_s * 1e9
        dues.append(chunk.due_ns[inside])
        whos.append(chunk.connection[inside])
        if not inside.all():
            break
    return Chunk(np.concatenate(dues), np.concatenate(whos))


connections = st.integers(1, 200)
rates = st.floats(1, 20_000)
durations = st.floats(0.05, 2)
seeds = st.integers(0, 2**31)


@given(connections, rates, durations, seeds)
@settings(deadline=None)
def test_due_times_ascend_within_the_duration_at_the_rate(count: int, rate: float, duration: float, seed: int) -> None:
    plan = within(steady(count, rate, seed), duration)
    due = plan.due_ns
    assert len(plan.due_ns) == len(plan.connection)
    assert abs(len(due) - rate * duration) <= 1
    if len(due):
        assert due.min() >= 0
        assert due.max() < duration * 1e9
        assert set(plan.connection.tolist()) <= set(range(count))
    if len(due) > 1:
        gaps = np.diff(due)
        assert gaps.min() > 0
        assert gaps.max() - gaps.min() <= 3, "evenly spread, to the nanosecond's rounding"


@given(connections, rates, durations, seeds)
@settings(deadline=None, max_examples=40)
def test_every_connection_sends_equally_often(count: int, rate: float, duration: float, seed: int) -> None:
    sent = np.bincount(within(steady(count, rate, seed), duration).connection, minlength=count)
    assert sent.max() - sent.min() <= 1


def test_the_seed_decides_who_is_when() -> None:
    one, same, other = (next(steady(50, 1000, seed)) for seed in (1, 1, 2))
    assert one.connection.tolist() == same.connection.tolist()
    assert one.connection.tolist() != other.connection.tolist()
    assert one.due_ns.tolist() == same.due_ns.tolist() == other.due_ns.tolist()


@pytest.mark.parametrize(
    ("count", "rate", "duration", "expected"), [(100, 1000, 3, 3000), (100, 100, 3, 300), (100, 1, 1, 1)]
)
def test_the_plan_of_our_workloads_is_exact(count: int, rate: float, duration: float, expected: int) -> None:
    assert len(within(steady(count, rate, 0), duration).due_ns) == expected


@given(connections, rates, durations, seeds)
@settings(deadline=None, max_examples=40)
def test_random_arrivals_ascend_within_the_duration(count: int, rate: float, duration: float, seed: int) -> None:
    plan = within(poisson(count, rate, seed), duration)
    due = plan.due_ns
    assert len(plan.connection) == len(due)
    assert set(plan.connection.tolist()) <= set(range(count))
    assert (np.diff(due) >= 0).all()
    if len(due):
        assert due.min() >= 0
        assert due.max() < duration * 1e9
    again = within(poisson(count, rate, seed), duration)
    assert plan.due_ns.tolist() == again.due_ns.tolist()
    assert plan.connection.tolist() == again.connection.tolist()


def test_random_arrivals_come_at_the_rate_with_exponential_gaps() -> None:
    gaps = np.diff(within(poisson(10, 10_000, 1), 10).due_ns) / 1e9
    assert gaps.mean() == pytest.approx(1e-4, rel=0.02)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.02), "an exponential's deviation is its mean"
