"""Values over time: the same variant and workload in successive runs on the same hardware."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from generator.comparison.absences import Absence, CellState, cell_states, follow_absences
from generator.comparison.deciding import MAY_DECIDE
from generator.comparison.metrics import METRICS, Metric
from generator.comparison.pair_judging import ComparedValues, Judged, Outcome, judge_all
from generator.comparison.run_changes import compare_values
from generator.comparison.tables import (
    Comparison,
    MetricComparisons,
    Row,
    Scenario,
    Table,
    Value,
    compare_runs,
    scenario_in_versions,
)
from generator.dataset import Hardware, Parameters, Run, normalised
from generator.statistics import Contrast


@dataclass(frozen=True)
class Point:
    """The value of one variant in one run."""

    run: Run
    row: Row
    value: Value

    @property
    def started(self) -> str:
        return self.run.document.started

    @property
    def versions(self) -> Mapping[str, str]:
        """Version of every package installed for the variant."""
        return self.row.variant.packages


@dataclass(frozen=True)
class Series:
    """The values of one variant over time, oldest first."""

    row: Row
    """The row of the newest point; provides the name."""
    points: tuple[Point, ...]

    @cached_property
    def by_run(self) -> dict[str, Point]:
        """Points by the run's path among the raw files."""
        return {point.run.raw: point for point in self.points}


@dataclass(frozen=True)
class Trend:
    """One metric of one table on the same hardware, over time."""

    machine: Hardware
    table: Table
    """The table of the newest run."""
    metric: Metric
    series: tuple[Series, ...]

    @property
    def slug(self) -> str:
        return f"{self.table.slug}-{self.metric.slug}"


@dataclass(frozen=True)
class TrendStep:
    """Two successive points of a series. ``judged``: the later one against the earlier one, by the common decision rule
    over all steps of all trends. ``is_relative``: as in `ChangePoint`.
    """

    trend: Trend
    series: Series
    before: Point
    after: Point
    judged: Judged
    is_relative: bool


@dataclass(frozen=True)
class ChangePoint:
    """A step whose two points surely differ by more than the metric's margin.

    ``ratio``: the later value over the earlier one, each relative to the reference of its run if both have one
    (``is_relative``). That removes the effect of a machine that was faster on one of the days.
    """

    trend: Trend
    series: Series
    before: Point
    after: Point
    ratio: Contrast
    outcome: Outcome
    updates: tuple[tuple[str, str | None, str | None], ...]
    """The kernel and packages whose version changed: name, version before, version after; ``None``: not installed."""
    is_relative: bool

    @property
    def share(self) -> float:
        """By which share of the earlier value the later one is higher; negative if it is lower. A difference that is
        no ratio is a share of the earlier mean; infinite if that is not above zero.
        """
        if self.ratio.is_ratio:
            return self.ratio.value - 1
        mean = self.before.value.estimate.mean
        return self.ratio.value / mean if mean > 0 else math.copysign(math.inf, self.ratio.value)


@dataclass(frozen=True)
class PastTable:
    """A headline table of one run, with the values that may decide and without measurements."""

    workload: str
    parameters: Parameters
    latency_kind: Literal["from_intended", "service_time"]
    metrics: tuple[str, ...]
    deciding: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Past:
    """What the usual part of a run (`Run.usual`) adds to what is followed over time."""

    tables: tuple[PastTable, ...]
    cells: Mapping[str, CellState]


def compare_alone(run: Run) -> Comparison:
    """The comparison of a run by itself, without ranks."""
    return compare_runs([run], ranked=False)


def past_of(run: Run) -> Past:
    """The past of a run, which `Run.kept` keeps."""
    part = run.usual
    return Past(tuple(_thinned(table) for table in part.kept(compare_alone).headline), cell_states(part))


def _thinned(table: Table) -> PastTable:
    keys = [tuple(metric.key for metric in metrics) for metrics in (table.metrics, table.deciding)]
    rows = tuple(_without_measurements(row) for row in table.rows)
    return PastTable(table.workload.slug, table.parameters, table.latency_kind, keys[0], keys[1], rows)


def _without_measurements(row: Row) -> Row:
    values = {
        key: Value(value.rounds, value.estimate, value.valid_rounds)
        for key, value in row.values.items()
        if key in MAY_DECIDE
    }
    nothing = dict.fromkeys(("latency", "latency_from_send", "last_delivery", "push_lateness", "timeline"))
    return replace(row, cell=row.cell.model_copy(update={**nothing, "measurements": []}), values=values)


