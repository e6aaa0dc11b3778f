"""Which values count in which sheet of `generator.comparison.scoring`, and how they are read from tables and evidence.

The tables here are the rules: `USE_CASES` for performance, the facets of `record.ITEMS` for the other dimensions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from generator.comparison.capacities import MIN_SEARCHES, CapacityRow, CapacityTable
from generator.comparison.deciding import DECIDING_QUANTILES, needs_quiet
from generator.comparison.metrics import (
    BROKER_CPU,
    CHUNK_LATENESS,
    CONNECTION_RATE,
    CPU,
    CPU_PER_MESSAGE,
    FIRST_CHUNK,
    LAST_DELIVERY,
    LATENCY,
    MEMORY_PER_CONNECTION,
    METRICS,
    OUTSIDE_LAST,
    PUSH_LATENESS,
    RETURN_TIME,
    THROUGHPUT,
    Family,
    Metric,
    percentile,
    read_values,
)
from generator.comparison.scoring import CellState, Criterion, ScoreCell, Sheet
from generator.comparison.tables import Comparison, Row, Table
from generator.dataset import Evidence, Parameters
from generator.statistics import MIN_ROUNDS
from runners.record import FACETS, ITEMS, Finding, Item, amount_of, degree_of, parameter_in_words

UNPUBLISHED_PROFILES = frozenset({"quick"})
"""Profiles whose results never count: their windows are too short for a published verdict."""
_MOST_UNDELIVERED = 0.5
"""Above this share of rounds whose messages did not arrive as required, a workload scores like a failed one."""

PERFORMANCE_FACETS = ("capacity", "delay", "CPU cost", "memory per connection")


@dataclass(frozen=True)
class ScoredMetric:
    """Values of one workload that count in a use case. ``where``: the parameters that select the table.

    ``counts_overall``: whether they also count in performance over all use cases.
    """

    facet: str
    workload: str
    where: Parameters
    what: Metric | Family
    counts_overall: bool = True

    @property
    def is_search(self) -> bool:
        """Whether it is the result of a capacity search."""
        return "search" in self.where

    def table_in(self, comparison: Comparison) -> Table | None:
        """The first table that it selects; ``None`` without one."""
        return next(
            (
                table
                for table in comparison.of_workload(self.workload)
                if self.where.items() <= table.parameters.items()
            ),
            None,
        )


@dataclass(frozen=True)
class UseCase:
    """What a reader builds, and the measurements that stand for it. ``lacks``: what we do not measure."""

    slug: str
    title: str
    measured: tuple[ScoredMetric, ...]
    lacks: str = ""


_CLOSED: Parameters = {"mode": "closed"}
_OPEN: Parameters = {"mode": "open"}
_STREAMS: Parameters = {"transport": "sse", "streams": 100}
_IDLE = ScoredMetric("memory per connection", "connect", {"clients": 1000}, MEMORY_PER_CONNECTION)


def _room(members: int, *, counts_overall: bool) -> tuple[ScoredMetric, ...]:
    size: Parameters = {"members": members}
    return (
        ScoredMetric("capacity", "room", _CLOSED | size, THROUGHPUT, counts_overall),
        ScoredMetric("delay", "room", _OPEN | size, LATENCY, counts_overall),
        ScoredMetric("delay", "room", _OPEN | size, LAST_DELIVERY, counts_overall),
        ScoredMetric("CPU cost", "room", _OPEN | size, CPU, counts_overall),
    )


USE_CASES: tuple[UseCase, ...] = (
    UseCase(
        "request-reply",
        "Request and reply",
        (
            ScoredMetric("capacity", "echo", _CLOSED, THROUGHPUT),
            ScoredMetric("delay", "echo", _OPEN, LATENCY),
            ScoredMetric("CPU cost", "echo", _OPEN, CPU),
            _IDLE,
        ),
    ),
    UseCase(
        "dashboard",
        "Live dashboard",
        (
            ScoredMetric("capacity", "capacity", {"search": "users"}, THROUGHPUT),
            ScoredMetric("delay", "dashboard", {"users": 100}, LATENCY),
            ScoredMetric("delay", "dashboard", {"users": 100}, PUSH_LATENESS),
            ScoredMetric("delay", "crowd", {"users": 1000}, LATENCY, counts_overall=False),
            ScoredMetric("delay", "crowd", {"users": 1000}, PUSH_LATENESS, counts_overall=False),
            ScoredMetric("CPU cost", "dashboard", {"users": 100}, CPU),
            ScoredMetric("CPU cost", "crowd", {"users": 1000}, CPU, counts_overall=False),
            _IDLE,
        ),
    ),
    UseCase(
        "chat",
        "Chat",
        (
            *_room(10, counts_overall=False),
            *_room(100, counts_overall=True),
            *_room(1000, counts_overall=False),
            _IDLE,
        ),
        lacks="Presence, history and messages to single users are not measured.",
    ),
    UseCase(
        "streaming",
        "Streaming",
        (
            ScoredMetric("delay", "stream", _STREAMS, FIRST_CHUNK, counts_overall=False),
            ScoredMetric("delay", "stream", _STREAMS, CHUNK_LATENESS, counts_overall=False),
            ScoredMetric("delay", "sse", {"viewers": 100}, PUSH_LATENESS, counts_overall=False),
            ScoredMetric("CPU cost", "stream", _STREAMS, CPU_PER_MESSAGE, counts_overall=False),
            ScoredMetric("CPU cost", "sse", {"viewers": 100}, CPU, counts_overall=False),
        ),
        lacks="Capacity of streams, HTTP/2 and the model behind them are not measured.",
    ),
    UseCase(
        "notifications",
        "Notifications",
        (
            ScoredMetric("capacity", "connect", {"clients": 500}, CONNECTION_RATE, counts_overall=False),
            ScoredMetric("delay", "room", _OPEN | {"members": 1000}, LAST_DELIVERY, counts_overall=False),
            ScoredMetric("delay", "publish", {"publisher": "http"}, OUTSIDE_LAST, counts_overall=False),
            ScoredMetric("delay", "recovery", {"users": 100}, RETURN_TIME, counts_overall=False),
            ScoredMetric("CPU cost", "room", _OPEN | {"members": 1000}, CPU, counts_overall=False),
            _IDLE,
        ),
    ),
)
"""What people build most. Performance over all of them rests on the tables with
``counts_overall``: what most applications do most of the time."""


@dataclass(frozen=True)
class ScoringBasis:
    """What scores are computed from.

    ``headline``: the slug of the headline variant of each framework that has one. Without it, only evidence on the
    framework as a whole counts. ``frameworks``: all but the reference. ``competing``: those that are an answer.
    ``flagged``: those with a hard flag.
    """

    comparison: Comparison
    searched: Sequence[CapacityTable]
    evidence: Mapping[str, Evidence]
    headline: Mapping[str, str]
    frameworks: tuple[str, ...]
    competing: tuple[str, ...]
    flagged: frozenset[str] = frozenset()

    @property
    def barred(self) -> frozenset[str]:
        return self.flagged | frozenset(self.frameworks).difference(self.competing)

    @cached_property
    def _unable(self) -> dict[str, Mapping[str, str]]:
        return {facts.slug: facts.cannot for facts in self.comparison.frameworks}

    def cannot(self, framework: str) -> Mapping[str, str]:
        """The workloads that a measured framework does not support, with the reasons."""
        return self._unable.get(framework, {})

    def row_of(self, table: Table, framework: str) -> Row | None:
        """The row of a framework's headline variant."""
        key = (framework, self.headline.get(framework, ""))
        return next((row for row in table.rows if row.key == key), None)


