"""Pages of two frameworks side by side, for readers who must justify a choice."""

from __future__ import annotations

from generator.charts import percentile_chart, range_chart
from generator.comparison import DIMENSIONS, LATENCY, PERFORMANCE, Dimension, PairVerdict, pair_verdict
from generator.pages import score_words
from generator.pages.code_excerpts import EXCHANGES
from generator.pages.markup import Page, Section
from generator.pages.table_sections import capacity_section, deciding_charts, present, table_section
from generator.pages.view import MenuEntry, View, pair_path


def _index(view: View) -> Page:
    """The page that lists all pairs."""
    path = "compare/index.md"
    html = view.renderer(path).html(
        "compare.html",
        verdicts=view.verdicts,
        measured=view.measured,
        titles=view.titles,
        has_evidence=bool(view.evidence),
    )
    return Page(path, "Compare two frameworks", "Every pair, side by side.", (Section(None, None, html=html),))


def _pair_pages(view: View) -> list[Page]:
    return [_index(view), *(_page(view, verdict) for verdict in view.verdicts.values())]


def _page(view: View, verdict: PairVerdict) -> Page:
    comparison = view.comparison
    slugs = (verdict.first, verdict.second)
    path = pair_path(*slugs)
    render = view.renderer(path)
    both = [view.frameworks[slug] for slug in slugs]
    title = f"{both[0].title} vs {both[1].title}"
    html = render.html(
        "pair.html",
        verdict=verdict,
        both=both,
        standings=_standings(view, verdict),
        flags=view.flags,
        runs=comparison.runs,
        titles=view.titles,
    )
    sections = [Section(None, None, html=html)]
    further = pair_verdict(view.conclusions.further_tables, *slugs)
    if further.decisions:
        html = render.html("pair_further.html", verdict=further, both=both)
        sections.append(Section("Further questions", "further", html=html))
    for table in (whole.only(set(slugs)) for whole in comparison.headline):
        if table.rows:
            charts, more = (
                deciding_charts(table, view.identities),
                present(percentile_chart(table, LATENCY, view.identities)),
            )
            sections.append(table_section(render, table, charts=charts, more=more))
    for searched in (whole.only(set(slugs)) for whole in view.capacities):
        if searched.rows:
            charts = present(range_chart(searched, view.identities))
            sections.append(
                capacity_section(
                    render, searched, charts=charts, decision=view.conclusions.decide_capacity(searched, *slugs)
                )
            )
    parts = [(one.title, [framework.excerpt(one) for framework in both]) for one in EXCHANGES]
    html = render.html("code_pair.html", both=both, parts_of=[one for one in parts if any(one[1])])
    sections.append(Section("The same app in both", "code", html=html))
    words = f"{title}: measured on one machine in the same rounds."
    # With dozens of pairs, the navigation would be longer than the page.
    return Page(path, title, words, tuple(sections), hide=("navigation",), is_searched=False)


def _standings(view: View, verdict: PairVerdict) -> list[tuple[Dimension, str, str]]:
    """Each dimension with values, with the title of the better one, or empty, and the rest of the sentence."""
    slugs = (verdict.first, verdict.second)
    titles = [view.titles[slug] for slug in slugs]
    return [
        (
            dimension,
            *score_words.standing_words(view.conclusions.standing(dimension.slug, *slugs), dimension.slug, *titles),
        )
        for dimension in DIMENSIONS
        if dimension.slug == PERFORMANCE or view.sheet(dimension) is not None
    ]


ENTRY = MenuEntry("Compare", position=50, pages=_pair_pages)
