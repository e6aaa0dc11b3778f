"""One table per workload and parameters: the values of each variant, or the reasons for having none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Literal, NamedTuple, Protocol, TypeVar

from generator.comparison.deciding import HEADLINE, deciding_metrics, is_headline_workload, needs_quiet
from generator.comparison.enough_cores import with_enough_cores
from generator.comparison.metrics import (
    BROKER_CPU,
    CPU,
    METRICS,
    WITHOUT_LEDGER,
    Family,
    Metric,
    TableKind,
    kind_of_table,
    read_values,
)
from generator.comparison.pair_judging import Judged, MetricComparison, Reason
from generator.comparison.server_causes import ServerCause, server_cause
from generator.dataset import FrameworkResult, Parameters, Run
from generator.statistics import (
    MIN_ROUNDS,
    Contrast,
    Estimate,
    RankRange,
    RoundsModel,
    Stage,
    latest,
)
from runners.record import (
    P99_DISTURBANCE_LIMIT,
    TIMER_UNUSED_PERCENT,
    CellRecord,
    Distribution,
    FrameworkFacts,
    Histogram,
    Measurement,
    VariantFacts,
    WorkloadFacts,
    disturbance_percent,
    events_in,
    timer_limited_percent,
    without_rates,
)

Status = Literal["valid", "invalid", "failed"]
RowKey = tuple[str, str]
Scenario = tuple[str, frozenset[tuple[str, object]]]
"""A workload, and all parameters but rates."""


class _Tabular(Protocol):
    """The attributes that all kinds of tables share."""

    @property
    def slug(self) -> str: ...

    @property
    def workload(self) -> WorkloadFacts: ...

    @property
    def parameters(self) -> Parameters: ...

    @property
    def rows(self) -> Sequence[Row]: ...


AnyTable = TypeVar("AnyTable", bound=_Tabular)


class Relation(NamedTuple):
    """A row against the reference in the model of one metric of a table."""

    model: RoundsModel[RowKey]
    row: RowKey
    reference: RowKey


def _unrelated() -> None:
    """No relation."""


@dataclass(frozen=True)
class Value:
    """One metric of one row. ``rounds``: the value of each repeat that counts, by its number.

    A repeat is a round, or a run where runs are pooled: then its value is the mean of its rounds, and the interval is
    that of so many runs. ``valid_rounds``: the rounds behind all repeats. ``estimate``: the mean. In a ranked table, it
    is what the mean would be over all rounds of the table.
    """

    rounds: Mapping[int, float]
    estimate: Estimate
    valid_rounds: int
    rank: RankRange | None = None
    """Rank range among the table's variants without the reference; ``None`` if the metric does not decide, or if the
    value has too few rounds."""
    relate: Callable[[], Relation | None] = field(default=_unrelated, compare=False, repr=False)

    @property
    def is_enough(self) -> bool:
        """Whether enough rounds count for a rank, a lead or a decision: `MIN_ROUNDS` over all repeats, and two repeats.

        Two runs of three rounds each are enough. How little two runs show is in the interval, which has one degree of
        freedom then.
        """
        return self.valid_rounds >= MIN_ROUNDS and len(self.rounds) > 1

    @cached_property
    def to_reference(self) -> Contrast | None:
        """The value against the reference's, by the model of the whole table."""
        relation = self.relate()
        return relation.model.contrast(relation.row, relation.reference) if relation is not None else None

    @property
    def ratio_to_reference(self) -> float | None:
        """The value of `to_reference` if it is a ratio, without its error, which takes most of the time."""
        relation = self.relate()
        return relation.model.ratio(relation.row, relation.reference) if relation is not None else None