def is_published(table: Table | CapacityTable) -> bool:
    """Whether all runs behind the table have a profile whose results count."""
    return not {run.document.profile for run in table.runs} & UNPUBLISHED_PROFILES


# Performance


def use_case_sheets(basis: ScoringBasis) -> dict[str, Sheet]:
    """One sheet per use case, by slug; each table is a group."""
    return {
        case.slug: _measured_sheet(case.slug, case.title, [(one, None) for one in case.measured], basis)
        for case in USE_CASES
    }


def performance_sheet(basis: ScoringBasis) -> Sheet:
    """Performance over all use cases; each use case is a group, so that all weigh the same."""
    measured = [(one, case.slug) for case in USE_CASES for one in case.measured if one.counts_overall]
    return _measured_sheet("performance", "Performance", measured, basis)


def _measured_sheet(
    slug: str, title: str, measured: Iterable[tuple[ScoredMetric, str | None]], basis: ScoringBasis
) -> Sheet:
    """``measured``: each with its group; ``None``: the table is the group."""
    criteria: dict[str, Criterion] = {}
    cells: dict[str, dict[str, ScoreCell]] = {}
    for one, group in measured:
        for criterion, row in _columns(one, basis):
            criteria.setdefault(criterion.key, replace(criterion, group=group or criterion.group))
            cells.setdefault(criterion.key, row)
    able = tuple(slug for slug in basis.frameworks if _is_able(slug, cells))
    ordered = sorted(criteria.values(), key=lambda one: PERFORMANCE_FACETS.index(one.facet))
    return Sheet(slug, title, able, tuple(ordered), cells, basis.barred)