class History:
    """All runs over time. Each property is computed once, since years have thousands of runs."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = tuple(runs)

    @cached_property
    def usual(self) -> dict[str, tuple[Run, Past]]:
        """The usual part of each run (`Run.usual`), and its past, by the run's path among the raw files."""
        return {run.raw: (run.usual, run.kept(past_of)) for run in self.runs}

    def headline(self, members: Sequence[Run]) -> list[Table]:
        """The headline tables of usual parts together."""
        if len(members) > 1:
            return list(compare_runs(members, ranked=False).headline)
        (part,) = members
        workloads = {workload.slug: workload for workload in part.document.workloads}
        return [
            Table(
                part,
                workloads[table.workload],
                table.parameters,
                table.latency_kind,
                tuple(METRICS[key] for key in table.metrics),
                tuple(METRICS[key] for key in table.deciding),
                table.rows,
                MetricComparisons(table.rows),
            )
            for table in self.usual[part.raw][1].tables
        ]

    @cached_property
    def trends(self) -> tuple[Trend, ...]:
        """Trends of the deciding metrics of headline tables; a series never mixes versions of a workload.

        A point is the value of all finished runs of a campaign together. Without repeats there is no point.
        """
        return _trends(self)

    @cached_property
    def steps(self) -> tuple[TrendStep, ...]:
        """All pairs of successive points of all trends except those of the reference, judged together."""
        return _steps(self.trends)

    @cached_property
    def changes(self) -> tuple[ChangePoint, ...]:
        """Successive points that differ by the common decision rule, newest first."""
        return _change_points(self.steps)

    @cached_property
    def absences(self) -> tuple[Absence, ...]:
        """Cells that worked, and fail or are missing since a campaign, newest first; see `follow_absences`."""
        return follow_absences((part for part, _ in self.usual.values()), lambda part: self.usual[part.raw][1].cells)


def _trends(history: History) -> tuple[Trend, ...]:
    campaigns: dict[tuple[Hardware, str], list[Run]] = {}
    for run in sorted(
        (part for part, _ in history.usual.values()),
        key=lambda run: (run.document.started, run.document.id),
        reverse=True,
    ):
        if run.document.finished is not None:
            campaigns.setdefault((run.machine_class.hardware, run.document.campaign), []).append(run)
    tables: dict[tuple[Hardware, Scenario, str], list[Table]] = {}
    for (machine, _), members in reversed(campaigns.items()):
        for table in history.headline(members):
            tables.setdefault((machine, scenario_in_versions(table), table.workload.version), []).append(table)
    newest: dict[tuple[Hardware, Scenario], list[Table]] = {}
    for (machine, scenario, _), found in tables.items():
        known = newest.get((machine, scenario))
        if known is None or known[-1].run.document.started < found[-1].run.document.started:
            newest[machine, scenario] = found
    found_trends = (
        Trend(machine, found[-1], metric, _series(found, metric))
        for (machine, _), found in newest.items()
        for metric in found[-1].deciding
    )
    return tuple(trend for trend in found_trends if trend.series)


def _series(tables: Sequence[Table], metric: Metric) -> tuple[Series, ...]:
    points: dict[tuple[str, str], list[Point]] = {}
    for table in tables:
        for row in table.valid_rows:
            if metric.key in row.values and row.values[metric.key].estimate.interval is not None:
                points.setdefault(row.key, []).append(Point(table.run, row, row.values[metric.key]))
    return tuple(Series(found[-1].row, tuple(found)) for found in points.values())


def _steps(found: Sequence[Trend]) -> tuple[TrendStep, ...]:
    pairs = [
        (trend, series, before, after)
        for trend in found
        for series in trend.series
        if not series.row.framework.is_reference
        for before, after in zip(series.points, series.points[1:], strict=False)
    ]
    compared = {index: _compared(trend, before, after) for index, (trend, _, before, after) in enumerate(pairs)}
    judgements = judge_all({index: values for index, (values, _) in compared.items()})
    return tuple(TrendStep(*pairs[index], judged, compared[index][1]) for index, judged in judgements.items())


def _change_points(steps: Sequence[TrendStep]) -> tuple[ChangePoint, ...]:
    points = [
        ChangePoint(
            step.trend,
            step.series,
            step.before,
            step.after,
            step.judged.contrast,
            step.judged.outcome,
            updates(step.before, step.after),
            step.is_relative,
        )
        for step in steps
        if step.judged.contrast is not None and step.judged.outcome in ("better", "worse")
    ]
    return tuple(sorted(points, key=lambda point: point.after.started, reverse=True))


def updates(before: Point, after: Point) -> tuple[tuple[str, str | None, str | None], ...]:
    """Kernel, Python and packages, by normalised name, whose version changed: name, version before, version after."""
    old, new = normalised(before.versions), normalised(after.versions)
    kernels = ("kernel", before.run.document.machine.kernel, after.run.document.machine.kernel)
    pythons = ("Python", before.row.variant.python, after.row.variant.python)
    pairs = [kernels, pythons, *((name, old.get(name), new.get(name)) for name in sorted(old | new))]
    return tuple((name, earlier, later) for name, earlier, later in pairs if earlier != later)


def _compared(trend: Trend, before: Point, after: Point) -> tuple[ComparedValues, bool]:
    """The two values, and whether both are relative to the reference of their run."""
    found = next((series.by_run for series in trend.series if series.row.framework.is_reference), {})
    references = [found.get(point.run.raw) for point in (before, after)]
    if None in references:
        references = [None, None]
    return compare_values(trend.metric, before.row, after.row, *(point.row if point else None for point in references))
