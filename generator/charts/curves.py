"""Charts with one line per variant: a latency distribution, a measurement by second, a history by day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from generator.charts.chart import (
    Chart,
    ChartTable,
    TableCell,
    TableHead,
    capitalised,
    label,
    slugs,
    unit_beside,
    unit_of,
    value_text,
)
from generator.charts.identity import Identities, dash
from generator.charts.pieces import (
    Json,
    error_bars,
    hover,
    line_layout,
    line_trace,
    linear_axis,
    log_axis,
    rings,
    short,
)
from generator.comparison import ChangePoint, Family, Metric, Row, Series, Table, Trend
from generator.dataset import version_installed
from runners.record import (
    MIN_EVENTS_BEYOND,
    QUANTILES,
    Distribution,
    Histogram,
    HistogramError,
    InvalidError,
    events_in,
    is_supported,
)

_FEWEST_SECONDS = 3
"""The fewest seconds that make a time series. Measurements of profile *quick* are shorter."""

_MAX_LINES = 10
"""With more lines than this, only the first variant of each framework is visible at first."""

_PERCENTILE_TICKS = {
    "tickvals": [1, 2, 10, 100, 1000, 10_000, 100_000],
    "ticktext": ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"],
}
"""Percentile ticks at 1 / (1 - q): on a logarithmic axis each further nine takes equal space."""

_LISTED = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max"))
"""Percentiles in the table of a distribution: field and title."""


def percentile_chart(table: Table, family: Family, identities: Identities) -> Chart | None:
    """Latency by percentile, both axes logarithmic (Gil Tene's HDR plot)."""
    lines = []
    for row in table.valid_rows:
        distribution = family.distribution(row.cell) if family.distribution is not None else None
        points = _points(row, family, distribution) if distribution is not None else ()
        if distribution is not None and points:
            lines.append((row, distribution, points))
    if not lines:
        return None
    rows = [row for row, _, _ in lines]
    traces = []
    for (row, _, points), (style, visible) in zip(lines, _styles(rows), strict=True):
        look = identities.of(row.framework.slug)
        texts = [f"{100 * quantile:.6g} %" for quantile, _ in points]
        trace = line_trace(
            label(row),
            [short(1 / (1 - quantile)) for quantile, _ in points],
            [short(value) for _, value in points],
            colour=look.colour,
            dash=style,
            marker={"symbol": look.symbol, "size": 7, "maxdisplayed": 6},
            visible=visible,
        )
        traces.append(trace | hover(texts, label(row) + ": %{customdata} within %{y:.3~g} ms"))
    furthest = max(math.log10(1 / (1 - points[-1][0])) for _, _, points in lines)
    percentile_axis: Json = {
        "type": "log",
        "title": {"text": "percentile"},
        "range": [short(-0.05 * furthest), short(1.05 * furthest)],
        **_PERCENTILE_TICKS,
    }
    return Chart(
        slug=f"{table.slug}-{family.address}-distribution",
        title=f"{capitalised(table.name_in_charts(family))}: the whole distribution",
        sentence="A line has all valid rounds of a variant together. It ends where fewer than"
        f" {MIN_EVENTS_BEYOND} messages or pushes lie beyond.",
        direction="Lower and flatter is better.",
        unit="ms, both axes logarithmic",
        figure={"data": traces, "layout": line_layout(percentile_axis, log_axis("ms"))},
        table=ChartTable(
            tuple(map(TableHead.of, ("Variant", *(f"{title} (ms)" for _, title in _LISTED), "Messages"))),
            tuple(
                (
                    TableCell.of_text(row.name),
                    *(TableCell.of_number(_listed(row, family, distribution, field)) for field, _ in _LISTED),
                    TableCell.of_count(distribution.percentiles_ms.count),
                )
                for row, distribution, _ in lines
            ),
        ),
        frameworks=slugs(rows),
    )


def timeline_chart(table: Table, identities: Identities) -> Chart | None:
    """One point per second of each cell's first valid round; it shows whether values are steady.

    ``None`` if the measurements are too short.
    """
    rows = [(row, found) for row in table.valid_rows if (found := _seconds_of(row, throughput=not table.is_open))]
    if not rows:
        return None
    throughput = not table.is_open
    unit = "messages/s" if throughput else "ms"
    traces = []
    for (row, by_second), (style, visible) in zip(rows, _styles([row for row, _ in rows]), strict=True):
        look = identities.of(row.framework.slug)
        trace = line_trace(
            label(row),
            list(by_second),
            list(by_second.values()),
            colour=look.colour,
            dash=style,
            marker={"symbol": look.symbol, "size": 6},
            visible=visible,
        )
        template = label(row) + ": %{y:.3~s}" + ("/s" if throughput else " ms") + " in second %{x}<extra></extra>"
        traces.append(trace | {"hovertemplate": template})
    what = "Messages answered per second" if throughput else "Median latency in milliseconds"
    seconds = sorted({second for _, by_second in rows for second in by_second})
    return Chart(
        slug=f"{table.slug}-timeline",
        title="Second by second",
        sentence="Seconds are those of the first valid round of each variant. A steady line means that the value does"
        " not depend on the moment.",
        direction="Higher is better." if throughput else "Lower is better.",
        unit=f"{what[:1].lower()}{what[1:]}, logarithmic axis",
        figure={"data": traces, "layout": line_layout(linear_axis("second of the timed window"), log_axis(unit))},
        table=ChartTable(
            tuple(map(TableHead.of, ("Variant", *(f"s {second}" for second in seconds)))),
            tuple(
                (TableCell.of_text(row.name), *(TableCell.of_number(by_second.get(second)) for second in seconds))
                for row, by_second in rows
            ),
        ),
        frameworks=slugs([row for row, _ in rows]),
    )


def trend_chart(trend: Trend, changes: Sequence[ChangePoint], identities: Identities) -> Chart | None:
    """One line per variant over time, with error bars; a ring marks a change, its hover text the updated packages."""
    shown = sorted(trend.series, key=lambda series: (series.row.framework.is_reference, series.row.key))
    if not shown:
        return None
    changed = {(change.series.row.key, change.after.started) for change in changes if change.trend is trend}
    traces = []
    for series, (style, visible) in zip(shown, _styles([series.row for series in shown]), strict=True):
        look = identities.of(series.row.framework.slug)
        estimates = [point.value.estimate for point in series.points]
        trace = line_trace(
            label(series.row),
            [point.started for point in series.points],
            [short(one.mean) for one in estimates],
            colour=look.colour,
            dash=style,
            marker={"symbol": look.symbol, "color": look.colour}
            | rings([(series.row.key, point.started) in changed for point in series.points]),
            visible=visible,
        )
        texts = [(label(series.row), *_point_texts(series, index, trend.metric)) for index in range(len(estimates))]
        said = hover(texts, "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}")
        traces.append(trace | {"error_y": error_bars(estimates)} | said)
    days = sorted({point.started for series in shown for point in series.points})
    days_axis: Json = {"type": "date", "title": {"text": "start of the run (UTC)"}, **_days_around(days)}
    return Chart(
        slug=f"trend-{trend.slug}",
        title=f"{capitalised(trend.metric.title)} by campaign",
        sentence=f"A point is the {'geometric' if trend.metric.is_ratio else 'arithmetic'} mean of a campaign with its"
        f" 95 % interval, on {trend.machine}. A ring marks a change against the campaign before. It is relative to the"
        " reference, if both campaigns have its value.",
        direction=f"{trend.metric.direction.capitalize()} is better.",
        unit=", ".join(filter(None, (unit_beside(trend.metric), "logarithmic axis", "changes ringed"))),
        figure={"data": traces, "layout": line_layout(days_axis, log_axis(unit_of(trend.metric)))},
        table=ChartTable(
            tuple(map(TableHead.of, ("Variant", *(day.replace("T", " ").removesuffix("Z") for day in days)))),
            tuple((TableCell.of_text(series.row.name), *_by_day(series, days)) for series in shown),
        ),
        frameworks=slugs([series.row for series in shown]),
    )


def _days_around(days: Sequence[str]) -> dict[str, list[str]]:
    """The range of a date axis around all days, at least two days long.

    Empty, so that Plotly chooses the range, if a timestamp is not a valid date, such as 30 February.
    """
    try:
        first, last = (datetime.fromisoformat(day.removesuffix("Z")) for day in (days[0], days[-1]))
        room = max(timedelta(days=2), 0.03 * (last - first))
        return {"range": [(first - room).isoformat(), (last + room).isoformat()]}
    except (ValueError, OverflowError):
        return {}


def _point_texts(series: Series, index: int, metric: Metric) -> tuple[str, str]:
    """The value of a point, and the version of the framework, with the previous one if it changed."""
    point = series.points[index]
    package = series.row.framework.package
    version = version_installed(point.versions, package) or ""
    before = version_installed(series.points[index - 1].versions, package) if index else version
    new = f"{package} {version}" + (f", before {before}" if before != version else "")
    return value_text(point.row, metric), new


def _by_day(series: Series, days: Sequence[str]) -> list[TableCell]:
    found = {point.started: point.value.estimate.mean for point in series.points}
    return [TableCell.of_number(found.get(day)) for day in days]


def _styles(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Per row its line style, by the position of the variant in its framework, and whether it is visible at first."""
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


def _seconds_of(row: Row, *, throughput: bool) -> dict[int, float | None]:
    """The values of a row by second; empty if there are too few for a time series."""
    timeline = row.cell.timeline
    if timeline is None or len(timeline.second) < _FEWEST_SECONDS:
        return {}
    values: Sequence[float | None] = timeline.messages if throughput else timeline.p50_ms
    return dict(zip(timeline.second, values, strict=False))


def _points(row: Row, family: Family, distribution: Distribution) -> tuple[tuple[float, float], ...]:
    try:
        return _curve(distribution.histogram, events_in(row.cell.measurements, family.slug))
    except HistogramError as error:
        raise InvalidError(
            f"results/{row.raw}: the histogram of {row.variant.slug} under {row.cell.workload} is {error};"
            " measure the cell again or remove the file"
        ) from error


def _listed(row: Row, family: Family, distribution: Distribution, field: str) -> float | None:
    """A percentile of a distribution, or its largest value; ``None`` if too few events support it."""
    value: float | None = getattr(distribution.percentiles_ms, field)
    events = events_in(row.cell.measurements, family.slug)
    quantile = QUANTILES.get(field)
    return None if events is not None and quantile is not None and not is_supported(quantile, events) else value


@lru_cache(maxsize=1024)
def _curve(histogram: str, events: int | None) -> tuple[tuple[float, float], ...]:
    """Points (quantile, ms) at even steps of log(1/(1−q)), ten per decade, up to the last quantile that the events
    support; ``None``: each sample is one.
    """
    decoded = Histogram.decode(histogram)
    points = []
    for step in range(81):
        quantile = 1 - 10 ** (-step / 10)
        if not is_supported(quantile, decoded.total if events is None else events):
            break
        value = decoded.percentile_ms(quantile)
        if value:
            points.append((quantile, value))
    return tuple(points)
