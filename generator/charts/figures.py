"""The figures: plain dictionaries in Plotly's JSON form, so that building a page constructs no objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from generator.charts.identity import dash, identity
from generator.charts.wording import between, bracket, plain, significant, times
from generator.comparison import METRICS, CapacityTable, ChangePoint, Figure, Metric, Row, Series, Table, Trend
from generator.statistics import Summary
from runners.record import Distribution, Histogram, HistogramError, InvalidError

MIN_SAMPLES_BEYOND = 20
"""A line ends where fewer samples lie beyond: the record's own rule for percentiles."""

_ROW_PX = 34
_NARROW_ROW_PX = 38
_AXES_PX = 92
_MAX_LINES = 10
"""More lines than this hide each other: beyond it each framework starts with its first variant alone."""


_DECADES = [step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5)]
_LOG_TICKS = {
    "tickvals": [float(f"{tick:.3g}") for tick in _DECADES],
    "ticktext": [f"{tick:,.10g}" for tick in _DECADES],
}
"""Numbers in full: Plotly's own short form writes 20 as a lone 2."""


@dataclass(frozen=True)
class ChartTable:
    """What the chart shows, as text. The first column names the variant, the others are figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs beside it.

    Every row of the table is a row or a line of the figure, in the same order; ``frameworks`` names the
    framework of each, so that a reader can choose among them. Heights are fixed, so that nothing moves on
    drawing.
    """

    slug: str
    title: str
    sentence: str
    direction: str
    figure: dict[str, Any]
    table: ChartTable
    frameworks: tuple[str, ...]
    by_row: bool = False
    """Whether each framework's variant has a row of its own, and not a line."""
    notes: tuple[str, ...] = ()

    @property
    def row_px(self) -> tuple[int, int]:
        """How high a row is, on a wide screen and on a phone; zero where there are only lines."""
        return (_ROW_PX, _NARROW_ROW_PX) if self.by_row else (0, 0)

    @property
    def heights_px(self) -> tuple[int, int]:
        """On a wide screen and on a phone."""
        count = len(self.frameworks)
        if self.by_row:
            return _ROW_PX * count + _AXES_PX, _NARROW_ROW_PX * count + _AXES_PX
        # Under the plot a legend of two columns, or of one on a phone.
        return 400 + 22 * -(-count // 2), 340 + 22 * count


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
        "x": [_short(figure.summary.mean) for figure in figures],
        "y": list(range(len(shown))),
        "width": 0.66,
        "marker": {
            "color": [look.colour for look in looks],
            "pattern": {"shape": [look.pattern for look in looks], "size": 6},
        },
        "error_x": _errors([figure.summary for figure in figures]),
        "customdata": [[_label(row), _figure_text(row, metric)] for row in shown],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        "showlegend": False,
    }
    return Chart(
        slug=f"{table.slug}-{metric.key.replace('_', '-')}",
        title=metric.title[0].upper() + metric.title[1:],
        sentence=f"In {_unit(metric)} per variant: the geometric mean over the valid rounds, with its 95 %"
        " interval as error bar.",
        direction=f"{metric.better.capitalize()} is better.",
        figure={
            "data": [trace, _values_beside(figures)],
            "layout": {
                # Room on the right for the values.
                "xaxis": {
                    "title": {"text": _unit(metric)},
                    "range": [0, _short(1.2 * max(map(_top, figures)))],
                    "fixedrange": True,
                },
                "yaxis": _row_axis(shown),
                "margin": {"l": 8, "r": 16, "t": 8, "b": 52},
            },
        },
        table=_metric_table(shown, (metric,)),
        frameworks=_slugs(shown),
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
    span_x: list[float | None] = []
    span_y: list[float | None] = []
    for place, row in zip(places, shown, strict=True):
        span_x += [_short(row.figures[metric.key].summary.mean) for metric in (median, tail)] + [None]
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
                "x": [_short(figure.summary.mean) for figure in figures],
                "y": places,
                "marker": {
                    "symbol": [identity(row.framework.slug).symbol + ("-open" if is_open else "") for row in shown],
                    "size": 11,
                    "color": colours,
                    "line": {"width": 2 if is_open else 0, "color": colours},
                },
                "error_x": _errors([figure.summary for figure in figures]),
                "customdata": [[_label(row), _figure_text(row, metric)] for row in shown],
                "hovertemplate": "%{customdata[0]}<br>" + metric.short + " %{customdata[1]}<extra></extra>",
                "showlegend": False,
            }
        )
    what = _latency_words(table, prefix)
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
                "xaxis": {"type": "log", "title": {"text": "ms (log scale)"}, "fixedrange": True, **_LOG_TICKS},
                "yaxis": _row_axis(shown),
                "margin": {"l": 8, "r": 16, "t": 8, "b": 52},
            },
        },
        table=_metric_table(shown, (median, tail)),
        frameworks=_slugs(shown),
        by_row=True,
        notes=_notes(table, rows, shown),
    )


