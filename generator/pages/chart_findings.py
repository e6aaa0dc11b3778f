"""What charts of results show, as sentences that are their titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from generator.charts import Chart
from generator.charts.chart import capitalised, unit_of
from generator.charts.wording import plain, significant, times
from generator.comparison import CapacityTable, Family, Metric, Row, Table, percentile
from generator.pages.view import View
from generator.sentences import MetricAnswer, answer_metric, answer_search

_LONGEST = 80


def answers_of(view: View, table: Table | CapacityTable) -> dict[str, MetricAnswer]:
    """Who leads in each deciding metric of a table, by its key; of a search in its only one."""
    barred = view.conclusions.basis.barred
    if isinstance(table, CapacityTable):
        return {"capacity": answer_search(table, view.headlines, [one for one in view.competing if one not in barred])}
    has_flagged = any(
        row.framework.slug in barred and view.headlines.get(row.framework.slug) == row.variant.slug
        for row in table.valid_rows
    )
    return {one.metric.key: answer_metric(one, has_flagged=has_flagged) for one in view.leaders([table])}


def with_range(chart: Chart, table: Table, metric: Metric) -> Chart:
    """The chart of a metric that decides nothing, with the range of its values as title."""
    values = [row.values[metric.key].estimate.mean for row in _contenders(table) if metric.key in row.values]
    name = capitalised(metric.title)
    if not values:
        return replace(chart, finding=_fitted(f"{plain(name, 40)}: only the reference has a value"))
    low, high = significant(min(values)), significant(max(values))
    words = low if low == high else f"{low} to {high}"
    verb = "are" if metric.direction == "higher" else "is"  # metrics of which more is better are counts
    return replace(chart, finding=_fitted(f"{name} {verb} {words} {unit_of(metric)}"))


def with_tail(chart: Chart, table: Table, family: Family) -> Chart:
    """The chart of a distribution, with how far its tail is from its median as title."""
    median = percentile(family, "p50")
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
            name = capitalised(table.name_in_charts(family))
            return replace(chart, finding=_fitted(f"{name}: {tail.quantile_title} is {words} the median"))
    return replace(chart, finding=f"{plain(chart.title, 60)} is drawn")


def with_steadiness(chart: Chart) -> Chart:
    """The chart of values by second, with the largest difference between two seconds of one variant as title."""
    found = []
    for row in chart.table.rows:
        values = [value for cell in row[1:] for value in cell.values if isinstance(value, int | float) and value > 0]
        if values:
            found.append(max(values) / min(values))
    if not found:
        return replace(chart, finding="No second has a value")
    return replace(chart, finding=f"The largest difference between two seconds of one variant is {times(max(found))}")


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


def _fitted(finding: str) -> str:
    return plain(finding, _LONGEST)
