"""One page per dimension: performance by metrics, the others by weighed evidence."""

from __future__ import annotations

from dataclasses import replace

from generator.comparison import CRITERIA, DIMENSIONS, Dimension, leaders
from generator.pages import evidence_sections
from generator.pages.markup import Page, Renderer, Section
from generator.pages.table_sections import deciding_charts, table_section
from generator.pages.view import MenuEntry, View


def _dimension_pages(view: View) -> list[Page]:
    """The pages of all dimensions, in the order of the site."""
    return [_weighed(view, one) if one.slug in CRITERIA else _performance(view, one) for one in DIMENSIONS]


def _weighed(view: View, dimension: Dimension) -> Page:
    path = f"{dimension.slug}.md"
    render = view.renderer(path)
    aside = [one.title for slug, one in view.frameworks.items() if slug in view.evidence and not one.competes]
    weighed = view.weighed.get(dimension.slug)
    page = evidence_sections.dimension_page(render, path, dimension, weighed, view.evidence, view.titles, aside)
    return replace(page, sections=(*page.sections, *_articles(view, render, dimension)))


def _performance(view: View, dimension: Dimension) -> Page:
    path = f"{dimension.slug}.md"
    render = view.renderer(path)
    rule = Section("The rule", "rule", html=render.html("rule.html"))
    if view.comparison.is_empty:
        sections = [Section(None, None, html=render.html("unmeasured.html", dimension=dimension)), rule]
    else:
        sections = [*_measured(view, render, dimension), rule, *_articles(view, render, dimension)]
    return Page(path, dimension.title, dimension.question, tuple(sections))


def _measured(view: View, render: Renderer, dimension: Dimension) -> list[Section]:
    """Sections on performance: the verdict, the deciding metrics, further workloads, and every pair."""
    comparison = view.comparison
    verdict = render.html(
        "performance.html",
        dimension=dimension,
        leading=view.leading,
        leaders=leaders(comparison.headline, view.competing),
        aside=view.aside,
        runs=comparison.runs,
        competitors=len(comparison.frameworks),
        measured=view.measured,
        titles=view.titles,
    )
    sections = [Section(None, None, html=verdict)]
    sections += [
        table_section(render, table, charts=deciding_charts(table, view.identities)) for table in comparison.headline
    ]
    if view.further:
        html = render.html(
            "further.html",
            leaders=leaders(comparison.further, view.competing),
            workloads=[workload for workload in comparison.workloads if workload.slug in view.further],
        )
        sections.append(Section("Further questions", "further", html=html))
    pairs = render.html("pairs.html", verdicts=view.verdicts, titles=view.titles)
    sections.append(Section("Every pair", "pairs", html=pairs))
    return sections


def _articles(view: View, render: Renderer, dimension: Dimension) -> list[Section]:
    """The section on the winners named by articles in this dimension, with our verdict on the same two."""
    found = []
    for claim in view.claims.winners:
        article = view.claims.article(claim)
        if claim.dimension != dimension.slug or len(article.between) != 2:
            continue
        first, second = sorted(article.between)
        if not {first, second} <= set(view.frameworks):
            continue
        found.append((claim, article, first, second, *_outcome(view, dimension, first, second)))
    if not found:
        return []
    html = render.html("articles.html", articles=found, titles=view.titles)
    return [Section("What articles say", "articles", html=html)]


def _outcome(view: View, dimension: Dimension, first: str, second: str) -> tuple[str, float | None]:
    """The outcome for the first of two, and the share of weightings under which it is better, if weights decide."""
    if dimension.slug not in CRITERIA:
        verdict = view.verdicts.get((first, second))
        return (verdict.outcome if verdict else "unknown"), None
    weighed = view.weighed.get(dimension.slug)
    return weighed.standing(first, second) if weighed else ("unknown", 0.0)


ENTRY = MenuEntry("Dimensions", position=30, pages=_dimension_pages)
