"""One table per workload and parameters: each variant's figures, or why it has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Literal, Protocol, TypeVar

from generator.comparison.metrics import METRICS, Metric, read_off, tail_of
from generator.dataset import FrameworkResult, Parameters, Run
from generator.statistics import Place, Ratio, Summary, paired_ratio, paired_ratio_value, places, summarise
from runners.record import CellRecord, Distribution, FrameworkFacts, Histogram, Measurement, VariantFacts, WorkloadFacts

Status = Literal["valid", "invalid", "failed"]
RowKey = tuple[str, str]


_HEADLINE: Mapping[str, Mapping[str, object]] = {"echo": {}, "dashboard": {}, "room": {"members": 100}}
"""The workloads that the verdict rests on, with these parameters."""


class _Tabular(Protocol):
    """What a table of any kind has."""

    @property
    def slug(self) -> str: ...

    @property
    def workload(self) -> WorkloadFacts: ...

    @property
    def parameters(self) -> Parameters: ...

    @property
    def rows(self) -> Sequence[Row]: ...


AnyTable = TypeVar("AnyTable", bound=_Tabular)


@dataclass(frozen=True)
class Figure:
    """One metric of one row. ``rounds`` holds the value of each round that counts, by its number."""

    rounds: Mapping[int, float]
    summary: Summary
    yardstick: Mapping[int, float] | None = None
    """The same of the reference, where the two can be compared."""
    place: Place | None = None
    """Among the variants of the table, the reference left out; ``None`` where the metric does not decide."""

    @cached_property
    def to_reference(self) -> Ratio | None:
        return paired_ratio(self.rounds, self.yardstick) if self.yardstick is not None else None

    @property
    def times_reference(self) -> float | None:
        """The value of `to_reference` alone."""
        return paired_ratio_value(self.rounds, self.yardstick) if self.yardstick is not None else None


@dataclass(frozen=True)
class Row:
    """One cell over all rounds of a run.

    ``valid``: at least one round counts, and the figures are of these rounds alone. ``invalid``: none
    counts; the figures are of the invalid rounds, to be shown as such and never compared. ``failed``:
    no round gave figures. ``reasons`` counts why rounds do not count.
    """

    framework: FrameworkFacts
    variant: VariantFacts
    cell: CellRecord
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
        """Of ``lost``, ``duplicated``, ``reordered``, ``corrupted`` or ``sent``, over all measurements with figures."""
        return sum(
            getattr(measurement.messages, count)
            for measurement in self.cell.measurements
            if measurement.messages is not None
        )


@dataclass(frozen=True)
class Table:
    """All variants under one workload with one set of parameters, in one run.

    ``metrics`` are those that some row has; ``deciding`` are those that verdicts rest on, the first
    being the one rows are ordered by.
    """

    run: Run
    workload: WorkloadFacts
    parameters: Parameters
    latency_kind: Literal["from_intended", "service_time"]
    metrics: tuple[Metric, ...]
    deciding: tuple[Metric, ...]
    rows: tuple[Row, ...]
    blocks: tuple[Run, ...] = ()
    """Where several runs put the same question to the same variants, all of them, newest first: see `pooled`."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Whose figures these are."""
        return self.blocks or (self.run,)

    @property
    def repeat(self) -> str:
        """What was done again to know how sure the figures are, in a word."""
        return "machine" if self.blocks else "round"

    @property
    def slug(self) -> str:
        """Names the table in a page; parameter names and values are restricted by the schema."""
        pairs = [f"{name}-{value}" for name, value in self.parameters.items()]
        return "-".join([self.workload.slug, *pairs]).lower().replace("_", "-").replace(".", "-")

    @property
    def kind(self) -> Literal["rate", "loop", "connecting", "recovery"]:
        """What was done with the servers."""
        keys = {metric.key for metric in self.metrics}
        if "connections_per_s" in keys:
            return "connecting"
        if "restart_s" in keys:
            return "recovery"
        return "rate" if self.is_open else "loop"

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
        """The same table with the rows of some frameworks, its places made anew among these."""
        kept = set(frameworks)
        rows = [row for row in self.rows if row.framework.slug in kept]
        narrowed = _table(self.run, self.workload, self.parameters, self.latency_kind, rows, tuple(self.rows))
        return replace(narrowed, blocks=self.blocks)