@dataclass(frozen=True)
class Row:
    """One cell over all rounds of a run.

    ``valid``: at least one round counts; values are from these rounds only. ``invalid``: no round counts; values are
    from the invalid rounds, marked as such and never compared. ``failed``: no round has values. ``reasons``: why rounds
    do not count, and how many rounds each reason applies to.
    """

    framework: FrameworkFacts
    variant: VariantFacts
    cell: CellRecord
    status: Status
    rounds: int
    valid_rounds: int
    reasons: tuple[tuple[str, int], ...]
    values: Mapping[str, Value]
    raw: str
    disturbance_percent: float | None = None
    """Mean disturbance of the rounds that count, in percent of a core; ``None`` if it was not measured in each."""
    stage: Stage | None = None
    """How far the row has come, if its run looked at its tables repeatedly; of several runs, the latest stage."""

    @property
    def is_quiet(self) -> bool:
        """Whether a p99 of this row can decide."""
        return self.disturbance_percent is not None and self.disturbance_percent < P99_DISTURBANCE_LIMIT

    @property
    def key(self) -> RowKey:
        return self.framework.slug, self.variant.slug

    @property
    def name(self) -> str:
        return f"{self.framework.title} · {self.variant.slug}"

    def counts(self, measurement: Measurement) -> bool:
        """Whether a measurement of this row counts."""
        return _counts(measurement, of_reference=self.framework.is_reference)

    @property
    def counting(self) -> list[Measurement]:
        """The measurements that count."""
        return [one for one in self.cell.measurements if self.counts(one)]

    def own_cause(self, measurement: Measurement) -> ServerCause | None:
        """What the server did to make a measurement of this row invalid; ``None`` if something else took part."""
        return server_cause(measurement, of_reference=self.framework.is_reference)

    @property
    def timer_limited_percent(self) -> float | None:
        """Percent of the core used, as mean over the rounds that a timer limited; ``None`` if it limited less than half
        of them.
        """
        if self.framework.is_reference:
            return None
        measured = [one for one in self.cell.measurements if one.failure is None]
        used = [percent for one in measured if (percent := timer_limited_percent(one)) is not None]
        return sum(used) / len(used) if used and 2 * len(used) >= len(measured) else None

    def total(self, count: str) -> int:
        """Total over all measurements with values.

        ``count``: ``lost``, ``duplicated``, ``reordered``, ``corrupted`` or ``sent``.
        """
        return sum(
            getattr(measurement.messages, count)
            for measurement in self.cell.measurements
            if measurement.messages is not None
        )


@dataclass(frozen=True)
class Table:
    """All variants under one workload with one set of parameters, in one run.

    ``metrics``: the metrics that any row has. ``deciding``: the metrics that verdicts rest on; the first one orders the
    rows.
    """

    run: Run
    workload: WorkloadFacts
    parameters: Parameters
    latency_kind: Literal["from_intended", "service_time"]
    metrics: tuple[Metric, ...]
    deciding: tuple[Metric, ...]
    rows: tuple[Row, ...]
    compared: MetricComparisons
    """How the rows differ, by metric; of the whole table, if this one was narrowed."""
    blocks: tuple[Run, ...] = ()
    """All runs that measured the same variants under this workload, if several, newest first (see `pooled`)."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that the values are from."""
        return self.blocks or (self.run,)

    @property
    def repeat(self) -> str:
        """The unit of repetition, in a word."""
        return "machine" if self.blocks else "round"

    @property
    def slug(self) -> str:
        """Anchor of the table on a page. The schema restricts names and values of parameters."""
        pairs = [f"{name}-{value}" for name, value in self.parameters.items()]
        return "-".join([self.workload.slug, *pairs]).lower().replace("_", "-").replace(".", "-")

    @cached_property
    def kind(self) -> TableKind:
        """How the servers were loaded."""
        return kind_of_table({metric.key for metric in self.metrics}, is_open=self.is_open)

    @property
    def is_open(self) -> bool:
        """Whether latency is measured from the intended send."""
        return self.latency_kind == "from_intended"

    @property
    def is_beside_work(self) -> bool:
        """Whether a second load is beside the one whose latency it has."""
        return "work" in self.parameters

    @property
    def has_ledger(self) -> bool:
        """Whether its messages are counted as sent, received and lost."""
        return self.kind not in WITHOUT_LEDGER

    def heading(self, metric: Metric) -> str:
        """The heading of a metric's column."""
        return metric.heading(is_open=self.is_open, is_beside_work=self.is_beside_work)

    def name_in_charts(self, family: Family) -> str:
        """The name of a distribution in charts of this table."""
        return family.name_in_charts(is_open=self.is_open, is_beside_work=self.is_beside_work)

    @cached_property
    def columns(self) -> tuple[Metric, ...]:
        """The metrics shown as columns: those of the table's kind, and those that decide."""
        return tuple(metric for metric in self.metrics if self.kind in metric.columns_in or metric in self.deciding)

    @property
    def families(self) -> tuple[Family, ...]:
        """The metric families whose whole distribution is in the results."""
        found = dict.fromkeys(metric.family for metric in self.metrics)
        return tuple(family for family in found if family is not None and family.distribution is not None)

    @property
    def valid_rows(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.status == "valid")

    def judged(self, metric: Metric, first: Row, second: Row) -> Judged:
        """The outcome for the first row in a metric, corrected for all pairs of the whole table."""
        return self.compared.of(metric).judged(first.key, second.key)

    def only(self, frameworks: Iterable[str]) -> Table:
        """The table with only the rows of these frameworks, ranked anew by the outcomes of the whole table."""
        kept = set(frameworks)
        return self._with([row for row in self.rows if row.framework.slug in kept])

    def of_setups(self, setups: Collection[RowKey]) -> Table:
        """The table with only these variants and the reference, ranked anew by the outcomes of the whole table."""
        return self._with([row for row in self.rows if row.framework.is_reference or row.key in setups])

    def _with(self, rows: list[Row]) -> Table:
        narrowed = _table(self.run, self.workload, self.parameters, self.latency_kind, rows, self.compared)
        return replace(narrowed, blocks=self.blocks)


