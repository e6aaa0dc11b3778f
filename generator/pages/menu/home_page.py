"""The home page: the answer for a reader with thirty seconds."""

from __future__ import annotations

from generator.charts.wording import significant
from generator.comparison import PERFORMANCE, UNPUBLISHED_PROFILES, ChangePoint
from generator.drawing import Picture, draw_sparkline
from generator.pages import score_words
from generator.pages.heat import heat_table
from generator.pages.markup import Page, Section, listed
from generator.pages.view import MenuEntry, View
from generator.sentences import change_sentence, largest_changes, start_answers

_PREVIEWED = 4
"""Rows of the heat table that the page shows."""
_CHANGES = 3
"""Changes over time that the page lists."""


def _home_page(view: View) -> Page:
    """The home page: what to use by where a reader starts, how sure that is, what changed, and the next steps."""
    path = "index.md"
    heat = view.once(heat_table)
    answers = start_answers(view.conclusions)
    html = view.renderer(path).html(
        "home.html",
        answers=answers,
        why=_why_nobody_leads(view),
        heat=heat,
        previewed=heat.rows[:_PREVIEWED],
        changes=[
            (one, change_sentence(one), _sparkline(one)) for one in largest_changes(view.history.changes)[:_CHANGES]
        ],
        measured=[slug for slug in view.measured if slug in view.competing],
        runs=view.comparison.runs,
        workloads=view.comparison.workloads,
        rounds=max((table.run.rounds for table in view.comparison.tables), default=0),
        titles=view.titles,
    )
    return Page(
        path,
        "Python real-time frameworks, measured",
        "Which Python framework for a real-time application: measured, with intervals and raw data.",
        (Section(None, None, html=html),),
        hide=("navigation", "toc"),
        has_own_title=True,
        answer=" ".join(
            f"{one.title}: {listed(view.titles[slug] for slug in one.frameworks)},"
            f" {one.sentence.rstrip('.')} ({one.sureness})."
            for one in answers
            if one.frameworks
        ),
    )


def _sparkline(change: ChangePoint) -> Picture:
    """The values of all campaigns that are comparable, with the change marked."""
    points = change.series.points
    metric = change.trend.metric
    means = [point.value.estimate.mean for point in points]
    shown = ", ".join(significant(mean) for mean in means)
    label = f"{change.series.row.name}, {metric.title} in {len(points)} campaigns: {shown} {metric.unit}"
    changed_at = next(index for index, point in enumerate(points) if point is change.after)
    return draw_sparkline(means, changed_at, label)


def _why_nobody_leads(view: View) -> str:
    """Why there is no verdict on performance, as a sentence; empty if there is one."""
    sheet = view.conclusions.dimensions.get(PERFORMANCE)
    profiles = {run.document.profile for run in view.comparison.runs}
    if profiles and profiles <= UNPUBLISHED_PROFILES:
        return "These results are of profile quick: pages show them, and no verdict rests on them."
    if len([slug for slug in view.measured if slug in view.competing]) == 1:
        return "Only one framework is measured so far, so there is nothing to compare it with."
    if sheet is None:
        return "Not enough data: no framework has a value that counts."
    return score_words.why_nobody_leads(sheet, view.titles)


ENTRY = MenuEntry("Home", position=10, pages=_home_page)
