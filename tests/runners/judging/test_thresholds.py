"""Each threshold passes at its limit and fails above it, by name."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from runners.judging.capacity import judge_try
from runners.judging.thresholds import (
    READ_LAG,
    READ_LAG_OF_FEW,
    SEND_LAG,
    SEND_LAG_OF_FEW,
    STEAL,
    THRESHOLDS,
    Threshold,
    disturbances,
    is_beyond_loadgen,
    is_disturbed,
    reasons_against,
    thresholds_of,
)
from runners.loadgen.engine_io import NOT_STICKY
from runners.record import (
    Connecting,
    Connections,
    Deliveries,
    ErrorCause,
    LoadgenHealth,
    Measurement,
    Percentiles,
    PublishedMessages,
    SecondLoadRecord,
    SlowConsumer,
    Streams,
    Usage,
)
from tests.support import documents
from tests.support.documents import failed, measurement, messages


def usage(cpu_percent: float) -> Usage:
    return Usage(cpu_s=1.0, cpu_percent=cpu_percent)


def with_health(**changes: float | str) -> Measurement:
    health = LoadgenHealth(shards=1, cpu_percent=10.0, working_percent=10.0).model_copy(update=changes)
    return measurement().model_copy(update={"generator": health, "offered_per_s": None, "server": usage(100.0)})


def of_few(**changes: float) -> Measurement:
    """A measurement with too few messages for more than a median."""
    return with_health(**changes).model_copy(update={"latency_ms": Percentiles(count=60, p50=1.0)})


def with_figures(**changes: Any) -> Measurement:
    return with_health().model_copy(update=changes)


def in_a_room(**changes: Any) -> Measurement:
    return with_figures(last_delivery_ms=Percentiles(count=500), **changes)


def connecting(**changes: Any) -> Connecting:
    return Connecting(connections_per_s=1.0, took_s=1.0, steps=[], **changes)


def slow_consumer(**changes: Any) -> SlowConsumer:
    """One client from which 50 MB were withheld, and which received all of it later."""
    plain = {"said": 100, "heard": 100, "closed": 0, "consumers": 1, "memory_mb": [40.0, 40.0], "withheld_mb": 50.0}
    return SlowConsumer(**{**plain, **changes})


def streams(**changes: int) -> Streams:
    """Two streams of ten chunks, of which all is as it should be."""
    outcomes = {"due": 2, "begun": 2, "completed": 2, "cancelled": 0, "broken": 0, "unfinished": 0}
    of_chunks = {"chunks": 20, "missing": 0, "wrong": 0, "together": 0}
    times = {name: Percentiles(count=20) for name in ("first_chunk_ms", "chunk_lateness_ms")}
    return Streams.model_validate({**outcomes, **of_chunks, **times, **changes})


def deliveries(**changes: int) -> Deliveries:
    """Ten deliveries, of which all were in time."""
    counts = dict.fromkeys(
        ("late", "never", "never_connected", "twice", "foreign", "ended", "refused", "never_back"), 0
    )
    times = {name: Percentiles(count=10) for name in ("delivery_ms", "rejoin_ms")}
    return Deliveries.model_validate(
        {"messages": 5, "due": 10, "in_time": 10, "departures": 2, **counts, **times, **changes}
    )


def beside(lost: int = 0, **changes: Any) -> Measurement:
    """A measurement beside whose load ten messages of a second one were sent."""
    plain = {
        "offered_per_s": 10.0,
        "messages_per_s": 10.0 - lost,
        "connections": Connections(planned=1, established=1, closed_early=0),
        "messages": messages(10, 10 - lost, lost),
        "latency_ms": Percentiles(count=10),
    }
    return with_figures(second_load=SecondLoadRecord.model_validate({**plain, **changes}))


def lagging(*, send_lag_p99_ms: float = 0.0, read_lag_p99_ms: float = 0.0, **changes: Any) -> Measurement:
    """A measurement beside whose load a second one had these lags."""
    health = LoadgenHealth(shards=1, cpu_percent=10.0, send_lag_p99_ms=send_lag_p99_ms, read_lag_p99_ms=read_lag_p99_ms)
    return beside(generator=health, **changes)


def published(**changes: int) -> PublishedMessages:
    """Five messages to two members, of which all were in time."""
    counts = dict.fromkeys(("late", "never", "twice", "foreign", "refused", "ended"), 0)
    times = {name: Percentiles(count=10) for name in ("delivery_ms", "last_delivery_ms")}
    return PublishedMessages.model_validate(
        {"messages": 5, "due": 10, "in_time": 10, "complete": 5, **counts, **times, **changes}
    )


def with_p99(milliseconds: float) -> Measurement:
    return with_figures(latency_ms=Percentiles(count=5000, p99=milliseconds))


def open_loop(measurement: Measurement) -> Measurement:
    return measurement.model_copy(
        update={
            "offered_per_s": 1.0,
            "latency_ms": Percentiles(count=5000, p99=1.0)
            if measurement.latency_ms is None or measurement.latency_ms.p99 is None
            else measurement.latency_ms,
        }
    )


def at_a_rate(measurement: Measurement) -> Measurement:
    """An open loop whose messages were all sent."""
    return measurement.model_copy(update={"offered_per_s": 1.0})


CASES = [
    ("send lag p99", with_health(send_lag_p99_ms=1.0), with_health(send_lag_p99_ms=1.01)),
    ("send lag p90", of_few(send_lag_p90_ms=1.0), of_few(send_lag_p90_ms=1.01)),
    ("read lag p99", with_health(read_lag_p99_ms=1.0), with_health(read_lag_p99_ms=1.01)),
    ("read lag p90", of_few(read_lag_p90_ms=1.0), of_few(read_lag_p90_ms=1.01)),
    ("send lag p99 of the second load", lagging(send_lag_p99_ms=2.0), lagging(send_lag_p99_ms=2.01)),
    ("read lag p99 of the second load", lagging(read_lag_p99_ms=2.0), lagging(read_lag_p99_ms=2.01)),
    (
        "load generator working time",
        with_health(working_percent=85.0).model_copy(update={"offered_per_s": 1000.0}),
        with_health(working_percent=85.1).model_copy(update={"offered_per_s": 1000.0}),
    ),
    (
        "server core left unused in the closed loop",
        with_figures(server=usage(80.0), broker=usage(10.0)),
        with_figures(server=usage(80.0), broker=usage(9.9)),
    ),
    (
        "server core left unused in the closed loop of a room",
        in_a_room(server=usage(60.0), broker=usage(10.0)),
        in_a_room(server=usage(60.0), broker=usage(9.9)),
    ),
    (
        "CPU used by other processes",
        with_health(foreign_cpu_percent=5.0),
        with_health(foreign_cpu_percent=5.1),
    ),
    (
        "messages not offered",
        with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(995, 995)),
        with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(994, 994)),
    ),
    ("CPU steal", with_health(steal_percent=STEAL.limit), with_health(steal_percent=STEAL.limit + 0.1)),
    (
        "idle CPU of the servers measured beside it, closed loop",
        with_health(neighbours_cpu_percent=10.0),
        with_health(neighbours_cpu_percent=10.1),
    ),
    (
        "idle CPU of the servers measured beside it, open loop",
        at_a_rate(with_health(neighbours_cpu_percent=1.0)),
        at_a_rate(with_health(neighbours_cpu_percent=1.1)),
    ),
    ("jump of a clock", with_health(clock_jump_ms=1.0), with_health(clock_jump_ms=1.1)),
    (
        "one core only for server and load generator",
        with_health(shared_core=False),
        with_health(shared_core=True),
    ),
    (
        "periods in which a CPU quota stopped all processes",
        with_health(throttled_periods=0),
        with_health(throttled_periods=1),
    ),
    ("warm-up that did not settle", with_figures(warmup_settled=True), with_figures(warmup_settled=False)),
    (
        "trend of the median latency over the window",
        with_figures(trend_percent=25.0),
        with_figures(trend_percent=25.1),
    ),
    (
        "connections not established",
        with_figures(connections=Connections(planned=10, established=10, closed_early=0)),
        with_figures(connections=Connections(planned=10, established=9, closed_early=0)),
    ),
    (
        "connections closed by the server",
        with_figures(connections=Connections(planned=10, established=10, closed_early=0)),
        with_figures(connections=Connections(planned=10, established=10, closed_early=1)),
    ),
    (
        "messages received",
        with_figures(messages=messages(1, 1)),
        with_figures(messages=messages(1, 1).model_copy(update={"received": 0, "in_flight": 1})),
    ),
    (
        "answers that differ from the expected ones",
        with_figures(messages=messages(10, 10)),
        with_figures(messages=messages(10, 10).model_copy(update={"corrupted": 1})),
    ),
    (
        "messages that are no answers",
        with_figures(messages=messages(10, 10).model_copy(update={"foreign": 1})),
        with_figures(messages=messages(10, 10).model_copy(update={"foreign": 2})),
    ),
    (
        "messages lost on open connections",
        with_figures(messages=messages(10, 10)),
        with_figures(messages=messages(10, 9, 1)),
    ),
    ("messages and clients of the second load that were not served", beside(), beside(lost=1)),
    (
        "answers to the second load that differ from the expected ones",
        beside(),
        beside(messages=messages(10, 10).model_copy(update={"corrupted": 1})),
    ),
    (
        "messages to the second load that are no answers",
        beside(messages=messages(10, 10).model_copy(update={"foreign": 1, "duplicated": 0})),
        beside(messages=messages(10, 10).model_copy(update={"foreign": 1, "duplicated": 1})),
    ),
    ("pushes that clients missed", with_figures(pushes_missed=0), with_figures(pushes_missed=1)),
    (
        "chunks of streams that did not arrive",
        with_figures(streams=streams()),
        with_figures(streams=streams(missing=1)),
    ),
    ("messages that are not the next chunk", with_figures(streams=streams()), with_figures(streams=streams(wrong=1))),
    ("streams that could not begin", with_figures(streams=streams()), with_figures(streams=streams(due=3))),
    (
        "connection attempts that found the listen queue full",
        with_figures(connecting=connecting(listen_drops=0, listen_backlog=100)),
        with_figures(connecting=connecting(listen_drops=1, listen_backlog=100)),
    ),
    (
        "withheld data that the server held",
        with_figures(slow_consumer=slow_consumer(memory_mb=[40.0, 65.0, 64.0])),
        with_figures(slow_consumer=slow_consumer(memory_mb=[40.0, 64.9, 64.0])),
    ),
]


TRIES = [
    ("p99", with_p99(99.99), with_p99(100.0), "p99 100 ms, limit 100 ms"),
    (
        "messages lost",
        with_figures(messages=messages(10, 10)),
        with_figures(messages=messages(10, 9, 1)),
        "messages lost 1, limit 0",
    ),
    ("errors", with_figures(), with_figures(errors={"not-connected": 2}), "errors 2, limit 0"),
]
"""Of a search's tries; the p99 has to be below its limit."""


