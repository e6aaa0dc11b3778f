"""Columns for counts and outcomes, from the rounds that count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generator.comparison import Table, columns_of, compare_runs
from generator.dataset import load_results
from runners.record import (
    Connecting,
    ConnectStep,
    LoadgenHealth,
    Percentiles,
    PublishedMessages,
    Recovery,
    SlowConsumer,
)


@pytest.fixture(scope="module")
def table(results: Path) -> Table:
    return compare_runs(load_results(results).runs).tables[0]


def told(table: Table, name: str, values: list[Any], *, valid: int | None = None) -> dict[str, str]:
    """The texts of a table whose first row's rounds hold these values; ``valid``: only so many of them count."""
    row, *others = table.rows
    measurements = [
        measurement.model_copy(update={name: value, "valid": valid is None or index < valid})
        for index, (measurement, value) in enumerate(zip(row.cell.measurements, values, strict=False))
    ]
    changed = replace(row, cell=row.cell.model_copy(update={"measurements": measurements}))
    columns = columns_of(replace(table, rows=(changed, *others)))
    assert all(set(column.cells) == {row.key} for column in columns), "the others have nothing to tell"
    return {column.title: column.cells[row.key] for column in columns}


def test_without_reported_results_there_is_no_column(table: Table) -> None:
    assert columns_of(table) == ()


def test_the_disturbance_of_an_open_loop_is_a_mean_over_the_rounds_that_count(results: Path) -> None:
    open_loop = next(one for one in compare_runs(load_results(results).runs).tables if one.kind == "rate")
    assert open_loop.run.document.machine.logical_cpus == 2
    healths = [
        LoadgenHealth(shards=1, cpu_percent=30.0, foreign_cpu_percent=foreign, steal_percent=0.1)
        for foreign in (0.1, 0.5)
    ]
    (row, *_) = open_loop.rows
    alone = replace(open_loop, rows=(row,))
    assert told(alone, "generator", healths) == {"Disturbance": "0.50 %"}
    assert told(alone, "generator", healths, valid=1) == {"Disturbance": "0.30 %"}
    assert told(alone, "generator", [None, None]) == {}


def consumer(heard: int, closed: int, memory_mb: list[float]) -> SlowConsumer:
    return SlowConsumer(said=100, heard=heard, closed=closed, consumers=1, memory_mb=memory_mb)


def test_what_became_of_a_silent_members_messages(table: Table) -> None:
    values = [consumer(100, 0, [50.0, 60.0, 70.0]), consumer(50, 1, [50.0, 51.0]), consumer(0, 1, [50.0])]
    assert told(table, "slow_consumer", values) == {
        "Queued for the paused client": "50 %",
        "Others disconnected": "0 of 297",
        "Disconnected": "2 of 3",
        "Memory growth": "+10.5 MB",
    }
    assert told(table, "slow_consumer", values, valid=1)["Queued for the paused client"] == "100 %"
    assert told(table, "slow_consumer", values, valid=0) == {}


def test_what_an_outage_cost(table: Table) -> None:
    some = Percentiles(count=100, mean=1.0, max=2.0)
    outages = [
        Recovery(
            restart_s=1.0, noticed_ms=some, back_ms=some, lost=lost, unsent=2 * lost, never_back=lost, attempts=100
        )
        for lost in (1, 2)
    ]
    assert told(table, "recovery", outages) == {"Unanswered": "1.5", "Not sent": "3.0", "Never back": "3"}


def test_what_became_of_messages_from_outside(table: Table) -> None:
    some = Percentiles(count=100, mean=1.0, max=2.0)
    counts: dict[str, Any] = {"messages": 10, "due": 1000, "in_time": 980, "late": 20, "never": 0, "complete": 10}
    rounds = [
        PublishedMessages(
            **counts,
            twice=twice,
            foreign=0,
            refused=2,
            ended=1,
            connections=connections,
            delivery_ms=some,
            last_delivery_ms=some,
            answer_ms=some.model_copy(update={"p50": answer_ms}),
        )
        for twice, connections, answer_ms in ((10, 10, 2.0), (0, 0, 4.0))
    ]
    assert told(table, "published", rounds) == {
        "Late": "2 %",
        "Twice": "0.5 %",
        "Not taken": "4 of 20",
        "Answer": "3.0 ms",
        "Connections": "0.5",
        "Ended by the server": "1.0",
    }
    by_process = [one.model_copy(update={"connections": None, "answer_ms": None}) for one in rounds]
    assert not {"Connections", "Answer"} & told(table, "published", by_process).keys()


def test_memory_as_clients_come(table: Table) -> None:
    def connecting(*memory_mb: float) -> Connecting:
        steps = [ConnectStep(connections=250 * index, pss_mb=one) for index, one in enumerate(memory_mb)]
        return Connecting(connections_per_s=1.0, took_s=1.0, steps=steps)

    assert told(table, "connecting", [connecting(1, 2, 3), connecting(20.4, 30, 40)]) == {"Memory": "20, 30, 40 MB"}
    assert told(table, "connecting", [connecting(1, 2)]) == {}, "a storm has one step"


def test_how_clients_are_spread(table: Table) -> None:
    (usage,) = {id(one.server): one.server for one in table.rows[0].cell.measurements[:1]}.values()
    assert usage is not None
    spread = usage.model_copy(update={"connections_per_process": [60, 40]})
    assert told(table, "server", [spread]) == {"Clients per process": "60 + 40"}


def test_what_the_others_felt_of_a_paused_reader(table: Table) -> None:
    values = [
        consumer(100, 0, [50.0]).model_copy(update={"stalled_s": seconds, "withheld_mb": 50.0}) for seconds in (40, 50)
    ]
    assert told(table, "slow_consumer", values)["Others stalled"] == "45 s"


def test_the_backlog_that_a_storm_needs(table: Table) -> None:
    def storm(drops: int) -> Connecting:
        return Connecting(connections_per_s=1.0, took_s=1.0, steps=[], listen_backlog=100, listen_drops=drops)

    column = "Dropped by the listen queue"
    assert told(table, "connecting", [storm(0), storm(37)], valid=1) == {column: "37, needs a backlog above 100"}
    assert told(table, "connecting", [storm(37), storm(0)]) == {column: "0, backlog 100"}


def test_missed_pushes_are_counted_over_all_measured_rounds(table: Table) -> None:
    row, *others = table.rows
    pushed = {"pushes_per_s": 10.0, "duration_s": 6.0}
    measurements = [
        measurement.model_copy(update={**pushed, "pushes_missed": missed, "valid": missed == 0})
        for measurement, missed in zip(row.cell.measurements, (0, 5), strict=False)
    ]
    changed = replace(row, cell=row.cell.model_copy(update={"measurements": measurements}))
    (column,) = columns_of(replace(table, rows=(changed, *others)))
    assert (column.title, column.cells) == ("Missed pushes", {row.key: "5 of 125"})
