"""Charts with a row per variant: a figure, a median with its tail, a bracket."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from generator.charts.figure import (
    DECADES,
    LOG_TICKS,
    Chart,
    ChartTable,
    errors,
    figure_text,
    label,
    latency_words,
    short,
    slugs,
    ticks,
    unit_of,
)
from generator.charts.identity import identity
from generator.charts.wording import between, bracket, significant, times
from generator.comparison import METRICS, CapacityTable, Figure, Metric, Row, Table
from generator.statistics import Summary


def metric_chart(table: Table, metric: Metric, *, rows: Sequence[Row] | None = None) -> Chart | None:
    """One bar per variant with its 95 % interval; ``None`` where no valid row has the metric."""
    shown = _with(table, (metric.key,), rows)
    if not shown:
        return None
    figures = [row.figures[metric.key] for row in shown]
    looks = [identity(row.framework.slug) for row in shown]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [short(figure.summary.mean) for figure in figures],
        "y": list(range(len(shown))),
        "width": 0.66,
        "marker": {
            "color": [look.colour for look in looks],
            "pattern": {"shape": [look.pattern for look in looks], "size": 6},
        },
        "error_x": errors([figure.summary for figure in figures]),
        "customdata": [[label(row), figure_text(row, metric)] for row in shown],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        "showlegend": False,
    }
    return Chart(
        slug=f"{table.slug}-{metric.key.replace('_', '-')}",
        title=metric.title[0].upper() + metric.title[1:],
        sentence=f"In {unit_of(metric)} per variant: the geometric mean over the valid rounds, with its 95 %"
        " interval as error bar.",
        direction=f"{metric.better.capitalize()} is better.",
        figure={
            "data": [trace, _values_beside(figures)],
            "layout": {
                # Room on the right for the values.
                "xaxis": {
                    "title": {"text": unit_of(metric)},
                    "range": [0, short(1.2 * max(map(_top, figures)))],
                    "fixedrange": True,
                },
                "yaxis": _row_axis(shown),
                "margin": {"l": 8, "r": 16, "t": 8, "b": 52},
            },
        },
        table=_metric_table(shown, (metric,)),
        frameworks=slugs(shown),
        by_row=True,
        notes=_notes(table, rows, shown),
    )


def latency_chart(table: Table, prefix: str = "latency", *, rows: Sequence[Row] | None = None) -> Chart | None:
    """Median and tail per variant on a logarithmic axis. ``prefix``: ``latency`` or ``push_lateness``."""
    tail = next((metric for metric in table.deciding if metric.key.startswith(prefix)), METRICS[f"{prefix}_p99"])
    median = METRICS[f"{prefix}_p50"]
    shown = _with(table, {median.key, tail.key}, rows)
    if not shown or tail == median:
        return None
    places = list(range(len(shown)))
    colours = [identity(row.framework.slug).colour for row in shown]
    summaries = [row.figures[metric.key].summary for row in shown for metric in (median, tail)]
    span_x: list[float | None] = []
    span_y: list[float | None] = []
    for place, row in zip(places, shown, strict=True):
        span_x += [short(row.figures[metric.key].summary.mean) for metric in (median, tail)] + [None]
        span_y += [place, place, None]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": span_x,
            "y": span_y,
            "line": {"color": "#8a939e", "width": 1.5},
            "hoverinfo": "skip",
            "showlegend": False,
        }
    ]
    for metric, is_open in ((median, True), (tail, False)):
        figures = [row.figures[metric.key] for row in shown]
        name = metric.short.rsplit(" ", 1)[-1]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{name} (hollow)" if is_open else f"{name} (filled)",
                "x": [short(figure.summary.mean) for figure in figures],
                "y": places,
                "marker": {
                    "symbol": [identity(row.framework.slug).symbol + ("-open" if is_open else "") for row in shown],
                    "size": 11,
                    "color": colours,
                    "line": {"width": 2 if is_open else 0, "color": colours},
                },
                "error_x": errors([figure.summary for figure in figures]),
                "customdata": [[label(row), figure_text(row, metric)] for row in shown],
                "hovertemplate": "%{customdata[0]}<br>" + metric.short + " %{customdata[1]}<extra></extra>",
                "showlegend": False,
            }
        )
    what = latency_words(table, prefix)
    name = tail.short.rsplit(" ", 1)[-1]
    return Chart(
        slug=f"{table.slug}-{prefix.replace('_', '-')}",
        title=f"{what[0].upper()}{what[1:]}: p50 and {name}",
        sentence=f"In milliseconds per variant, on a logarithmic axis: hollow is the median, filled the {name},"
        " each the geometric mean over the valid rounds with its 95 % interval as error bar.",
        direction="Lower is better.",
        figure={
            "data": traces,
            "layout": {
                "xaxis": {
                    "type": "log",
                    "title": {"text": "ms (log scale)"},
                    "range": _log_range(summaries),
                    "fixedrange": True,
                    **LOG_TICKS,
                },
                "yaxis": _row_axis(shown),
                "margin": {"l": 8, "r": 16, "t": 8, "b": 52},
            },
        },
        table=_metric_table(shown, (median, tail)),
        frameworks=slugs(shown),
        by_row=True,
        notes=_notes(table, rows, shown),
    )


def range_chart(table: CapacityTable) -> Chart | None:
    """One bar per variant from the low to the high end of its bracket, the middle marked; an arrow for an open end."""
    shown = [(row, row.bracket) for row in table.told_rows if row.bracket is not None]
    if not shown:
        return None
    closed = [
        (place, row, one.low, one.high, one.conclusive)
        for place, (row, one) in enumerate(shown)
        if one.low is not None and one.high is not None
    ]
    opened = [
        (place, row, end, "triangle-left" if one.low is None else "triangle-right")
        for place, (row, one) in enumerate(shown)
        if (one.low is None or one.high is None) and (end := one.low or one.high) is not None
    ]
    words = [bracket(one.low, one.high, conclusive=one.conclusive) for _, one in shown]
    ends = [end for _, one in shown for end in (one.low, one.high) if end is not None]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "base": [low for _, _, low, _, _ in closed],
            "x": [high - low for _, _, low, high, _ in closed],
            "y": [place for place, *_ in closed],
            "width": 0.5,
            "marker": {
                "color": [identity(row.framework.slug).colour for _, row, *_ in closed],
                "opacity": [1 if conclusive else 0.45 for *_, conclusive in closed],
            },
            "customdata": [[label(row), words[place]] for place, row, *_ in closed],
            "hovertemplate": f"%{{customdata[0]}}<br>%{{customdata[1]}} {table.unit}<extra></extra>",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [end for _, _, end, _ in opened],
            "y": [place for place, *_ in opened],
            "marker": {
                "symbol": [symbol for *_, symbol in opened],
                "size": 12,
                "color": [identity(row.framework.slug).colour for _, row, _, _ in opened],
            },
            "customdata": [[label(row), words[place]] for place, row, *_ in opened],
            "hovertemplate": f"%{{customdata[0]}}<br>%{{customdata[1]}} {table.unit}<extra></extra>",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [one.typical for _, one in shown if one.typical],
            "y": [place for place, (_, one) in enumerate(shown) if one.typical],
            "marker": {"symbol": "line-ns", "size": 14, "line": {"width": 1, "color": "#ffffff"}},
            "hoverinfo": "skip",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "mode": "text",
            "x": [max(end for end in (one.low, one.high) if end is not None) for _, one in shown],
            "y": list(range(len(shown))),
            # That a bracket is inconclusive shows in its colour; on a phone there is no room for the word.
            "text": [f"   {bracket(one.low, one.high, conclusive=True)}" for _, one in shown],
            "textposition": "middle right",
            "hoverinfo": "skip",
            "showlegend": False,
        },
    ]
    left, right = math.log10(0.7 * min(ends)), math.log10(1.5 * max(ends))
    rows = [row for row, _ in shown]
    left_out = [row.name for row in table.rows if row not in rows]
    return Chart(
        slug=f"{table.slug}-range",
        title=f"{table.unit[0].upper()}{table.unit[1:]} withstood",
        sentence=f"In {table.unit} on a logarithmic axis: each bar "
        + (
            "reaches from the highest load that passed to the lowest that failed"
            if table.is_of_ends
            else "is the 95 % interval of the load that is withstood in half of all tries, its middle marked"
        )
        + "; a triangle points where an end was not found, and pale is inconclusive.",
        direction="Higher is better; bars that overlap are a tie.",
        figure={
            "data": traces,
            "layout": {
                "xaxis": {
                    "type": "log",
                    "title": {"text": f"{table.unit} (log scale)"},
                    # Room on the right for the words.
                    "range": [short(left), short(right + 0.4 * (right - left))],
                    "fixedrange": True,
                    **_ticks(left, right),
                },
                "yaxis": _row_axis(rows),
                "margin": {"l": 8, "r": 16, "t": 8, "b": 52},
            },
        },
        table=ChartTable(
            ("Variant", f"From ({table.unit})", f"To ({table.unit})", "Half of all tries", "Conclusive"),
            tuple(
                (
                    row.name,
                    *("–" if load is None else f"{load:,}" for load in (one.low, one.high, one.typical)),
                    "yes" if one.conclusive else "no",
                )
                for row, one in shown
            ),
        ),
        frameworks=slugs(rows),
        by_row=True,
        notes=(f"Not drawn, because neither end was found: {', '.join(left_out)}.",) if left_out else (),
    )


def _ticks(left: float, right: float) -> dict[str, list[float] | list[str]]:
    """Of an axis whose data reach from 10^left to 10^right, with none beside; on a wide one only the powers of ten."""
    steps = [step for step in DECADES if left <= math.log10(step) <= right]
    return ticks(step for step in steps if right - left < 1.3 or math.log10(step) % 1 == 0)


def _with(table: Table, keys: Iterable[str], rows: Sequence[Row] | None) -> list[Row]:
    wanted = set(keys)
    return [
        row for row in (table.rows if rows is None else rows) if row.status == "valid" and wanted <= row.figures.keys()
    ]


def _row_axis(rows: Sequence[Row]) -> dict[str, Any]:
    """One line per variant, the first at the top."""
    return {
        "tickvals": list(range(len(rows))),
        "ticktext": [label(row) for row in rows],
        "range": [len(rows) - 0.4, -0.6],
        "fixedrange": True,
        "automargin": True,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
    }


def _top(figure: Figure) -> float:
    """Where the error bar ends."""
    return figure.summary.interval.high if figure.summary.interval else figure.summary.mean


def _log_range(summaries: Sequence[Summary]) -> list[float]:
    """Exponents of ten with room for all error bars and a symbol at either end."""
    lowest = math.log10(min(one.interval.low if one.interval and one.interval.low else one.mean for one in summaries))
    highest = math.log10(max(one.interval.high if one.interval else one.mean for one in summaries))
    room = 0.05 * (highest - lowest) + 0.05
    return [short(lowest - room), short(highest + room)]


def _values_beside(figures: Sequence[Figure]) -> dict[str, Any]:
    """The mean in words at the end of each bar's error bar."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [short(_top(figure)) for figure in figures],
        "y": list(range(len(figures))),
        "text": [f" {significant(figure.summary.mean)}" for figure in figures],
        "textposition": "middle right",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _metric_table(rows: Sequence[Row], metrics: Sequence[Metric]) -> ChartTable:
    columns = ["Variant"]
    for metric in metrics:
        columns += [f"{metric.short} ({unit_of(metric)})", "95 % interval"]
    cells = []
    for row in rows:
        cell = [row.name]
        for metric in metrics:
            summary = row.figures[metric.key].summary
            cell += [significant(summary.mean), between(summary.interval) if summary.interval else "–"]
        ratio = row.figures[metrics[-1].key].to_reference
        cells.append((*cell, str(row.figures[metrics[-1].key].summary.rounds), times(ratio.value) if ratio else "–"))
    return ChartTable((*columns, "Rounds", "To the reference"), tuple(cells))


def _notes(table: Table, rows: Sequence[Row] | None, shown: Sequence[Row]) -> tuple[str, ...]:
    """Who is missing from the chart, and how well the load generator did."""
    notes = []
    left_out = [row.name for row in (table.rows if rows is None else rows) if row not in shown]
    if left_out:
        notes.append(f"Not drawn, because no round counts: {', '.join(left_out)}. The reasons stand in the table.")
    health = [
        measurement.generator
        for row in shown
        if not row.framework.is_reference
        for measurement in row.cell.measurements
        if measurement.valid and measurement.generator is not None
    ]
    lags = [item.send_lag_p99_ms for item in health if item.send_lag_p99_ms is not None]
    working = [item.working_percent for item in health if item.working_percent is not None]
    if table.is_open and lags:
        notes.append(
            f"Load generator: the p99 of its send lag was at most {significant(max(lags), 2)} ms in every valid round."
        )
    elif working:
        notes.append(
            f"Load generator: at work for at most {significant(max(working), 2)} % of its time in every valid round."
        )
    return tuple(notes)
