"""When messages are due: the right number, in bounds, level, and the same again by the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.loadgen.schedule import poisson, steady

connections = st.integers(1, 200)
rates = st.floats(1, 20_000)
durations = st.floats(0.05, 2)
seeds = st.integers(0, 2**31)


@given(connections, rates, durations, seeds)
@settings(deadline=None)
def test_due_times_ascend_within_the_duration_at_the_rate(count: int, rate: float, duration: float, seed: int) -> None:
    plan = steady(count, rate, duration, seed)
    due = np.array(plan.due_ns)
    assert len(plan.due_ns) == len(plan.connection)
    assert abs(len(due) - rate * duration) <= 1
    if len(due):
        assert due.min() >= 0
        assert due.max() < duration * 1e9
        assert set(plan.connection) <= set(range(count))
    if len(due) > 1:
        gaps = np.diff(due)
        assert gaps.min() > 0
        assert gaps.max() - gaps.min() <= 3, "evenly spread, to the nanosecond's rounding"


@given(connections, rates, durations, seeds)
@settings(deadline=None, max_examples=40)
def test_every_connection_sends_equally_often(count: int, rate: float, duration: float, seed: int) -> None:
    sent = np.bincount(np.array(steady(count, rate, duration, seed).connection, dtype=np.int64), minlength=count)
    assert sent.max() - sent.min() <= 1


def test_the_seed_decides_who_is_when() -> None:
    one, same, other = steady(50, 1000, 1, 1), steady(50, 1000, 1, 1), steady(50, 1000, 1, 2)
    assert one == same
    assert one.connection != other.connection
    assert one.due_ns == other.due_ns


@pytest.mark.parametrize(
    ("count", "rate", "duration", "expected"), [(100, 1000, 3, 3000), (100, 100, 3, 300), (100, 1, 1, 1)]
)
def test_the_plan_of_our_workloads_is_exact(count: int, rate: float, duration: float, expected: int) -> None:
    assert len(steady(count, rate, duration, 0).due_ns) == expected


@given(connections, rates, durations, seeds)
@settings(deadline=None, max_examples=40)
def test_random_arrivals_ascend_within_the_duration(count: int, rate: float, duration: float, seed: int) -> None:
    plan = poisson(count, rate, duration, seed)
    due = np.array(plan.due_ns, dtype=np.int64)
    assert len(plan.connection) == len(due)
    assert set(plan.connection) <= set(range(count))
    assert (np.diff(due) >= 0).all()
    if len(due):
        assert due.min() >= 0
        assert due.max() < duration * 1e9
    assert plan == poisson(count, rate, duration, seed)


def test_random_arrivals_come_at_the_rate_with_exponential_gaps() -> None:
    gaps = np.diff(np.array(poisson(10, 10_000, 10, 1).due_ns)) / 1e9
    assert gaps.mean() == pytest.approx(1e-4, rel=0.02)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.02), "an exponential's deviation is its mean"
