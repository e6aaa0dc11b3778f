"""Which of two is better for what a reader builds: one sentence per use case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from generator.charts.wording import plain
from generator.comparison import CONNECTION_RATE, USE_CASES, Conclusions, Decision, PairStanding
from generator.sentences.amounts import less, more, shorter
from generator.sentences.sureness import Sureness

PairSide = Literal["first", "second"]

_MOST_PARTS = 2
"""Kinds of metrics that a sentence names for one framework."""


@dataclass(frozen=True)
class PairAnswer:
    """The answer for one use case. ``better``: slug of the better one; ``None`` without, or if it is barred from every
    "best" sentence. ``sureness``: ``None`` where there is nothing to be sure of, because only one of them supports the
    use case or it depends on what counts.
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
            better = None if able[0] in conclusions.basis.barred else able[0]
            found.append(PairAnswer(case.slug, case.title, f"Only {titles[able[0]]} supports it.", better, None))
    return tuple(found)


def _answer(
    conclusions: Conclusions, titles: Mapping[str, str], both: tuple[str, str], case: str, title: str
) -> PairAnswer:
    standing = conclusions.standing_for(case, *both)
    decisions = conclusions.decisions_for(case, *both)
    names = {"first": titles[both[0]], "second": titles[both[1]]}
    if standing.outcome in ("better", "worse"):
        side: PairSide = "first" if standing.outcome == "better" else "second"
        better = both[0] if side == "first" else both[1]
        if better in conclusions.basis.barred:
            why = "it has a flag" if better in conclusions.basis.competing else "it is a bare library"
            return PairAnswer(case, title, f"{names[side]} has the better values, but {why}.", None, None)
        gains = _advantages(decisions, side)
        is_sure = bool(gains) and conclusions.is_robust(case, *both)
        sureness: Sureness = "clearly" if is_sure else "likely"
        sentence = f"{names[side]} is {sureness} better{_because(decisions, side, names)}."
        return PairAnswer(case, title, sentence, better, sureness)
    if standing.outcome == "same":
        return PairAnswer(case, title, *_equal(conclusions, case, both, decisions))
    if standing.outcome == "mixed":
        return PairAnswer(case, title, _mixed(standing, names), None, None)
    return PairAnswer(case, title, _open(standing), None, "can't say yet")


def _because(decisions: Sequence[Decision], side: PairSide, names: Mapping[str, str]) -> str:
    """What is decided for the better one, and what against it; else that it rests on the total."""
    other: PairSide = "second" if side == "first" else "first"
    gains, losses = _advantages(decisions, side), _advantages(decisions, other)
    if not gains:
        return " by the total of its scores, though no single metric is decided for it"
    against = f"; {names[other]} {losses[0]}" if losses else ""
    return f": it {' and '.join(gains)}{against}"


def _equal(
    conclusions: Conclusions, case: str, both: tuple[str, str], decisions: Sequence[Decision]
) -> tuple[str, None, Sureness]:
    """What practically equal totals rest on."""
    outcomes = {one.outcome for one in decisions}
    if outcomes & {"better", "worse"}:
        return "The totals are practically equal; single metrics differ.", None, "likely"
    is_sure = outcomes == {"same"} and conclusions.is_robust(case, *both)
    return "Both are practically equal.", None, "clearly" if is_sure else "likely"


def _mixed(standing: PairStanding, names: Mapping[str, str]) -> str:
    """The criteria in which each is twice as good or more; else what the order depends on."""
    sides = ((names["first"], standing.for_first), (names["second"], standing.for_second))
    parts = []
    for name, obstacles in sides:
        decided = [plain(one.title) for one in obstacles if not one.is_open]
        if decided:
            more_of_them = f" and {len(set(decided)) - 1} more" if len(set(decided)) > 1 else ""
            parts.append(f"{name} is twice as good or more in {decided[0]}{more_of_them}")
    if parts:
        return f"It depends on what counts. {'. '.join(f'{part[:1].upper()}{part[1:]}' for part in parts)}."
    if standing.depends_on:
        return f"It depends on what counts: without {plain(standing.depends_on[0])} the order changes."
    return "It depends on what counts."


def _open(standing: PairStanding) -> str:
    count = len(standing.open_in)
    if count == 1:
        return "We can't say yet: one metric that could decide it is still open."
    if count:
        return f"We can't say yet: {count} metrics that could decide it are still open."
    return "We can't say yet: one of them lacks values that count."


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
    if metric is CONNECTION_RATE:
        return "connecting", f"lets in {more(factor, 'clients per second')}"
    if metric.unit in ("% of a core", "µs"):
        return "cpu", f"needs {less(factor, 'CPU')}"
    if metric.family is not None and metric.family.slug == "back":
        return "back", f"has clients back in {less(factor, 'time')}"
    if metric.unit in ("ms", "s"):
        return "delay", f"has {shorter(factor, 'delays')}"
    if metric.unit in ("MB", "kB"):
        return "memory", f"needs {less(factor, 'memory')}"
    if metric.direction == "higher":
        return "capacity", f"handles {more(factor, 'messages')}"
    return metric.key, f"has {less(factor, plain(metric.title))}"
