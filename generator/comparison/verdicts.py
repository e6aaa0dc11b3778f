"""Verdicts: computed from tables by a rule that the pages state in full."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from generator.comparison.metrics import Metric
from generator.comparison.tables import Figure, Row, Table
from generator.statistics import Ratio, differing, paired_ratio

Outcome = Literal["better", "worse", "same", "unknown"]
PairOutcome = Literal["better", "worse", "same", "mixed", "unknown"]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Dimension:
    """One of the four sides a framework is judged on."""

    slug: str
    title: str
    question: str


DIMENSIONS = (
    Dimension(
        "ease-of-use",
        "Ease of use",
        "How much must be written, learned and installed before the first message arrives?",
    ),
    Dimension(
        "architecture",
        "Architecture",
        "What is it made of, whom can it talk to, and what does it take to run it?",
    ),
    Dimension(
        "performance",
        "Performance",
        "How much does it carry, how long do clients wait, and what does that cost?",
    ),
    Dimension(
        "development-experience",
        "Development experience",
        "How well does it support testing, typing, reloading and finding an error?",
    ),
)


@dataclass(frozen=True)
class Decision:
    """One deciding figure of two frameworks, each by its best variant; ``outcome`` is the first's."""

    table: Table
    metric: Metric
    first: Row | None
    second: Row | None
    ratio: Ratio | None
    outcome: Outcome


@dataclass(frozen=True)
class PairVerdict:
    """The performance verdict on two frameworks, told from the first's side.

    ``better`` or ``worse``: so in at least one deciding figure and the opposite in none. ``mixed``: each
    is better somewhere. ``same``: no figure tells them apart. ``unknown``: no figure of both.
    """

    first: str
    second: str
    decisions: tuple[Decision, ...]
    outcome: PairOutcome

    @property
    def winner(self) -> str | None:
        return {"better": self.first, "worse": self.second}.get(self.outcome)


@dataclass(frozen=True)
class Leader:
    """Who is best in one deciding figure: the best row and those tied with it, since nobody surely beats them."""

    table: Table
    metric: Metric
    rows: tuple[Row, ...]


def pair_verdict(tables: Iterable[Table], first: str, second: str) -> PairVerdict:
    """Compare two frameworks on every deciding figure of these tables, corrected for being several."""
    matches = [
        (table, metric, _best(table, metric, first), _best(table, metric, second))
        for table in tables
        for metric in table.deciding
    ]
    ratios = {
        index: paired_ratio(a.figures[metric.key].rounds, b.figures[metric.key].rounds)
        for index, (_, metric, a, b) in enumerate(matches)
        if a is not None and b is not None
    }
    outcomes = judge({index: (matches[index][1], ratio) for index, ratio in ratios.items()})
    decisions = tuple(
        Decision(
            table,
            metric,
            a,
            b,
            ratios.get(index),
            outcomes.get(index) or _without_ratio(table, metric, first, second),
        )
        for index, (table, metric, a, b) in enumerate(matches)
    )
    return PairVerdict(first, second, decisions, overall(decision.outcome for decision in decisions))


def judge(figures: Mapping[Key, tuple[Metric, Ratio | None]]) -> dict[Key, Outcome]:
    """The first side's outcome in each figure that has a ratio, by the one rule for all of them together: `differing`.

    A ratio of a single round has no interval, so its outcome is ``unknown``.
    """
    apart = differing({key: ratio for key, (_, ratio) in figures.items()})
    return {key: _outcome(metric, ratio, key in apart) for key, (metric, ratio) in figures.items() if ratio is not None}


def overall(outcomes: Iterable[Outcome]) -> PairOutcome:
    """What the outcomes in single figures say of the pair; see `PairVerdict`."""
    seen = set(outcomes)
    if {"better", "worse"} <= seen:
        return "mixed"
    decided: tuple[Outcome, ...] = ("better", "worse", "same")
    return next((outcome for outcome in decided if outcome in seen), "unknown")


def leaders(tables: Iterable[Table], competing: Collection[str]) -> tuple[Leader, ...]:
    """Per deciding figure the best variant of the competing frameworks, and all others that nobody surely beats.

    A figure of a single round cannot be told from any other: it leads nothing where there are others.
    """
    found = []
    for whole in tables:
        table = whole.only(competing)
        for metric in table.deciding:
            rows = [row for row in table.valid_rows if _leads(row.figures[metric.key])]
            rows = [row for row in rows if row.figures[metric.key].summary.rounds > 1] or rows or _only_contender(table)
            rows.sort(key=lambda row: row.figures[metric.key].summary.mean, reverse=metric.better == "higher")
            if rows:
                found.append(Leader(table, metric, tuple(rows)))
    return tuple(found)


def undominated(verdicts: Iterable[PairVerdict]) -> tuple[str, ...]:
    """The frameworks that lose no pair although at least one pair could be judged, by slug."""
    judged: set[str] = set()
    beaten: set[str] = set()
    for verdict in verdicts:
        if verdict.outcome != "unknown":
            judged |= {verdict.first, verdict.second}
        if verdict.winner is not None:
            beaten.add(verdict.second if verdict.winner == verdict.first else verdict.first)
    return tuple(sorted(judged - beaten))


def _leads(figure: Figure) -> bool:
    return figure.place is not None and figure.place.first == 1


def _best(table: Table, metric: Metric, framework: str) -> Row | None:
    rows = [row for row in table.valid_rows if row.framework.slug == framework and metric.key in row.figures]
    sign = -1 if metric.better == "higher" else 1
    return min(rows, key=lambda row: sign * row.figures[metric.key].summary.mean, default=None)


def _outcome(metric: Metric, ratio: Ratio, differs: bool) -> Outcome:
    if ratio.interval is None:
        return "unknown"
    if not differs:
        return "same"
    return "better" if metric.is_better(ratio.value, 1.0) else "worse"


def _without_ratio(table: Table, metric: Metric, first: str, second: str) -> Outcome:
    """Nothing was paired: a side that failed loses to one with figures, else nobody can tell."""
    if _failed(table, first) and _best(table, metric, second) is not None:
        return "worse"
    if _failed(table, second) and _best(table, metric, first) is not None:
        return "better"
    return "unknown"


def _failed(table: Table, framework: str) -> bool:
    """Every variant failed in every round: a result, unlike an invalid measurement, which is none."""
    rows = [row for row in table.rows if row.framework.slug == framework]
    return bool(rows) and all(row.status == "failed" for row in rows)


def _only_contender(table: Table) -> list[Row]:
    rows = [row for row in table.valid_rows if not row.framework.is_reference]
    return rows if len(rows) == 1 else []
