"""Values computed from raw arrivals: the lateness of pushes and the number of missed ones."""

from __future__ import annotations

import json
from array import array
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.buckets import SparseCounts
from runners.loadgen.handshake import socket_url
from runners.loadgen.job import Job, LedgerTotals, Sample
from runners.loadgen.pace import Closed, Open, Pace, PushOnly
from runners.loadgen.shard import missed_pushes, push_lateness
from runners.loadgen.slow_path import Pushes

SECOND = 1_000_000_000


def integers(*values: int) -> array[int]:
    return array("q", values)


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 10**9)), min_size=1, max_size=40), st.integers(0, 10**15)
)
def test_lateness_is_against_the_earliest_steady_beat(pushes: list[tuple[int, int]], start: int) -> None:
    numbers = integers(*(number for number, _ in pushes))
    arrivals = integers(*(start + number * SECOND + late for number, late in pushes))
    least = min(late for _, late in pushes)
    assert push_lateness(numbers, arrivals, 1.0).tolist() == [late - least for _, late in pushes]


def test_no_push_is_never_late() -> None:
    assert push_lateness(integers(), integers(), 1.0).size == 0
    assert missed_pushes(Pushes(), 5, SECOND) == 0


@pytest.mark.parametrize(
    ("arrivals", "clients", "missed"),
    [
        ({0: [1, 2, 3], 1: [1, 2, 3]}, 2, 0),
        ({0: [1, 3], 1: [1, 2, 3]}, 2, 1),
        ({0: [2, 3], 1: [1, 2, 3]}, 2, 0),
        ({0: [1, 2, 3], 1: [3, 1, 1]}, 2, 1),
        ({0: [1, 2, 3], 1: [1, 2, 3]}, 4, 6),
    ],
)
def test_gaps_and_silent_clients_are_missed_pushes(arrivals: dict[int, list[int]], clients: int, missed: int) -> None:
    assert missed_pushes(received(arrivals), clients, SECOND) == missed


def received(arrivals: dict[int, list[int]]) -> Pushes:
    """Pushes by client, each in the second of its number."""
    pushes = Pushes()
    for client, numbers in arrivals.items():
        for number in numbers:
            pushes.append(client, number, number * SECOND)
    return pushes


@pytest.mark.parametrize(("patience_s", "missed"), [(0, 4), (1, 3), (2, 2), (9, 0)])
def test_a_client_that_receives_no_more_misses_the_pushes_that_had_time_to_arrive(patience_s: int, missed: int) -> None:
    pushes = received({0: [1, 2, 3, 4, 5, 6], 1: [1, 2]})
    assert missed_pushes(pushes, 2, patience_s * SECOND) == missed


@pytest.mark.parametrize("pace", [Closed(3), Open(10.5, "poisson"), PushOnly()], ids=lambda pace: type(pace).__name__)
def test_jobs_survive_the_pipe(pace: Pace) -> None:
    job = Job("ws://127.0.0.1:1/echo", "websocket", "echo", pace, 3, 1.0, 2.0, cpus=(0, 1))
    assert Job.from_json(job.to_json()) == job


def test_samples_survive_the_pipe() -> None:
    counts = SparseCounts([3, 17], [1, 2])
    sample = Sample(
        window_ns=1,
        slices=1,
        ledger=LedgerTotals(1, 1),
        warmup_ledger=LedgerTotals(),
        planned=1,
        established=1,
        closed_early=0,
        answered=1,
        offered=1,
        unanswered_at_end=0,
        overrun_ns=0,
        censored=0,
        pushes=0,
        push_events=0,
        pushes_missed=0,
        errors={},
        examples={},
        histograms={"latency": counts},
        seconds=[counts],
        received_by_second=[3],
        cpu_ns=1,
        working_ns=1,
    )
    assert Sample.from_mapping(json.loads(json.dumps(asdict(sample)))) == sample


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://h:1", "ws://h:1/socket.io/?EIO=4&transport=websocket"),
        ("ws://h:1/", "ws://h:1/socket.io/?EIO=4&transport=websocket"),
        ("wss://h/chat/?room=1", "wss://h/chat/?room=1&EIO=4&transport=websocket"),
    ],
)
def test_the_socketio_address(url: str, expected: str) -> None:
    assert socket_url(url) == expected


def test_lateness_stays_exact_for_large_clocks() -> None:
    numbers, arrivals = integers(0, 1), integers(2**62, 2**62 + SECOND + 5)
    assert push_lateness(numbers, arrivals, 1.0).dtype == np.int64
    assert push_lateness(numbers, arrivals, 1.0).tolist() == [0, 5]
