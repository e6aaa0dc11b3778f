"""Compares two runs: what got better or worse from the first to the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator.comparison.capacities import Bracket, capacity_tables
from generator.comparison.deciding import needs_quiet
from generator.comparison.metrics import ALWAYS_COMPARED, Metric
from generator.comparison.pair_judging import ComparedValues, Direction, Outcome, Reason, highest_end, judge_all
from generator.comparison.tables import Comparison, Row, Table, Value, compare_runs
from generator.dataset import Parameters, Run
from generator.statistics import Contrast, latest, unpaired_contrast


@dataclass(frozen=True)
class Change:
    """One metric of one cell in both runs. ``ratio``: the second run against the first.

    ``verdict``: that of the second run. ``direction``: whether it is better or worse, if that is certain, even by less
    than the metric's margin. ``reason``: why the verdict is ``unknown``. ``relative``: both values are ratios to the
    reference of the same round, which removes the effect of a machine that was faster on one of the days.
    """

    framework: str
    variant: str
    workload: str
    parameters: Parameters
    metric: Metric
    ratio: Contrast | None
    relative: bool
    verdict: Outcome
    direction: Direction | None = None
    reason: Reason | None = None


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
    for name in ("cpu_model", "cpu_id", "logical_cpus", "architecture", "kernel"):
        first, second = (getattr(run.document.machine, name) for run in (base, head))
        if first and second and first != second:  # older results have no cpu_id
            reasons.append(f"machine.{name} differs: {first} and {second}")
    idle = [run.machine_class.hardware.idle_cpus for run in (base, head)]
    if idle[0] != idle[1]:
        reasons.append(f"idle CPUs were {idle[0]} and {idle[1]}")
    pythons = [run.usual.machine_class.python for run in (base, head)]
    if pythons[0] != pythons[1]:
        reasons.append(f"the servers ran on Python {pythons[0]} and {pythons[1]}")
    versions = [{workload.slug: workload.version for workload in run.document.workloads} for run in (base, head)]
    reasons += [
        f"workload {slug} has another version: {version} and {versions[1][slug]}"
        for slug, version in versions[0].items()
        if versions[1].get(slug, version) != version
    ]
    if base.machine_class.hardware.load_from != head.machine_class.hardware.load_from:
        reasons.append("the load came from other hosts")
    if base.document.pinning != head.document.pinning:
        reasons.append("pinning differs: server or load generator ran on other CPUs")
    return reasons


def compare_cells(base: Run, head: Run) -> tuple[Change, ...]:
    """Changes in the deciding and the always compared metrics of the cells that both runs have.

    The verdicts follow the rule that also decides between frameworks, over all values compared. A verdict is
    ``unknown`` if one run has too few valid rounds.
    """
    first, second = compare_runs([base], ranked=False), compare_runs([head], ranked=False)
    pairs = [
        (table, metric, row, compare_values(metric, row, other, *_references(metric, row, table, partner)))
        for table in first.tables
        if (partner := _counterpart(second, table)) is not None
        for row in table.rows
        if (other := _same(partner, row)) is not None
        for metric in _metrics(table)
    ]
    outcomes = judge_all({index: compared for index, (_, _, _, (compared, _)) in enumerate(pairs)})
    return tuple(
        Change(
            framework=row.framework.slug,
            variant=row.variant.slug,
            workload=table.workload.slug,
            parameters=table.parameters,
            metric=metric,
            ratio=compared.contrast,
            relative=relative,
            verdict=outcomes[index].outcome,
            direction=outcomes[index].direction,
            reason=outcomes[index].reason,
        )
        for index, (table, metric, row, (compared, relative)) in enumerate(pairs)
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


def compare_values(
    metric: Metric, before: Row, after: Row, reference_before: Row | None, reference_after: Row | None
) -> tuple[ComparedValues, bool]:
    """One metric of a row in two runs, the later against the earlier, and whether both are relative to the reference.

    They are if both runs have a reference and the metric is compared by ratios.
    """
    later, earlier = _value(after, metric), _value(before, metric)
    if later is None or earlier is None:
        return ComparedValues(metric, None, 0.0, 0.0), False
    references = [_value(row, metric) if row else None for row in (reference_after, reference_before)]
    is_relative = metric.is_ratio and None not in references
    series = [
        _relative(value, reference) if is_relative and reference else list(value.rounds.values())
        for value, reference in zip((later, earlier), references, strict=True)
    ]
    # A ratio to the reference has what both differ by from run to run.
    between = metric.between_runs**2 * (2 if is_relative else 1)
    stage = latest([after.stage, before.stage])
    contrast = unpaired_contrast(*series, is_ratio=metric.is_ratio, between=between, stage=stage)
    barred: Reason | None = None
    if not (later.is_enough and earlier.is_enough):
        barred = "not enough data"
    elif needs_quiet(metric) and not (before.is_quiet and after.is_quiet):
        barred = "disturbed"
    highest = highest_end((later.estimate, earlier.estimate))
    return ComparedValues(metric, contrast, later.estimate.mean, earlier.estimate.mean, barred, highest), is_relative


def _relative(value: Value, reference: Value) -> list[float]:
    """The ratios to the reference, over the rounds of both."""
    return [own / reference.rounds[number] for number, own in value.rounds.items() if number in reference.rounds]


def _references(metric: Metric, row: Row, table: Table, partner: Table) -> tuple[Row | None, Row | None]:
    """The reference's rows in both tables; none for the reference itself, or if one of them lacks the metric."""
    found = [_reference_in(one, metric) for one in (table, partner)]
    return (None, None) if row.framework.is_reference or None in found else (found[0], found[1])


def _reference_in(table: Table, metric: Metric) -> Row | None:
    """The row of the reference, if it has valid values of the metric."""
    return next((row for row in table.valid_rows if row.framework.is_reference and metric.key in row.values), None)


def _value(row: Row, metric: Metric) -> Value | None:
    return row.values.get(metric.key) if row.status == "valid" else None
