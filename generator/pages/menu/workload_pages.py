"""The page of all tests, and one page per workload with its sizes as tabs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from generator.charts import Chart, range_chart
from generator.charts.wording import parameters_in_words
from generator.comparison import CapacityTable
from generator.dataset import Parameters
from generator.pages import score_words
from generator.pages.chart_findings import answers_of, barred_in, without_repeats
from generator.pages.markup import Page, Renderer, Section, listed
from generator.pages.setting_filters import AnyTable, filters_section
from generator.pages.sizes import size_labels, sizes_section
from generator.pages.table_sections import capacity_section, deciding_charts, further_charts, table_section
from generator.pages.view import MenuEntry, View
from generator.sentences import MetricAnswer
from runners.record import WorkloadFacts


def _index(view: View) -> Page:
    path = "tests/index.md"
    sizes = {
        slug: size_labels([table.parameters for table in tables]) if len(tables) > 1 else _lone_size(tables)
        for slug, tables in view.tables_of.items()
    }
    html = view.renderer(path).html("workloads.html", workloads=view.comparison.workloads, sizes=sizes)
    return Page(path, "Tests", "What every framework is measured with.", (Section(None, None, html=html),))


def _lone_size(tables: Sequence[AnyTable]) -> list[str]:
    return [parameters_in_words(table.parameters) for table in tables]


def _workload_pages(view: View) -> list[Page]:
    return [_index(view), *(_page(view, workload) for workload in view.comparison.workloads)]


def _page(view: View, workload: WorkloadFacts) -> Page:
    """The answer, then the sizes of the test as tabs, then other settings."""
    slug = workload.slug
    path = f"tests/{slug}.md"
    render = view.renderer(path)
    searches = [one for one in view.capacities if one.workload.slug == slug]
    results = list(view.comparison.of_workload(slug))
    tables: list[AnyTable] = [*searches, *results]
    labels = size_labels([one.parameters for one in tables]) if tables else []
    answers = [answers_of(view, one) for one in tables]
    answer, size = _best_known(answers, labels)
    drawn = [_charts(view, table, found) for table, found in zip(tables, answers, strict=True)]
    common = _common([table.parameters for table in tables])
    html = render.html(
        "workload.html",
        workload=workload,
        answer=answer,
        barred=list(dict.fromkeys(slug for table in tables for slug in barred_in(view, table))),
        flags=view.flags,
        where=size if len(tables) > 1 else "",
        tables=tables,
        results=results,
        searches=searches,
        common=common,
        drawings=list(dict.fromkeys(chart.sentence for first, more in drawn for chart in (*first, *more))),
        runs=[run for run in view.comparison.runs if any(run is one for table in tables for one in table.runs)],
        cannot=[
            (framework, name.partition("/")[2], reason)
            for framework in view.frameworks.values()
            for name, reason in (framework.document.framework.cannot.items() if framework.document else ())
            if name.partition("/")[0] == slug
        ],
        through_broker=score_words.through_broker(results, view.headlines),
        measured=view.measured,
        titles=view.titles,
    )
    others: list[tuple[AnyTable, Sequence[AnyTable]]] = [
        *((one, view.other_settings.of_search(one)) for one in searches),
        *((one, view.other_settings.of(one)) for one in results),
    ]
    sections = [Section(None, None, html=html), *filters_section(render, others)]
    if tables:
        runs = {run.raw for table in tables for run in table.runs}
        shows_run = len(runs) > 1 or any(alike for _, alike in others)
        shown = [
            _size(view, render, table, charts, common, shows_run=shows_run)
            for table, charts in zip(tables, drawn, strict=True)
        ]
        sections.append(sizes_section(render, shown, labels))
    if changes := [change for change in view.settings if change.table.workload.slug == slug]:
        sections.append(Section("Other settings", "settings", html=render.html("settings.html", changes=changes)))
    return Page(
        path,
        workload.title,
        workload.question,
        tuple(sections),
        hide=("toc",),
        answer=_shared(view, answer) if answer else "",
    )


def _shared(view: View, answer: MetricAnswer) -> str:
    """What a shared link says."""
    names = listed(view.titles[slug] for slug in answer.frameworks)
    return f"{names}: {answer.sentence.rstrip('.')} ({answer.sureness})." if names else answer.sentence


def _common(every: Sequence[Parameters]) -> Parameters:
    """The parameters that all of several sizes have; none of a lone size, whose caption lists all."""
    first, *others = every or [{}]
    return {name: value for name, value in first.items() if others and all(one.get(name) == value for one in others)}


def _charts(view: View, table: AnyTable, answers: Mapping[str, MetricAnswer]) -> tuple[list[Chart], list[Chart]]:
    """The charts of one size: of what decides, and further ones."""
    if isinstance(table, CapacityTable):
        chart = range_chart(table, view.identities)
        return [replace(chart, finding=answers["capacity"].finding)] if chart else [], []
    first, further = deciding_charts(table, view.identities, answers), further_charts(table, view.identities)
    drawn = without_repeats([*first, *further])
    return drawn[: len(first)], drawn[len(first) :]


def _size(
    view: View,
    render: Renderer,
    table: AnyTable,
    drawn: tuple[Sequence[Chart], Sequence[Chart]],
    common: Parameters,
    *,
    shows_run: bool,
) -> Section:
    """The charts and the table of one size. ``shows_run``: whether to name its run."""
    charts, more = drawn
    if isinstance(table, CapacityTable):
        alike = view.other_settings.of_search(table)
        return capacity_section(render, table, charts=charts, common=common, shows_run=shows_run, others=alike)
    return table_section(
        render,
        table,
        charts=charts,
        more=more,
        common=common,
        shows_run=shows_run,
        others=view.other_settings.of(table),
    )


def _best_known(
    answers: Sequence[Mapping[str, MetricAnswer]], labels: Sequence[str]
) -> tuple[MetricAnswer | None, str]:
    """The first answer that names somebody, and of which size it is; else the first one; ``None`` without any."""
    every = [(answer, label) for found, label in zip(answers, labels, strict=True) for answer in found.values()]
    if not every:
        return None, ""
    return next(((answer, label) for answer, label in every if answer.frameworks), every[0])


ENTRY = MenuEntry("Tests", position=60, pages=_workload_pages, is_detail=True, is_long=True)
