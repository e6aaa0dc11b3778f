"""Figures over time: the same question put to the same variant again and again, on machines of one class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from generator.comparison.metrics import Metric
from generator.comparison.tables import Comparison, Figure, Row, Table, compare, is_headline
from generator.comparison.verdicts import Outcome, judge
from generator.dataset import Run
from generator.statistics import Ratio, unpaired_ratio

MachineClass = tuple[str, int]


@dataclass(frozen=True)
class Point:
    """What one run found."""

    run: Run
    row: Row
    figure: Figure

    @property
    def started(self) -> str:
        return self.run.document.started

    @property
    def versions(self) -> Mapping[str, str]:
        """Of every package installed for the variant."""
        return self.row.variant.packages


@dataclass(frozen=True)
class Series:
    """One variant's figure over time, the oldest first."""

    row: Row
    """The newest point's, for its name."""
    points: tuple[Point, ...]

    @cached_property
    def by_run(self) -> dict[str, Figure]:
        """The figures by their run's address among the raw files."""
        return {point.run.raw: point.figure for point in self.points}


@dataclass(frozen=True)
class Trend:
    """One question and one figure on one class of machines, over time."""

    machine: MachineClass
    table: Table
    """The newest run's."""
    metric: Metric
    series: tuple[Series, ...]

    @property
    def slug(self) -> str:
        return f"{self.table.slug}-{self.metric.key.replace('_', '-')}"


@dataclass(frozen=True)
class ChangePoint:
    """Between two successive points of a series something changed. ``ratio``: the later over the earlier, each
    relative to the reference of its own run where both have one, which takes out a machine that was faster that day.
    """

    trend: Trend
    series: Series
    before: Point
    after: Point
    ratio: Ratio
    outcome: Outcome
    updates: tuple[tuple[str, str | None, str | None], ...]
    """Packages with another version, before and after; ``None``: not installed."""


class History:
    """All runs, over time; what is asked of it is computed once, for years of runs are thousands."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = tuple(runs)

    @cached_property
    def alone(self) -> dict[str, Comparison]:
        """Every run compared by itself, without places; by its address among the raw files."""
        return {run.raw: compare([run], placed=False) for run in self.runs}

    @cached_property
    def trends(self) -> tuple[Trend, ...]:
        """The deciding figures of the headline questions; series of unlike workload versions are never joined.

        A point is what a campaign's finished runs say together. Where nothing was repeated there is none.
        """
        return _trends(self)

    @cached_property
    def changes(self) -> tuple[ChangePoint, ...]:
        """Where the interval of the ratio of two successive points excludes no change, by the rule that decides
        everywhere, over all pairs of points of all trends. The newest first.
        """
        return _change_points(self.trends)


def _trends(history: History) -> tuple[Trend, ...]:
    campaigns: dict[tuple[MachineClass, str], list[Run]] = {}
    for run in sorted(history.runs, key=lambda run: (run.document.started, run.document.id), reverse=True):
        if run.document.finished is not None:
            campaigns.setdefault((run.machine_class, run.document.campaign), []).append(run)
    tables: dict[tuple[MachineClass, str, str], list[Table]] = {}
    for (machine, _), members in reversed(campaigns.items()):
        together = history.alone[members[0].raw] if len(members) == 1 else compare(members, placed=False)
        for table in together.tables:
            if is_headline(table):
                tables.setdefault((machine, table.slug, table.workload.version), []).append(table)
    newest: dict[tuple[MachineClass, str], list[Table]] = {}
    for (machine, slug, _), found in tables.items():
        known = newest.get((machine, slug))
        if known is None or known[-1].run.document.started < found[-1].run.document.started:
            newest[machine, slug] = found
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
            if metric.key in row.figures and row.figures[metric.key].summary.interval is not None:
                points.setdefault(row.key, []).append(Point(table.run, row, row.figures[metric.key]))
    return tuple(Series(found[-1].row, tuple(found)) for found in points.values())


def _change_points(found: Sequence[Trend]) -> tuple[ChangePoint, ...]:
    pairs = [
        (trend, series, before, after)
        for trend in found
        for series in trend.series
        if not series.row.framework.is_reference
        for before, after in zip(series.points, series.points[1:], strict=False)
    ]
    ratios = {index: _ratio(trend, before, after) for index, (trend, _, before, after) in enumerate(pairs)}
    outcomes = judge({index: (pairs[index][0].metric, ratio) for index, ratio in ratios.items()})
    points = [
        ChangePoint(*pairs[index], ratio, outcomes[index], updates(pairs[index][2], pairs[index][3]))
        for index, ratio in ratios.items()
        if ratio is not None and outcomes.get(index) in ("better", "worse")
    ]
    return tuple(sorted(points, key=lambda point: point.after.started, reverse=True))


def updates(before: Point, after: Point) -> tuple[tuple[str, str | None, str | None], ...]:
    """Packages whose version changed, by name."""
    names = sorted(before.versions.keys() | after.versions.keys(), key=str.lower)
    pairs = [(name, before.versions.get(name), after.versions.get(name)) for name in names]
    return tuple((name, old, new) for name, old, new in pairs if old != new)


def _ratio(trend: Trend, before: Point, after: Point) -> Ratio | None:
    found = next((series.by_run for series in trend.series if series.row.framework.is_reference), {})
    values = []
    for point in (after, before):
        own = point.figure.rounds
        yardstick = found.get(point.run.raw)
        if yardstick is None or not {before.run.raw, after.run.raw} <= found.keys():
            values.append(list(own.values()))
        else:
            values.append([own[number] / yardstick.rounds[number] for number in own if number in yardstick.rounds])
    return unpaired_ratio(*values)