def percentile_chart(table: Table, prefix: str = "latency") -> Chart | None:
    """The whole distribution: latency over the percentile, both logarithmic (Gil Tene's HDR plot)."""
    lines = []
    for row in table.valid_rows:
        distribution = row.cell.latency if prefix == "latency" else row.cell.push_lateness
        points = _points(row, distribution) if distribution is not None else ()
        if points:
            lines.append((row, distribution, points))
    if not lines:
        return None
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": _label(row),
            "x": [_short(1 / (1 - quantile)) for quantile, _ in points],
            "y": [_short(value) for _, value in points],
            "customdata": [f"{100 * quantile:.6g} %" for quantile, _ in points],
            "hovertemplate": _label(row) + ": %{customdata} within %{y:.3~g} ms<extra></extra>",
            "marker": {"symbol": identity(row.framework.slug).symbol, "size": 7, "maxdisplayed": 6},
            "line": {"color": identity(row.framework.slug).colour, "dash": look, "width": 2},
            **({} if visible else {"visible": "legendonly"}),
        }
        for (row, _, points), (look, visible) in zip(lines, _styles([row for row, _, _ in lines]), strict=True)
    ]
    what = _latency_words(table, prefix)
    quantiles = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max"))
    return Chart(
        slug=f"{table.slug}-{prefix.replace('_', '-')}-distribution",
        title=f"{what[0].upper()}{what[1:]}: the whole distribution",
        sentence=f"In milliseconds over the percentile, both axes logarithmic, all valid rounds together;"
        f" each line ends where fewer than {MIN_SAMPLES_BEYOND} samples lie beyond.",
        direction="Lower and flatter is better.",
        figure={
            "data": traces,
            "layout": {
                "xaxis": {
                    "type": "log",
                    "title": {"text": "percentile"},
                    "tickvals": [1, 2, 10, 100, 1000, 10_000, 100_000],
                    "ticktext": ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"],
                },
                "yaxis": {"type": "log", "title": {"text": "ms (log scale)"}, **_LOG_TICKS},
                "margin": {"l": 56, "r": 16, "t": 8, "b": 52},
                "hovermode": "closest",
            },
        },
        table=ChartTable(
            ("Variant", *(f"{name} (ms)" for _, name in quantiles), "Messages"),
            tuple(
                (
                    row.name,
                    *(_or_dash(getattr(distribution.percentiles_ms, key)) for key, _ in quantiles),
                    f"{distribution.percentiles_ms.count:,}",
                )
                for row, distribution, _ in lines
                if distribution is not None
            ),
        ),
        frameworks=_slugs([row for row, _, _ in lines]),
    )


