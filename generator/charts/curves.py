"""Charts with a line per variant: a distribution, the seconds of a measurement, the days of a history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from generator.charts.figure import (
    LOG_TICKS,
    Chart,
    ChartTable,
    errors,
    figure_text,
    label,
    latency_words,
    or_dash,
    short,
    slugs,
    unit_of,
)
from generator.charts.identity import dash, identity
from generator.charts.wording import significant
from generator.comparison import ChangePoint, Metric, Row, Series, Table, Trend
from runners.record import Distribution, Histogram, HistogramError, InvalidError

MIN_SAMPLES_BEYOND = 20
"""A line ends where fewer samples lie beyond: the record's own rule for percentiles."""

_SECONDS_TO_TELL = 3
"""A measurement with fewer has no course; profile *quick* has one or two."""

_MAX_LINES = 10
"""More lines than this hide each other: beyond it each framework starts with its first variant alone."""


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
            "name": label(row),
            "x": [short(1 / (1 - quantile)) for quantile, _ in points],
            "y": [short(value) for _, value in points],
            "customdata": [f"{100 * quantile:.6g} %" for quantile, _ in points],
            "hovertemplate": label(row) + ": %{customdata} within %{y:.3~g} ms<extra></extra>",
            "marker": {"symbol": identity(row.framework.slug).symbol, "size": 7, "maxdisplayed": 6},
            "line": {"color": identity(row.framework.slug).colour, "dash": look, "width": 2},
            **({} if visible else {"visible": "legendonly"}),
        }
        for (row, _, points), (look, visible) in zip(lines, _styles([row for row, _, _ in lines]), strict=True)
    ]
    furthest = max(math.log10(1 / (1 - points[-1][0])) for _, _, points in lines)
    what = latency_words(table, prefix)
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
                    "range": [short(-0.05 * furthest), short(1.05 * furthest)],
                    "tickvals": [1, 2, 10, 100, 1000, 10_000, 100_000],
                    "ticktext": ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"],
                },
                "yaxis": {"type": "log", "title": {"text": "ms (log scale)"}, **LOG_TICKS},
                "margin": {"l": 56, "r": 16, "t": 8, "b": 52},
                "hovermode": "closest",
            },
        },
        table=ChartTable(
            ("Variant", *(f"{name} (ms)" for _, name in quantiles), "Messages"),
            tuple(
                (
                    row.name,
                    *(or_dash(getattr(distribution.percentiles_ms, key)) for key, _ in quantiles),
                    f"{distribution.percentiles_ms.count:,}",
                )
                for row, distribution, _ in lines
                if distribution is not None
            ),
        ),
        frameworks=slugs([row for row, _, _ in lines]),
    )


def timeline_chart(table: Table) -> Chart | None:
    """One point per second of each cell's first valid round: does the figure hold still? A few seconds do not tell."""
    rows = [
        row
        for row in table.valid_rows
        if row.cell.timeline is not None and len(row.cell.timeline.second) >= _SECONDS_TO_TELL
    ]
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
                "name": label(row),
                "x": timeline.second,
                "y": timeline.messages if throughput else timeline.p50_ms,
                "marker": {"symbol": mark.symbol, "size": 6},
                "line": {"color": mark.colour, "dash": look, "width": 2},
                "hovertemplate": label(row)
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
                    **LOG_TICKS,
                },
                "margin": {"l": 56, "r": 16, "t": 8, "b": 52},
                "hovermode": "closest",
            },
        },
        table=ChartTable(
            ("Variant", *(f"s {second}" for second in seconds)),
            tuple((row.name, *_by_second(row, seconds, throughput=throughput)) for row in rows),
        ),
        frameworks=slugs(rows),
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
                "name": label(series.row),
                "x": [point.started for point in series.points],
                "y": [short(point.figure.summary.mean) for point in series.points],
                "error_y": errors([point.figure.summary for point in series.points]),
                "marker": {
                    "symbol": mark.symbol,
                    "size": [13 if ring else 8 for ring in rings],
                    "color": mark.colour,
                    "line": {"width": [2 if ring else 0 for ring in rings], "color": "#8a939e"},
                },
                "line": {"color": mark.colour, "dash": look, "width": 2},
                "customdata": [[label(series.row), *_told(series, index, trend.metric)] for index in range(len(rings))],
                "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
                **({} if visible else {"visible": "legendonly"}),
            }
        )
    days = sorted({point.started for series in shown for point in series.points})
    cpu, cpus = trend.machine
    return Chart(
        slug=f"trend-{trend.slug}",
        title=trend.metric.title[0].upper() + trend.metric.title[1:],
        sentence=f"In {unit_of(trend.metric)}, each run's geometric mean with its 95 % interval, on {cpu} with {cpus}"
        " logical CPUs (logarithmic axis). A larger, ringed mark changed against the run before it.",
        direction=f"{trend.metric.better.capitalize()} is better.",
        figure={
            "data": traces,
            "layout": {
                "xaxis": {"type": "date", "title": {"text": "start of the run (UTC)"}, **_days_around(days)},
                "yaxis": {"type": "log", "title": {"text": f"{unit_of(trend.metric)} (log scale)"}, **LOG_TICKS},
                "margin": {"l": 56, "r": 16, "t": 8, "b": 52},
                "hovermode": "closest",
            },
        },
        table=ChartTable(
            ("Variant", *(day.replace("T", " ").removesuffix("Z") for day in days)),
            tuple((series.row.name, *_by_day(series, days)) for series in shown),
        ),
        frameworks=slugs([series.row for series in shown]),
    )


def _days_around(days: Sequence[str]) -> dict[str, list[str]]:
    """The axis from before the first to after the last, by two days at least, so that it is one of days.

    Left to Plotly where a timestamp is no date, such as the 30th of February.
    """
    try:
        first, last = (datetime.fromisoformat(day.removesuffix("Z")) for day in (days[0], days[-1]))
        room = max(timedelta(days=2), 0.03 * (last - first))
        return {"range": [(first - room).isoformat(), (last + room).isoformat()]}
    except (ValueError, OverflowError):
        return {}


def _told(series: Series, index: int, metric: Metric) -> tuple[str, str]:
    """A point in words, and what was new with it."""
    point = series.points[index]
    package = series.row.framework.package
    version = point.versions.get(package, "")
    before = series.points[index - 1].versions.get(package) if index else version
    new = f"{package} {version}" + (f", before {before}" if before != version else "")
    return figure_text(point.row, metric), new


def _by_day(series: Series, days: Sequence[str]) -> list[str]:
    found = {point.started: significant(point.figure.summary.mean) for point in series.points}
    return [found.get(day, "–") for day in days]


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
    return [or_dash(found.get(second)) for second in seconds]


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
