"""One page per dimension: performance by measurements, the others by evidence."""

from __future__ import annotations

from dataclasses import replace

from generator.comparison import DIMENSIONS, PERFORMANCE, Dimension
from generator.pages import evidence_sections, score_words
from generator.pages.markup import Page, Renderer, Section
from generator.pages.view import MenuEntry, View


def _dimension_pages(view: View) -> list[Page]:
    """The pages of all dimensions, in the order of the site."""
    return [_performance(view, one) if one.slug == PERFORMANCE else _of_evidence(view, one) for one in DIMENSIONS]


def _of_evidence(view: View, dimension: Dimension) -> Page:
    path = f"dimensions/{dimension.slug}.md"
    render = view.renderer(path)
    aside = [one.title for slug, one in view.frameworks.items() if slug in view.evidence and not one.competes]
    page = evidence_sections.dimension_page(
        render, path, dimension, view.sheet(dimension), view.evidence, view.titles, view.flags, view.headlines, aside
    )
    return replace(page, sections=(*page.sections, *_articles(view, render, dimension)))


def _performance(view: View, dimension: Dimension) -> Page:
    path = f"dimensions/{dimension.slug}.md"
    render = view.renderer(path)
    rule = evidence_sections.rule_section(render)
    if view.comparison.is_empty:
        sections = [Section(None, None, html=render.html("unmeasured.html", dimension=dimension)), rule]
    else:
        sections = [*_measured(view, render, dimension), rule, *_articles(view, render, dimension)]
    return Page(path, dimension.title, dimension.question, tuple(sections), hide=("toc",))


def _measured(view: View, render: Renderer, dimension: Dimension) -> list[Section]:
    """Sections on performance: the verdict, who leads in each deciding metric, and the tests behind it."""
    comparison = view.comparison
    verdict = render.html(
        "performance.html",
        dimension=dimension,
        sheet=view.sheet(dimension),
        flags=view.flags,
        words=score_words,
        leaders=view.leaders(comparison.headline),
        unjudged=view.conclusions.unjudged,
        through_broker=score_words.through_broker(comparison.tables, view.headlines),
        aside=view.aside,
        runs=comparison.runs,
        measured=view.measured,
        titles=view.titles,
    )
    sections = [Section(None, None, html=verdict)]
    deciding = {table.workload.slug for table in comparison.headline}
    tests = [workload for workload in comparison.workloads if workload.slug in deciding]
    sections.append(Section("Every value", "tests", html=render.html("tests_of.html", tests=tests)))
    if view.further:
        html = render.html(
            "further.html",
            leaders=view.leaders(comparison.further),
            further=[workload for workload in comparison.workloads if workload.slug in view.further],
        )
        sections.append(Section("Further tests", "further", html=html))
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
        found.append((claim, article, first, second, view.conclusions.standing(dimension.slug, first, second).outcome))
    if not found:
        return []
    html = render.html("articles.html", articles=found, titles=view.titles)
    return [Section("What articles say", "articles", html=html)]


ENTRY = MenuEntry("Dimensions", position=30, pages=_dimension_pages, is_detail=True)