def timeline_chart(table: Table) -> Chart | None:
    """One point per second of each cell's first valid round: does the figure hold still?"""
    rows = [row for row in table.valid_rows if row.cell.timeline is not None and row.cell.timeline.second]
    if not rows:
        return None
    throughput = not table.is_open
    traces = []
    for row, (look, visible) in zip(rows, _styles(rows), strict=True):
        timeline = row.cell.timeline
        if timeline is None:
            continue
        mark = identity(row.framework.slug)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": _label(row),
                "x": timeline.second,
                "y": timeline.messages if throughput else timeline.p50_ms,
                "marker": {"symbol": mark.symbol, "size": 6},
                "line": {"color": mark.colour, "dash": look, "width": 2},
                "hovertemplate": _label(row)
                + ": %{y:.3~s}"
                + ("/s" if throughput else " ms")
                + " in second %{x}<extra></extra>",
                **({} if visible else {"visible": "legendonly"}),
            }
        )
    what = "Messages answered per second" if throughput else "Median latency in milliseconds"
    seconds = sorted({second for row in rows if row.cell.timeline for second in row.cell.timeline.second})
    return Chart(
        slug=f"{table.slug}-timeline",
        title="Second by second",
        sentence=f"{what}, for each second of the first valid round of every variant (logarithmic axis):"
        " a steady line means the figure does not depend on when one looks.",
        direction="Higher is better." if throughput else "Lower is better.",
        figure={
            "data": traces,
            "layout": {
                "xaxis": {"title": {"text": "second of the timed window"}},
                "yaxis": {
                    "title": {"text": "messages/s (log scale)" if throughput else "ms (log scale)"},
                    "type": "log",
                    **_LOG_TICKS,
                },
                "margin": {"l": 56, "r": 16, "t": 8, "b": 52},
                "hovermode": "closest",
            },
        },
        table=ChartTable(
            ("Variant", *(f"s {second}" for second in seconds)),
            tuple((row.name, *_by_second(row, seconds, throughput=throughput)) for row in rows),
        ),
        frameworks=_slugs(rows),
    )


def trend_chart(trend: Trend, changes: Sequence[ChangePoint]) -> Chart | None:
    """One line per variant over the days of its runs, with error bars; changes are ringed and say what was new."""
    shown = sorted(trend.series, key=lambda series: (series.row.framework.is_reference, series.row.key))
    if not shown:
        return None
    ringed = {(change.series.row.key, change.after.started): change for change in changes if change.trend is trend}
    traces: list[dict[str, Any]] = []
    for series, (look, visible) in zip(shown, _styles([series.row for series in shown]), strict=True):
        mark = identity(series.row.framework.slug)
        rings = [(series.row.key, point.started) in ringed for point in series.points]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": _label(series.row),
                "x": [point.started for point in series.points],
                "y": [_short(point.figure.summary.mean) for point in series.points],
                "error_y": _errors([point.figure.summary for point in series.points]),
                "marker": {
                    "symbol": mark.symbol,
                    "size": [13 if ring else 8 for ring in rings],
                    "color": mark.colour,
                    "line": {"width": [2 if ring else 0 for ring in rings], "color": "#8a939e"},
                },
                "line": {"color": mark.colour, "dash": look, "width": 2},
                "customdata": [
                    [_label(series.row), *_told(series, index, trend.metric)] for index in range(len(rings))
                ],
                "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
                **({} if visible else {"visible": "legendonly"}),
            }
        )
    days = sorted({point.started for series in shown for point in series.points})
    cpu, cpus = trend.machine
    return Chart(
        slug=f"trend-{trend.slug}",
        title=trend.metric.title[0].upper() + trend.metric.title[1:],
        sentence=f"In {_unit(trend.metric)}, each run's geometric mean with its 95 % interval, on {cpu} with {cpus}"
        " logical CPUs (logarithmic axis). A larger, ringed mark changed against the run before it.",
        direction=f"{trend.metric.better.capitalize()} is better.",
        figure={
            "data": traces,
            "layout": {
                "xaxis": {"type": "date", "title": {"text": "start of the run (UTC)"}},
                "yaxis": {"type": "log", "title": {"text": f"{_unit(trend.metric)} (log scale)"}, **_LOG_TICKS},
                "margin": {"l": 56, "r": 16, "t": 8, "b": 52},
                "hovermode": "closest",
            },
        },
        table=ChartTable(
            ("Variant", *(day.replace("T", " ").removesuffix("Z") for day in days)),
            tuple((series.row.name, *_by_day(series, days)) for series in shown),
        ),
        frameworks=_slugs([series.row for series in shown]),
    )


