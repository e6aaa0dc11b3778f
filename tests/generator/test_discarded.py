"""Rounds that do not count for what the server did: timers, and what the values would be with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from generator.charts import Identities, percentile_chart
from generator.comparison import PUSH_LATENESS, Row, Table, compare_runs, with_discarded
from generator.comparison.metrics import read_values
from generator.dataset import Run, load_results
from runners.record import CellRecord, Measurement, Percentiles

SLOWEST = "flask-socketio"
Change = Callable[[Measurement], Measurement]


@pytest.fixture(scope="module")
def run(results: Path) -> Run:
    (found,) = load_results(results).runs
    return found


def changed(run: Run, framework: str, mode: str, change: Change) -> Run:
    """The run, with other measurements of a framework's cells in one mode."""

    def of(cell: CellRecord) -> CellRecord:
        if cell.parameters.get("mode") != mode:
            return cell
        return cell.model_copy(update={"measurements": [change(one) for one in cell.measurements]})

    items = tuple(
        replace(item, document=item.document.model_copy(update={"cells": list(map(of, item.document.cells))}))
        if item.document.framework.slug == framework
        else item
        for item in run.frameworks
    )
    return replace(run, frameworks=items)


def using(percent: float) -> Change:
    """Let the server use this much of its core."""

    def change(measurement: Measurement) -> Measurement:
        if measurement.server is None:
            return measurement
        return measurement.model_copy(
            update={"broker": None, "server": measurement.server.model_copy(update={"cpu_percent": percent})}
        )

    return change


def rows_of(table: Table, framework: str) -> list[Row]:
    return [row for row in table.rows if row.framework.slug == framework and row.status != "failed"]


def test_the_throughput_of_a_timer_does_not_compete(run: Run) -> None:
    table = compare_runs([changed(run, SLOWEST, "closed", using(9.0))]).tables[0]
    found = rows_of(table, SLOWEST)
    assert found
    for row in found:
        assert (row.status, row.valid_rounds) == ("invalid", 0)
        assert row.timer_limited_percent == pytest.approx(9.0)
        assert any(reason.startswith("limited by a timer: more than 30 %") for reason, _ in row.reasons)
        assert row.values["messages_per_s"].rank is None


def test_a_server_that_uses_its_core_and_a_fixed_rate_are_limited_by_no_timer(run: Run) -> None:
    busy = compare_runs([changed(run, SLOWEST, "closed", using(71.0))]).tables[0]
    slow = compare_runs([changed(run, SLOWEST, "open", using(9.0))]).tables[1]
    for table in (busy, slow):
        assert [row.timer_limited_percent for row in rows_of(table, SLOWEST)] == [None] * len(rows_of(table, SLOWEST))
    assert any(row.status == "valid" for row in rows_of(busy, SLOWEST))


def test_the_reference_may_wait_for_the_load_generator(run: Run) -> None:
    table = compare_runs([changed(run, "reference", "closed", using(60.0))]).tables[0]
    (reference,) = rows_of(table, "reference")
    assert (reference.status, reference.timer_limited_percent) == ("valid", None)


def test_a_value_that_the_discarded_rounds_would_change_is_named(run: Run) -> None:
    """Two of five rounds became twice as fast, and were discarded for their trend."""
    row = next(row for row in compare_runs([run]).tables[0].rows if row.key == ("fastapi", "uvicorn"))
    assert with_discarded(row) == ()

    def drifted(measurement: Measurement) -> Measurement:
        if measurement.round > 2:
            return measurement
        reasons = ["trend of the median latency over the window 70 %, limit 25 %"]
        rate = 2 * (measurement.messages_per_s or 0.0)
        return measurement.model_copy(update={"valid": False, "invalid_reasons": reasons, "messages_per_s": rate})

    table = compare_runs([changed(run, "fastapi", "closed", drifted)]).tables[0]
    row = next(row for row in table.rows if row.key == ("fastapi", "uvicorn"))
    (found,) = with_discarded(row)
    assert found.metric.key == "messages_per_s"
    assert found.counting == pytest.approx(row.values["messages_per_s"].estimate.mean, rel=0.01)
    assert found.measured > 1.2 * found.counting


def test_percentiles_of_few_events_are_not_read(run: Run) -> None:
    """Ten pushes to a hundred viewers were a thousand samples in older files."""
    (cell, *_) = [
        cell for item in run.frameworks for cell in item.document.cells if cell.push_lateness and cell.measurements
    ]
    some = next(one for one in cell.measurements if one.valid and one.push_lateness_ms)
    few = some.model_copy(update={"push_lateness_ms": Percentiles(count=1000, p50=1.0, p90=2.0)})
    enough = some.model_copy(update={"push_lateness_ms": Percentiles(count=6000, p50=1.0, p90=2.0)})
    assert not {key for key in read_values([few]) if key.startswith("push_lateness")}
    assert {key for key in read_values([enough]) if key.startswith("push_lateness")} == {"push_lateness_p50"}


def test_a_curve_ends_where_too_few_events_lie_beyond(run: Run) -> None:
    table = next(table for table in compare_runs([run]).tables if table.kind == "push")
    looks = Identities({})

    def furthest(count: int) -> float:
        def with_pushes(row: Row) -> Row:
            measurements = [
                one.model_copy(update={"push_lateness_ms": Percentiles(count=count, p50=1.0)})
                for one in row.cell.measurements
                if one.push_lateness_ms is not None
            ]
            return replace(row, cell=row.cell.model_copy(update={"measurements": measurements}))

        chart = percentile_chart(replace(table, rows=tuple(map(with_pushes, table.rows))), PUSH_LATENESS, looks)
        assert chart is not None
        return float(max(trace["x"][-1] for trace in chart.figure["data"]))

    assert furthest(6_000) < furthest(600_000)