@pytest.mark.parametrize(("name", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_a_measurement_is_valid_at_a_limit_and_invalid_beyond_it(
    name: str, good: Measurement, bad: Measurement
) -> None:
    (rule,) = (rule for rule in THRESHOLDS if rule.name == name)
    assert reasons_against(good) == []
    (reason,) = reasons_against(bad)
    value = rule.value_of(bad)
    assert value is not None
    unit = f" {rule.unit}" if rule.unit else ""
    said = name if rule.is_fact else f"{name} {value:.3g}{unit}, limit {rule.limit:g}{unit}"
    detail = rule.detail_of(bad)
    assert reason == (f"{said}, {detail}" if detail else said)


def test_sessions_that_are_not_sticky_are_named_as_the_cause() -> None:
    example = f"the server answered 400 instead of 200 OK; it says 'Invalid session x'; {NOT_STICKY}"
    gone = Connections(planned=10, established=10, closed_early=3)
    causes = [ErrorCause(error="http-400", count=3, example=example)]
    (reason,) = reasons_against(with_figures(connections=gone, errors={"http-400": 3}, causes=causes))
    assert reason == f"connections closed by the server 3, limit 0, {NOT_STICKY}"


@pytest.mark.parametrize(
    ("connections", "says"),
    [
        ({"established": 9}, "1 connections not established"),
        ({"closed_early": 1}, "1 connections closed by the server"),
    ],
)
def test_clients_of_a_second_load_that_are_not_served_count_too(connections: dict[str, int], says: str) -> None:
    gone = Connections(**{"planned": 10, "established": 10, "closed_early": 0, **connections})
    (reason,) = reasons_against(beside(connections=gone))
    assert reason == f"messages and clients of the second load that were not served 1, limit 0, {says}"


def test_why_a_second_load_was_not_served_is_a_part_of_the_reason() -> None:
    gone = Connections(planned=1, established=1, closed_early=1)
    causes = [ErrorCause(error="closed", count=1, example="close code 1011")]
    (reason,) = reasons_against(beside(lost=2, connections=gone, errors={"closed": 1}, causes=causes))
    assert reason == (
        "messages and clients of the second load that were not served 3, limit 0, 1 connections closed by the server,"
        " 2 messages lost, closed, such as: close code 1011"
    )


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("nginx: upstream timed out (110)", "by the proxy: nginx: upstream timed out (110)"),
        ("HAProxy: the proxy refused the request", "by the proxy: HAProxy: the proxy refused the request"),
        ("nginx: upstream prematurely closed", "the proxy reports: nginx: upstream prematurely closed"),
    ],
)
def test_what_a_proxy_reports_is_a_part_of_the_reason(complaint: str, words: str) -> None:
    gone = Connections(planned=10, established=10, closed_early=3)
    (reason,) = reasons_against(with_figures(connections=gone, proxy_complaints=[complaint, "more"]))
    assert reason == f"connections closed by the server 3, limit 0, {words}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"in_time": 0, "never": 10}, "messages received 0"),
        ({"foreign": 2}, "messages that are no answers 20 %"),
        ({"foreign": 1}, None),
        ({"twice": 10}, None),
        ({"in_time": 8, "never": 2, "never_connected": 2}, None),
    ],
)
def test_what_a_bad_network_loses_is_a_result_and_other_messages_are_none(
    changes: dict[str, int], says: str | None
) -> None:
    reasons = reasons_against(with_figures(messages=None, messages_per_s=None, deliveries=deliveries(**changes)))
    assert [says in reason for reason in reasons if says is not None] == [True] * (says is not None)
    assert len(reasons) == (says is not None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"in_time": 0, "never": 10, "complete": 0, "refused": 5}, "messages received 0"),
        ({"foreign": 2}, "messages that are no answers 20 %"),
        ({"twice": 10, "refused": 1}, None),
        ({"in_time": 8, "never": 2, "complete": 3}, None),
    ],
)
def test_what_a_publisher_could_not_deliver_is_a_result(changes: dict[str, int], says: str | None) -> None:
    reasons = reasons_against(with_figures(messages=None, messages_per_s=None, published=published(**changes)))
    assert [says in reason for reason in reasons if says is not None] == [True] * (says is not None)
    assert len(reasons) == (says is not None)