@dataclass(frozen=True)
class FacetValues:
    """The values that show a facet of a use case: those of its first measurement that has any which count."""

    facet: str
    table: Table | CapacityTable
    metric: Metric | None
    """``None``: the capacity that was searched for."""
    cells: Mapping[str, ScoreCell]
    """By framework that takes part in verdicts, only those with values; at least one."""

    @property
    def unit(self) -> str:
        return self.metric.unit if self.metric else self.table.unit if isinstance(self.table, CapacityTable) else ""

    @property
    def is_higher_better(self) -> bool:
        return self.metric is None or self.metric.direction == "higher"


def facet_values(case: UseCase, basis: ScoringBasis) -> tuple[FacetValues, ...]:
    """One per facet that has values, in the order of `PERFORMANCE_FACETS`; what counts overall is preferred."""
    found: dict[str, FacetValues] = {}
    for one in sorted(case.measured, key=lambda measured: not measured.counts_overall):
        if one.facet not in found and (values := _facet_values(one, basis)) is not None:
            found[one.facet] = values
    return tuple(found[facet] for facet in PERFORMANCE_FACETS if facet in found)


def _facet_values(measured: ScoredMetric, basis: ScoringBasis) -> FacetValues | None:
    """The p90 where the measurement is a family of percentiles."""
    columns = [(criterion, cells) for criterion, cells in _columns(measured, basis) if criterion.source]
    for criterion, cells in sorted(columns, key=lambda column: not column[0].key.endswith("_p90")):
        known = {slug: cell for slug, cell in cells.items() if cell.value is not None and slug in basis.competing}
        if not known:
            continue
        if measured.is_search:
            table = next((one for one in basis.searched if one.slug == criterion.source), None)
            return FacetValues(measured.facet, table, None, known) if table else None
        table_of_rounds = measured.table_in(basis.comparison)
        metric = METRICS.get(criterion.key.rpartition("/")[2])
        if table_of_rounds is not None and metric is not None:
            return FacetValues(measured.facet, table_of_rounds, metric, known)
    return None


def _is_able(framework: str, cells: Mapping[str, Mapping[str, ScoreCell]]) -> bool:
    """Whether the framework supports any of the workloads."""
    states = [row[framework].state for row in cells.values() if framework in row]
    return not states or any(state != "unsupported" for state in states)


def _columns(measured: ScoredMetric, basis: ScoringBasis) -> list[tuple[Criterion, dict[str, ScoreCell]]]:
    """The criteria of one declared measurement, each with the cell of every framework."""
    if measured.is_search:
        return [_capacity_column(measured, basis)]
    table = measured.table_in(basis.comparison)
    if table is None:
        return [(_criterion(measured, None, measured.what), {})]
    metrics = _metrics(measured.what, table)
    return [
        (
            _criterion(measured, table, metric),
            {slug: _cell(table, basis.row_of(table, slug), metric, basis.cannot(slug)) for slug in basis.frameworks},
        )
        for metric in metrics
    ] or [(_criterion(measured, table, measured.what), {})]


def _metrics(what: Metric | Family, table: Table) -> list[Metric]:
    """The metrics that count: of a family the deciding percentiles; the p99 where it decides in this table."""
    if isinstance(what, Metric):
        return [what] if what in table.metrics else []
    family = [percentile(what, quantile) for quantile in DECIDING_QUANTILES[::-1]]
    return [
        metric for metric in family if metric in table.metrics and (metric in table.deciding or not needs_quiet(metric))
    ]


