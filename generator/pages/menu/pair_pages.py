"""Pages of two frameworks side by side, for readers who must justify a choice."""

from __future__ import annotations

from generator.comparison import DIMENSIONS, PERFORMANCE, Dimension, PairVerdict, headline_finding
from generator.pages import score_words
from generator.pages.code_excerpts import EXCHANGES
from generator.pages.markup import Page, Section
from generator.pages.pair_chart import pair_chart
from generator.pages.view import MenuEntry, View, pair_path
from generator.sentences import answer_pair
from runners.record import ITEMS, WorkloadFacts, degree_of


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
    slugs = (verdict.first, verdict.second)
    path = pair_path(*slugs)
    render = view.renderer(path)
    both = [view.frameworks[slug] for slug in slugs]
    title = f"{both[0].title} vs {both[1].title}"
    answers = answer_pair(view.conclusions, view.titles, *slugs)
    chart = pair_chart(view, verdict)
    html = render.html(
        "pair.html",
        both=both,
        answers=answers,
        chart=chart,
        tests=_tests(view, slugs),
        only_one=_only_one(view, slugs),
        standings=_standings(view, verdict),
        flags=view.flags,
        measured=view.measured,
        runs=view.comparison.runs,
        titles=view.titles,
    )
    parts = [(one.title, [framework.excerpt(one) for framework in both]) for one in EXCHANGES]
    code = render.html("code_pair.html", both=both, parts_of=[one for one in parts if any(one[1])])
    sections = (Section(None, None, html=html), Section("The same app in both", "code", html=code))
    words = f"{title}: measured on one machine in the same rounds."
    # With dozens of pairs, the navigation would be longer than the page.
    clear = [f"{one.title}: {one.sentence}" for one in answers if one.sureness == "clearly"]
    answer = " ".join(clear[:2]) or (f"{chart.title}." if chart else "")
    return Page(
        path,
        title,
        words,
        sections,
        hide=("navigation",),
        is_searched=False,
        answer=answer,
        charts=(chart,) if chart else (),
    )


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


def _tests(view: View, slugs: tuple[str, str]) -> list[WorkloadFacts]:
    """The workloads with values of both."""
    return [
        workload
        for workload in view.comparison.workloads
        if any(
            set(slugs) <= {row.framework.slug for row in table.rows} for table in view.tables_of.get(workload.slug, [])
        )
    ]


def _only_one(view: View, slugs: tuple[str, str]) -> list[tuple[str, list[str]]]:
    """By title of a framework, what only it does: titles of evidence items with yes for it and no for the other."""
    degrees = [_degrees(view, slug) for slug in slugs]
    found = []
    for slug, mine, theirs in zip(slugs, degrees, degrees[::-1], strict=True):
        items = [ITEMS[key].title for key, degree in mine.items() if degree == 1 and theirs.get(key) == 0]
        if items:
            found.append((view.titles[slug], items))
    return found


def _degrees(view: View, slug: str) -> dict[str, float | None]:
    """To which degree the headline variant has each item of which a reader can only want more."""
    evidence = view.evidence.get(slug)
    if evidence is None:
        return {}
    found = {}
    for key, item in ITEMS.items():
        finding = headline_finding(evidence, key, view.headlines.get(slug)) if item.better == "yes" else None
        if finding is not None:
            found[key] = degree_of(finding.value)
    return found


ENTRY = MenuEntry("Compare", position=50, pages=_pair_pages)