@pytest.mark.parametrize(("cpu_percent", "says"), [(75.0, None), (75.1, "load generator working time 85.1 %")])
def test_a_process_that_publishes_works_beside_the_load_generator(cpu_percent: float, says: str | None) -> None:
    changes = {"messages": None, "messages_per_s": None, "server": usage(50.0), "published": published()}
    reasons = reasons_against(with_figures(**changes, publisher=usage(cpu_percent)))
    assert [reason.partition(",")[0] for reason in reasons] == ([] if says is None else [says])


def test_the_lag_of_the_load_generator_matters_where_latency_does() -> None:
    late = LoadgenHealth(shards=1, cpu_percent=1.0, working_percent=1.0, send_lag_p99_ms=3.0, read_lag_p99_ms=3.0)
    changes = {"messages": None, "messages_per_s": None, "generator": late}
    assert reasons_against(with_figures(**changes, deliveries=deliveries())) == []
    assert len(reasons_against(with_figures(**changes, rooms=deliveries()))) == 2
    assert len(reasons_against(with_figures(**changes, published=published()))) == 2


LAGS = ("send_lag_p99_ms", "read_lag_p99_ms")
LAG_RULES = (SEND_LAG, SEND_LAG_OF_FEW, READ_LAG, READ_LAG_OF_FEW)