class MetricComparisons:
    """How the rows of one table differ, by metric. Each metric is compared once, when it is first needed."""

    def __init__(self, rows: Iterable[Row], *, is_pooled: bool = False) -> None:
        self.rows = tuple(row for row in rows if row.status == "valid")
        self._is_pooled = is_pooled
        self._found: dict[str, MetricComparison[RowKey]] = {}

    def of(self, metric: Metric) -> MetricComparison[RowKey]:
        """The comparison in one metric; of no rows, if none has it."""
        if metric.key not in self._found:
            values = {row.key: row.values[metric.key].rounds for row in self.rows if metric.key in row.values}
            self._found[metric.key] = self.by(metric, values)
        return self._found[metric.key]

    @cached_property
    def costs(self) -> MetricComparison[RowKey]:
        """The comparison by the CPU that the server and its broker take in each round."""
        having = [row for row in self.rows if CPU.key in row.values]
        if not any(BROKER_CPU.key in row.values for row in having):
            return self.of(CPU)
        return self.by(CPU, {row.key: cost_by_round(row.values) for row in having})

    def by(self, metric: Metric, values: Mapping[RowKey, Mapping[int, float]]) -> MetricComparison[RowKey]:
        """The comparison in a metric by these values, by row and repeat, instead of the rows' own."""
        having = [row for row in self.rows if row.key in values]
        return MetricComparison(
            metric,
            values,
            barred={row.key: reason for row in having if (reason := _barred(row, metric)) is not None},
            aside=[row.key for row in having if row.framework.is_reference],
            is_pooled=self._is_pooled,
            stages={row.key: row.stage for row in having if row.stage is not None},
        )


def costs_with_broker(table: Table) -> MetricComparison[RowKey]:
    """The comparison of all rows of a table by the CPU that the server and its broker take in each round.

    A setup with a broker needs it, so the broker's CPU is part of the cost. Where there is none, it is the comparison
    of the server's CPU.
    """
    return table.compared.costs


def cost_by_round(values: Mapping[str, Value]) -> dict[int, float]:
    """CPU of the server and its broker by repeat; the broker's mean where its own value of a repeat is missing."""
    own, broker = values[CPU.key].rounds, values.get(BROKER_CPU.key)
    if broker is None:
        return dict(own)
    return {number: one + broker.rounds.get(number, broker.estimate.mean) for number, one in own.items()}


def _barred(row: Row, metric: Metric) -> Reason | None:
    if not row.values[metric.key].is_enough:
        return "not enough data"
    return "disturbed" if needs_quiet(metric) and not row.is_quiet else None


@dataclass(frozen=True)
class Comparison:
    """The tables of runs that together cover the workloads, by workload, then parameters; empty without runs."""

    runs: tuple[Run, ...]
    """The runs in the order given to `compare_runs`."""
    tables: tuple[Table, ...]

    @property
    def is_empty(self) -> bool:
        return not self.runs

    @property
    def workloads(self) -> tuple[WorkloadFacts, ...]:
        """The workloads, each as defined by the first run that planned it."""
        return planned_workloads(self.runs)

    @property
    def frameworks(self) -> tuple[FrameworkFacts, ...]:
        """All measured frameworks except the reference, ordered by slug."""
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
        """The tables that the performance verdict rests on."""
        return tuple(table for table in self.tables if is_headline(table))

    @property
    def further(self) -> tuple[Table, ...]:
        """The tables that the performance verdict does not rest on."""
        return tuple(table for table in self.tables if not is_headline(table))


def is_headline(table: Table) -> bool:
    """Whether the performance verdict rests on this table."""
    return is_headline_workload(table.workload.slug, table.parameters)


