"""Tables of figures as sections of a page, with the charts that go with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from generator.charts import Chart, latency_chart, metric_chart, percentile_chart, timeline_chart
from generator.charts.wording import parameters_in_words
from generator.comparison import METRICS, CapacityDecision, CapacityTable, Metric, Row, Table, columns_of
from generator.pages.markup import Renderer, Section
from generator.pages.view import run_path

_COLUMNS = (
    "messages_per_s",
    "connections_per_s",
    "connect_p50",
    "connect_p99",
    "memory_per_connection_kb",
    "restart_s",
    "back_p50",
    "back_max",
    "latency_p50",
    "latency_p99",
    "latency_p999",
    "last_delivery_p50",
    "last_delivery_p99",
    "push_lateness_p50",
    "push_lateness_p99",
    "cpu_us_per_message",
    "cpu_percent",
    "pss_mean_mb",
    "broker_cpu_percent",
)
_DISTRIBUTIONS = ("latency", "last_delivery", "push_lateness")
"""How the keys of their percentiles begin."""


def table_section(
    render: Renderer,
    table: Table,
    *,
    charts: Iterable[Chart] = (),
    more: Iterable[Chart] = (),
    within_workload: bool = False,
    shows_reasons: bool = True,
) -> Section:
    """A heading, charts, the full table of one workload with one set of parameters, and ``more`` charts."""
    words = parameters_in_words(table.parameters)
    html = render.html(
        "table.html",
        table=table,
        columns=_columns(table),
        extras=columns_of(table),
        charts=list(charts),
        more=list(more),
        shows_reasons=shows_reasons,
        run=table.run,
        run_page=run_path(table.run),
    )
    return Section(_heading(table, words, within_workload=within_workload), table.slug, html=html)


def capacity_section(
    render: Renderer,
    table: CapacityTable,
    *,
    charts: Iterable[Chart] = (),
    decision: CapacityDecision | None = None,
    within_workload: bool = False,
    shows_reasons: bool = True,
) -> Section:
    """A heading, who is higher if two are compared, the chart, and the full table of one search."""
    words = parameters_in_words({"search": table.parameters["search"]})
    html = render.html(
        "capacity.html",
        table=table,
        charts=list(charts),
        decision=decision,
        shows_reasons=shows_reasons,
        run=table.run,
        run_page=run_path(table.run),
    )
    return Section(_heading(table, words, within_workload=within_workload), table.slug, html=html)


def _heading(table: Table | CapacityTable, words: str, *, within_workload: bool) -> str:
    """On the workload's own page its name says nothing."""
    return f"{words[:1].upper()}{words[1:]}" if within_workload else f"{table.workload.title}: {words}"


def _columns(table: Table) -> list[Metric]:
    deciding = {metric.key for metric in table.deciding}
    present = {metric.key for metric in table.metrics}
    chosen = [METRICS[key] for key in METRICS if key in present and (key in _COLUMNS or key in deciding)]
    # At a fixed rate every server that keeps up answers equally many: that column tells nothing.
    return [metric for metric in chosen if not (table.is_open and metric.key == "messages_per_s")]


# Charts


def present(*charts: Chart | None) -> list[Chart]:
    """Those that could be drawn."""
    return [chart for chart in charts if chart is not None]


def deciding_charts(table: Table) -> list[Chart]:
    """What the verdict on the table rests on."""
    return present(*(_chart_of(table, metric) for metric in table.deciding))


def best_rows_chart(table: Table) -> Chart | None:
    """Each framework by its best variant, the reference as yardstick."""
    best: dict[str, Row] = {}
    for row in table.valid_rows:
        best.setdefault(row.framework.slug, row)
    return _chart_of(table, table.deciding[0], list(best.values()))


def further_charts(table: Table) -> list[Chart]:
    """What a doubter asks next: cost, memory, whole distributions, and how the measurement went."""
    shown: list[Chart] = []
    deciding = {metric.key for metric in table.deciding}
    for key in ("cpu_us_per_message", "pss_mean_mb"):
        if key not in deciding and not (key == "pss_mean_mb" and not table.has_pushes and table.is_open):
            shown += present(metric_chart(table, METRICS[key]))
    shown += present(percentile_chart(table))
    if table.has_pushes:
        shown += present(percentile_chart(table, "push_lateness"))
    return shown + present(timeline_chart(table))


def _chart_of(table: Table, metric: Metric, rows: Sequence[Row] | None = None) -> Chart | None:
    distribution = metric.key.rsplit("_", 1)[0]
    if distribution in _DISTRIBUTIONS:
        return latency_chart(table, distribution, rows=rows)
    return metric_chart(table, metric, rows=rows)
