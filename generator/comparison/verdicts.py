"""Verdicts: computed from tables by a rule that the pages state in full."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from generator.comparison.metrics import Metric
from generator.comparison.tables import Comparison, Row, Table
from generator.statistics import Ratio, differing, paired_ratio

Outcome = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True)
class Dimension:
    """One of the four sides a framework is judged on."""

    slug: str
    title: str
    question: str
    is_measured: bool
    will_measure: str = ""
    """What a verdict will rest on, where there is none yet."""


DIMENSIONS = (
    Dimension(
        "ease-of-use",
        "Ease of use",
        "How much must be written, learned and installed before the first message arrives?",
        is_measured=False,
        will_measure="statements and files of the same app, names and concepts taken from the framework,"
        " size of its dependencies, and seconds from an empty folder to the first message",
    ),
    Dimension(
        "architecture",
        "Architecture",
        "What does it do when one process, one transport or one slow client is not enough?",
        is_measured=False,
        will_measure="transports a probe connected with, plain-WebSocket clients served or not, delivery"
        " across processes, backpressure, memory per connection, and what else must run in production",
    ),
    Dimension(
        "performance",
        "Performance",
        "How much does it carry, how long do clients wait, and what does that cost?",
        is_measured=True,
    ),
    Dimension(
        "development-experience",
        "Development experience",
        "How well does it support testing, typing, reloading and finding an error?",
        is_measured=False,
        will_measure="the framework's own test tool on the same app, strict typing errors, cold start and"
        " reload time, what a handler that raises does, and the age and licence of its latest release",
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
    outcome: Literal["better", "worse", "same", "mixed", "unknown"]

    @property
    def winner(self) -> str | None:
        return {"better": self.first, "worse": self.second}.get(self.outcome)


@dataclass(frozen=True)
class Leader:
    """Who is best in one deciding figure: the best row and those tied with it."""

    table: Table
    metric: Metric
    rows: tuple[Row, ...]


def pair_verdict(comparison: Comparison, first: str, second: str) -> PairVerdict:
    """Compare two frameworks on every deciding figure, Holm-corrected over these figures."""
    matches = [
        (table, metric, _best(table, metric, first), _best(table, metric, second))
        for table in comparison.tables
        for metric in table.deciding
    ]
    ratios = {
        index: paired_ratio(a.figures[metric.key].rounds, b.figures[metric.key].rounds)
        for index, (_, metric, a, b) in enumerate(matches)
        if a is not None and b is not None
    }
    apart = differing(ratios)
    decisions = tuple(
        Decision(
            table,
            metric,
            a,
            b,
            ratios.get(index),
            _outcome(table, metric, first, second, ratios.get(index), index in apart),
        )
        for index, (table, metric, a, b) in enumerate(matches)
    )
    seen = {decision.outcome for decision in decisions}
    if {"better", "worse"} <= seen:
        return PairVerdict(first, second, decisions, "mixed")
    for outcome in ("better", "worse", "same"):
        if outcome in seen:
            return PairVerdict(first, second, decisions, outcome)
    return PairVerdict(first, second, decisions, "unknown")


def leaders(comparison: Comparison, competing: Collection[str]) -> tuple[Leader, ...]:
    """Per deciding figure the best variant of the competing frameworks, and every variant tied with it."""
    found = []
    for whole in comparison.tables:
        table = whole.only(competing)
        for metric in table.deciding:
            rows = [row for row in table.valid_rows if 0 in row.figures[metric.key].groups]
            rows = rows or _only_contender(table)
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


def _best(table: Table, metric: Metric, framework: str) -> Row | None:
    rows = [row for row in table.valid_rows if row.framework.slug == framework and metric.key in row.figures]
    sign = -1 if metric.better == "higher" else 1
    return min(rows, key=lambda row: sign * row.figures[metric.key].summary.mean, default=None)


def _outcome(table: Table, metric: Metric, first: str, second: str, ratio: Ratio | None, differs: bool) -> Outcome:
    if ratio is None:
        if _failed(table, first) and _best(table, metric, second) is not None:
            return "worse"
        if _failed(table, second) and _best(table, metric, first) is not None:
            return "better"
        return "unknown"
    if ratio.interval is None:
        return "unknown"
    if not differs:
        return "same"
    return "better" if metric.is_better(ratio.value, 1.0) else "worse"


def _failed(table: Table, framework: str) -> bool:
    """Every variant failed in every round: a result, unlike an invalid measurement, which is none."""
    rows = [row for row in table.rows if row.framework.slug == framework]
    return bool(rows) and all(row.status == "failed" for row in rows)


def _only_contender(table: Table) -> list[Row]:
    rows = [row for row in table.valid_rows if not row.framework.is_reference]
    return rows if len(rows) == 1 else []
