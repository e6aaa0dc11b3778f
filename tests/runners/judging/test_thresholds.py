"""Each threshold is passed at its limit and broken above it, by name."""

from __future__ import annotations

from typing import Any

import pytest

from runners.judging.thresholds import THRESHOLDS, disturbances, is_beyond_generator, is_spoilt, reasons_against
from runners.record import Connections, LoadgenHealth, Measurement, Usage
from tests.support.documents import failed, measurement, messages


def usage(cpu_percent: float) -> Usage:
    return Usage(cpu_s=1.0, cpu_percent=cpu_percent)


def with_health(**changes: float | str) -> Measurement:
    health = LoadgenHealth(shards=1, cpu_percent=10.0, working_percent=10.0).model_copy(update=changes)
    return measurement().model_copy(update={"generator": health, "offered_per_s": None, "server": usage(100.0)})


def with_figures(**changes: Any) -> Measurement:
    return with_health().model_copy(update=changes)


CASES = [
    ("send lag p99", with_health(send_lag_p99_ms=1.0), with_health(send_lag_p99_ms=1.01)),
    ("read lag p99", with_health(read_lag_p99_ms=1.0), with_health(read_lag_p99_ms=1.01)),
    (
        "generator working time",
        with_health(working_percent=85.0).model_copy(update={"offered_per_s": 1000.0}),
        with_health(working_percent=85.1).model_copy(update={"offered_per_s": 1000.0}),
    ),
    (
        "messages not offered",
        with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(995, 995)),
        with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(994, 994)),
    ),
    (
        "server core left unused in the closed loop",
        with_figures(server=usage(80.0), broker=usage(10.0)),
        with_figures(server=usage(80.0), broker=usage(9.9)),
    ),
    (
        "CPU used by other processes",
        with_health(foreign_cpu_percent=5.0),
        with_health(foreign_cpu_percent=5.1),
    ),
    ("CPU steal", with_health(steal_percent=1.0), with_health(steal_percent=1.1)),
    (
        "idle CPU of the servers measured beside it",
        with_health(neighbours_cpu_percent=10.0),
        with_health(neighbours_cpu_percent=10.1),
    ),
    ("jump of a clock", with_health(clock_jump_ms=10.0), with_health(clock_jump_ms=10.1)),
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
]


@pytest.mark.parametrize(("name", "good", "bad"), CASES, ids=[case[0] for case in CASES])
def test_each_threshold(name: str, good: Measurement, bad: Measurement) -> None:
    assert reasons_against(good) == []
    (reason,) = reasons_against(bad)
    assert reason.startswith(name)
    assert "limit" in reason
    assert reason == reason.strip()
    assert "  " not in reason
    assert " ," not in reason


def test_whoever_used_the_machine_besides_is_named() -> None:
    (reason,) = reasons_against(with_health(foreign_cpu_percent=7.0, foreign_process="backup"))
    assert reason == "CPU used by other processes 7 % of a core, limit 5 % of a core, most of it by backup"


def test_every_threshold_is_tested_and_says_why() -> None:
    assert sorted(rule.name for rule in THRESHOLDS) == sorted(name for name, _, _ in CASES)
    assert all(rule.why.endswith(".") for rule in THRESHOLDS)


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
        assert found == ["generator working time 95 %, limit 85 %"]


def test_a_room_may_leave_the_core_unused() -> None:
    waiting = with_figures(server=usage(50.0))
    assert reasons_against(waiting)
    assert reasons_against(waiting.model_copy(update={"last_delivery_ms": waiting.latency_ms})) == []


def test_where_there_is_no_figure_nothing_is_broken() -> None:
    assert reasons_against(failed()) == []


def test_what_the_server_did_is_no_disturbance() -> None:
    disturbing = {name for name, _, bad in CASES if disturbances(bad)}
    blaming = {rule.name for rule in THRESHOLDS if rule.blames == "server"}
    assert blaming >= {"connections not established", "connections closed by the server"}
    assert disturbing == {name for name, _, _ in CASES} - blaming - {"send lag p99", "read lag p99"}
    short = with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(500, 500))
    assert disturbances(short)
    turned_away = Connections(planned=10, established=10, closed_early=1)
    assert disturbances(short.model_copy(update={"connections": turned_away})) == []


def test_what_comes_with_the_load_is_told_from_what_the_machine_did() -> None:
    assert is_beyond_generator(with_figures(offered_per_s=1000.0, duration_s=1.0, messages=messages(500, 500)))
    assert is_beyond_generator(with_health(working_percent=95.0).model_copy(update={"offered_per_s": 1000.0}))
    assert not is_beyond_generator(with_health(steal_percent=20.0, foreign_cpu_percent=50.0))


def test_spoilt_is_what_neither_the_server_nor_the_generator_did() -> None:
    spoilt = {name for name, _, bad in CASES if is_spoilt(bad)}
    assert spoilt == {"CPU steal", "CPU used by other processes", "jump of a clock"}
    assert not is_spoilt(failed())


def test_a_trend_downwards_is_one_too() -> None:
    (reason,) = reasons_against(with_figures(trend_percent=-40.0))
    assert reason == "trend of the median latency over the window 40 %, limit 25 %"
