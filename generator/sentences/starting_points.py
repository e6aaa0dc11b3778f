"""What to use, by where a reader starts: on an existing application, or with a wish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator.charts.wording import significant
from generator.comparison import (
    CLOSE_FACTOR,
    PERFORMANCE,
    STACKS,
    STARTING_POINTS,
    Conclusions,
    Labelled,
    gap_of,
    headline_finding,
)
from generator.sentences.labels import best_labelled
from generator.sentences.sureness import Sureness
from runners.record import degree_of

_ROOMS = ("rooms", "rooms-across", "reconnecting-client")
"""Evidence items of what an application with rooms needs ready-made."""
_CPU = "CPU cost"
"""The facet of performance that is the bill."""
_BEST_BELOW = 1.005
"""A total this close to the best is the best, as numbers are rounded."""


@dataclass(frozen=True)
class StartAnswer:
    """``frameworks``: slugs of those that the answer names, the best first; empty without an answer."""

    slug: str
    title: str
    frameworks: tuple[str, ...]
    sentence: str
    sureness: Sureness


def start_answers(conclusions: Conclusions) -> tuple[StartAnswer, ...]:
    """One answer per starting point, then by two wishes that many have."""
    return (
        *(_of_stack(conclusions, stack, title) for stack, title in STARTING_POINTS.items()),
        _with_rooms(conclusions),
        _least_cpu(conclusions),
    )


def _of_stack(conclusions: Conclusions, stack: str, title: str) -> StartAnswer:
    labelled = conclusions.starting_points.get(stack, {})
    sheet = conclusions.dimensions.get(PERFORMANCE)
    found = best_labelled(labelled, is_fragile=sheet is not None and bool(sheet.sensitivities))
    if found is None:
        return StartAnswer(stack, title, *_unlabelled(conclusions, stack, labelled))
    sentence = f"{found.words}{_cost(conclusions, found.frameworks)}."
    return StartAnswer(stack, title, found.frameworks, sentence, found.sureness)


def _unlabelled(
    conclusions: Conclusions, stack: str, labelled: Mapping[str, Labelled]
) -> tuple[tuple[str, ...], str, Sureness]:
    """Who can do it at all, where no label follows from scores."""
    able = tuple(slug for slug, one in labelled.items() if not one.by_flags)
    if not labelled and stack in STACKS:
        return (), f"None of the measured frameworks can run inside a {STACKS[stack]} application.", "likely"
    if len(able) == 1 and stack in STACKS:
        cost = _cost(conclusions, able)
        return able, f"the only one without a flag that can run inside a {STACKS[stack]} application{cost}.", "likely"
    return (), "No verdict yet: there are not enough valid rounds.", "can't say yet"


def _cost(conclusions: Conclusions, slugs: Sequence[str]) -> str:
    """How far behind the fastest of all they are, as the rest of a sentence; empty if that is not known."""
    sheet = conclusions.dimensions.get(PERFORMANCE)
    if sheet is None:
        return ""
    able = [slug for slug in sheet.frameworks if slug not in sheet.barred]
    behind = [times for slug in slugs if (times := sheet.times_behind(slug, able)) is not None]
    if not behind:
        return ""
    low, high = significant(min(behind), 2), significant(max(behind), 2)
    if max(behind) < _BEST_BELOW:
        return "; the best in performance"
    if max(behind) <= CLOSE_FACTOR:
        return f"; performance is at most {high}× behind the best of all"
    return (
        f"; performance is {low}× behind the best of all"
        if low == high
        else f"; performance is {low}× to {high}× behind the best of all"
    )


def _with_rooms(conclusions: Conclusions) -> StartAnswer:
    basis = conclusions.basis
    totals = {slug: one.total or 0.0 for slug, one in conclusions.starting_points.get("new", {}).items()}
    degrees = {
        slug: [
            degree_of(finding.value)
            if (finding := headline_finding(basis.evidence[slug], item, basis.headline.get(slug)))
            else None
            for item in _ROOMS
        ]
        for slug in basis.competing
        if slug in basis.evidence and slug not in basis.barred
    }
    able = sorted(
        (slug for slug, found in degrees.items() if all(one == 1 for one in found)),
        key=lambda slug: -totals.get(slug, 0.0),
    )
    title = "Rooms ready-made"
    if not degrees:
        return StartAnswer("rooms", title, (), "No evidence is collected yet.", "can't say yet")
    if not able:
        return StartAnswer(
            "rooms",
            title,
            (),
            "None without a flag has rooms, several processes and a reconnecting client built in.",
            "clearly",
        )
    return StartAnswer(
        "rooms",
        title,
        tuple(able),
        "rooms, also across processes, and a client that reconnects are built in.",
        "clearly",
    )


def _least_cpu(conclusions: Conclusions) -> StartAnswer:
    title = "The lowest CPU bill"
    sheet = conclusions.dimensions.get(PERFORMANCE)
    scores = {}
    if sheet is not None and _CPU in sheet.facets:
        scores = {
            slug: one
            for slug in sheet.frameworks
            if slug not in sheet.barred and (one := sheet.facet_score(slug, _CPU)) is not None
        }
    if len(scores) < 2 or sheet is None:
        return StartAnswer("cpu", title, (), "No verdict yet: there are not enough valid rounds.", "can't say yet")
    best = max(scores.values())
    close = sorted(
        (slug for slug, one in scores.items() if best - one <= gap_of(CLOSE_FACTOR)), key=lambda slug: -scores[slug]
    )
    sentence = (
        "the least CPU for the same messages."
        if len(close) == 1
        else f"the least CPU for the same messages, within {CLOSE_FACTOR:g}× of each other."
    )
    return StartAnswer("cpu", title, tuple(close), sentence, "likely" if sheet.sensitivities else "clearly")