def compare_runs(runs: Sequence[Run], *, ranked: bool = True) -> Comparison:
    """Put every cell into its table. ``runs``: the preferred ones first, which are the newest or those of
    `Dataset.headline`; together they cover the workloads.

    Rows of different runs never share a table, since only rounds of one run are pairs. A table comes from the run that
    measured the most variants, or from all runs that measured the same variants (see `pooled`). Capacity searches have
    separate tables (see `capacity_tables`). ``ranked``: whether to compute ranks, which take most of the time.
    """
    return Comparison(tuple(runs), tuple(pooled(runs, ranked=ranked)))


def pooled(runs: Sequence[Run], *, ranked: bool = True) -> list[Table]:
    """The tables of `fullest`, each pooled with the tables of all runs that measured the same variants.

    These runs are blocks: each has its own machine or day. The value of a block is the mean of its rounds.
    Blocks are the repeats, since rounds of one block share its machine. The model has a level for each block.
    """
    tables = {id(run): list(_tables_of(run, ranked=ranked and len(runs) == 1)) for run in runs}
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
            found.append(_pool(blocks, ranked=ranked))
        else:
            found.append(_with_ranks(table) if ranked and len(runs) > 1 else table)
    return found


def _with_ranks(table: Table) -> Table:
    return _table(table.run, table.workload, table.parameters, table.latency_kind, list(table.rows), table.compared)


def _pool(blocks: Sequence[Table], *, ranked: bool) -> Table:
    newest = blocks[0]
    rows = [_pooled_row([_row_of(block, row.key) for block in blocks]) for row in newest.rows]
    compared = MetricComparisons(rows, is_pooled=True)
    table = _table(newest.run, newest.workload, newest.parameters, newest.latency_kind, rows, compared, ranked=ranked)
    return replace(table, blocks=tuple(block.run for block in blocks))


def _row_of(table: Table, key: RowKey) -> Row:
    return next(row for row in table.rows if row.key == key)


def _pooled_row(rows: Sequence[Row]) -> Row:
    """One variant over all blocks; blocks without a valid round count only if no block has one."""
    is_valid = any(row.status == "valid" for row in rows)
    counting = [row if row.status == "valid" or not is_valid else None for row in rows]
    stage = latest([row.stage for row in rows])
    values = {}
    for key, metric in METRICS.items():
        found = {
            number: row.values[key]
            for number, row in enumerate(counting, start=1)
            if row is not None and key in row.values
        }
        means = {number: value.estimate.mean for number, value in found.items()}
        if (estimate := metric.estimate(list(means.values()), is_of_runs=True, stage=stage)) is not None:
            values[key] = Value(means, estimate, sum(value.valid_rounds for value in found.values()))
    disturbances = [row.disturbance_percent for row in counting if row is not None]
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
        values=values,
        disturbance_percent=_mean(disturbances),
        stage=stage,
    )


_STATUSES: tuple[Status, ...] = ("valid", "invalid", "failed")


def _pooled_cell(cells: Sequence[CellRecord]) -> CellRecord:
    """A cell with all measurements and the merged distributions."""
    # The reference is paired by its blocks. Rounds are numbered through, so that each stays one of its own.
    measurements: list[Measurement] = []
    for cell in cells:
        before = max((one.round for one in measurements), default=0)
        measurements += [
            one.model_copy(update={"reference": None, "round": before + one.round}) for one in cell.measurements
        ]
    merged = {
        name: _merged(
            [found for cell in cells if (found := getattr(cell, name)) is not None], events_in(measurements, name)
        )
        for name in ("latency", "latency_from_send", "last_delivery", "push_lateness")
    }
    timeline = next((cell.timeline for cell in cells if cell.timeline is not None), None)
    return cells[0].model_copy(update={**merged, "timeline": timeline, "measurements": measurements})


def _merged(distributions: Sequence[Distribution], events: int | None) -> Distribution | None:
    if len(distributions) < 2:
        return distributions[0] if distributions else None
    decoded = [Histogram.decode(one.histogram) for one in distributions]
    digits = min(one.layout.digits for one in decoded)
    whole = reduce(Histogram.merge, (one.thinned(digits) for one in decoded))
    return Distribution(percentiles_ms=whole.percentiles(events), histogram=whole.encode())


