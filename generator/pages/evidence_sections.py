"""The pages of the three dimensions that rest on evidence, and the evidence sections of other pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from generator.charts.wording import spoken_date
from generator.comparison import (
    DIMENSIONS,
    PERFORMANCE,
    SCORING_VERSION,
    Dimension,
    Flag,
    Sheet,
    headline_finding,
    items_of,
)
from generator.dataset import Evidence
from generator.pages import score_words
from generator.pages.markup import Page, Renderer, Section
from runners.record import ITEMS, Finding

_LONGEST_NOTE = 70
"""The longest note, in characters. Longer notes are lists of names, which are in the evidence file."""


def dimension_page(
    render: Renderer,
    path: str,
    dimension: Dimension,
    sheet: Sheet | None,
    evidence: Mapping[str, Evidence],
    titles: Mapping[str, str],
    flags: Mapping[str, Sequence[Flag]],
    headline: Mapping[str, str],
    aside: Sequence[str],
) -> Page:
    """The page of a dimension: the verdict, the scores and the evidence."""
    sections = [
        Section(
            None,
            None,
            html=render.html(
                "evidence.html",
                dimension=dimension,
                sheet=sheet,
                evidence=evidence,
                collected=_days(evidence),
                older=_older_rules(evidence, dimension),
                titles=titles,
                flags=flags,
                words=score_words,
                aside=aside,
            ),
        )
    ]
    if sheet is not None:
        html = render.html(
            "evidence_table.html",
            dimension=dimension,
            items=items_of(dimension.slug),
            evidence=evidence,
            titles=titles,
            headline=headline,
            finding_of=headline_finding,
            older=_older_rules(evidence, dimension),
        )
        sections.append(Section("The evidence", "evidence", html=html))
    sections.append(rule_section(render))
    return Page(path, dimension.title, dimension.question, tuple(sections), hide=("toc",))


def rule_section(render: Renderer) -> Section:
    """The section that leads to the rules of scoring; its anchor is older than that page."""
    return Section("The rule", "rule", html=render.html("rule.html", version=SCORING_VERSION))


def framework_section(render: Renderer, evidence: Evidence) -> Section:
    """The section with all evidence on one framework."""
    dimensions = [(dimension, items_of(dimension.slug)) for dimension in DIMENSIONS if dimension.slug != PERFORMANCE]
    older = evidence.older_rules(ITEMS.values())
    html = render.html("evidence_framework.html", evidence=evidence, dimensions=dimensions, note=_note, older=older)
    return Section("Evidence", "evidence", html=html)


def readers_section(render: Renderer, frameworks: Sequence[Any]) -> Section:
    """The section with the table of facts that articles usually print, for frameworks with evidence."""
    html = render.html("reader.html", frameworks=frameworks, items=ITEMS)
    return Section("At a glance", "glance", html=html)


def _note(finding: Finding | None) -> Markup:
    """The note in small print. A long note is shown only if it explains a missing value; it is then shortened."""
    if finding is None or finding.note is None or (finding.value is not None and len(finding.note) > _LONGEST_NOTE):
        return Markup("")
    cut = len(finding.note) > 2 * _LONGEST_NOTE
    return Markup("<small data-recorded>{}</small>").format(
        finding.note[: 2 * _LONGEST_NOTE] + " …" if cut else finding.note
    )


def _older_rules(evidence: Mapping[str, Evidence], dimension: Dimension) -> list[str]:
    """Titles of the dimension's items that any of the evidence determined in another way than today."""
    items = items_of(dimension.slug)
    return list(dict.fromkeys(title for one in evidence.values() for title in one.older_rules(items)))


def _days(evidence: Mapping[str, Evidence]) -> str:
    """The day of collection, or the first and the last day."""
    moments = sorted(one.document.collected for one in evidence.values())
    days = list(dict.fromkeys(spoken_date(moment) for moment in (moments[0], moments[-1]))) if moments else []
    return " to ".join(days)
