"""The pages of the three dimensions that rest on evidence, and the evidence sections of other pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from generator.comparison import (
    CRITERIA,
    DIMENSIONS,
    LEADING_SHARE,
    SURE_SHARE,
    WEIGHTINGS,
    Dimension,
    Weighed,
    items_of,
)
from generator.dataset import Evidence
from generator.pages.markup import Page, Renderer, Section, spoken_date
from runners.record import ITEMS, Finding

_LONGEST_NOTE = 70
"""The longest note, in characters. Longer notes are lists of names, which are in the evidence file."""


def dimension_page(
    render: Renderer,
    path: str,
    dimension: Dimension,
    weighed: Weighed | None,
    evidence: Mapping[str, Evidence],
    titles: Mapping[str, str],
    aside: Sequence[str],
) -> Page:
    """The page of a dimension: the verdict, the points, the evidence, and the rule."""
    sections = [
        Section(
            None,
            None,
            html=render.html(
                "evidence.html",
                dimension=dimension,
                weighed=weighed,
                leading=[titles[slug] for slug in weighed.leading] if weighed else [],
                evidence=evidence,
                collected=_days(evidence),
                titles=titles,
                aside=aside,
            ),
        )
    ]
    if weighed is not None:
        html = render.html(
            "evidence_table.html", dimension=dimension, items=items_of(dimension.slug), evidence=evidence, titles=titles
        )
        sections.append(Section("The evidence", "evidence", html=html))
    html = render.html(
        "evidence_rule.html",
        criteria=CRITERIA[dimension.slug],
        weightings=WEIGHTINGS,
        leading_share=LEADING_SHARE,
        sure_share=SURE_SHARE,
    )
    sections.append(Section("The rule", "rule", html=html))
    return Page(path, dimension.title, dimension.question, tuple(sections), hide=("toc",))


def framework_section(render: Renderer, evidence: Evidence) -> Section:
    """The section with all evidence on one framework."""
    dimensions = [(dimension, items_of(dimension.slug)) for dimension in DIMENSIONS if dimension.slug in CRITERIA]
    html = render.html("evidence_framework.html", evidence=evidence, dimensions=dimensions, note=_note)
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
    return Markup("<small>{}</small>").format(finding.note[: 2 * _LONGEST_NOTE] + " …" if cut else finding.note)


def _days(evidence: Mapping[str, Evidence]) -> str:
    """The day of collection, or the first and the last day."""
    moments = sorted(one.document.collected for one in evidence.values())
    days = list(dict.fromkeys(spoken_date(moment) for moment in (moments[0], moments[-1]))) if moments else []
    return " to ".join(days)
