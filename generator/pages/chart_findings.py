"""What charts of results show, as sentences that are their titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from generator.charts import Chart
from generator.charts.chart import capitalised, unit_beside, unit_of
from generator.charts.wording import fit_title, significant, times
from generator.comparison import CapacityTable, Family, Metric, Row, Table, percentile
from generator.pages.view import View
from generator.sentences import MetricAnswer, answer_metric, answer_search


def answers_of(view: View, table: Table | CapacityTable) -> dict[str, MetricAnswer]:
    """Who leads in each deciding metric of a table, by its key; of a search in its only one."""
    barred = view.conclusions.basis.barred
    has_flagged = any(slug in view.conclusions.basis.flagged for slug in barred_in(view, table))
    if isinstance(table, CapacityTable):
        able = [one for one in view.competing if one not in barred]
        return {"capacity": answer_search(table, view.headlines, able, has_flagged=has_flagged)}
    return {one.metric.key: answer_metric(one, has_flagged=has_flagged) for one in view.leaders([table])}


def barred_in(view: View, table: Table | CapacityTable) -> list[str]:
    """Whose headline variant has a value in a table, but never leads: for a hard flag, or because it is a library."""
    rows = table.rows if isinstance(table, CapacityTable) else table.valid_rows
    return [
        row.framework.slug
        for row in rows
        if row.framework.slug in view.conclusions.basis.barred
        and not row.framework.is_reference
        and view.headlines.get(row.framework.slug) == row.variant.slug
    ]


def with_range(chart: Chart, table: Table, metric: Metric) -> Chart:
    """The chart of a metric that decides nothing, with the range of its values as title."""
    values = [row.values[metric.key].estimate.mean for row in _contenders(table) if metric.key in row.values]
    name = capitalised(metric.title)
    if not values:
        return replace(chart, finding=_without_contenders(name))
    low, high = significant(min(values)), significant(max(values))
    words = low if low == high else f"{low} to {high}"
    verb = "are" if metric.direction == "higher" else "is"  # metrics of which more is better are counts
    finding = fit_title(f"{name} {verb} {words} {unit_beside(metric)}", f"Values are {words} {unit_of(metric)}")
    return replace(chart, finding=finding)


def with_tail(chart: Chart, table: Table, family: Family) -> Chart:
    """The chart of a distribution, with how far its tail is from its median as title."""
    median, name = percentile(family, "p50"), capitalised(table.name_in_charts(family))
    if not _contenders(table):
        return replace(chart, finding=_without_contenders(name))
    for quantile in ("p99", "p90"):
        tail = percentile(family, quantile)
        found = [
            row.values[tail.key].estimate.mean / row.values[median.key].estimate.mean
            for row in _contenders(table)
            if tail.key in row.values and median.key in row.values and row.values[median.key].estimate.mean > 0
        ]
        if found:
            low, high = times(min(found)), times(max(found))
            words = low if low == high else f"{low} to {high}"
            fact = f"{tail.quantile_title} is {words} the median"
            return replace(chart, finding=fit_title(f"{name}: {fact}", f"The {fact}"))
    finding = fit_title(f"{name} has too few messages for its tail", "There are too few messages for a tail")
    return replace(chart, finding=finding)


def with_steadiness(chart: Chart) -> Chart:
    """The chart of values by second, with the largest difference between two seconds of one variant as title."""
    found = []
    for row in chart.table.rows:
        values = [value for cell in row[1:] for value in cell.values if isinstance(value, int | float) and value > 0]
        if values:
            found.append(max(values) / min(values))
    if not found:
        return replace(chart, finding="No second has a value")
    return replace(chart, finding=f"Seconds of one variant are at most {times(max(found))} apart")


def without_repeats(charts: Sequence[Chart]) -> list[Chart]:
    """The charts of one table, each without the notes that one before it has."""
    seen: set[str] = set()
    found = []
    for chart in charts:
        found.append(replace(chart, notes=tuple(note for note in chart.notes if note not in seen)))
        seen.update(chart.notes)
    return found


def _contenders(table: Table) -> list[Row]:
    return [row for row in table.valid_rows if not row.framework.is_reference]


def _without_contenders(name: str) -> str:
    return fit_title(f"{name}: only the reference has a value", "Only the reference has a value")
