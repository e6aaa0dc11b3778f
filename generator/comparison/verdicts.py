"""Computes verdicts from tables by one rule, which the pages describe in full."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from generator.comparison.metrics import Metric
from generator.comparison.tables import Row, Table, Value
from generator.statistics import Ratio, differing, paired_ratio

Outcome = Literal["better", "worse", "same", "unknown"]
PairOutcome = Literal["better", "worse", "same", "mixed", "unknown"]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Dimension:
    """One of the four dimensions that a framework is judged by."""

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
    """One deciding metric of two frameworks, each by its best variant. ``outcome``: that of the first."""

    table: Table
    metric: Metric
    first: Row | None
    second: Row | None
    ratio: Ratio | None
    outcome: Outcome


@dataclass(frozen=True)
class PairVerdict:
    """The performance verdict on two frameworks, from the side of the first.

    ``better`` or ``worse``: in at least one deciding metric, and the opposite in none. ``mixed``: each is better in
    some metric. ``same``: not distinguishable in any metric. ``unknown``: no metric has values of both.
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
    """The leaders in one deciding metric: the best row, and all rows that no other surely beats."""

    table: Table
    metric: Metric
    rows: tuple[Row, ...]


def pair_verdict(tables: Iterable[Table], first: str, second: str) -> PairVerdict:
    """Compare two frameworks in every deciding metric of these tables, corrected for the number of comparisons."""
    matches = [
        (table, metric, _best(table, metric, first), _best(table, metric, second))
        for table in tables
        for metric in table.deciding
    ]
    ratios = {
        index: paired_ratio(a.values[metric.key].rounds, b.values[metric.key].rounds)
        for index, (_, metric, a, b) in enumerate(matches)
        if a is not None and b is not None
    }
    outcomes = judge_ratios({index: (matches[index][1], ratio) for index, ratio in ratios.items()})
    decisions = tuple(
        Decision(
            table,
            metric,
            a,
            b,
            ratios.get(index),
            "same" if _is_negligible(metric, a, b) else outcomes.get(index) or _unpaired(table, metric, first, second),
        )
        for index, (table, metric, a, b) in enumerate(matches)
    )
    return PairVerdict(first, second, decisions, overall(decision.outcome for decision in decisions))


def judge_ratios(compared: Mapping[Key, tuple[Metric, Ratio | None]]) -> dict[Key, Outcome]:
    """The outcome of the first side for each ratio, by one rule over all ratios together (`differing`).

    A ratio of a single round has no interval, so its outcome is ``unknown``.
    """
    distinguishable = differing(
        {key: ratio for key, (_, ratio) in compared.items()}, lambda key: compared[key][0].margin
    )
    return {
        key: _outcome(metric, ratio, key in distinguishable)
        for key, (metric, ratio) in compared.items()
        if ratio is not None
    }


def overall(outcomes: Iterable[Outcome]) -> PairOutcome:
    """The verdict on a pair from its outcomes in single metrics; see `PairVerdict`."""
    seen = set(outcomes)
    if {"better", "worse"} <= seen:
        return "mixed"
    decided: tuple[Outcome, ...] = ("better", "worse", "same")
    return next((outcome for outcome in decided if outcome in seen), "unknown")


def leaders(tables: Iterable[Table], competing: Collection[str]) -> tuple[Leader, ...]:
    """Per deciding metric the best variant of the competing frameworks, and all others that none surely beats.

    A value of a single round is not distinguishable from any other, so it does not lead if there are others.
    """
    found = []
    for whole in tables:
        table = whole.only(competing)
        for metric in table.deciding:
            rows = [row for row in table.valid_rows if _leads(row.values[metric.key])]
            rows = [row for row in rows if row.values[metric.key].estimate.rounds > 1] or rows or _only_contender(table)
            rows.sort(key=lambda row: metric.best_first(row.values[metric.key].estimate.mean))
            if rows:
                found.append(Leader(table, metric, tuple(rows)))
    return tuple(found)


def undominated(verdicts: Iterable[PairVerdict]) -> tuple[str, ...]:
    """Slugs of the frameworks that lose no pair, if at least one of their pairs has a verdict."""
    judged: set[str] = set()
    beaten: set[str] = set()
    for verdict in verdicts:
        if verdict.outcome != "unknown":
            judged |= {verdict.first, verdict.second}
        if verdict.winner is not None:
            beaten.add(verdict.second if verdict.winner == verdict.first else verdict.first)
    return tuple(sorted(judged - beaten))


def _leads(value: Value) -> bool:
    return value.rank is not None and value.rank.first == 1


def _best(table: Table, metric: Metric, framework: str) -> Row | None:
    rows = [row for row in table.valid_rows if row.framework.slug == framework and metric.key in row.values]
    return min(rows, key=lambda row: metric.best_first(row.values[metric.key].estimate.mean), default=None)


def _outcome(metric: Metric, ratio: Ratio, differs: bool) -> Outcome:
    if ratio.interval is None:
        return "unknown"
    if not differs:
        return "same"
    return "better" if metric.is_better(ratio.value, 1.0) else "worse"


def _is_negligible(metric: Metric, first: Row | None, second: Row | None) -> bool:
    """Whether the values of both rows are below the metric's floor."""
    means = [row.values[metric.key].estimate.mean for row in (first, second) if row is not None]
    return len(means) == 2 and metric.is_negligible(*means)


def _unpaired(table: Table, metric: Metric, first: str, second: str) -> Outcome:
    """The outcome without paired rounds: a failed side loses to one with values; otherwise ``unknown``."""
    if _failed(table, first) and _best(table, metric, second) is not None:
        return "worse"
    if _failed(table, second) and _best(table, metric, first) is not None:
        return "better"
    return "unknown"


def _failed(table: Table, framework: str) -> bool:
    """Whether every variant failed in every round. A failure is a result; an invalid measurement is not."""
    rows = [row for row in table.rows if row.framework.slug == framework]
    return bool(rows) and all(row.status == "failed" for row in rows)


def _only_contender(table: Table) -> list[Row]:
    rows = [row for row in table.valid_rows if not row.framework.is_reference]
    return rows if len(rows) == 1 else []