@dataclass(frozen=True)
class Comparison:
    """Everything that runs say which share out what is asked: their tables, by workload, then by parameters."""

    runs: tuple[Run, ...]
    """Newest first."""
    tables: tuple[Table, ...]

    @property
    def workloads(self) -> tuple[WorkloadFacts, ...]:
        """What was asked, as the newest run that asked it defines it."""
        return workloads_of(self.runs)

    @property
    def frameworks(self) -> tuple[FrameworkFacts, ...]:
        """Those under comparison, ordered by slug: all but the reference."""
        facts = {
            item.document.framework.slug: item.document.framework
            for run in reversed(self.runs)
            for item in run.frameworks
        }
        return tuple(facts[slug] for slug in sorted(facts) if not facts[slug].is_reference)

    def of_workload(self, slug: str) -> tuple[Table, ...]:
        return tuple(table for table in self.tables if table.workload.slug == slug)

    @property
    def headline(self) -> tuple[Table, ...]:
        """Those that the verdict rests on: what most applications do most of the time."""
        return tuple(table for table in self.tables if is_headline(table))

    @property
    def further(self) -> tuple[Table, ...]:
        """The others: they answer questions of their own, and no verdict rests on them."""
        return tuple(table for table in self.tables if not is_headline(table))


def is_headline(table: Table) -> bool:
    """Whether the verdict rests on it."""
    asked = _HEADLINE.get(table.workload.slug)
    return asked is not None and all(table.parameters.get(name) == value for name, value in asked.items())


def compare(runs: Sequence[Run], *, placed: bool = True) -> Comparison:
    """Put every cell into its table; ``runs`` share out what is asked, newest first.

    Rows of different runs never share a table, since only rounds of one run are pairs: a question is answered by the
    run that put it to the most variants, or by all that put it to these, see `pooled`. Cells whose load was searched
    for have tables of their own, see `capacities`. Not ``placed``: without places, which take most of the time.
    """
    return Comparison(tuple(runs), tuple(pooled(runs, placed=placed)))


def pooled(runs: Sequence[Run], *, placed: bool = True) -> list[Table]:
    """The tables of `fullest`, each with those of all runs that put the question to the very same variants.

    These runs are blocks: machines, or days, of their own. A block's figure is the geometric mean of its rounds, and
    blocks are the repeats, since rounds of one block share its machine; ratios stay within a block.
    """
    tables = {id(run): list(_tables_of(run, placed=placed and len(runs) == 1)) for run in runs}
    found = []
    for table in fullest(runs, lambda run: tables[id(run)]):
        keys = {row.key for row in table.rows}
        blocks = [
            other
            for run in runs
            for other in tables[id(run)]
            if other.slug == table.slug
            if other.workload.version == table.workload.version and {row.key for row in other.rows} == keys
        ]
        if len(blocks) > 1:
            found.append(_pool(blocks, placed=placed))
        else:
            found.append(_with_places(table) if placed and len(runs) > 1 else table)
    return found


def _with_places(table: Table) -> Table:
    return _table(table.run, table.workload, table.parameters, table.latency_kind, list(table.rows))


def _pool(blocks: Sequence[Table], *, placed: bool) -> Table:
    newest = blocks[0]
    rows = [_pooled_row([_row_of(block, row.key) for block in blocks]) for row in newest.rows]
    table = _table(newest.run, newest.workload, newest.parameters, newest.latency_kind, rows, placed=placed)
    return replace(table, blocks=tuple(block.run for block in blocks))


def _row_of(table: Table, key: RowKey) -> Row:
    return next(row for row in table.rows if row.key == key)


def _pooled_row(rows: Sequence[Row]) -> Row:
    """One variant over all blocks; blocks without a valid round count only where no block has one."""
    is_valid = any(row.status == "valid" for row in rows)
    counting = [row if row.status == "valid" or not is_valid else None for row in rows]
    figures = {}
    for key in METRICS:
        values = {}
        for number, row in enumerate(counting, start=1):
            summary = row.figures[key].summary if row is not None and key in row.figures else None
            if summary is not None:
                values[number] = summary.mean
        if values and (summary := summarise(list(values.values()))) is not None:
            figures[key] = Figure(values, summary)
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update(dict(row.reasons))
    return replace(
        rows[0],
        cell=_pooled_cell([row.cell for row in rows]),
        status=min((row.status for row in rows), key=_STATUSES.index),
        rounds=sum(row.rounds for row in rows),
        valid_rounds=sum(row.valid_rounds for row in rows),
        reasons=tuple(reasons.most_common()),
        figures=figures,
    )


