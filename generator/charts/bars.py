"""Charts with one row per variant: a value, a median with its tail, or a capacity bracket."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

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
from generator.charts.identity import Identities, Identity
from generator.charts.pieces import (
    DECADES,
    NO_HOVER,
    Json,
    bar_trace,
    error_bars,
    hover,
    linear_axis,
    log_axis,
    marker_trace,
    row_layout,
    short,
    span_trace,
    text_trace,
    ticks,
)
from generator.charts.wording import bracket, significant, times
from generator.comparison import Bracket, CapacityRow, CapacityTable, Family, Metric, Row, Table, percentile
from generator.statistics import Estimate


def metric_chart(table: Table, metric: Metric, identities: Identities) -> Chart | None:
    """One bar per variant with its 95 % interval; ``None`` if no valid row has the metric."""
    shown = _with_metrics(table, (metric,))
    if not shown:
        return None
    estimates = [row.values[metric.key].estimate for row in shown]
    tops = [one.interval.high if one.interval else one.mean for one in estimates]
    lowest = min(one.interval.low if one.interval else one.mean for one in estimates)
    bar = bar_trace(
        [short(one.mean) for one in estimates],
        range(len(shown)),
        width=0.66,
        marker=_fill([identities.of(row.framework.slug) for row in shown]),
        error_x=error_bars(estimates),
        **hover([(label(row), value_text(row, metric)) for row in shown], "%{customdata[0]}<br>%{customdata[1]}"),
    )
    beside = text_trace([f" {significant(one.mean)}" for one in estimates], [short(top) for top in tops])
    # Room on the right for the values.
    axis = linear_axis(unit_of(metric), low=1.1 * lowest, high=1.2 * max(tops))
    return Chart(
        slug=f"{table.slug}-{metric.slug}",
        title=capitalised(metric.title),
        sentence=f"A bar is the {'geometric' if metric.is_ratio else 'arithmetic'} mean over the valid rounds of a"
        " variant, with its 95 % interval as error bar.",
        direction=f"{metric.direction.capitalize()} is better.",
        unit=unit_beside(metric),
        figure={"data": [bar, beside], "layout": row_layout(axis, [label(row) for row in shown])},
        table=_metric_table(shown, (metric,)),
        frameworks=slugs(shown),
        by_row=True,
        notes=_notes(table, shown),
    )


def latency_chart(table: Table, family: Family, identities: Identities) -> Chart | None:
    """Median and tail latency per variant on a logarithmic axis; ``None`` if no valid row has both."""
    median = percentile(family, "p50")
    tail = next((metric for metric in table.deciding if metric.family == family), percentile(family, "p99"))
    shown = _with_metrics(table, (median, tail))
    if not shown or tail == median:
        return None
    looks = [identities.of(row.framework.slug) for row in shown]
    estimates = {metric: [row.values[metric.key].estimate for row in shown] for metric in (median, tail)}
    ends = zip(*([short(one.mean) for one in found] for found in estimates.values()), strict=True)
    traces = [span_trace(list(ends))]
    for metric, is_hollow in ((median, True), (tail, False)):
        texts = [(label(row), value_text(row, metric)) for row in shown]
        traces.append(
            marker_trace(
                [short(one.mean) for one in estimates[metric]],
                range(len(shown)),
                marker=_symbols(looks, is_hollow=is_hollow),
                name=f"{metric.quantile_title} ({'hollow' if is_hollow else 'filled'})",
                error_x=error_bars(estimates[metric]),
                **hover(texts, f"%{{customdata[0]}}<br>{metric.short} %{{customdata[1]}}"),
            )
        )
    axis = log_axis("ms", exponents=_exponents([one for found in estimates.values() for one in found]))
    return Chart(
        slug=f"{table.slug}-{family.address}",
        title=f"{capitalised(table.name_in_charts(family))}: p50 and {tail.quantile_title}",
        sentence="Hollow is the median, filled the higher percentile. Each is the geometric mean over the valid rounds,"
        " with its 95 % interval as error bar.",
        direction="Lower is better.",
        unit="ms, logarithmic axis",
        figure={"data": traces, "layout": row_layout(axis, [label(row) for row in shown])},
        table=_metric_table(shown, (median, tail)),
        frameworks=slugs(shown),
        by_row=True,
        notes=_notes(table, shown),
    )


def range_chart(table: CapacityTable, identities: Identities) -> Chart | None:
    """One bar per variant from the low to the high end of its bracket; a triangle marks an open end."""
    shown = [(row, row.bracket) for row in table.bracketed_rows if row.bracket is not None]
    if not shown:
        return None
    rows = [row for row, _ in shown]
    ends = [end for _, one in shown for end in (one.low, one.high) if end is not None]
    left, right = math.log10(0.7 * min(ends)), math.log10(1.5 * max(ends))
    # Room on the right for the labels.
    axis = log_axis(table.unit, exponents=(left, right + 0.4 * (right - left)), at=_capacity_ticks(left, right))
    missing = [row.name for row in table.rows if row not in rows]
    return Chart(
        slug=f"{table.slug}-range",
        title=f"{capitalised(table.unit)} sustained",
        sentence="Each bar "
        + (
            "reaches from the highest load that passed to the lowest that failed"
            if table.is_of_ends
            else "is the 95 % interval of the load that is sustained in half of all attempts, its middle marked"
        )
        + ". A triangle points where an end was not found, and pale is inconclusive. Bars that overlap are not"
        " distinguishable.",
        direction="Higher is better.",
        unit="logarithmic axis",
        figure={
            "data": [
                _closed_brackets(shown, identities, table.unit),
                _open_brackets(shown, identities, table.unit),
                _middles([one for _, one in shown]),
                text_trace(
                    # The colour shows that a bracket is inconclusive; a phone has no room for the word.
                    [f"   {bracket(one.low, one.high, conclusive=True)}" for _, one in shown],
                    [max(end for end in (one.low, one.high) if end is not None) for _, one in shown],
                ),
            ],
            "layout": row_layout(axis, [label(row) for row in rows]),
        },
        table=_bracket_table(shown, table.unit),
        frameworks=slugs(rows),
        by_row=True,
        notes=(f"Not drawn, because neither end was found: {', '.join(missing)}.",) if missing else (),
    )


# Marks


def _fill(looks: Sequence[Identity]) -> Json:
    return {
        "color": [look.colour for look in looks],
        "pattern": {"shape": [look.pattern for look in looks], "size": 6},
    }


def _symbols(looks: Sequence[Identity], *, is_hollow: bool) -> Json:
    colours = [look.colour for look in looks]
    return {
        "symbol": [look.symbol + ("-open" if is_hollow else "") for look in looks],
        "size": 11,
        "color": colours,
        "line": {"width": 2 if is_hollow else 0, "color": colours},
    }


def _exponents(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Powers of ten at both ends of the axis, with room for all error bars and for a symbol."""
    lowest = math.log10(min(one.interval.low if one.interval and one.interval.low else one.mean for one in estimates))
    highest = math.log10(max(one.interval.high if one.interval else one.mean for one in estimates))
    room = 0.05 * (highest - lowest) + 0.05
    return lowest - room, highest + room


