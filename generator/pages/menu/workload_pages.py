"""The page of all workloads, and one page per workload with all its results."""

from __future__ import annotations

from generator.charts import range_chart
from generator.pages import score_words
from generator.pages.markup import Page, Section
from generator.pages.setting_filters import filters_section
from generator.pages.table_sections import capacity_section, deciding_charts, further_charts, present, table_section
from generator.pages.view import MenuEntry, View
from runners.record import WorkloadFacts


def _index(view: View) -> Page:
    path = "workloads/index.md"
    html = view.renderer(path).html("workloads.html", workloads=view.comparison.workloads, tables=view.tables_of)
    return Page(path, "Workloads", "What every framework is measured with.", (Section(None, None, html=html),))


def _workload_pages(view: View) -> list[Page]:
    return [_index(view), *(_page(view, workload) for workload in view.comparison.workloads)]


def _page(view: View, workload: WorkloadFacts) -> Page:
    slug = workload.slug
    path = f"workloads/{slug}.md"
    render = view.renderer(path)
    tables = view.tables_of[slug]
    html = render.html(
        "workload.html",
        workload=workload,
        tables=tables,
        runs=[run for run in view.comparison.runs if any(table.run is run for table in tables)],
        cannot=[
            (framework, name.partition("/")[2], reason)
            for framework in view.frameworks.values()
            for name, reason in (framework.document.framework.cannot.items() if framework.document else ())
            if name.partition("/")[0] == slug
        ],
        leaders=view.leaders(view.comparison.of_workload(slug)),
        through_broker=score_words.through_broker(view.comparison.of_workload(slug), view.headlines),
        measured=view.measured,
        titles=view.titles,
    )
    searches = [(one, view.other_settings.of_search(one)) for one in view.capacities if one.workload.slug == slug]
    results = [(table, view.other_settings.of(table)) for table in view.comparison.of_workload(slug)]
    sections = [Section(None, None, html=html), *filters_section(render, [*searches, *results])]
    for searched, others in searches:
        charts = present(range_chart(searched, view.identities))
        sections.append(capacity_section(render, searched, charts=charts, within_workload=True, others=others))
    for table, alike in results:
        charts, more = deciding_charts(table, view.identities), further_charts(table, view.identities)
        sections.append(table_section(render, table, charts=charts, more=more, within_workload=True, others=alike))
    if changes := [change for change in view.settings if change.table.workload.slug == slug]:
        sections.append(Section("Other settings", "settings", html=render.html("settings.html", changes=changes)))
    return Page(path, workload.title, workload.question, tuple(sections))


ENTRY = MenuEntry("Workloads", position=60, pages=_workload_pages, is_detail=True, is_long=True)
