"""What to use, by where a reader starts: on an existing application, or with a wish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator.charts.wording import significant
from generator.comparison import (
    CLOSE_FACTOR,
    PERFORMANCE,
    STACKS,
    STARTING_POINTS,
    Conclusions,
    gap_of,
    headline_finding,
)
from generator.sentences.sureness import Sureness
from generator.sentences.use_cases import LABELS_IN_WORDS, sureness_of
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
    found = conclusions.best_of_stack(stack)
    if found is None:
        return StartAnswer(stack, title, *_unlabelled(conclusions, stack))
    sentence = f"{LABELS_IN_WORDS[found.label]}{_cost(conclusions, found.frameworks)}."
    return StartAnswer(stack, title, found.frameworks, sentence, sureness_of(found))


def _unlabelled(conclusions: Conclusions, stack: str) -> tuple[tuple[str, ...], str, Sureness]:
    """Who can do it at all, where no label follows from scores."""
    labelled = conclusions.starting_points.get(stack, {})
    able = tuple(slug for slug, one in labelled.items() if not one.by_flags)
    if stack in STACKS:
        inside = f"run inside a {STACKS[stack]} application, in the setup that its documentation recommends"
        if not labelled:
            return (), f"None of the measured frameworks can {inside}.", "likely"
        if len(able) == 1:
            return able, f"the only one without a flag that can {inside}.", "likely"
    if labelled and not able:
        return (), "Every framework for it has a flag.", "clearly"
    return (), "No verdict yet: too few have values in all four dimensions.", "can't say yet"


def _cost(conclusions: Conclusions, slugs: Sequence[str]) -> str:
    """How far behind the highest score in performance they are, as the rest of a sentence; empty if that is not known
    or there is nothing to compare.
    """
    sheet = conclusions.dimensions.get(PERFORMANCE)
    if sheet is None:
        return ""
    able = [slug for slug in sheet.frameworks if slug not in sheet.barred and slug in sheet.totals]
    behind = [times for slug in slugs if (times := sheet.times_behind(slug, able)) is not None]
    if len(able) < 2 or len(behind) < len(slugs):
        return ""
    if max(behind) < _BEST_BELOW:
        return "; the highest score in performance"
    up_to = "" if len(slugs) == 1 else "up to "
    return f"; performance is {up_to}{significant(max(behind), 2)}× behind the best without a flag"


def _with_rooms(conclusions: Conclusions) -> StartAnswer:
    basis = conclusions.basis
    title = "Rooms ready-made"
    totals = {slug: one.total or 0.0 for slug, one in conclusions.starting_points.get("new", {}).items()}
    known = [slug for slug in basis.competing if slug in basis.evidence]
    degrees = {slug: _degrees(conclusions, slug) for slug in known if slug not in basis.barred}
    able = [slug for slug, found in degrees.items() if all(one == 1 for one in found)]
    if able:
        sentence = "rooms are built in, also across processes, and a client that reconnects is documented."
        return StartAnswer(
            "rooms", title, tuple(sorted(able, key=lambda slug: -totals.get(slug, 0.0))), sentence, "clearly"
        )
    if not known:
        return StartAnswer("rooms", title, (), "No evidence is collected yet.", "can't say yet")
    if any(None in found and 0 not in found for found in degrees.values()):
        return StartAnswer("rooms", title, (), "The evidence is not complete yet.", "can't say yet")
    sentence = "No framework without a flag has rooms, rooms across processes and a client that reconnects."
    return StartAnswer("rooms", title, (), sentence, "clearly")


def _degrees(conclusions: Conclusions, slug: str) -> list[float | None]:
    """To which degree the headline variant has each of `_ROOMS`."""
    basis = conclusions.basis
    found = [headline_finding(basis.evidence[slug], item, basis.headline.get(slug)) for item in _ROOMS]
    return [degree_of(one.value) if one else None for one in found]


def _least_cpu(conclusions: Conclusions) -> StartAnswer:
    """By the mean of scores over the tests, which no single table decides."""
    title = "The lowest CPU bill"
    sheet = conclusions.dimensions.get(PERFORMANCE)
    scores = {}
    if sheet is not None and _CPU in sheet.facets:
        scores = {
            slug: one
            for slug in sheet.frameworks
            if slug not in sheet.barred and (one := sheet.facet_score(slug, _CPU)) is not None
        }
    if len(scores) < 2:
        return StartAnswer("cpu", title, (), "No verdict yet: there are not enough valid rounds.", "can't say yet")
    best = max(scores.values())
    close = [slug for slug, one in scores.items() if best - one <= gap_of(CLOSE_FACTOR)]
    sentence = f"the least CPU on average over the tests, at most {CLOSE_FACTOR:g}× apart, of those without a flag."
    if len(close) == 1:
        sentence = "the least CPU on average over the tests, of those without a flag."
    return StartAnswer("cpu", title, tuple(sorted(close, key=lambda slug: -scores[slug])), sentence, "likely")