# Brackets of capacities


_Bracketed = Sequence[tuple[CapacityRow, Bracket]]


def _closed_brackets(shown: _Bracketed, identities: Identities, unit: str) -> Json:
    closed = [
        (place, row, one, one.low, one.high)
        for place, (row, one) in enumerate(shown)
        if one.low is not None and one.high is not None
    ]
    return bar_trace(
        [high - low for *_, low, high in closed],
        [place for place, *_ in closed],
        width=0.5,
        marker=_fill([identities.of(row.framework.slug) for _, row, *_ in closed])
        | {
            "opacity": [1 if one.conclusive else 0.45 for _, _, one, *_ in closed],
        },
        base=[low for *_, low, _ in closed],
        **_bracket_hover([(row, one) for _, row, one, *_ in closed], unit),
    )


def _open_brackets(shown: _Bracketed, identities: Identities, unit: str) -> Json:
    """A triangle at the end that was found; it points towards the end that was not."""
    opened = [
        (place, row, one, one.low or one.high)
        for place, (row, one) in enumerate(shown)
        if (one.low is None) != (one.high is None)
    ]
    return marker_trace(
        [end for *_, end in opened if end is not None],
        [place for place, *_ in opened],
        marker={
            "symbol": ["triangle-left" if one.low is None else "triangle-right" for _, _, one, _ in opened],
            "size": 12,
            "color": [identities.of(row.framework.slug).colour for _, row, *_ in opened],
        },
        **_bracket_hover([(row, one) for _, row, one, _ in opened], unit),
    )