_STATUSES: tuple[Status, ...] = ("valid", "invalid", "failed")


def _pooled_cell(cells: Sequence[CellRecord]) -> CellRecord:
    """All measurements, and all distributions merged."""
    merged = {
        name: _merged([found for cell in cells if (found := getattr(cell, name)) is not None])
        for name in ("latency", "latency_from_send", "last_delivery", "push_lateness")
    }
    timeline = next((cell.timeline for cell in cells if cell.timeline is not None), None)
    measurements = [measurement for cell in cells for measurement in cell.measurements]
    return cells[0].model_copy(update={**merged, "timeline": timeline, "measurements": measurements})


def _merged(distributions: Sequence[Distribution]) -> Distribution | None:
    if len(distributions) < 2:
        return distributions[0] if distributions else None
    decoded = [Histogram.decode(one.histogram) for one in distributions]
    digits = min(one.digits for one in decoded)
    whole = reduce(Histogram.merge, (one.thinned(digits) for one in decoded))
    return Distribution(percentiles_ms=whole.percentiles(), histogram=whole.encode())


def workloads_of(runs: Sequence[Run]) -> tuple[WorkloadFacts, ...]:
    """The workloads of runs that come newest first, each as the newest defines it: those that verdicts rest on, then
    the others in the order of the oldest run's.
    """
    found: dict[str, WorkloadFacts] = {}
    for run in reversed(runs):
        found.update({workload.slug: workload for workload in run.document.workloads})
    first = [slug for slug in _HEADLINE if slug in found]
    return tuple(found[slug] for slug in dict.fromkeys([*first, *found]))


def fullest(runs: Sequence[Run], tables_of: Callable[[Run], Iterable[AnyTable]]) -> list[AnyTable]:
    """Of the tables of each question the one with the most rows, of several the newest run's.

    Where a workload has several versions, only tables of the newest take part. Ordered by workload, then parameters.
    """
    current = {workload.slug: workload for workload in workloads_of(runs)}
    chosen: dict[str, AnyTable] = {}
    for run in runs:
        for table in tables_of(run):
            best = chosen.get(table.slug)
            is_current = table.workload.version == current[table.workload.slug].version
            if is_current and (best is None or len(table.rows) > len(best.rows)):
                chosen[table.slug] = table
    order = list(current)
    return sorted(chosen.values(), key=lambda table: (order.index(table.workload.slug), _ascending(table.parameters)))


def _ascending(parameters: Parameters) -> list[tuple[str, bool, float, str]]:
    """Sorts numbers by size and words by letters, whichever run asked first."""
    return [
        (name, isinstance(value, str), 0.0 if isinstance(value, str) else float(value), str(value))
        for name, value in parameters.items()
    ]


def _tables_of(run: Run, *, placed: bool) -> Iterator[Table]:
    planned = {workload.slug: workload for workload in run.document.workloads}
    rows: dict[tuple[str, tuple[tuple[str, object], ...], str], list[Row]] = {}
    for row in rows_of(run, searched=False):
        place = (row.cell.workload, tuple(row.cell.parameters.items()), row.cell.latency_kind)
        rows.setdefault(place, []).append(row)
    for members in rows.values():
        cell = members[0].cell
        yield _table(run, planned[cell.workload], cell.parameters, cell.latency_kind, members, placed=placed)


def rows_of(run: Run, *, searched: bool) -> Iterator[Row]:
    """Every cell that was measured under the workload version that the run planned; with a load that was searched, or
    without.
    """
    versions = {workload.slug: workload.version for workload in run.document.workloads}
    for item in run.frameworks:
        variants = {variant.slug: variant for variant in item.document.variants}
        for cell in item.document.cells:
            variant = variants.get(cell.variant)
            if cell.is_search != searched or not cell.measurements:
                continue
            if variant is not None and versions.get(cell.workload) == cell.workload_version:
                yield _row(item, variant, cell)


