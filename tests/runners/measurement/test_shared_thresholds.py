"""``rtsite load`` and a run check the same load against the same thresholds, with the same messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from runners.judging.thresholds import reasons_against, thresholds_of
from runners.judging.trend import trend_of
from runners.loadgen.buckets import SparseCounts, counts_of, sparse
from runners.loadgen.job import LedgerTotals, Sample
from runners.loadgen.pace import Closed, Open
from runners.loading.load_report import as_measurement, build_report
from runners.loading.load_result import LoadResult, WarmUp, median_latencies_ms, merge_samples
from runners.measurement.interference import Interference
from runners.measurement.values import load_values, loadgen_health
from runners.record import Measurement
from runners.subjects.workloads import ECHO

SECOND_NS = 10**9
SETTLED = WarmUp(1.0, settled=True, messages_per_s=1000.0)


def counted(milliseconds: Sequence[float]) -> SparseCounts:
    return sparse(counts_of(np.array([round(1e6 * one) for one in milliseconds], dtype=np.int64)))


STEADY = tuple(counted([2.0] * 100) for _ in range(10))
SAMPLE = Sample(
    window_ns=SECOND_NS,
    slices=1,
    ledger=LedgerTotals(sent=1000, received=1000),
    warmup_ledger=LedgerTotals(),
    planned=10,
    established=10,
    closed_early=0,
    answered=1000,
    offered=1000,
    unanswered_at_end=0,
    overrun_ns=0,
    censored=0,
    pushes=0,
    push_events=0,
    pushes_missed=0,
    errors={},
    examples={},
    histograms={
        name: counted([0.1] * 1000) for name in ("latency", "latency_from_send", "connect", "send_lag", "read_lag")
    },
    seconds=list(STEADY),
    received_by_second=[100] * 10,
    cpu_ns=SECOND_NS // 10,
    working_ns=SECOND_NS // 10,
)


def load(warm_up: WarmUp = SETTLED, **changes: object) -> LoadResult:
    return merge_samples([replace(SAMPLE, **changes)], warm_up)  # type: ignore[arg-type]


def with_lag(name: str, milliseconds: float, answers: int = 1000) -> LoadResult:
    latency = counted([0.1] * answers)
    return load(histograms={**SAMPLE.histograms, "latency": latency, name: counted([milliseconds] * 1000)})


def with_ledger(**changes: int) -> LoadResult:
    return load(ledger=replace(SAMPLE.ledger, **changes))


CASES = [
    ("send lag p99", with_lag("send_lag", 0.999), with_lag("send_lag", 1.01)),
    ("read lag p99", with_lag("read_lag", 0.999), with_lag("read_lag", 1.01)),
    ("send lag p90", with_lag("send_lag", 0.999, 100), with_lag("send_lag", 1.01, 100)),
    ("read lag p90", with_lag("read_lag", 0.999, 100), with_lag("read_lag", 1.01, 100)),
    ("load generator working time", load(working_ns=850_000_000), load(working_ns=851_000_000)),
    (
        "messages not offered",
        load(ledger=LedgerTotals(sent=995, received=995)),
        load(ledger=LedgerTotals(sent=994, received=994)),
    ),
    ("warm-up that did not settle", load(), load(replace(SETTLED, settled=False))),
    (
        "trend of the median latency over the window",
        load(seconds=[counted([2.0 + second / 50] * 100) for second in range(10)]),
        load(seconds=[counted([2.0 + second / 10] * 100) for second in range(10)]),
    ),
    ("connections not established", load(), load(established=9)),
    ("connections closed by the server", load(), load(closed_early=1)),
    ("messages received", with_ledger(received=1, in_flight=999), with_ledger(received=0, in_flight=1000)),
    ("answers that differ from the expected ones", with_ledger(), with_ledger(corrupted=1)),
    ("messages that are no answers", with_ledger(foreign=100), with_ledger(foreign=1, duplicated=100)),
    ("messages lost on open connections", with_ledger(), with_ledger(received=999, lost=1)),
]
OPEN = ECHO.scenarios[1]
NOT_MEASURED_ALONE = {
    "server core left unused in the closed loop",
    "server core left unused in the closed loop of a room",
    "CPU used by other processes",
    "CPU steal",
    "idle CPU of the servers measured beside it, closed loop",
    "idle CPU of the servers measured beside it, open loop",
    "jump of a clock",
    "one core only for server and load generator",
    "periods in which a CPU quota stopped all processes",
    "pushes that clients missed",
    "chunks of streams that did not arrive",
    "messages that are not the next chunk",
    "streams that could not begin",
    "connection attempts that found the listen queue full",
    "withheld data that the server held",
    "send lag p99 of the second load",
    "read lag p99 of the second load",
    "messages and clients of the second load that were not served",
    "messages to the second load that are no answers",
    "answers to the second load that differ from the expected ones",
}
"""What `rtsite load` cannot know: it neither started the server nor has the machine to itself, and it applies one load,
an echo."""


def measured(result: LoadResult) -> Measurement:
    """The measurement that a run makes of a load in the open loop."""
    return Measurement(
        round=1,
        position=0,
        started="2026-11-01T00:00:00Z",
        **load_values(result, OPEN),
        trend_percent=trend_of(median_latencies_ms(result)),
        generator=loadgen_health(result, Interference(), neighbours_percent=None),
    )


@pytest.mark.parametrize(("name", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_load_and_run_agree_at_a_limit_and_beyond_it(name: str, good: LoadResult, bad: LoadResult) -> None:
    assert build_report(good, Open(100.0))["invalid_reasons"] == reasons_against(measured(good)) == []
    report = build_report(bad, Open(100.0))
    assert not report["valid"]
    assert report["invalid_reasons"] == reasons_against(measured(bad))
    (reason,) = report["invalid_reasons"]
    assert reason.startswith(f"{name} ")
    assert ", limit " in reason


def test_load_judges_by_every_threshold_that_it_can_measure() -> None:
    rules = list(thresholds_of("measurement"))
    loads = [as_measurement(one, Open(100.0)) for one in (load(), with_lag("send_lag", 0.1, 100))]
    known = {rule.name for rule in rules if any(rule.value_of(one) is not None for one in loads)}
    assert known == {name for name, _, _ in CASES}
    assert {rule.name for rule in rules} - known == NOT_MEASURED_ALONE


@pytest.mark.parametrize("conditions", [{"throttled_periods": 3}, {"shared_core": True}], ids=["a quota", "one core"])
def test_load_judges_by_what_is_known_of_the_machine(conditions: dict[str, Any]) -> None:
    report = build_report(load(), Open(100.0), **conditions)
    assert (report["valid"], len(report["invalid_reasons"])) == (False, 1)


def test_a_closed_loop_has_no_send_lag() -> None:
    names = ("latency", "connect")
    closed = load(histograms={name: SAMPLE.histograms[name] for name in names})
    report = build_report(closed, Closed())
    assert report["valid"]
    assert report["send_lag_ms"] == {"p99": None}
    assert report["latency_from_send_ms"] == report["latency_ms"]