@pytest.mark.parametrize("lag", LAGS)
def test_a_lag_that_is_a_small_part_of_what_is_measured_does_not_count(lag: str) -> None:
    """An overloaded server causes lag; what is late by seconds is not wrong by some milliseconds."""
    slow, fast = (with_health(**{lag: 5.0}).model_copy(update={"latency_ms": times(p50)}) for p50 in (100.0, 99.0))
    assert not reasons_against(slow)
    assert "lag p99 5 ms" in reasons_against(fast)[0]
    pushed = slow.model_copy(update={"push_lateness_ms": times(3.0)})
    assert reasons_against(pushed), "a small part of one value is a large one of another"
    ended = {"due": 1, "begun": 1, "completed": 1, "cancelled": 0, "broken": 0, "unfinished": 0}
    chunks = {"chunks": 1, "missing": 0, "wrong": 0, "together": 0}
    for first, later, counts in ((400.0, 300.0, False), (400.0, 3.0, True), (3.0, 400.0, True)):
        streams = Streams.model_validate(
            {**ended, **chunks, "first_chunk_ms": times(first), "chunk_lateness_ms": times(later)}
        )
        changes = {"streams": streams, "latency_ms": None}
        assert bool(reasons_against(with_health(**{lag: 5.0}).model_copy(update=changes))) is counts


