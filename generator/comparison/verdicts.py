"""Computes verdicts from tables by one rule, which the pages describe in full."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from generator.comparison.metrics import CPU, Metric
from generator.comparison.pair_judging import Direction, Judged, Outcome, Reason
from generator.comparison.tables import Row, Table, costs_with_broker
from generator.statistics import Contrast

PairOutcome = Literal["better", "worse", "same", "mixed", "unknown"]


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
    """One deciding metric of two frameworks, each by its best variant in the table.

    Conclusions narrow tables to headline variants before (`Conclusions.of_headlines`).
    ``outcome``, ``direction``, ``reason``: of the first, see `Judged`. ``ratio``: the first against the second. CPU is
    that of the server and its broker.
    """

    table: Table
    metric: Metric
    first: Row | None
    second: Row | None
    ratio: Contrast | None
    outcome: Outcome
    direction: Direction | None = None
    reason: Reason | None = None


@dataclass(frozen=True)
class PairVerdict:
    """The verdict on two frameworks from tables alone, from the side of the first; scores replace its ``outcome``
    (`Conclusions.pairs`).

    ``better`` or ``worse``: in at least one deciding metric, and the opposite in none. ``mixed``: each is better in
    some metric. ``same``: practically equal in every metric that has values of both. ``unknown``: everything else.
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
    """The leaders in one deciding metric: the best row, and all rows that no other surely beats.

    There are none if fewer than two rows have enough rounds.
    """

    table: Table
    metric: Metric
    rows: tuple[Row, ...]


def pair_verdict(tables: Iterable[Table], first: str, second: str) -> PairVerdict:
    """Compare two frameworks in every deciding metric of these tables, by the outcomes of the whole tables."""
    decisions = tuple(_decision(table, metric, first, second) for table in tables for metric in table.deciding)
    return PairVerdict(first, second, decisions, overall(decision.outcome for decision in decisions))


def overall(outcomes: Iterable[Outcome]) -> PairOutcome:
    """The verdict on a pair from its outcomes in single metrics; see `PairVerdict`."""
    seen = set(outcomes)
    if {"better", "worse"} <= seen:
        return "mixed"
    decided: tuple[Outcome, ...] = ("better", "worse", "unknown")
    return next((outcome for outcome in decided if outcome in seen), "same" if seen else "unknown")


def leaders(tables: Iterable[Table], competing: Collection[str]) -> tuple[Leader, ...]:
    """Per deciding metric the best variant of the competing frameworks, and all others that none surely beats."""
    found = []
    for whole in tables:
        table = whole.only(competing)
        for metric in table.deciding:
            rows = [row for row in table.valid_rows if _leads(row, metric)]
            rows.sort(key=lambda row: metric.best_first(row.values[metric.key].estimate.mean))
            found.append(Leader(table, metric, tuple(rows)))
    return tuple(found)


def _leads(row: Row, metric: Metric) -> bool:
    value = row.values.get(metric.key)
    return value is not None and value.rank is not None and value.rank.first == 1


def _decision(table: Table, metric: Metric, first: str, second: str) -> Decision:
    one, other = (_best(table, metric, framework) for framework in (first, second))
    if one is None or other is None:
        judged = _unpaired(table, metric, (first, one), (second, other))
    elif metric is CPU:  # a setup with a broker needs it
        judged = costs_with_broker(table).judged(one.key, other.key)
    else:
        judged = table.judged(metric, one, other)
    return Decision(table, metric, one, other, judged.contrast, judged.outcome, judged.direction, judged.reason)


def _best(table: Table, metric: Metric, framework: str) -> Row | None:
    """The best variant of those with enough rounds; of all, if none has."""
    rows = [row for row in table.valid_rows if row.framework.slug == framework and metric.key in row.values]
    return min(
        rows,
        key=lambda row: (not row.values[metric.key].is_enough, metric.best_first(row.values[metric.key].estimate.mean)),
        default=None,
    )


def _unpaired(table: Table, metric: Metric, first: tuple[str, Row | None], second: tuple[str, Row | None]) -> Judged:
    """The outcome if a side has no values: if it failed, it loses to one with enough of them."""
    sides: tuple[tuple[Direction, str, Row | None], ...] = (
        ("worse", first[0], second[1]),
        ("better", second[0], first[1]),
    )
    for outcome, framework, other in sides:
        if _failed(table, framework) and other is not None and other.values[metric.key].is_enough:
            return Judged(None, outcome, outcome)
    return Judged(None, "unknown", reason="not enough data")


def _failed(table: Table, framework: str) -> bool:
    """Whether every variant failed in every round. A failure is a result; an invalid measurement is not."""
    rows = [row for row in table.rows if row.framework.slug == framework]
    return bool(rows) and all(row.status == "failed" for row in rows)
