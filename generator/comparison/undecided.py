"""What further rounds of a run would decide, from the tables and outcomes that the pages show.

A run compares the headline variants. A comparison of two of them in a deciding metric is *decided* if it differs or is
practically equal. Others are worth further rounds if these will more likely than not decide them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from generator.comparison.capacities import MIN_SEARCHES, CapacityRow, CapacityTable, capacity_tables
from generator.comparison.metrics import Metric
from generator.comparison.pair_judging import Judged, MetricComparison
from generator.comparison.tables import Row, RowKey, Table, Value, compare_runs
from generator.dataset import Run
from generator.statistics import DECISION_LEVEL, MIN_ROUNDS, decision_chances, half_width, rounds_until
from runners.record import (
    MOST_SEARCHES,
    Advice,
    CellRecord,
    PartLook,
    Undecided,
    cell_key,
    compared_variants,
    scenario_of,
)

LEAST_CHANCE = 0.5
"""Chance that all possible further rounds decide a comparison, below which none is made for it. Then the noise is too
large for so few rounds, or it is that between runs, which no round of this run reduces."""


@dataclass
class _Found:
    """The counts of one table, and what is worth further rounds."""

    decided: int = 0
    deciding: int = 0
    short: int = 0
    wide: int = 0
    values: int = 0
    undecided: list[Undecided] = field(default_factory=list)

    def to_part(self) -> PartLook:
        return PartLook(
            decided=self.decided, deciding=self.deciding, short=self.short, wide=self.wide, values=self.values
        )


def advise(run: Run, others: Sequence[Run] = (), *, most: int) -> Advice:
    """What is decided in a run, and what further rounds of it would decide.

    ``others``: runs of the same campaign. Those of the same machine class that are finished and measured the same
    variants under a scenario are its blocks, as on the pages. ``most``: the number of rounds that are still possible.
    """
    setups = {
        (item.document.framework.slug, slug)
        for item in run.frameworks
        for slug in compared_variants(item.document.variants)
    }
    own = {table.slug: table for table in compare_runs([run], ranked=False).tables}
    blocks = [block for other in others if (block := _block(run, other)) is not None]
    tables = compare_runs([run, *blocks], ranked=False).tables if blocks else tuple(own.values())
    scenarios: dict[str, PartLook] = {}
    undecided: list[Undecided] = []
    for table in tables:
        if table.slug not in own:  # of a block alone
            continue
        found = _in_table(table, own[table.slug], setups, most)
        scenarios[_scenario(table.rows)] = found.to_part()
        undecided += found.undecided
    for searched in capacity_tables([run]):
        found = _in_searches(searched, setups, most)
        scenarios[_scenario(searched.rows)] = found.to_part()
        undecided += found.undecided
    return Advice(scenarios, tuple(undecided))


def _block(run: Run, other: Run) -> Run | None:
    """What another run measured exactly like this one; ``None`` if that is nothing."""
    if other.document.finished is None or other.machine_class != run.machine_class:
        return None
    own, its = _variants(run), _variants(other)
    part = other.only({scenario for scenario, keys in its.items() if own.get(scenario) == keys})
    return part if part.document.cells else None


def _variants(run: Run) -> dict[str, set[str]]:
    """The keys of the planned cells by scenario."""
    found: dict[str, set[str]] = {}
    for key in run.document.cells:
        found.setdefault(scenario_of(key), set()).add(key)
    return found


def _scenario(rows: Sequence[Row]) -> str:
    return scenario_of(_key(rows[0].key, rows[0].cell))


def _key(row: RowKey, cell: CellRecord) -> str:
    return cell_key(*row, cell.workload, cell.parameters)


# Tables


def _in_table(table: Table, own: Table, setups: Collection[RowKey], most: int) -> _Found:
    """``own``: the table of the run without its blocks. ``setups``: the compared variants."""
    narrowed = table.of_setups(setups)
    contenders = [row for row in narrowed.valid_rows if not row.framework.is_reference]
    found = _Found()
    for metric in narrowed.deciding:
        level = _certain_level(table.compared.of(metric))
        for first, second in combinations(contenders, 2):
            judged = narrowed.judged(metric, first, second)
            if judged.reason == "disturbed":
                continue
            found.deciding += 1
            if judged.outcome != "unknown":
                found.decided += 1
            elif judged.reason != "not enough data":  # else its rows are short
                found.undecided += _chances(metric, judged, (first, second), table, own, level, most)
    pairs = len(narrowed.deciding) * max(len(contenders) - 1, 0)
    compared = {row.key for row in narrowed.rows}
    for row in table.rows:
        if row.valid_rounds < MIN_ROUNDS:
            found.short += 1
            missing = _rounds_until(MIN_ROUNDS, row.valid_rounds, row.rounds)
            found.undecided += _short(row, missing, most, pairs if row.key in compared else 0)
    for row in contenders:
        for metric in narrowed.deciding:
            value = row.values.get(metric.key)
            if value is None or metric.target is None or not value.is_enough:
                continue
            found.values += 1
            if _is_wide(metric, value):
                found.wide += 1
                # Of blocks the repeats are runs, which further rounds of this one do not add to.
                further = None if table.blocks else rounds_until(value.estimate, math.log(metric.target), most)
                if further is not None:
                    found.undecided.append(Undecided((_key(row.key, row.cell),), "wide", further, 1.0))
    return found


def _certain_level(compared: MetricComparison[RowKey]) -> float:
    """The p-value that would make one pair more certain, in a table with as many certain pairs as now.

    By the correction of Benjamini and Hochberg (`generator.statistics.false_discovery_adjusted`).
    """
    outcomes = [compared.judged(*pair) for pair in combinations(compared.contenders, 2)]
    certain = sum(judged.direction is not None for judged in outcomes)
    return DECISION_LEVEL * min(1.0, (certain + 1) / max(len(outcomes), 1))


def _chances(
    metric: Metric, judged: Judged, rows: tuple[Row, Row], table: Table, own: Table, level: float, most: int
) -> list[Undecided]:
    """The further rounds that decide a pair soonest, if they will more likely than not."""
    contrast, keys = judged.contrast, (rows[0].key, rows[1].key)
    within = own.compared.of(metric).model.contrast(*keys)
    means = [table.compared.of(metric).model.mean(key) for key in keys]
    if contrast is None or contrast.error is None or within is None or within.error is None or None in means:
        return []
    # What rounds of this run can reduce: all but the variance between runs, and of blocks the part of this one.
    reducible = max(within.error**2 - 2 * metric.between_runs**2, 0.0) / max(len(table.blocks), 1) ** 2
    first_mean, second_mean = (mean or 0.0 for mean in means)
    chances = decision_chances(
        contrast,
        metric.width(first_mean, second_mean),
        most,
        level=level,
        rounds=within.rounds,
        fixed=max(contrast.error**2 - reducible, 0.0),
    )
    cells = tuple(_key(row.key, row.cell) for row in rows)
    ways = []
    if len(chances) and chances[-1] >= LEAST_CHANCE:
        per_round = [chance / further for further, chance in enumerate(chances, start=1)]
        best = max(range(len(chances)), key=per_round.__getitem__)
        ways.append(Undecided(cells, "inconclusive", best + 1, float(chances[best])))
    if not table.blocks and (further := _rounds_to_floor(metric, rows, most)) is not None:
        ways.append(Undecided(cells, "inconclusive", further, 1.0))
    return sorted(ways, key=lambda one: one.gain)[-1:]


def _rounds_to_floor(metric: Metric, rows: Iterable[Row], most: int) -> int | None:
    """The further rounds until the intervals of these values end below the floor, where nobody notices a difference;
    ``None`` if that needs more than ``most``.
    """
    needed = []
    for row in rows:
        estimate = row.values[metric.key].estimate
        if not 0 < estimate.mean < metric.floor:
            return None
        needed.append(rounds_until(estimate, math.log(metric.floor / estimate.mean), most))
    known = [further for further in needed if further is not None]
    return max(known) if len(known) == len(needed) else None


def _rounds_until(least: int, counting: int, measured: int) -> int:
    """The further rounds until ``least`` of them count, of which ``counting`` of ``measured`` do.

    Laplace's rule of succession: of the further ones (counting + 1) / (measured + 2) count. So it takes many if none
    did.
    """
    return math.ceil((least - counting) * (measured + 2) / (counting + 1))


def _short(row: Row, further: int, most: int, pairs: int) -> list[Undecided]:
    """The further rounds until a row is complete, if so many are possible. ``pairs``: the comparisons it prevents."""
    if further > most:
        return []
    return [Undecided((_key(row.key, row.cell),), "short", further, float(max(pairs, 1)))]


def _is_wide(metric: Metric, value: Value) -> bool:
    """Whether the interval is wider than the target, and not all of it is so low that nobody notices."""
    interval = value.estimate.interval
    if metric.target is None or (interval is not None and interval.high < metric.floor):
        return False
    return half_width(value.estimate) > math.log(metric.target)


# Searches


def _in_searches(table: CapacityTable, setups: Collection[RowKey], most: int) -> _Found:
    found = _Found()
    contenders = [row for row in table.bracketed_rows if row.key in setups and not row.framework.is_reference]
    for first, second in combinations(contenders, 2):
        found.deciding += 1
        if _outcome_is_known(first, second):
            found.decided += 1
        elif (further := searches_apart(first, second)) is not None and further <= most:
            cells = (_key(first.key, first.cell), _key(second.key, second.cell))
            found.undecided.append(Undecided(cells, "inconclusive", further, 1.0))
    for row in table.rows:
        searches = row.bracket.searches if row.bracket is not None else 0
        if searches < MIN_SEARCHES:
            found.short += 1
            pairs = sum(not _outcome_is_known(row, other) for other in _others(row, contenders))
            further = _rounds_until(MIN_SEARCHES, searches, row.rounds)
            found.undecided += _short(row, further, min(most, MOST_SEARCHES - row.rounds), pairs)
    return found


def searches_apart(first: CapacityRow, second: CapacityRow) -> int | None:
    """The further searches of both after which their brackets probably no longer overlap; ``None`` if these would be
    more than `MOST_SEARCHES` in all.

    A bracket around the same middle narrows like an interval of a mean, with the square root of the searches.
    """
    lower, upper = sorted((first, second), key=lambda row: (row.bracket and row.bracket.middle) or 0.0)
    if lower.bracket is None or upper.bracket is None:
        return None
    below, above = lower.bracket, upper.bracket
    searches = min(below.searches, above.searches)
    if searches < MIN_SEARCHES or not (below.middle and below.high and above.middle and above.low):
        return None
    apart = math.log(above.middle / below.middle)
    reach = math.log(below.high / below.middle) + math.log(above.middle / above.low)
    needed = searches * (reach / apart) ** 2 if apart > 0 else math.inf
    measured = max(first.rounds, second.rounds)
    return max(1, math.ceil(needed) - searches) if needed <= MOST_SEARCHES - (measured - searches) else None


def _others(row: CapacityRow, contenders: Iterable[CapacityRow]) -> Iterator[CapacityRow]:
    return (other for other in contenders if other.key != row.key)


def _outcome_is_known(first: CapacityRow, second: CapacityRow) -> bool:
    return (
        first.bracket is not None and second.bracket is not None and first.bracket.against(second.bracket) != "unknown"
    )