def _told(series: Series, index: int, metric: Metric) -> tuple[str, str]:
    """A point in words, and what was new with it."""
    point = series.points[index]
    package = series.row.framework.package
    version = point.versions.get(package, "")
    before = series.points[index - 1].versions.get(package) if index else version
    new = f"{package} {version}" + (f", before {before}" if before != version else "")
    return _figure_text(point.row, metric), new


def _by_day(series: Series, days: Sequence[str]) -> list[str]:
    found = {point.started: significant(point.figure.summary.mean) for point in series.points}
    return [found.get(day, "–") for day in days]


def range_chart(table: CapacityTable) -> Chart | None:
    """One bar from the low to the high end of each variant's bracket; an arrow where an end is open."""
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
            "customdata": [[_label(row), words[place]] for place, row, *_ in closed],
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
            "customdata": [[_label(row), words[place]] for place, row, *_ in opened],
            "hovertemplate": f"%{{customdata[0]}}<br>%{{customdata[1]}} {table.unit}<extra></extra>",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "mode": "text",
            "x": [max(end for end in (one.low, one.high) if end is not None) for _, one in shown],
            "y": list(range(len(shown))),
            "text": [f"   {text}" for text in words],
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
        sentence=f"In {table.unit} on a logarithmic axis: each bar reaches from the highest load that passed to the"
        " lowest that failed; a triangle points where an end was not found, and pale is inconclusive.",
        direction="Higher is better; bars that overlap are a tie.",
        figure={
            "data": traces,
            "layout": {
                "xaxis": {
                    "type": "log",
                    "title": {"text": f"{table.unit} (log scale)"},
                    # Room on the right for the words.
                    "range": [_short(left), _short(right + 0.8 * (right - left))],
                    "fixedrange": True,
                    **_ticks(left, right),
                },
                "yaxis": _row_axis(rows),
                "margin": {"l": 8, "r": 16, "t": 8, "b": 52},
            },
        },
        table=ChartTable(
            ("Variant", f"Passed ({table.unit})", f"Failed ({table.unit})", "Conclusive"),
            tuple(
                (
                    row.name,
                    "–" if one.low is None else f"{one.low:,}",
                    "–" if one.high is None else f"{one.high:,}",
                    "yes" if one.conclusive else "no",
                )
                for row, one in shown
            ),
        ),
        frameworks=_slugs(rows),
        by_row=True,
        notes=(f"Not drawn, because neither end was found: {', '.join(left_out)}.",) if left_out else (),
    )


def _ticks(left: float, right: float) -> dict[str, Any]:
    """Of an axis whose data reach from 10^left to 10^right, with none beside.

    On a wide one only the powers of ten: numbers of six digits would run into each other on a phone.
    """
    steps = [step for step in _DECADES if left <= math.log10(step) <= right]
    shown = [step for step in steps if right - left < 1.3 or math.log10(step) % 1 == 0]
    return {"tickvals": [float(f"{tick:.3g}") for tick in shown], "ticktext": [f"{tick:,.10g}" for tick in shown]}


def _with(table: Table, keys: Iterable[str], rows: Sequence[Row] | None) -> list[Row]:
    wanted = set(keys)
    return [
        row for row in (table.rows if rows is None else rows) if row.status == "valid" and wanted <= row.figures.keys()
    ]


