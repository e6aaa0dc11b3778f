"""One table per workload and parameters: each variant's figures, or why it has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from generator.comparison.metrics import METRICS, Metric, tail_of
from generator.dataset import FrameworkResult, Parameters, Run
from generator.statistics import Ratio, Summary, paired_ratio, summarise, tie_groups
from runners.record import (
    Cell,
    FrameworkFacts,
    Measurement,
    VariantFacts,
    WorkloadFacts,
    cell_key,
)

Status = Literal["valid", "invalid", "failed"]
RowKey = tuple[str, str]


@dataclass(frozen=True)
class Figure:
    """One metric of one row. ``rounds`` holds the value of each round that counts, by its number."""

    rounds: Mapping[int, float]
    summary: Summary
    to_reference: Ratio | None
    groups: tuple[int, ...]
    """Tie groups it stands in, from 0 for the best; empty where the metric has none."""


@dataclass(frozen=True)
class Row:
    """One cell over all rounds of a run.

    ``valid``: at least one round counts, and the figures are of these rounds alone. ``invalid``: none
    counts; the figures are of the invalid rounds, to be shown as such and never compared. ``failed``:
    no round gave figures. ``reasons`` counts why rounds do not count.
    """

    framework: FrameworkFacts
    variant: VariantFacts
    cell: Cell
    status: Status
    rounds: int
    valid_rounds: int
    reasons: tuple[tuple[str, int], ...]
    figures: Mapping[str, Figure]
    raw: str

    @property
    def key(self) -> RowKey:
        return self.framework.slug, self.variant.slug

    @property
    def name(self) -> str:
        return f"{self.framework.title} · {self.variant.slug}"

    def total(self, count: str) -> int:
        """Of ``lost``, ``duplicated``, ``reordered``, ``corrupted`` or ``sent``, over all rounds with figures."""
        return sum(
            getattr(measurement.messages, count)
            for measurement in self.cell.measurements
            if measurement.messages is not None
        )


@dataclass(frozen=True)
class Table:
    """All variants under one workload with one set of parameters.

    ``metrics`` are those that some row has; ``deciding`` are those that verdicts rest on, the first
    being the one rows are ordered by.
    """

    workload: WorkloadFacts
    parameters: Parameters
    latency_kind: Literal["from_intended", "service_time"]
    metrics: tuple[Metric, ...]
    deciding: tuple[Metric, ...]
    rows: tuple[Row, ...]

    @property
    def slug(self) -> str:
        """Names the table in a page; parameter names and values are restricted by the schema."""
        pairs = [f"{name}-{value}" for name, value in self.parameters.items()]
        return "-".join([self.workload.slug, *pairs]).lower().replace("_", "-").replace(".", "-")

    @property
    def is_open(self) -> bool:
        return self.latency_kind == "from_intended"

    @property
    def has_pushes(self) -> bool:
        return any(metric.key.startswith("push_lateness") for metric in self.metrics)

    @property
    def valid_rows(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.status == "valid")

    def only(self, frameworks: Iterable[str]) -> Table:
        """The same table with the rows of some frameworks, its tie groups made anew over these."""
        kept = set(frameworks)
        rows = [row for row in self.rows if row.framework.slug in kept]
        return _table(self.workload, self.parameters, self.latency_kind, rows, tuple(self.rows))


@dataclass(frozen=True)
class Comparison:
    """Everything one run says: its tables, by workload in the run's order, then by parameters."""

    run: Run
    tables: tuple[Table, ...]

    @property
    def frameworks(self) -> tuple[FrameworkResult, ...]:
        """Those under comparison, ordered by slug: all but the reference."""
        return tuple(item for item in self.run.frameworks if not item.document.framework.is_reference)

    def of_workload(self, slug: str) -> tuple[Table, ...]:
        return tuple(table for table in self.tables if table.workload.slug == slug)

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Keys of the planned cells that have no measurement: the run was interrupted."""
        measured = {
            cell_key(item.document.framework.slug, cell.variant, cell.workload, cell.parameters)
            for item in self.run.frameworks
            for cell in item.document.cells
            if cell.measurements
        }
        return tuple(key for key in self.run.document.cells if key not in measured)


def compare(run: Run) -> Comparison:
    """Put every cell of a run into its table. Unlike versions of a workload are never put together.

    Cells whose load was searched for have tables of their own, see `capacities`.
    """
    planned = {workload.slug: workload for workload in run.document.workloads}
    rows: dict[tuple[str, str, tuple[tuple[str, object], ...], str], list[Row]] = {}
    for row in rows_of(run):
        cell = row.cell
        if not cell.is_search:
            place = (cell.workload, cell.workload_version, tuple(cell.parameters.items()), cell.latency_kind)
            rows.setdefault(place, []).append(row)
    order = list(planned)
    tables = [
        _table(planned[members[0].cell.workload], members[0].cell.parameters, members[0].cell.latency_kind, members)
        for members in rows.values()
    ]
    tables.sort(key=lambda table: order.index(table.workload.slug))
    return Comparison(run, tuple(tables))


def rows_of(run: Run) -> Iterator[Row]:
    """Every cell that was measured, searched ones included, under the workload version that the run planned."""
    versions = {workload.slug: workload.version for workload in run.document.workloads}
    for item in run.frameworks:
        variants = {variant.slug: variant for variant in item.document.variants}
        for cell in item.document.cells:
            variant = variants.get(cell.variant)
            if cell.measurements and variant is not None and versions.get(cell.workload) == cell.workload_version:
                yield _row(item, variant, cell)


def _row(item: FrameworkResult, variant: VariantFacts, cell: Cell) -> Row:
    valid = [measurement for measurement in cell.measurements if measurement.valid]
    measured = [measurement for measurement in cell.measurements if measurement.failure is None]
    status: Status = "valid" if valid else "invalid" if measured else "failed"
    figures = {}
    for metric in METRICS.values():
        values = _values(metric, valid or measured)
        summary = summarise(list(values.values()))
        if summary is not None:
            figures[metric.key] = Figure(values, summary, None, ())
    return Row(
        framework=item.document.framework,
        variant=variant,
        cell=cell,
        status=status,
        rounds=len(cell.measurements),
        valid_rounds=len(valid),
        reasons=_reasons(cell.measurements),
        figures=figures,
        raw=item.raw,
    )


def _values(metric: Metric, measurements: Iterable[Measurement]) -> dict[int, float]:
    read = ((measurement.round, metric.read(measurement)) for measurement in measurements)
    return {number: value for number, value in read if value is not None}


def _reasons(measurements: Iterable[Measurement]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for measurement in measurements:
        if measurement.failure is not None:
            found[f"failed at {measurement.failure.stage}: {measurement.failure.reason}"] += 1
        elif not measurement.valid:
            found.update(measurement.invalid_reasons)
    return tuple(found.most_common())


def _table(
    workload: WorkloadFacts,
    parameters: Parameters,
    latency_kind: Literal["from_intended", "service_time"],
    rows: list[Row],
    yardsticks: tuple[Row, ...] | None = None,
) -> Table:
    """Order the rows and add what needs the others: ratios to the reference and tie groups.

    ``yardsticks``: where to look for the reference, when it is not among ``rows``.
    """
    present = {key for row in rows for key in row.figures}
    metrics = tuple(metric for metric in METRICS.values() if metric.key in present)
    deciding = _deciding(latency_kind, rows)
    reference = next((row for row in yardsticks or rows if row.framework.is_reference and row.status == "valid"), None)
    groups = {metric.key: _groups(metric, rows) for metric in deciding if len(rows) > 1}
    completed = [
        _with_relations(row, reference, {key: of_row.get(row.key, ()) for key, of_row in groups.items()})
        for row in rows
    ]
    completed.sort(key=lambda row: _place(row, deciding))
    return Table(workload, parameters, latency_kind, metrics, deciding, tuple(completed))


def _deciding(latency_kind: str, rows: list[Row]) -> tuple[Metric, ...]:
    """What a verdict rests on. Closed loop: throughput, its latency being only a service time. Fixed
    rate: the tail of the latency; where the server pushes as well, what that load costs besides.
    """
    contenders = [row for row in rows if row.status == "valid" and not row.framework.is_reference]
    shared = set.intersection(*(set(row.figures) for row in contenders)) if contenders else set()
    if latency_kind == "service_time":
        chosen = [METRICS.get("messages_per_s")]
    else:
        chosen = [tail_of("latency", shared)]
        pushed = tail_of("push_lateness", shared)
        if pushed is not None:
            chosen += [pushed, METRICS["cpu_percent"], METRICS["pss_mean_mb"]]
    return tuple(metric for metric in chosen if metric is not None and metric.key in shared)


def _groups(metric: Metric, rows: list[Row]) -> dict[RowKey, tuple[int, ...]]:
    contenders = [
        row for row in rows if row.status == "valid" and not row.framework.is_reference and metric.key in row.figures
    ]
    contenders.sort(key=lambda row: row.figures[metric.key].summary.mean, reverse=metric.better == "higher")
    groups = tie_groups({row.key: row.figures[metric.key].rounds for row in contenders})
    return {row.key: tuple(index for index, group in enumerate(groups) if row.key in group) for row in contenders}


def _with_relations(row: Row, reference: Row | None, groups: Mapping[str, tuple[int, ...]]) -> Row:
    figures = {}
    for key, figure in row.figures.items():
        yardstick = reference.figures.get(key) if reference is not None else None
        comparable = yardstick is not None and row.status == "valid" and not row.framework.is_reference
        figures[key] = Figure(
            figure.rounds,
            figure.summary,
            paired_ratio(figure.rounds, yardstick.rounds) if comparable and yardstick else None,
            groups.get(key, ()),
        )
    return Row(
        row.framework, row.variant, row.cell, row.status, row.rounds, row.valid_rounds, row.reasons, figures, row.raw
    )


def _place(row: Row, deciding: tuple[Metric, ...]) -> tuple[object, ...]:
    """The reference first, as the yardstick; then the best first; without valid figures last."""
    by_status = {"valid": 0, "invalid": 1, "failed": 2}[row.status]
    figure = row.figures.get(deciding[0].key) if deciding else None
    value = 0.0 if figure is None else figure.summary.mean
    signed = -value if deciding and deciding[0].better == "higher" else value
    return not row.framework.is_reference, by_status, signed, row.key