@pytest.mark.parametrize("lag", ["send", "read"])
def test_a_tail_of_the_lag_counts_where_some_time_has_a_tail(lag: str) -> None:
    """Of 60 messages the 99th percentile is the largest, so one moment would decide."""
    late = {f"{lag}_lag_p90_ms": 0.1, f"{lag}_lag_p99_ms": 5.0}
    few, many = (Percentiles(count=count, events=count, p50=1.0) for count in (199, 200))
    copies = Percentiles(count=60_000, events=60, p50=1.0)
    without_tail: tuple[dict[str, Any], ...] = (
        {"latency_ms": few},
        {"latency_ms": copies},
        {"latency_ms": few, "push_lateness_ms": copies},
    )
    with_tail: tuple[dict[str, Any], ...] = (
        {"latency_ms": many},
        {"latency_ms": few, "push_lateness_ms": many},
        {"latency_ms": None},
    )
    for times_of in without_tail:
        assert not reasons_against(with_health(**late).model_copy(update=times_of))
        assert (
            f"{lag} lag p90 2 ms"
            in reasons_against(with_health(**{**late, f"{lag}_lag_p90_ms": 2.0}).model_copy(update=times_of))[0]
        )
    for times_of in with_tail:
        assert f"{lag} lag p99 5 ms" in reasons_against(with_health(**late).model_copy(update=times_of))[0]
    older = with_health(**{f"{lag}_lag_p99_ms": 5.0}).model_copy(update={"latency_ms": few})
    assert f"{lag} lag p99 5 ms" in reasons_against(older)[0], "its 90th percentile is not known"


@pytest.mark.parametrize("lag", LAGS)
def test_a_lag_of_a_second_load_is_compared_with_that_load(lag: str) -> None:
    assert not reasons_against(lagging(**{lag: 2.5}, latency_ms=times(50.0)))
    assert reasons_against(lagging(**{lag: 2.5}, latency_ms=times(49.0)))
    assert reasons_against(lagging(**{lag: 2.5}).model_copy(update={"latency_ms": times(500.0)}))


def times(p50: float) -> Percentiles:
    return Percentiles(count=5000, p50=p50)


def test_server_and_load_generator_on_one_core_are_never_valid_and_not_worth_repeating() -> None:
    shared = with_health(shared_core=True)
    assert reasons_against(shared) == ["one core only for server and load generator"]
    assert not is_disturbed(shared)
    assert is_disturbed(with_health(shared_core=True, steal_percent=STEAL.limit + 1))
    assert judge_try(1, open_loop(shared)).verdict == "unusable"


@pytest.mark.parametrize(("name", "good", "bad", "sentence"), TRIES, ids=[case[0] for case in TRIES])
def test_a_try_of_a_search_passes_within_a_limit_and_fails_beyond_it(
    name: str, good: Measurement, bad: Measurement, sentence: str
) -> None:
    (rule,) = (rule for rule in thresholds_of("search try") if rule.name == name)
    assert rule.reason_against(good) is None
    assert rule.reason_against(bad) == sentence
    assert judge_try(1, open_loop(good)).verdict == "passed"
    assert (judge_try(1, open_loop(bad)).verdict, judge_try(1, open_loop(bad)).reasons) == ("failed", (sentence,))