def _criterion(measured: ScoredMetric, table: Table | CapacityTable | None, what: Metric | Family) -> Criterion:
    where = table.slug if table else "-".join([measured.workload, *map(str, measured.where.values())])
    scenario = _in_words(measured)
    page = f"tests/{measured.workload}.md#{table.slug}" if table else ""
    if isinstance(what, Family):
        return Criterion(f"{where}/{what.slug}", f"{what.name}: {scenario}", measured.facet, "lower", group=where)
    return Criterion(
        key=f"{where}/{what.key}",
        title=f"{what.title}: {scenario}",
        facet=measured.facet,
        better=what.direction,
        floor=what.floor,
        unit=what.unit,
        group=where,
        source=where,
        page=page,
    )


def _in_words(measured: ScoredMetric) -> str:
    parameters = (parameter_in_words(name, value) for name, value in measured.where.items())
    return ", ".join([measured.workload.replace("-", " "), *parameters])


def _cell(table: Table, row: Row | None, metric: Metric, cannot: Mapping[str, str]) -> ScoreCell:
    if row is None:
        return ScoreCell("unsupported" if table.workload.slug in cannot else "unmeasured")
    if not is_published(table):
        return ScoreCell("quick")
    if row.status == "failed":
        return ScoreCell("failed" if row.rounds >= MIN_ROUNDS else "few-rounds")
    value = row.values.get(metric.key)
    if row.status != "valid" or value is None or not value.is_enough:
        return _self_limited_cell(row, metric)
    if needs_quiet(metric) and not row.is_quiet:
        return ScoreCell("disturbed")
    broker = row.values.get(BROKER_CPU.key) if metric is CPU else None
    return _counting_cell("counts", metric, value.rounds, value.estimate.mean, broker.rounds if broker else {})


def _counting_cell(
    state: CellState, metric: Metric, rounds: Mapping[int, float], mean: float, broker: Mapping[int, float]
) -> ScoreCell:
    """``broker``: its CPU by round, which is part of the cost where the setup needs it."""
    estimate = metric.estimate(list(broker.values()))
    if estimate is None:
        return ScoreCell(state, mean, rounds)
    both = {number: one + broker.get(number, estimate.mean) for number, one in rounds.items()}
    return ScoreCell(state, mean + estimate.mean, both)


def _self_limited_cell(row: Row, metric: Metric) -> ScoreCell:
    """The cell of a row without enough valid rounds: the server's own doing, if that is why, else too few rounds.

    It is if there were enough rounds with those that only the server made invalid. Their values are measured, although
    not under the conditions that the workload requires. Values would be missing because they are bad (missing not at
    random: Rubin 1976, Biometrika 63(3)). So leaving them out would raise a framework's total by its worst workload.
    """
    caused = {one.round: cause for one in row.cell.decisive if (cause := row.own_cause(one)) is not None}
    valid = [one for one in row.cell.decisive if one.failure is None and row.counts(one)]
    if not caused or len(valid) + len(caused) < MIN_ROUNDS:
        return ScoreCell("few-rounds")
    undelivered = [number for number, cause in caused.items() if cause == "undelivered"]
    if len(undelivered) > _MOST_UNDELIVERED * row.rounds:
        return ScoreCell("undelivered")
    measured = [one for one in row.cell.decisive if caused.get(one.round, "undelivered") != "undelivered"] + valid
    values = read_values(measured)
    estimate = metric.estimate(list(values.get(metric.key, {}).values()))
    if estimate is None or (needs_quiet(metric) and not row.is_quiet):
        return ScoreCell("few-rounds" if estimate is None else "disturbed")
    (cause, _), *_ = Counter(caused.values()).most_common(1)
    broker = values.get(BROKER_CPU.key, {}) if metric is CPU else {}
    return _counting_cell(cause, metric, values[metric.key], estimate.mean, broker)


