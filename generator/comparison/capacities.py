"""One table per capacity search: the bracket of each variant, its rank, and the reasons for missing values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from generator.comparison.metrics import COST_MARGIN
from generator.comparison.pair_judging import Outcome
from generator.comparison.tables import Row, fullest, rows_of
from generator.dataset import Parameters, Run
from generator.statistics import Interval, RankRange, bracket_rank_ranges
from generator.statistics.ratio_of_intervals import ratio_interval
from runners.record import Capacity, CapacityProbe, WorkloadFacts, estimate_over_searches, tries_at

P99_LIMITS_MS = (100.0, 20.0)
"""What people notice, and the strict line. Every attempt of a search shows whether it passes at either."""

EQUAL_FACTOR = COST_MARGIN
"""Two capacities are practically equal if their ratio is surely nearer to 1: the margin of throughput."""

MIN_SEARCHES = 2
"""Searches below which a capacity decides nothing. If a machine wobbles by 10 % from search to search, the 95 %
interval of a single one holds the truth in 72 of 100 simulations."""


@dataclass(frozen=True)
class Bracket:
    """The loads between which a capacity lies, from all searches of one cell.

    The attempts of all searches are evaluated together (`estimate_over_searches`), also those of inconclusive searches.
    It is conclusive if both ends are shown and any search was. Of searches for two ends (`record.Capacity`) it spans
    from the lowest to the highest end that any found. An end of an inconclusive bracket is valid too: at least ``low``,
    below ``high``.
    """

    low: int | None
    high: int | None
    conclusive: bool
    typical: int | None = None
    """The load that is sustained in 50 % of attempts."""
    searches: int = 1
    """The searches with attempts that show something.

    One alone decides nothing: what slows a machine for minutes is in all of its attempts.
    """

    @property
    def has_an_end(self) -> bool:
        return self.low is not None or self.high is not None

    def is_above(self, other: Bracket) -> bool:
        """Whether the low end is at least the other's high end. Overlapping brackets are not above each other."""
        return self.low is not None and other.high is not None and self.low >= other.high

    def against(self, other: Bracket) -> Outcome:
        """The outcome for this bracket.

        ``same``: the interval of their ratio lies within `EQUAL_FACTOR`. That they overlap shows no equality: two
        intervals of a factor of 1.5 overlap although one capacity may be 1.4 times the other. ``unknown``: neither is
        shown, or one has fewer than `MIN_SEARCHES` searches.
        """
        if min(self.searches, other.searches) < MIN_SEARCHES:
            return "unknown"
        if self.is_above(other):
            return "better"
        if other.is_above(self):
            return "worse"
        ratio = self.times(other)
        is_same = ratio is not None and ratio.low > 1 / EQUAL_FACTOR and ratio.high < EQUAL_FACTOR
        return "same" if is_same else "unknown"

    @property
    def middle(self) -> float | None:
        """The load that is sustained in 50 % of attempts; of searches for two ends, their geometric mean."""
        if self.low is None or self.high is None:
            return None
        return float(self.typical or math.sqrt(self.low * self.high))

    def times(self, other: Bracket) -> Interval | None:
        """The interval of this capacity in multiples of the other; ``None`` without both ends of both."""
        spans = [(one.low, one.middle, one.high) for one in (self, other)]
        if not (self.conclusive and other.conclusive) or any(not end for span in spans for end in span):
            return None
        first, second = ((float(low or 0), middle or 0.0, float(high or 0)) for low, middle, high in spans)
        return ratio_interval(first, second)

    @property
    def interval(self) -> Interval:
        """The bracket as an interval; a missing end becomes 0 or infinity."""
        return Interval(self.low or 0, math.inf if self.high is None else self.high)


@dataclass(frozen=True)
class CapacityRow(Row):
    """A row with its bracket, which is ``None`` if every search failed.

    ``status``: as in `Row`; ``invalid`` means that no search was conclusive.
    """

    bracket: Bracket | None = None
    rank: RankRange | None = None
    """Rank range among the brackets of the table, without the reference."""
    server_cpu_percent: float | None = None
    """CPU use in percent of one core: the mean over the attempts from the low to the high end."""
    broken: str | None = None
    """The limit exceeded by the failed attempt with the lowest load at or above the low end."""
    at: Mapping[float, Bracket] = field(default_factory=dict)
    """The brackets at all limits of the p99 in `P99_LIMITS_MS` for which the attempts show an end."""


