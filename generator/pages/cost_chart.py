"""CPU against delay under one load: who is beaten by nobody."""

from __future__ import annotations

from itertools import permutations

from generator.charts import ChartTable, TableCell, TableHead
from generator.charts.wording import LONGEST_TITLE, parameters_in_words, plain
from generator.comparison import (
    CPU,
    LATENCY,
    PUSH_LATENESS,
    Metric,
    Row,
    Table,
    costs_with_broker,
    is_published,
    percentile,
)
from generator.drawing import ScatterPoint, draw_scatter
from generator.pages.drawn_chart import DrawnChart, made_of
from generator.pages.view import View

_LOADS: tuple[tuple[str, dict[str, object]], ...] = (("crowd", {"users": 1000}), ("dashboard", {"users": 100}))
"""Workload and parameters of the load; the first that has values that count."""
_DELAYS = (percentile(PUSH_LATENESS, "p90"), percentile(LATENCY, "p90"))
_FEWEST = 3
"""Points below which the chart shows nothing that a table does not."""


def cost_chart(view: View) -> DrawnChart | None:
    """The chart of the first load that has enough values; ``None`` if none has."""
    tables = view.conclusions.of_headlines(view.comparison.tables)
    for workload, where in _LOADS:
        for table in tables:
            if table.workload.slug == workload and where.items() <= table.parameters.items() and is_published(table):
                for delay in _DELAYS:
                    rows = [row for row in table.valid_rows if _counts(view, table, row, delay)]
                    if len(rows) >= _FEWEST:
                        return _chart(view, table, rows, delay)
    return None


def _counts(view: View, table: Table, row: Row, delay: Metric) -> bool:
    values = (row.values.get(CPU.key), row.values.get(delay.key))
    if costs_with_broker(table).estimate(row.key) is None:
        return False
    return row.framework.slug in view.competing and all(
        one is not None and one.is_enough and one.estimate.mean > 0 for one in values
    )


def _chart(view: View, table: Table, rows: list[Row], delay: Metric) -> DrawnChart:
    costs = {row.key: estimate.mean for row in rows if (estimate := costs_with_broker(table).estimate(row.key))}
    beaten = {other.key for one, other in permutations(rows, 2) if _beats(table, one, other, delay)}
    points = [
        ScatterPoint(
            view.titles[row.framework.slug],
            costs[row.key],
            row.values[delay.key].estimate.mean,
            is_unbeaten=row.key not in beaten,
            is_flagged=row.framework.slug in view.conclusions.basis.barred,
        )
        for row in rows
    ]
    unbeaten = sorted(one.name for one in points if one.is_unbeaten and not one.is_flagged)
    x_title, y_title = "CPU of server and broker, % of a core →", f"↑ {delay.title}, {delay.unit}"
    label = f"CPU and {plain(delay.title)} of {len(points)} frameworks. The table below lists the values."
    wide, narrow = (draw_scatter(points, x_title, y_title, label, is_narrow=one) for one in (False, True))
    return DrawnChart(
        slug=f"cost-{table.slug}",
        title=_title(unbeaten),
        subtitle=f"{table.workload.title}: {parameters_in_words(table.parameters)}. Less is better on both axes.",
        wide=wide,
        narrow=narrow,
        table=_values(points, delay),
        frameworks=tuple(row.framework.slug for row in rows),
        notes=(
            "Filled: nobody is surely better in one and surely no worse in the other. Hollow: somebody is. Grey: it has"
            " a flag.",
        ),
        made_of=made_of(table),
    )


def _beats(table: Table, one: Row, other: Row, delay: Metric) -> bool:
    """Whether one is surely better in cost or delay, and better or practically equal in the other of the two."""
    outcomes = [
        costs_with_broker(table).judged(one.key, other.key).outcome,
        table.judged(delay, one, other).outcome,
    ]
    return "better" in outcomes and all(outcome in ("better", "same") for outcome in outcomes)


def _title(unbeaten: list[str]) -> str:
    if not unbeaten:
        return "Nobody without a flag is unbeaten in CPU and delay"
    title = f"Nobody surely beats {' and '.join(unbeaten)} in CPU and delay together"
    if len(unbeaten) <= 2 and len(title) <= LONGEST_TITLE:
        return title
    return f"{len(unbeaten)} are surely beaten by nobody in CPU and delay together"


def _values(points: list[ScatterPoint], delay: Metric) -> ChartTable:
    heads = (
        TableHead.of("Framework"),
        TableHead.of(f"CPU of server and broker ({CPU.unit})"),
        TableHead.of(f"{delay.title} ({delay.unit})"),
    )
    cells = tuple(
        (TableCell.of_text(one.name), TableCell.of_number(one.x), TableCell.of_number(one.y)) for one in points
    )
    return ChartTable(heads, cells)