def _capacity_column(measured: ScoredMetric, basis: ScoringBasis) -> tuple[Criterion, dict[str, ScoreCell]]:
    """The load that is sustained in half of all attempts, at the highest limit of the p99 that was searched for."""
    tables = [table for table in basis.searched if measured.where.items() <= table.parameters.items()]
    table = max(tables, key=lambda one: float(one.parameters["p99_limit_ms"]), default=None)
    criterion = replace(
        _criterion(measured, table, THROUGHPUT),
        title="users sustained by one core"
        if measured.where["search"] == "users"
        else "messages sustained by one core",
        better="higher",
        unit=table.unit if table else "",
    )
    if table is None:
        return criterion, {}
    rows = {row.key: row for row in table.rows}
    return criterion, {
        slug: _capacity_cell(table, rows.get((slug, basis.headline.get(slug, ""))), basis.cannot(slug))
        for slug in basis.frameworks
    }


def _capacity_cell(table: CapacityTable, row: CapacityRow | None, cannot: Mapping[str, str]) -> ScoreCell:
    if row is None:
        return ScoreCell("unsupported" if table.workload.slug in cannot else "unmeasured")
    if not is_published(table):
        return ScoreCell("quick")
    if row.status == "failed":
        return ScoreCell("failed" if row.rounds >= MIN_SEARCHES else "few-rounds")
    bracket = row.bracket
    if bracket is None or bracket.searches < MIN_SEARCHES:
        return ScoreCell("few-rounds")
    if bracket.low is None or bracket.high is None or not bracket.conclusive:
        return ScoreCell("open-ended")
    return ScoreCell("counts", bracket.middle, ends=(float(bracket.low), float(bracket.high)))


# The dimensions that rest on evidence


def evidence_sheets(basis: ScoringBasis, titles: Mapping[str, str]) -> dict[str, Sheet]:
    """One sheet per dimension with evidence, by slug. ``titles``: of the dimensions."""
    known = tuple(slug for slug in basis.frameworks if slug in basis.evidence)
    found: dict[str, Sheet] = {}
    for dimension, facets in FACETS.items():
        items = [item for item in ITEMS.values() if item.dimension == dimension and item.facet is not None]
        items.sort(key=lambda item: facets.index(item.facet) if item.facet else 0)
        cells = {item.slug: {slug: _evidence_cell(item, basis, slug) for slug in known} for item in items}
        if any(cell.value is not None for row in cells.values() for cell in row.values()):
            criteria = tuple(_evidence_criterion(item) for item in items)
            found[dimension] = Sheet(dimension, titles[dimension], known, criteria, cells, basis.barred)
    return found


def _evidence_criterion(item: Item) -> Criterion:
    assert item.facet is not None
    assert item.better is not None
    better = "yes" if item.better == "no" else item.better
    unit = "days" if item.unit == "date" else item.unit
    page = f"dimensions/{item.dimension}.md#evidence"
    return Criterion(item.slug, item.title, item.facet, better, item.floor, unit, page=page)


def _evidence_cell(item: Item, basis: ScoringBasis, framework: str) -> ScoreCell:
    finding = headline_finding(basis.evidence[framework], item.slug, basis.headline.get(framework))
    value = None if finding is None else _amount(item, finding, basis.evidence[framework])
    if finding is None or value is None:
        return ScoreCell("unmeasured")
    is_spread = item.repeated and finding.low is not None and finding.high is not None
    return ScoreCell("counts", value, ends=(finding.low or 0.0, finding.high or 0.0) if is_spread else None)


def headline_finding(evidence: Evidence, item: str, headline: str | None) -> Finding | None:
    """The finding on the framework as a whole, or on its headline variant; ``None`` if there is neither."""
    if ITEMS[item].of == "variant" and headline is None:
        return None
    return evidence.finding(item, headline)


def _amount(item: Item, finding: Finding, evidence: Evidence) -> float | None:
    """A number where more or less is better, or a degree from 0 to 1; ``None`` if it was not determined."""
    if item.better in ("yes", "no"):
        degree = degree_of(finding.value)
        return degree if degree is None or item.better == "yes" else 1 - degree
    return amount_of(finding, evidence.document.collected)


def items_of(dimension: str) -> Sequence[Item]:
    """The items of a dimension, in the order of its table."""
    return [item for item in ITEMS.values() if item.dimension == dimension]
