"""Percentiles rest on events, not on copies of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.buckets import counts_of
from runners.record import (
    MIN_EVENTS_BEYOND,
    Connections,
    Histogram,
    Measurement,
    Percentiles,
    events_behind,
    events_in,
    supports,
)
from tests.support.documents import measurement


def histogram(samples: int) -> Histogram:
    return Histogram(counts_of(np.full(samples, 1_000_000)))


@given(events=st.integers(1, 5000), copies=st.integers(1, 100))
def test_copies_of_an_event_support_no_percentile(events: int, copies: int) -> None:
    copied = histogram(events * copies).percentiles(events)
    alone = histogram(events).percentiles()
    assert (copied.count, copied.events) == (events * copies, events)
    assert copied.model_dump(exclude={"count", "events"}) == alone.model_dump(exclude={"count", "events"})


@pytest.mark.parametrize(
    ("events", "shown"), [(39, []), (40, ["p50"]), (60, ["p50"]), (200, ["p50", "p90"]), (2000, ["p50", "p90", "p99"])]
)
def test_twenty_events_lie_beyond_each_percentile(events: int, shown: list[str]) -> None:
    found = histogram(100 * events).percentiles(events)
    assert [name for name in ("p50", "p90", "p99", "p999") if getattr(found, name) is not None] == shown
    assert MIN_EVENTS_BEYOND == 20


def old(**changes: object) -> Measurement:
    """A measurement of 100 clients from a file that counted samples."""
    hundred = Connections(planned=100, established=100, closed_early=0)
    return measurement().model_copy(update={"connections": hundred, **changes})


def test_older_pushes_are_counted_once_for_all_viewers() -> None:
    ten_pushes = Percentiles(count=1000, p50=1.0, p90=2.0)
    found = old(push_lateness_ms=ten_pushes)
    assert events_behind(found, ten_pushes) == 10
    assert not supports(found, ten_pushes, "p50")


def test_older_deliveries_are_counted_once_for_all_members() -> None:
    deliveries, messages = Percentiles(count=10_000, p50=1.0, p90=2.0), Percentiles(count=100, p50=3.0)
    found = old(latency_ms=deliveries, last_delivery_ms=messages)
    assert events_behind(found, deliveries) == events_behind(found, messages) == 100
    assert [supports(found, deliveries, name) for name in ("p50", "p90")] == [True, False]


def test_answers_of_clients_are_events_themselves() -> None:
    answers = Percentiles(count=5000, p99=1.0)
    assert events_behind(old(latency_ms=answers), answers) == 5000


def test_recorded_events_are_used_as_they_are() -> None:
    pushes = Percentiles(count=6000, events=61)
    assert events_behind(old(push_lateness_ms=pushes), pushes) == 61


def test_a_merged_distribution_has_the_events_of_all_valid_rounds() -> None:
    pushes = Percentiles(count=6000, events=60)
    rounds = [old(push_lateness_ms=pushes), old(push_lateness_ms=pushes), old(push_lateness_ms=pushes, valid=False)]
    assert events_in(rounds, "push_lateness") == 120
    assert events_in(rounds, "latency") is None, "each answer is an event"
