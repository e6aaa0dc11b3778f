"""The home page: the answer for a reader with thirty seconds."""

from __future__ import annotations

from generator.comparison import DIMENSIONS, PERFORMANCE
from generator.pages import score_words
from generator.pages.markup import Page, Section
from generator.pages.table_sections import best_rows_chart
from generator.pages.view import MenuEntry, View


def _home_page(view: View) -> Page:
    """The home page: who leads in each dimension, how certain that is, and the next steps."""
    path = "index.md"
    comparison = view.comparison
    judged = next((table for table in view.conclusions.tables if table.deciding), None)
    charted = judged or next((table for table in comparison.headline if table.deciding), None)
    html = view.renderer(path).html(
        "home.html",
        dimensions=[(dimension, view.sheet(dimension), view.winners(dimension)) for dimension in DIMENSIONS],
        performance=view.conclusions.dimensions.get(PERFORMANCE),
        words=score_words,
        has_evidence=bool(view.evidence),
        unmeasured=[one.title.lower() for one in DIMENSIONS if one.slug != PERFORMANCE and not view.sheet(one)],
        runs=comparison.runs,
        rounds=max((table.run.rounds for table in comparison.tables), default=0),
        leaders=view.leaders(comparison.headline),
        chart=best_rows_chart(charted, view.identities) if charted else None,
        is_of_headlines=judged is not None,
        workloads=comparison.workloads,
        frameworks=[framework for framework in view.frameworks.values() if not framework.is_reference],
        verdicts=view.verdicts,
        titles=view.titles,
        aside=view.aside,
    )
    return Page(
        path,
        "Python real-time frameworks, measured",
        "Which Python framework for a real-time application: measured, with intervals and raw data.",
        (Section(None, None, html=html),),
        hide=("navigation", "toc"),
        has_own_title=True,
    )


ENTRY = MenuEntry("Home", position=10, pages=_home_page)