def planned_workloads(runs: Sequence[Run]) -> tuple[WorkloadFacts, ...]:
    """The workloads of ``runs`` (the preferred ones first), each as defined by the first of them.

    Workloads of the performance verdict are first, then the others in the order of the last run.
    """
    found: dict[str, WorkloadFacts] = {}
    for run in reversed(runs):
        found.update({workload.slug: workload for workload in run.document.workloads})
    first = [slug for slug in HEADLINE if slug in found]
    return tuple(found[slug] for slug in dict.fromkeys([*first, *found]))


def fullest(runs: Sequence[Run], tables_of: Callable[[Run], Iterable[AnyTable]]) -> list[AnyTable]:
    """For each workload and its parameters the table with the most rows; of several, that of the first run.

    If these parameters were measured under several versions of the workload, only tables of the first one count. Rates
    are left out of that comparison, see `without_rates`. ``runs``: the preferred ones first. Ordered by workload, then
    parameters.
    """
    chosen: dict[str, AnyTable] = {}
    versions: dict[Scenario, str] = {}
    for run in runs:
        for table in tables_of(run):
            if versions.setdefault(scenario_in_versions(table), table.workload.version) != table.workload.version:
                continue
            best = chosen.get(table.slug)
            if best is None or len(table.rows) > len(best.rows):
                chosen[table.slug] = table
    order = [workload.slug for workload in planned_workloads(runs)]
    return sorted(chosen.values(), key=lambda table: (order.index(table.workload.slug), _ascending(table.parameters)))


def scenario_in_versions(table: _Tabular) -> Scenario:
    """What identifies a table's scenario in all versions of its workload."""
    return table.workload.slug, frozenset(without_rates(table.parameters).items())


def _ascending(parameters: Parameters) -> list[tuple[str, bool, float, str]]:
    """Sort key of parameters: numbers by size, words alphabetically, independent of the order of runs."""
    return [
        (name, isinstance(value, str), 0.0 if isinstance(value, str) else float(value), str(value))
        for name, value in parameters.items()
    ]


def _tables_of(run: Run, *, ranked: bool) -> Iterator[Table]:
    planned = {workload.slug: workload for workload in run.document.workloads}
    rows: dict[tuple[str, tuple[tuple[str, object], ...], str], list[Row]] = {}
    for row in rows_of(run, searched=False):
        scenario = (row.cell.workload, tuple(row.cell.parameters.items()), row.cell.latency_kind)
        rows.setdefault(scenario, []).append(row)
    for members in rows.values():
        cell = members[0].cell
        yield _table(run, planned[cell.workload], cell.parameters, cell.latency_kind, members, ranked=ranked)


def rows_of(run: Run, *, searched: bool) -> Iterator[Row]:
    """Rows of all cells measured with the run's workload version. ``searched``: capacity searches, or all others."""
    versions = {workload.slug: workload.version for workload in run.document.workloads}
    for item in run.frameworks:
        variants = {variant.slug: variant for variant in item.document.variants}
        for cell in item.document.cells:
            variant = variants.get(cell.variant)
            if cell.is_search != searched or not cell.measurements:
                continue
            if variant is not None and versions.get(cell.workload) == cell.workload_version:
                yield _row(run, item, variant, with_enough_cores(run, cell))


def _row(run: Run, item: FrameworkResult, variant: VariantFacts, cell: CellRecord) -> Row:
    of_reference = item.document.framework.is_reference
    valid = [measurement for measurement in cell.measurements if _counts(measurement, of_reference=of_reference)]
    measured = [measurement for measurement in cell.measurements if measurement.failure is None]
    status: Status = "valid" if valid else "invalid" if measured else "failed"
    machine, stage = run.document.machine, _stage(run, len(cell.decisive))
    values = {
        key: Value(rounds, estimate, len(rounds))
        for key, rounds in read_values(valid or measured).items()
        if (estimate := METRICS[key].estimate(list(rounds.values()), stage=stage)) is not None
    }
    return Row(
        framework=item.document.framework,
        variant=variant,
        cell=cell,
        status=status,
        rounds=len(cell.decisive),
        valid_rounds=len(valid),
        reasons=_reasons(cell.decisive, of_reference=of_reference),
        values=values,
        raw=item.raw,
        disturbance_percent=_mean([disturbance_percent(one, logical_cpus=machine.logical_cpus) for one in valid]),
        stage=stage,
    )


def _stage(run: Run, rounds: int) -> Stage | None:
    """The stage of a row with so many measured rounds; ``None`` if the number of rounds was fixed before.

    Below `MIN_ROUNDS` nothing is decided, so no look before it counts.
    """
    adaptive = run.document.adaptive
    return Stage(max(adaptive.first_rounds, MIN_ROUNDS), rounds) if adaptive is not None else None


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; ``None`` if there is no value or one is unknown."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


