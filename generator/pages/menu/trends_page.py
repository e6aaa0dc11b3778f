"""The page of changes from campaign to campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from generator.charts import Chart, trend_chart
from generator.charts.wording import parameters_in_words
from generator.comparison import Trend, TrendStep
from generator.pages.markup import Page, Section
from generator.pages.view import MenuEntry, View
from generator.sentences import trend_finding


def _trends_page(view: View) -> Page:
    """The page of the deciding metrics over time, by machine class, with significant changes."""
    path = "trends.md"
    render = view.renderer(path)
    every, changes = view.history.trends, view.history.changes
    found = [trend for trend in every if _is_line(trend)]
    runs = {point.run.raw for trend in found for series in trend.series for point in series.points}
    followed = [series.row.framework for trend in found for series in trend.series]
    titles = {facts.slug: facts.title for facts in followed if not facts.is_reference}
    html = render.html(
        "trends.html",
        trends=found,
        waiting=[trend for trend in every if not _is_line(trend)],
        changes=changes,
        absences=view.history.absences,
        runs=len(runs),
        machines=sorted({str(trend.machine) for trend in found}),
        measured=sorted(titles),
        titles=titles,
    )
    sections = [Section(None, None, html=html)]
    steps: dict[int, list[TrendStep]] = {}
    for step in view.history.steps:
        steps.setdefault(id(step.trend), []).append(step)
    for number, trend in enumerate(found):
        words = (
            f"{trend.table.workload.title}: {parameters_in_words(trend.table.parameters)}, {trend.metric.short.lower()}"
        )
        html = render.html("trend.html", chart=_chart(view, trend, steps.get(id(trend), ())))
        sections.append(Section(words, f"trend-{number}-{trend.slug}", html=html))
    words = "The deciding metrics over time, and what changed with them."
    return Page(path, "Trends", words, tuple(sections), hide=("navigation",), is_searched=False, is_found=True)


def _chart(view: View, trend: Trend, steps: Sequence[TrendStep]) -> Chart | None:
    """The chart of a trend, with what its steps show as title."""
    changes = [one for one in view.history.changes if one.trend is trend]
    chart = trend_chart(trend, changes, view.identities)
    return replace(chart, finding=trend_finding(steps, changes)) if chart else None


def _is_line(trend: Trend) -> bool:
    return any(len(series.points) > 1 for series in trend.series)


ENTRY = MenuEntry("Trends", position=70, pages=_trends_page, is_detail=True, is_long=True)
