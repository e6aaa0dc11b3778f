"""Compares two runs: what got better or worse from the first to the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator.comparison.capacities import Bracket, capacity_tables
from generator.comparison.metrics import ALWAYS_COMPARED, Metric
from generator.comparison.tables import Comparison, Row, Table, Value, compare_runs
from generator.comparison.verdicts import Outcome, judge_ratios
from generator.dataset import Parameters, Run
from generator.statistics import Ratio, unpaired_ratio


@dataclass(frozen=True)
class Change:
    """One metric of one cell in both runs. ``ratio``: the second run over the first.

    ``verdict``: that of the second run. ``relative``: both values are ratios to the reference of the same round,
    which removes the effect of a machine that was faster on one of the days.
    """

    framework: str
    variant: str
    workload: str
    parameters: Parameters
    metric: Metric
    ratio: Ratio | None
    relative: bool
    verdict: Outcome


@dataclass(frozen=True)
class CapacityChange:
    """One search of one variant in both runs; ``verdict`` is that of the second (`Bracket.against`)."""

    framework: str
    variant: str
    workload: str
    search: str
    unit: str
    """The unit in the plural."""
    before: Bracket
    after: Bracket

    @property
    def verdict(self) -> Outcome:
        return self.after.against(self.before)


def incomparable_reasons(base: Run, head: Run) -> list[str]:
    """The reasons why two runs cannot be compared; empty if they can."""
    reasons = []
    for name in ("cpu_model", "logical_cpus", "architecture", "kernel"):
        first, second = (getattr(run.document.machine, name) for run in (base, head))
        if first != second:
            reasons.append(f"machine.{name} differs: {first} and {second}")
    versions = [{workload.slug: workload.version for workload in run.document.workloads} for run in (base, head)]
    reasons += [
        f"workload {slug} has another version: {version} and {versions[1][slug]}"
        for slug, version in versions[0].items()
        if versions[1].get(slug, version) != version
    ]
    if base.document.pinning != head.document.pinning:
        reasons.append("pinning differs: server or load generator ran on other CPUs")
    return reasons


def compare_cells(base: Run, head: Run) -> tuple[Change, ...]:
    """Changes in the deciding and the always compared metrics of the cells that both runs have.

    A change is ``better`` or ``worse`` by the rule that also decides between frameworks, over all values compared. It
    is ``unknown`` if one run has fewer than two valid rounds.
    """
    first, second = compare_runs([base]), compare_runs([head])
    pairs = [
        (table, metric, row, other, *_series(metric, table, row, partner, other))
        for table in first.tables
        if (partner := _counterpart(second, table)) is not None
        for row in table.rows
        if (other := _same(partner, row)) is not None
        for metric in _metrics(table)
    ]
    ratios = {
        index: unpaired_ratio(after, before) if before and after else None
        for index, (_, _, _, _, before, after, _) in enumerate(pairs)
    }
    outcomes = judge_ratios({index: (pairs[index][1], ratio) for index, ratio in ratios.items()})
    return tuple(
        Change(
            framework=row.framework.slug,
            variant=row.variant.slug,
            workload=table.workload.slug,
            parameters=table.parameters,
            metric=metric,
            ratio=ratios[index],
            relative=relative,
            verdict=outcomes.get(index, "unknown"),
        )
        for index, (table, metric, row, _, _, _, relative) in enumerate(pairs)
    )


def compare_capacities(base: Run, head: Run) -> tuple[CapacityChange, ...]:
    """Changes in all searches that found an end for a variant in both runs."""
    earlier = {
        (table.slug, row.key): row.bracket
        for table in capacity_tables([base])
        for row in table.bracketed_rows
        if row.bracket
    }
    return tuple(
        CapacityChange(
            framework=row.framework.slug,
            variant=row.variant.slug,
            workload=table.workload.slug,
            search=str(table.parameters["search"]),
            unit=table.unit,
            before=earlier[table.slug, row.key],
            after=row.bracket,
        )
        for table in capacity_tables([head])
        for row in table.bracketed_rows
        if row.bracket and (table.slug, row.key) in earlier
    )


def _metrics(table: Table) -> Sequence[Metric]:
    return (*table.deciding, *(metric for metric in ALWAYS_COMPARED if metric not in table.deciding))


def _counterpart(comparison: Comparison, table: Table) -> Table | None:
    return next(
        (
            other
            for other in comparison.tables
            if (other.workload.slug, other.parameters) == (table.workload.slug, table.parameters)
        ),
        None,
    )


def _same(table: Table, row: Row) -> Row | None:
    return next((other for other in table.rows if other.key == row.key), None)


def _series(
    metric: Metric, table: Table, row: Row, partner: Table, other: Row
) -> tuple[list[float], list[float], bool]:
    """The values of both runs, and whether they are ratios to the reference, which both runs then have."""
    mine, theirs = _value(row, metric), _value(other, metric)
    if mine is None or theirs is None:
        return [], [], False
    references = (_reference(table, metric), _reference(partner, metric))
    if row.framework.is_reference or None in references:
        return list(mine.rounds.values()), list(theirs.rounds.values()), False
    before, after = (
        [own / reference.rounds[number] for number, own in value.rounds.items() if reference.rounds.get(number)]
        for value, reference in zip((mine, theirs), references, strict=True)
        if reference is not None
    )
    return before, after, True


def _reference(table: Table, metric: Metric) -> Value | None:
    reference = next((row for row in table.valid_rows if row.framework.is_reference), None)
    return None if reference is None else _value(reference, metric)


def _value(row: Row, metric: Metric) -> Value | None:
    return row.values.get(metric.key) if row.status == "valid" else None