_BY_A_TIMER = f"limited by a timer: more than {TIMER_UNUSED_PERCENT:g} % of the server's core was left unused"


def _counts(measurement: Measurement, *, of_reference: bool) -> bool:
    """Whether a measurement counts. Files from before 28 November 2026 count rooms that a timer limited; their
    throughput is that of the timer, so it is not compared.
    """
    return measurement.valid and (of_reference or timer_limited_percent(measurement) is None)


def _reasons(measurements: Iterable[Measurement], *, of_reference: bool) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for measurement in measurements:
        if measurement.failure is not None:
            found[f"failed at {measurement.failure.stage}: {measurement.failure.reason}"] += 1
        elif not measurement.valid:
            found.update(measurement.invalid_reasons)
        elif not _counts(measurement, of_reference=of_reference):
            found[_BY_A_TIMER] += 1
    return tuple(found.most_common())


def _table(
    run: Run,
    workload: WorkloadFacts,
    parameters: Parameters,
    latency_kind: Literal["from_intended", "service_time"],
    rows: list[Row],
    compared: MetricComparisons | None = None,
    *,
    ranked: bool = True,
) -> Table:
    """Order the rows and add what depends on other rows: contrasts to the reference, ranks, and adjusted means.

    ``compared``: the comparisons of the whole table, if ``rows`` are a part of it. ``ranked``: whether to compare the
    rows, which takes most of the time.
    """
    compared = MetricComparisons(rows) if compared is None else compared
    present = {key for row in rows for key in row.values}
    metrics = tuple(metric for metric in METRICS.values() if metric.key in present)
    contenders = [row for row in rows if row.status == "valid" and not row.framework.is_reference]
    deciding = deciding_metrics(
        _shared_metrics(contenders),
        is_open=latency_kind == "from_intended",
        is_quiet=sum(row.is_quiet for row in contenders) > 1,
    )
    reference = next((row for row in compared.rows if row.framework.is_reference), None)
    completed = [_with_reference(row, reference, compared) for row in rows]
    if ranked:
        for metric in deciding:
            completed = _with_ranks_in(metric, completed, compared)
    completed.sort(key=lambda row: _best_first(row, deciding))
    return Table(run, workload, parameters, latency_kind, metrics, deciding, tuple(completed), compared)


def _shared_metrics(contenders: Sequence[Row]) -> set[str]:
    """Keys of the metrics that all contenders have; those with too few rounds count only if no other is there."""
    having = [row for row in contenders if row.valid_rounds >= MIN_ROUNDS] or contenders
    return set.intersection(*(set(row.values) for row in having)) if having else set()


def _with_reference(row: Row, reference: Row | None, compared: MetricComparisons) -> Row:
    if reference is None or row.status != "valid" or row.framework.is_reference:
        return row
    values = {
        key: Value(
            value.rounds, value.estimate, value.valid_rounds, value.rank, _relation(key, row, reference, compared)
        )
        if key in reference.values
        else value
        for key, value in row.values.items()
    }
    return replace(row, values=values)


def _relation(key: str, row: Row, reference: Row, compared: MetricComparisons) -> Callable[[], Relation]:
    return lambda: Relation(compared.of(METRICS[key]).model, row.key, reference.key)


def _with_ranks_in(metric: Metric, rows: Sequence[Row], compared: MetricComparisons) -> list[Row]:
    found = compared.of(metric)
    ranks = found.ranks([row.key for row in rows])
    completed = []
    for row in rows:
        mean = found.model.mean(row.key) if row.status == "valid" else None
        value = row.values.get(metric.key)
        if value is not None and mean is not None:
            estimate = value.estimate.moved_to(mean, is_ratio=metric.is_ratio)
            value = replace(value, estimate=estimate, rank=ranks.get(row.key))
            row = replace(row, values={**row.values, metric.key: value})
        completed.append(row)
    return completed


def _best_first(row: Row, deciding: tuple[Metric, ...]) -> tuple[object, ...]:
    """Sort key: the reference first, then the best first, then rows with too few rounds, and those without valid
    values.
    """
    value = row.values.get(deciding[0].key) if deciding else None
    mean = 0.0 if value is None else value.estimate.mean
    order = deciding[0].best_first(mean) if deciding else mean
    is_short = value is None or not value.is_enough
    return not row.framework.is_reference, _STATUSES.index(row.status), is_short, order, row.key