def _middles(brackets: Sequence[Bracket]) -> Json:
    found = [(place, one.typical) for place, one in enumerate(brackets) if one.typical]
    return marker_trace(
        [typical for _, typical in found],
        [place for place, _ in found],
        marker={"symbol": "line-ns", "size": 14, "line": {"width": 1, "color": "#ffffff"}},
        **NO_HOVER,
    )


def _bracket_hover(shown: _Bracketed, unit: str) -> Json:
    texts = [(label(row), bracket(one.low, one.high, conclusive=one.conclusive)) for row, one in shown]
    return hover(texts, f"%{{customdata[0]}}<br>%{{customdata[1]}} {unit}")


def _capacity_ticks(left: float, right: float) -> Json:
    """Ticks of an axis whose data reach from 10^left to 10^right; a wide axis has only the powers of ten."""
    steps = [step for step in DECADES if left <= math.log10(step) <= right]
    return ticks(step for step in steps if right - left < 1.3 or math.log10(step) % 1 == 0)


def _bracket_table(shown: _Bracketed, unit: str) -> ChartTable:
    heads = ("Variant", f"From ({unit})", f"To ({unit})", "Half of all attempts", "Conclusive")
    return ChartTable(
        tuple(map(TableHead.of, heads)),
        tuple(
            (
                TableCell.of_text(row.name),
                *(TableCell.of_count(load) for load in (one.low, one.high, one.typical)),
                TableCell.of_text("yes" if one.conclusive else "no"),
            )
            for row, one in shown
        ),
    )


# Rows


def _with_metrics(table: Table, metrics: Iterable[Metric]) -> list[Row]:
    wanted = {metric.key for metric in metrics}
    return [row for row in table.rows if row.status == "valid" and wanted <= row.values.keys()]


def _metric_table(rows: Sequence[Row], metrics: Sequence[Metric]) -> ChartTable:
    heads = [TableHead.of("Variant")]
    for metric in metrics:
        heads += [
            TableHead.of(f"{metric.short} ({unit_of(metric)})"),
            TableHead.of_interval(metric.short, unit_of(metric)),
        ]
    cells = []
    for row in rows:
        cell = [TableCell.of_text(row.name)]
        for metric in metrics:
            estimate = row.values[metric.key].estimate
            cell += [TableCell.of_number(estimate.mean), TableCell.of_interval(estimate.interval)]
        last = row.values[metrics[-1].key]
        ratio = last.to_reference.value if last.to_reference and last.to_reference.is_ratio else None
        rounds = last.estimate.rounds
        cells.append((*cell, TableCell.of_count(rounds), TableCell.of_number(ratio, times)))
    return ChartTable((*heads, TableHead.of("Rounds"), TableHead.of("To the reference")), tuple(cells))


def _notes(table: Table, shown: Sequence[Row]) -> tuple[str, ...]:
    """Notes on rows missing from the chart and on the health of the load generator."""
    notes = []
    missing = [row.name for row in table.rows if row not in shown]
    if missing:
        notes.append(f"Not drawn, because no round counts: {', '.join(missing)}.")
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
        notes.append(f"Send lag of the load generator: p99 at most {significant(max(lags), 2)} ms.")
    elif working:
        notes.append(f"Working time of the load generator: at most {significant(max(working), 2)} %.")
    return tuple(notes)
