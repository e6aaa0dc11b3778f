"""Tables of results as sections of a page, with their charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from generator.charts import Chart, Identities, latency_chart, metric_chart, percentile_chart, timeline_chart
from generator.charts.wording import parameters_in_words
from generator.comparison import METRICS, CapacityTable, Metric, Table, columns_of
from generator.dataset import Parameters
from generator.pages import chart_findings
from generator.pages.markup import Renderer, Section
from generator.pages.setting_filters import in_settings
from generator.pages.view import run_path
from generator.sentences import MetricAnswer


def table_section(
    render: Renderer,
    table: Table,
    *,
    charts: Iterable[Chart] = (),
    more: Iterable[Chart] = (),
    common: Parameters | None = None,
    shows_reasons: bool = True,
    shows_run: bool = True,
    others: Sequence[Table] = (),
) -> Section:
    """A section on one table of results: heading, charts, the full table, and ``more`` charts.

    ``others``: the same table under other settings. ``common``: on the page of a workload, which explains all of its
    tables once, the parameters that they have in common, which it lists once; ``None`` elsewhere. ``shows_run``:
    whether to name the run, which a page of one run does once.
    """
    words = parameters_in_words(table.parameters)

    def made_of(one: Table, drawn: Sequence[Chart], further: Sequence[Chart]) -> str:
        return render.html(
            "table.html",
            table=one,
            extras=columns_of(one),
            charts=drawn,
            more=further,
            caption=_caption(one, common),
            shows_reasons=shows_reasons,
            explains=common is None,
            shows_run=shows_run,
            run=one.run,
            run_page=run_path(one.run),
        )

    html = made_of(table, list(charts), list(more))
    made = [(other, made_of(other, [], [])) for other in others]
    html = in_settings(render, table, html, made)
    return Section(_heading(table, words, within_workload=common is not None), table.slug, html=html)


def capacity_section(
    render: Renderer,
    table: CapacityTable,
    *,
    charts: Iterable[Chart] = (),
    common: Parameters | None = None,
    shows_reasons: bool = True,
    shows_run: bool = True,
    others: Sequence[CapacityTable] = (),
) -> Section:
    """A section on one capacity search: heading, chart, and full table.

    ``others``: the same search under other settings. ``common``: as for `table_section`.
    """
    words = parameters_in_words({"search": table.parameters["search"]})

    def made(one: CapacityTable, drawn: Sequence[Chart]) -> str:
        return render.html(
            "capacity.html",
            table=one,
            charts=drawn,
            caption=_caption(one, common),
            shows_reasons=shows_reasons,
            explains=common is None,
            shows_run=shows_run,
            run=one.run,
            run_page=run_path(one.run),
        )

    html = in_settings(render, table, made(table, list(charts)), [(other, made(other, [])) for other in others])
    return Section(_heading(table, words, within_workload=common is not None), table.slug, html=html)


def _caption(table: Table | CapacityTable, common: Parameters | None) -> Parameters:
    """The parameters that the caption of a table lists."""
    return {name: value for name, value in table.parameters.items() if name not in (common or {})}


def _heading(table: Table | CapacityTable, words: str, *, within_workload: bool) -> str:
    """The heading; on the page of the workload without the workload's name."""
    return f"{words[:1].upper()}{words[1:]}" if within_workload else f"{table.workload.title}: {words}"


# Charts


def present(*charts: Chart | None) -> list[Chart]:
    """The charts that could be drawn."""
    return [chart for chart in charts if chart is not None]


def deciding_charts(table: Table, identities: Identities, answers: Mapping[str, MetricAnswer]) -> list[Chart]:
    """One chart per deciding metric, if it can be drawn; percentiles of one distribution share a chart.

    ``answers``: who leads, by key of the metric.
    """
    drawn = {metric.family or metric.key: metric for metric in reversed(table.deciding)}
    return [
        replace(chart, finding=answers[metric.key].finding)
        if metric.key in answers
        else chart_findings.with_range(chart, table, metric)
        for metric in reversed(drawn.values())
        if (chart := _chart_of(table, metric, identities)) is not None
    ]


def further_charts(table: Table, identities: Identities) -> list[Chart]:
    """Charts of cost and memory, of whole distributions, and of values by second."""
    found = [
        chart_findings.with_range(chart, table, metric)
        for metric in METRICS.values()
        if table.kind in metric.further_chart_in and metric not in table.deciding
        if (chart := metric_chart(table, metric, identities)) is not None
    ]
    found += [
        chart_findings.with_tail(chart, table, family)
        for family in table.families
        if (chart := percentile_chart(table, family, identities)) is not None
    ]
    return found + [chart_findings.with_steadiness(one) for one in present(timeline_chart(table, identities))]


def _chart_of(table: Table, metric: Metric, identities: Identities) -> Chart | None:
    if metric.chart == "median_and_tail" and metric.family is not None and metric.quantile != "p50":
        return latency_chart(table, metric.family, identities)
    return metric_chart(table, metric, identities)
