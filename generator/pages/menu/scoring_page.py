"""The page of the rules by which scores, verdicts and labels are computed, with the labels themselves."""

from __future__ import annotations

from generator.comparison import (
    CHANGES,
    FLAG_RULES,
    LABEL_RULES,
    LARGEST_CORRELATION,
    MIN_SEARCHES,
    SCORING_RULES,
    SCORING_VERSION,
    STARTING_POINTS,
    USE_CASES,
    Sheet,
    facet_correlations,
)
from generator.pages import score_words
from generator.pages.markup import Page, Renderer, Section
from generator.pages.view import MenuEntry, View
from generator.statistics import MIN_ROUNDS


def _scoring_page(view: View) -> Page:
    """The rules, each beside what it gives with the results shown here."""
    path = "scoring.md"
    render = view.renderer(path)
    sections = (
        Section(None, None, html=render.html("scoring.html", version=SCORING_VERSION, rules=SCORING_RULES)),
        Section("Labels", "labels", html=_labels(view, render)),
        Section("How sure an answer is", "sure", html=render.html("scoring_sure.html")),
        Section("Flags", "flags", html=_flags(view, render)),
        Section("Facets and criteria", "criteria", html=_criteria(view, render)),
        Section("Facets that count the same", "correlations", html=_correlations(view, render)),
        Section(
            "Changes", "changes", html=render.html("scoring_changes.html", changes=CHANGES, version=SCORING_VERSION)
        ),
    )
    words = "How values become scores, scores become verdicts, and who gets which label."
    return Page(path, "Scoring", words, sections)


def _labels(view: View, render: Renderer) -> str:
    found = view.conclusions
    columns = [
        *((title, found.starting_points.get(stack, {})) for stack, title in STARTING_POINTS.items()),
        *((case.title, found.labels.get(case.slug, {})) for case in USE_CASES),
    ]
    return render.html(
        "scoring_labels.html",
        rules=LABEL_RULES,
        columns=columns,
        frameworks=found.basis.competing,
        flags=view.flags,
        titles=view.titles,
        unjudged=found.unjudged,
        lacks=[(case.title, case.lacks) for case in USE_CASES if case.lacks],
    )


def _flags(view: View, render: Renderer) -> str:
    raised = [
        (rule, [(slug, flag) for slug, flags in view.flags.items() for flag in flags if flag.rule is rule])
        for rule in FLAG_RULES
    ]
    return render.html("scoring_flags.html", raised=raised, titles=view.titles)


def _criteria(view: View, render: Renderer) -> str:
    return render.html(
        "scoring_criteria.html", sheets=_sheets(view), rounds=MIN_ROUNDS, searches=MIN_SEARCHES, words=score_words
    )


def _correlations(view: View, render: Renderer) -> str:
    found = [(sheet, facet_correlations(sheet)) for sheet in _sheets(view)]
    return render.html("scoring_correlations.html", found=found, largest=LARGEST_CORRELATION)


def _sheets(view: View) -> list[Sheet]:
    """Dimensions first, then use cases."""
    return [*view.conclusions.dimensions.values(), *view.conclusions.use_cases.values()]


ENTRY = MenuEntry("Scoring", position=75, pages=_scoring_page, is_detail=True)