@pytest.mark.parametrize(("name", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_a_value_beyond_a_limit_has_the_effect_on_a_try_that_its_row_declares(
    name: str, good: Measurement, bad: Measurement
) -> None:
    (rule,) = (rule for rule in THRESHOLDS if rule.name == name)
    expected = {
        "no effect": "passed",
        "try is unusable": "unusable",
        "try is unusable if the lag decides": "passed",  # the p99 passes with the lag, see test_capacity
        "try fails": "failed",
    }
    fast = {"latency_ms": Percentiles(count=5000, p99=1.0)}
    assert judge_try(1, good.model_copy(update=fast)).verdict == "passed"
    assert judge_try(1, bad.model_copy(update=fast)).verdict == expected[rule.in_search]


@pytest.mark.parametrize("rule", THRESHOLDS, ids=lambda rule: rule.name)
def test_which_values_break_a_limit(rule: Threshold) -> None:
    below, above = math.nextafter(rule.limit, -math.inf), math.nextafter(rule.limit, math.inf)
    broken = {value for value in (below, rule.limit, above) if rule.is_broken_by(value)}
    assert broken == {"above": {above}, "at or above": {rule.limit, above}, "below": {below}}[rule.breaks]
    assert not rule.is_broken_by(None)


def test_whoever_used_the_machine_besides_is_named() -> None:
    (reason,) = reasons_against(with_health(foreign_cpu_percent=7.0, foreign_process="backup"))
    assert reason == "CPU used by other processes 7 % of a core, limit 5 % of a core, most of it by backup"


def test_every_threshold_is_tested_and_has_a_reason() -> None:
    assert [rule.name for rule in thresholds_of("measurement")] == [name for name, _, _ in CASES]
    assert [rule.name for rule in thresholds_of("search try")] == [name for name, *_ in TRIES]
    assert len({rule.name for rule in THRESHOLDS}) == len(THRESHOLDS)
    for rule in THRESHOLDS:
        assert rule.why.endswith(".")
        assert "generator" not in rule.name.replace("load generator", "")


def test_rows_that_apply_to_a_measurement_or_a_try_read_a_value_and_no_others_do() -> None:
    whole = documents.measurement().model_copy(
        update={
            "offered_per_s": 1000.0,
            "trend_percent": 1.0,
            "warmup_settled": True,
            "generator": LoadgenHealth(
                shards=1,
                cpu_percent=1.0,
                working_percent=1.0,
                send_lag_p99_ms=0.1,
                read_lag_p99_ms=0.1,
                foreign_cpu_percent=1.0,
                steal_percent=0.0,
                neighbours_cpu_percent=1.0,
                clock_jump_ms=0.0,
                shared_core=False,
                throttled_periods=0,
            ),
            "latency_ms": Percentiles(count=5000, p99=1.0),
            "messages": messages(10, 10).model_copy(update={"foreign": 0}),
            "pushes_missed": 0,
            "connecting": connecting(listen_drops=0, listen_backlog=100),
            "slow_consumer": slow_consumer(),
            "streams": streams(),
            "second_load": lagging(
                send_lag_p99_ms=0.1,
                read_lag_p99_ms=0.1,
                messages=messages(10, 10).model_copy(update={"foreign": 0}),
            ).second_load,
        }
    )
    closed = whole.model_copy(update={"offered_per_s": None})
    others = [
        whole.model_copy(update={"slow_consumer": None}),
        closed,
        closed.model_copy(update={"last_delivery_ms": Percentiles(count=500)}),
        of_few(send_lag_p90_ms=0.1, read_lag_p90_ms=0.1),
    ]
    for rule in THRESHOLDS:
        reads = any(rule.value_of(one) is not None for one in (whole, *others))
        assert reads == (rule.applies_to in ("measurement", "search try")), rule.name


def test_a_limit_is_changed_in_its_row_alone() -> None:
    row = replace(THRESHOLDS[0], limit=0.5)
    assert row.reason_against(with_health(send_lag_p99_ms=0.6)) == "send lag p99 0.6 ms, limit 0.5 ms"


def test_the_reference_may_keep_the_generator_busy_and_nothing_else() -> None:
    busy = with_health(working_percent=99.0).model_copy(update={"server": usage(50.0)})
    assert reasons_against(busy, of_reference=True) == []
    assert reasons_against(with_health(steal_percent=5.0), of_reference=True)


def test_a_server_that_used_up_its_core_was_its_own_limit() -> None:
    busy = with_health(working_percent=95.0, neighbours_cpu_percent=5.0)

    def reasons(percent: float, **changes: Any) -> list[str]:
        used = usage(percent).model_copy(update=changes)
        return reasons_against(busy.model_copy(update={"server": used, "last_delivery_ms": busy.latency_ms}))

    assert reasons(85.0) == []
    for found in (
        reasons(84.9),
        reasons(100.0, idle_cpu_percent=5.0),  # it is always busy
        reasons(180.0, connections_per_process=[50, 50]),  # of how many cores?
    ):
        assert found == ["load generator working time 95 %, limit 85 %"]


def test_a_room_may_leave_a_little_of_the_core_unused() -> None:
    assert reasons_against(with_figures(server=usage(75.0)))
    assert reasons_against(in_a_room(server=usage(75.0))) == []


def test_a_closed_loop_that_leaves_a_third_of_the_core_unused_names_the_timer() -> None:
    """A room of ten on Tornado: 100 deliveries per 40 ms, because an acknowledgement is delayed."""
    (reason,) = reasons_against(in_a_room(server=usage(10.0)))
    assert reason == (
        "server core left unused in the closed loop of a room 90 %, limit 30 %,"
        " so it was limited by a timer: 10 % of the core used"
    )
    assert reasons_against(in_a_room(server=usage(10.0)), of_reference=True) == []
    assert reasons_against(in_a_room(server=usage(10.0), offered_per_s=100.0)) == []


def test_a_busy_load_generator_is_not_taken_for_a_timer() -> None:
    """A room of 100, in which the load generator read deliveries for most of the time."""
    busy = with_health(working_percent=84.0).generator
    (reason,) = reasons_against(in_a_room(server=usage(57.0), generator=busy))
    assert reason == "server core left unused in the closed loop of a room 43 %, limit 30 %"


def test_a_storm_that_the_listen_queue_did_not_hold_names_the_backlog_it_needs() -> None:
    (reason,) = reasons_against(with_figures(connecting=connecting(listen_drops=37, listen_backlog=100)))
    assert reason == (
        "connection attempts that found the listen queue full 37, limit 0, so it needs a backlog above 100"
    )
    assert reasons_against(with_figures(connecting=connecting())) == [], "older results do not know"


@pytest.mark.parametrize("seen", [{"closed": 1}, {"heard": 99}, {"stalled_s": 1.0}], ids=str)
def test_a_server_that_stops_to_send_need_not_hold_anything(seen: dict[str, Any]) -> None:
    (reason,) = reasons_against(with_figures(slow_consumer=slow_consumer()))
    assert reason == "withheld data that the server held 0 % of all, limit 50 % of all"
    assert reasons_against(with_figures(slow_consumer=slow_consumer(**seen))) == []
    assert reasons_against(with_figures(slow_consumer=slow_consumer(withheld_mb=None))) == [], "older results"


@pytest.mark.parametrize(
    "felt",
    [{"trend_percent": 300.0}, {"connections": Connections(planned=20, established=20, closed_early=19)}],
    ids=["they wait", "they are disconnected"],
)
def test_what_a_paused_reader_does_to_the_others_is_the_result(felt: dict[str, Any]) -> None:
    assert reasons_against(with_figures(**felt))
    assert reasons_against(with_figures(**felt, slow_consumer=slow_consumer(closed=1))) == []


def test_without_a_value_no_threshold_is_broken() -> None:
    assert reasons_against(failed()) == []


def test_what_the_server_did_is_no_disturbance() -> None:
    disturbing = {name for name, _, bad in CASES if disturbances(bad)}
    blaming = {rule.name for rule in thresholds_of("measurement") if rule.cause == "server"}
    assert blaming >= {"connections not established", "connections closed by the server"}
    assert disturbing == {name for name, _, _ in CASES} - blaming - {rule.name for rule in LAG_RULES}
    short = with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(500, 500))
    assert disturbances(short)
    turned_away = Connections(planned=10, established=10, closed_early=1)
    assert disturbances(short.model_copy(update={"connections": turned_away})) == []
    assert not is_beyond_loadgen(short.model_copy(update={"connections": turned_away}))


def test_effects_of_the_load_are_distinguished_from_those_of_the_machine() -> None:
    assert is_beyond_loadgen(with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(500, 500)))
    assert is_beyond_loadgen(with_health(working_percent=95.0).model_copy(update={"offered_per_s": 1000.0}))
    assert not is_beyond_loadgen(with_health(steal_percent=20.0, foreign_cpu_percent=50.0))


def test_only_the_machine_disturbs() -> None:
    disturbed = {name for name, _, bad in CASES if is_disturbed(bad)}
    assert disturbed == {"CPU steal", "CPU used by other processes", "jump of a clock"}
    assert not is_disturbed(failed())


def test_a_trend_downwards_is_one_too() -> None:
    (reason,) = reasons_against(with_figures(trend_percent=-40.0))
    assert reason == "trend of the median latency over the window 40 %, limit 25 %"