def _slugs(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(row.framework.slug for row in rows)


def _label(row: Row) -> str:
    return plain(f"{row.framework.title} · {row.variant.slug}")


def _row_axis(rows: Sequence[Row]) -> dict[str, Any]:
    """One line per variant, the first at the top."""
    return {
        "tickvals": list(range(len(rows))),
        "ticktext": [_label(row) for row in rows],
        "range": [len(rows) - 0.4, -0.6],
        "fixedrange": True,
        "automargin": True,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
    }


def _errors(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Asymmetric, because the intervals are made on logarithms; nothing where there is one round."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [_short(s.interval.high - s.mean) if s.interval else 0 for s in summaries],
        "arrayminus": [_short(s.mean - s.interval.low) if s.interval else 0 for s in summaries],
        "thickness": 1.5,
        "width": 4,
    }


def _figure_text(row: Row, metric: Metric) -> str:
    summary = row.figures[metric.key].summary
    text = f"{significant(summary.mean)} {_unit(metric)}"
    spread = f" ({between(summary.interval)})" if summary.interval else ""
    return f"{text}{spread}, {summary.rounds} round{'s' if summary.rounds != 1 else ''}"


def _top(figure: Figure) -> float:
    """Where the error bar ends."""
    return figure.summary.interval.high if figure.summary.interval else figure.summary.mean


def _values_beside(figures: Sequence[Figure]) -> dict[str, Any]:
    """The mean in words at the end of each bar's error bar."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [_short(_top(figure)) for figure in figures],
        "y": list(range(len(figures))),
        "text": [f" {significant(figure.summary.mean)}" for figure in figures],
        "textposition": "middle right",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _unit(metric: Metric) -> str:
    return {"/s": "messages/s"}.get(metric.unit, metric.unit)


def _metric_table(rows: Sequence[Row], metrics: Sequence[Metric]) -> ChartTable:
    columns = ["Variant"]
    for metric in metrics:
        columns += [f"{metric.short} ({_unit(metric)})", "95 % interval"]
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
    shares = [item.share_of_ceiling_percent for item in health if item.share_of_ceiling_percent is not None]
    if table.is_open and lags:
        notes.append(
            f"Load generator: the p99 of its send lag was at most {significant(max(lags), 2)} ms in every valid round."
        )
    elif shares:
        notes.append(f"Load generator: at most {significant(max(shares), 2)} % of its ceiling was used.")
    return tuple(notes)


def _latency_words(table: Table, prefix: str) -> str:
    if prefix == "push_lateness":
        return "lateness of pushed messages"
    return "latency from the intended send" if table.is_open else "service time"


def _styles(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Per row its line style, by the place of its variant within the framework, and whether it starts visible."""
    variants: dict[str, list[str]] = {}
    for row in rows:
        variants.setdefault(row.framework.slug, []).append(row.variant.slug)
    return [
        (
            dash(sorted(variants[row.framework.slug]).index(row.variant.slug)),
            len(rows) <= _MAX_LINES or variants[row.framework.slug][0] == row.variant.slug,
        )
        for row in rows
    ]


def _by_second(row: Row, seconds: Sequence[int], *, throughput: bool) -> list[str]:
    timeline = row.cell.timeline
    if timeline is None:
        return ["–"] * len(seconds)
    values: Sequence[float | None] = timeline.messages if throughput else timeline.p50_ms
    found = dict(zip(timeline.second, values, strict=False))
    return [_or_dash(found.get(second)) for second in seconds]


def _points(row: Row, distribution: Distribution) -> tuple[tuple[float, float], ...]:
    try:
        return _curve(distribution.histogram)
    except HistogramError as error:
        raise InvalidError(
            f"results/{row.raw}: the histogram of {row.variant.slug} under {row.cell.workload} is {error};"
            " measure the cell again or remove the file"
        ) from error


@lru_cache(maxsize=1024)
def _curve(histogram: str) -> tuple[tuple[float, float], ...]:
    """(quantile, ms) at even steps of log(1/(1−q)), ten to a decade, as far as the samples carry."""
    decoded = Histogram.decode(histogram)
    points = []
    for step in range(81):
        quantile = 1 - 10 ** (-step / 10)
        if decoded.total * (1 - quantile) < MIN_SAMPLES_BEYOND:
            break
        value = decoded.percentile_ms(quantile)
        if value:
            points.append((quantile, value))
    return tuple(points)


def _or_dash(value: float | None) -> str:
    return "–" if value is None else significant(value)


def _short(value: float) -> float:
    """Five digits are more than a pixel shows, and keep pages small."""
    return float(f"{value:.5g}")
