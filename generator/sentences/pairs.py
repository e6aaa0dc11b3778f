"""Which of two is better for what a reader builds: one sentence per use case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from generator.charts.wording import plain
from generator.comparison import USE_CASES, Conclusions, Decision, PairStanding
from generator.sentences.amounts import less, more, shorter
from generator.sentences.sureness import Sureness

PairSide = Literal["first", "second"]

_MOST_PARTS = 2
"""Facets that a sentence names for one framework."""


@dataclass(frozen=True)
class PairAnswer:
    """The answer for one use case. ``better``: slug of the better one; ``None`` without. ``sureness``: ``None`` where
    there is nothing to be sure of, because only one of them supports the use case or it depends on what counts.
    """

    case: str
    title: str
    sentence: str
    better: str | None
    sureness: Sureness | None


def answer_pair(conclusions: Conclusions, titles: Mapping[str, str], first: str, second: str) -> tuple[PairAnswer, ...]:
    """The answers for all use cases that one of two measured frameworks supports."""
    found = []
    for case in USE_CASES:
        able = [slug for slug in (first, second) if slug in conclusions.use_cases[case.slug].frameworks]
        if len(able) == 2:
            found.append(_answer(conclusions, titles, (first, second), case.slug, case.title))
        elif able:
            sentence = f"Only {titles[able[0]]} supports it."
            found.append(PairAnswer(case.slug, case.title, sentence, able[0], None))
    return tuple(found)


def _answer(
    conclusions: Conclusions, titles: Mapping[str, str], both: tuple[str, str], case: str, title: str
) -> PairAnswer:
    standing = conclusions.standing_for(case, *both)
    decisions = conclusions.decisions_for(case, *both)
    names = {"first": titles[both[0]], "second": titles[both[1]]}
    if standing.outcome in ("better", "worse"):
        side: PairSide = "first" if standing.outcome == "better" else "second"
        parts = _advantages(decisions, side)
        gains = f": it {_joined(parts)}" if parts else ", by the total of its scores"
        better = both[0] if side == "first" else both[1]
        return PairAnswer(case, title, f"{names[side]} is clearly better{gains}.", better, "clearly")
    if standing.outcome == "same":
        return PairAnswer(case, title, "Both are practically equal.", None, "clearly")
    if standing.outcome == "mixed":
        return PairAnswer(case, title, _mixed(standing, decisions, names), None, None)
    return PairAnswer(case, title, _open(standing), None, "can't say yet")


def _mixed(standing: PairStanding, decisions: Sequence[Decision], names: Mapping[str, str]) -> str:
    sides: tuple[PairSide, PairSide] = ("first", "second")
    parts = [
        f"{names[side]} {_joined(_advantages(decisions, side)[:1])}" for side in sides if _advantages(decisions, side)
    ]
    if len(parts) == 2:
        return f"It depends on what counts: {', '.join(parts)}."
    if standing.depends_on:
        return f"It depends on what counts: without {standing.depends_on[0]} the order changes."
    return f"It depends on what counts{f': {parts[0]}' if parts else ''}."


def _open(standing: PairStanding) -> str:
    count = len(standing.open_in)
    if count == 1:
        return "We can't say yet: one metric that could decide it is still open."
    if count:
        return f"We can't say yet: {count} metrics that could decide it are still open."
    return "We can't say yet: there are not enough valid rounds of both."


def _advantages(decisions: Sequence[Decision], side: PairSide) -> list[str]:
    """What one of two surely does better, a verb phrase per kind of metric; the first test of each kind counts."""
    wanted = "better" if side == "first" else "worse"
    found: dict[str, str] = {}
    for one in decisions:
        if one.outcome != wanted or one.ratio is None or not one.ratio.is_ratio:
            continue
        factor = max(one.ratio.value, 1 / one.ratio.value)
        kind, phrase = _phrase(one, factor)
        found.setdefault(kind, phrase)
    return list(found.values())[:_MOST_PARTS]


def _phrase(decision: Decision, factor: float) -> tuple[str, str]:
    """The kind of a metric, and the phrase for its better side."""
    metric = decision.metric
    if metric.unit == "% of a core":
        return "cpu", f"needs {less(factor, 'CPU')}"
    if metric.unit in ("ms", "s"):
        return "delay", f"has {shorter(factor, 'delays')}"
    if metric.unit in ("MB", "kB"):
        return "memory", f"needs {less(factor, 'memory')}"
    if metric.direction == "higher":
        return "capacity", f"handles {more(factor, 'messages' if metric.unit == '/s' else 'clients')}"
    return metric.key, f"has {less(factor, plain(metric.title))}"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(parts)