def _row(item: FrameworkResult, variant: VariantFacts, cell: CellRecord) -> Row:
    valid = [measurement for measurement in cell.measurements if measurement.valid]
    measured = [measurement for measurement in cell.measurements if measurement.failure is None]
    status: Status = "valid" if valid else "invalid" if measured else "failed"
    figures = {
        key: Figure(values, summary)
        for key, values in read_off(valid or measured).items()
        if (summary := summarise(list(values.values()))) is not None
    }
    return Row(
        framework=item.document.framework,
        variant=variant,
        cell=cell,
        status=status,
        rounds=len(cell.decisive),
        valid_rounds=len(valid),
        reasons=_reasons(cell.decisive),
        figures=figures,
        raw=item.raw,
    )


def _reasons(measurements: Iterable[Measurement]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for measurement in measurements:
        if measurement.failure is not None:
            found[f"failed at {measurement.failure.stage}: {measurement.failure.reason}"] += 1
        elif not measurement.valid:
            found.update(measurement.invalid_reasons)
    return tuple(found.most_common())


def _table(
    run: Run,
    workload: WorkloadFacts,
    parameters: Parameters,
    latency_kind: Literal["from_intended", "service_time"],
    rows: list[Row],
    yardsticks: tuple[Row, ...] | None = None,
    *,
    placed: bool = True,
) -> Table:
    """Order the rows and add what needs the others: ratios to the reference and places.

    ``yardsticks``: where to look for the reference, when it is not among ``rows``. Not ``placed``: without places.
    """
    present = {key for row in rows for key in row.figures}
    metrics = tuple(metric for metric in METRICS.values() if metric.key in present)
    deciding = _deciding(latency_kind, rows)
    reference = next((row for row in yardsticks or rows if row.framework.is_reference and row.status == "valid"), None)
    standing = {metric.key: _standing(metric, rows) for metric in deciding if placed and len(rows) > 1}
    completed = [
        _with_relations(row, reference, {key: of_row.get(row.key) for key, of_row in standing.items()}) for row in rows
    ]
    completed.sort(key=lambda row: _place(row, deciding))
    return Table(run, workload, parameters, latency_kind, metrics, deciding, tuple(completed))


def _deciding(latency_kind: str, rows: list[Row]) -> tuple[Metric, ...]:
    """What a verdict rests on. Closed loop: throughput, its latency being only a service time. Fixed
    rate: the tail of the latency, in rooms that of the last member too; where the server pushes as well, what that load
    costs besides. Connecting: how fast and how dear. Recovery: how soon.
    """
    contenders = [row for row in rows if row.status == "valid" and not row.framework.is_reference]
    shared = set.intersection(*(set(row.figures) for row in contenders)) if contenders else set()
    if "connections_per_s" in shared:
        chosen: list[Metric | None] = [METRICS["connections_per_s"], METRICS["memory_per_connection_kb"]]
    elif "restart_s" in shared:
        chosen = [tail_of("back", shared)]
    elif latency_kind == "service_time":
        chosen = [METRICS["messages_per_s"]]
    else:
        chosen = [tail_of("latency", shared), tail_of("last_delivery", shared)]
        pushed = tail_of("push_lateness", shared)
        if pushed is not None:
            chosen += [pushed, METRICS["cpu_percent"], METRICS["pss_mean_mb"]]
    return tuple(metric for metric in chosen if metric is not None and metric.key in shared)


def _standing(metric: Metric, rows: list[Row]) -> dict[RowKey, Place]:
    contenders = {
        row.key: row.figures[metric.key].rounds
        for row in rows
        if row.status == "valid" and not row.framework.is_reference and metric.key in row.figures
    }
    return places(contenders, highest_first=metric.better == "higher")


def _with_relations(row: Row, reference: Row | None, standing: Mapping[str, Place | None]) -> Row:
    figures = {}
    for key, figure in row.figures.items():
        yardstick = reference.figures.get(key) if reference is not None else None
        comparable = yardstick is not None and row.status == "valid" and not row.framework.is_reference
        figures[key] = Figure(
            figure.rounds, figure.summary, yardstick.rounds if comparable and yardstick else None, standing.get(key)
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
