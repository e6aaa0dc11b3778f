"""The workloads: what is asked, and a page for each with all its figures."""

from __future__ import annotations

from generator.charts import range_chart
from generator.comparison import Comparison, leaders
from generator.pages.markup import Page, Section
from generator.pages.tables import capacity_section, deciding_charts, further_charts, present, table_section
from generator.pages.view import View
from runners.record import WorkloadFacts


def workload_index(view: View) -> Page:
    """All that was asked."""
    path = "workloads/index.md"
    html = view.renderer(path).html("workloads.html", comparison=view.comparison, tables=view.tables_of)
    return Page(path, "Workloads", "What is asked of every framework.", (Section(None, None, html=html),))


def workload_pages(view: View) -> list[Page]:
    """None where nothing was measured."""
    comparison = view.comparison
    return [_page(view, comparison, workload) for workload in comparison.workloads] if comparison else []


def _page(view: View, comparison: Comparison, workload: WorkloadFacts) -> Page:
    slug = workload.slug
    path = f"workloads/{slug}.md"
    render = view.renderer(path)
    tables = view.tables_of[slug]
    html = render.html(
        "workload.html",
        workload=workload,
        tables=tables,
        runs=[run for run in comparison.runs if any(table.run is run for table in tables)],
        cannot=[
            (framework, reason)
            for framework in view.frameworks.values()
            if framework.document and (reason := framework.document.framework.cannot.get(slug))
        ],
        leaders=leaders(comparison.of_workload(slug), view.competing),
        measured=view.measured,
        titles=view.titles,
    )
    sections = [Section(None, None, html=html)]
    for searched in (table for table in view.capacities if table.workload.slug == slug):
        charts = present(range_chart(searched))
        sections.append(capacity_section(render, searched, charts=charts, within_workload=True))
    for table in comparison.of_workload(slug):
        charts, more = deciding_charts(table), further_charts(table)
        sections.append(table_section(render, table, charts=charts, more=more, within_workload=True))
    return Page(path, workload.title, workload.question, tuple(sections))