@dataclass(frozen=True)
class CapacityTable:
    """All variants of one search in one run: the reference first, then by capacity, descending."""

    run: Run
    workload: WorkloadFacts
    parameters: Parameters
    rows: tuple[CapacityRow, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that the searches are from, as in `Table`."""
        return (self.run,)

    @property
    def slug(self) -> str:
        """Anchor of the table on a page. The schema restricts the names of searches."""
        return f"{self.workload.slug}-{self.parameters['search']}".lower().replace("_", "-").replace(".", "-")

    @property
    def is_of_ends(self) -> bool:
        """Whether the searches looked for two ends, as in older results."""
        return any(one.confirmations for row in self.rows for one in _searches(row))

    @property
    def other_limits_ms(self) -> tuple[float, ...]:
        """The limits of the p99 besides the table's own for which a row has a bracket."""
        own = self.parameters["p99_limit_ms"]
        return tuple(one for one in P99_LIMITS_MS if one != own and any(one in row.at for row in self.rows))

    @property
    def unit(self) -> str:
        """The unit in the plural."""
        return "users" if self.parameters["search"] == "users" else "messages/s"

    @property
    def bracketed_rows(self) -> tuple[CapacityRow, ...]:
        """Rows with at least one known end."""
        return tuple(row for row in self.rows if row.bracket is not None and row.bracket.has_an_end)

    @property
    def valid_rows(self) -> tuple[CapacityRow, ...]:
        return tuple(row for row in self.rows if row.status == "valid")

    def only(self, frameworks: Iterable[str]) -> CapacityTable:
        """The table with only the rows of these frameworks, ranked anew."""
        kept = set(frameworks)
        return _table(
            self.run, self.workload, self.parameters, [row for row in self.rows if row.framework.slug in kept]
        )


@dataclass(frozen=True)
class CapacityDecision:
    """One search of two frameworks, each by its highest variant.

    ``outcome``: that of the first, see `Bracket.against`.
    """

    table: CapacityTable
    first: CapacityRow | None
    second: CapacityRow | None
    outcome: Outcome

    @property
    def overlap(self) -> bool:
        """Whether both brackets rest on enough searches and overlap."""
        brackets = [row.bracket for row in (self.first, self.second) if row is not None and row.bracket is not None]
        if len(brackets) < 2 or min(one.searches for one in brackets) < MIN_SEARCHES:
            return False
        first, second = brackets
        return first.conclusive and second.conclusive and not (first.is_above(second) or second.is_above(first))


def capacity_tables(runs: Sequence[Run]) -> tuple[CapacityTable, ...]:
    """The tables of all searches; tables are chosen from ``runs`` as in `compare_runs`."""
    return tuple(fullest(runs, _tables_of))


def _tables_of(run: Run) -> Iterator[CapacityTable]:
    planned = {workload.slug: workload for workload in run.document.workloads}
    found: dict[tuple[str, tuple[tuple[str, object], ...]], list[CapacityRow]] = {}
    for row in rows_of(run, searched=True):
        cell = (row.cell.workload, tuple(row.cell.parameters.items()))
        found.setdefault(cell, []).append(_row(row))
    for (slug, _), rows in found.items():
        yield _table(run, planned[slug], rows[0].cell.parameters, rows)


def decide_capacity(table: CapacityTable, first: str, second: str) -> CapacityDecision:
    """Compare the capacities of two frameworks by their brackets."""
    a, b = _best(table, first), _best(table, second)
    return CapacityDecision(table, a, b, _outcome(a, b))


def _searches(row: Row) -> list[Capacity]:
    return [one.capacity for one in row.cell.measurements if one.capacity is not None]


def _row(row: Row) -> CapacityRow:
    searches = _searches(row)
    conclusive = [one for one in searches if one.conclusive] or searches
    counting = conclusive if any(one.confirmations for one in searches) else searches
    bracket = _bracket(counting)
    attempts = [(probe, one) for one in conclusive for probe in one.probes if probe.valid]
    # The CPU at the capacity of each search, whose own interval is narrower than that of all.
    cpus = [
        probe.server_cpu_percent
        for probe, one in attempts
        if (one.low or 0) <= probe.load <= (one.high or math.inf) and probe.server_cpu_percent is not None
    ]
    low = (bracket.low or 0) if bracket else 0
    attempts = [(probe, one) for probe, one in attempts if probe.load >= low]
    failed = [_broken(probe, one) for probe, one in sorted(attempts, key=lambda pair: pair[0].load) if not probe.passed]
    return CapacityRow(
        **vars(row),
        bracket=bracket,
        at=_brackets(counting),
        server_cpu_percent=math.fsum(cpus) / len(cpus) if cpus else None,
        broken=failed[0] if failed else None,
    )


def _bracket(searches: Sequence[Capacity]) -> Bracket | None:
    if not searches:
        return None
    if not any(one.confirmations for one in searches):
        # Also those that end at the limit of the load generator, or wide: without them the fastest would seem slower.
        return _bracket_at(searches, searches[0].p99_limit_ms, conclusive=any(one.conclusive for one in searches))
    conclusive = all(one.conclusive for one in searches)
    if len(searches) == 1:
        (only,) = searches
        return Bracket(only.low, only.high, conclusive, only.typical, searches=1)
    lows = [one.low for one in searches if one.low is not None]
    highs = [one.high for one in searches if one.high is not None]
    return Bracket(
        min(lows) if len(lows) == len(searches) else None,
        max(highs) if len(highs) == len(searches) else None,
        conclusive,
        searches=len(searches),
    )


def _bracket_at(searches: Sequence[Capacity], p99_limit_ms: float, *, conclusive: bool) -> Bracket:
    tries = [usable for one in searches if (usable := tries_at(one.probes, p99_limit_ms))]
    found = estimate_over_searches(tries)
    is_closed = found.low is not None and found.high is not None
    return Bracket(found.low, found.high, conclusive and is_closed, found.typical, searches=len(tries))


def _brackets(searches: Sequence[Capacity]) -> dict[float, Bracket]:
    """The brackets at each limit with an end. Searches that placed no attempts for a limit may show only one end."""
    if any(one.confirmations for one in searches):
        return {}
    found = {limit_ms: _bracket_at(searches, limit_ms, conclusive=True) for limit_ms in P99_LIMITS_MS}
    return {limit_ms: one for limit_ms, one in found.items() if one.has_an_end}


def _broken(probe: CapacityProbe, capacity: Capacity) -> str:
    if probe.lost:
        return f"{probe.lost:,} lost"
    if probe.errors and not probe.reasons:
        return f"{probe.errors:,} error{'s' if probe.errors > 1 else ''}"
    if probe.p99_ms is not None and probe.p99_ms >= capacity.p99_limit_ms:
        return f"p99 {probe.p99_ms:,.3g} ms"
    return "; ".join(probe.reasons)


def _table(run: Run, workload: WorkloadFacts, parameters: Parameters, rows: list[CapacityRow]) -> CapacityTable:
    """Order the rows, and rank those with a bracket except the reference."""
    ordered = sorted(rows, key=_highest_first)
    brackets = {
        row.key: row.bracket.interval
        for row in ordered
        if row.bracket is not None and row.bracket.has_an_end and not row.framework.is_reference
    }
    found = bracket_rank_ranges(brackets) if len(rows) > 1 else {}
    return CapacityTable(run, workload, parameters, tuple(replace(row, rank=found.get(row.key)) for row in ordered))


def _highest_first(row: CapacityRow) -> tuple[object, ...]:
    """Sort key: the reference first, then by capacity in descending order, unknown ones last."""
    bracket = row.bracket or Bracket(None, None, conclusive=False)
    return not row.framework.is_reference, row.status == "failed", -(bracket.low or 0), -(bracket.high or 0), row.key


def _best(table: CapacityTable, framework: str) -> CapacityRow | None:
    return next((row for row in table.bracketed_rows if row.framework.slug == framework), None)


def _outcome(first: CapacityRow | None, second: CapacityRow | None) -> Outcome:
    if first is None or second is None or first.bracket is None or second.bracket is None:
        return "unknown"
    return first.bracket.against(second.bracket)
