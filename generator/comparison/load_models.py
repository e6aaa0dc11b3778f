"""What a load that a reader describes takes of each framework, in proportion to what was measured.

A load is so many units of work per second: deliveries, chunks or messages. A measurement says what a unit costs. Of
several measurements, the one whose size is nearest counts, because a unit costs less where many share the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from generator.comparison.metrics import CPU, CPU_PER_MESSAGE, MEMORY_PER_CONNECTION
from generator.comparison.scored_values import ScoringBasis, is_published
from generator.comparison.tables import Row, Table, costs_with_broker
from generator.dataset import Parameters

LARGEST_STEP = 3.0
"""The largest factor between the clients, members or streams of a load and those that were measured. Beyond it, the
estimate is not sure."""


@dataclass(frozen=True)
class Dial:
    """What a reader sets. ``name``: in the address. ``steps``: the values, ascending. ``usual``: the first one."""

    name: str
    title: str
    steps: tuple[float, ...]
    usual: float

    def __post_init__(self) -> None:
        """Raise `ValueError` for a first value that is no step."""
        if self.usual not in self.steps:
            raise ValueError(f"{self.name}: {self.usual:g} is none of its steps")


@dataclass(frozen=True)
class LoadTerm:
    """A part of the units per second: ``factor`` times the product of the dials."""

    factor: float
    dials: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredLoad:
    """Tables that show what a unit costs: those of a workload with these parameters.

    ``size``: the parameter that the model's `LoadModel.size` is compared with; ``None`` if it has none. ``units``: the
    units per second as parts, each a factor and the parameters whose product it takes. ``unsaid``: what older tables
    had, but do not say. ``is_per_unit``: whether the results have the CPU time of each unit themselves.
    """

    workload: str
    where: Parameters
    units: tuple[LoadTerm, ...]
    size: str | None = None
    unsaid: Parameters = field(default_factory=dict)
    is_per_unit: bool = False

    def is_of(self, parameters: Parameters) -> bool:
        """Whether a table with these parameters is one of them, and has what the units are counted by."""
        counted = {name for term in self.units for name in term.dials}
        return self.where.items() <= parameters.items() and counted <= self.unsaid.keys() | parameters.keys()

    def units_per_s(self, parameters: Parameters) -> float:
        """The units per second of such a table."""
        known = {**self.unsaid, **parameters}
        return _total(self.units, {name: float(known[name]) for term in self.units for name in term.dials})


@dataclass(frozen=True)
class LoadModel:
    """What a reader sets for one use case. ``unit``: the unit of work, in the singular. ``clients``: the dial that
    counts connections. ``size``: the dial by which the nearest measurement is found, and what it counts.
    """

    unit: str
    dials: tuple[Dial, ...]
    terms: tuple[LoadTerm, ...]
    clients: str
    measured: tuple[MeasuredLoad, ...]
    size: str | None = None
    size_in_words: str = ""

    @property
    def units(self) -> str:
        return f"{self.unit[:-1]}ies" if self.unit.endswith("y") else f"{self.unit}s"

    @property
    def usual(self) -> dict[str, float]:
        """The first value of each dial."""
        return {dial.name: dial.usual for dial in self.dials}

    def units_per_s(self, values: Mapping[str, float]) -> float:
        """The units per second of these values of the dials."""
        return _total(self.terms, values)


_USERS = Dial("users", "Users at a time", (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000), 1000)

LOAD_MODELS: dict[str, LoadModel] = {
    "request-reply": LoadModel(
        unit="message",
        dials=(
            _USERS,
            Dial("rate", "Messages per minute of each user", (0.1, 0.3, 1, 3, 6, 12, 30, 60, 120, 300, 600), 60),
        ),
        terms=(LoadTerm(1 / 60, ("users", "rate")),),
        clients="users",
        measured=(MeasuredLoad("echo", {"mode": "open"}, (LoadTerm(1, ("rate_per_s",)),)),),
    ),
    "dashboard": LoadModel(
        unit="message",
        dials=(
            _USERS,
            Dial("rate", "Updates per minute of each user", (0, 0.1, 0.3, 1, 3, 6, 12, 30, 60, 120, 300), 6),
            Dial("pushes", "Snapshots per minute to each user", (1, 3, 6, 12, 30, 60, 120, 300, 600), 60),
        ),
        # An update comes in, and its answer goes out.
        terms=(LoadTerm(2 / 60, ("users", "rate")), LoadTerm(1 / 60, ("users", "pushes"))),
        clients="users",
        size="users",
        size_in_words="users",
        measured=(
            MeasuredLoad(
                "dashboard",
                {},
                (LoadTerm(2, ("users", "updates_per_user_per_s")), LoadTerm(1, ("users", "snapshots_per_s"))),
                size="users",
                unsaid={"snapshots_per_s": 1},
            ),
            MeasuredLoad(
                "crowd", {}, (LoadTerm(2, ("users", "updates_per_user_per_s")), LoadTerm(1, ("users",))), size="users"
            ),
        ),
    ),
    "chat": LoadModel(
        unit="delivery",
        dials=(
            _USERS,
            Dial("rate", "Messages per minute of each user", (0.1, 0.3, 1, 3, 6, 12, 30, 60), 1),
            Dial("members", "Members of a room", (2, 5, 10, 30, 100, 300, 1000, 3000), 100),
        ),
        terms=(LoadTerm(1 / 60, ("users", "rate", "members")),),
        clients="users",
        size="members",
        size_in_words="members",
        measured=(MeasuredLoad("room", {"mode": "open"}, (LoadTerm(1, ("deliveries_per_s",)),), size="members"),),
    ),
    "streaming": LoadModel(
        unit="chunk",
        dials=(
            Dial("streams", "Streams at a time", (1, 3, 10, 30, 100, 300, 1000, 3000), 100),
            Dial("chunks", "Chunks per second of each", (1, 2, 5, 10, 20, 50, 100), 20),
        ),
        terms=(LoadTerm(1, ("streams", "chunks")),),
        clients="streams",
        size="streams",
        size_in_words="streams",
        measured=(
            MeasuredLoad(
                "stream",
                {"transport": "sse"},
                (LoadTerm(1, ("streams", "chunks_per_stream_per_s")),),
                size="streams",
                is_per_unit=True,
            ),
        ),
    ),
    "notifications": LoadModel(
        unit="delivery",
        dials=(
            _USERS,
            Dial("rate", "Messages per minute to everybody", (0.1, 0.3, 1, 3, 6, 12, 30, 60, 120, 300), 6),
        ),
        terms=(LoadTerm(1 / 60, ("users", "rate")),),
        clients="users",
        measured=(MeasuredLoad("room", {"mode": "open", "members": 1000}, (LoadTerm(1, ("deliveries_per_s",)),)),),
    ),
}
"""By slug of the use case."""


@dataclass(frozen=True)
class UnitCost:
    """What a unit costs by one measurement. Times in µs of CPU, of the server and its broker."""

    size: float
    """How many clients, members or streams it had; 1 where that does not matter."""
    cpu_us: float
    interval: tuple[float, float] | None
    """95 % interval of ``cpu_us``."""
    rounds: int
    workload: str
    anchor: str
    raw: str
    """Path of the result file, below ``data/``."""


@dataclass(frozen=True)
class LoadCosts:
    """What the headline variant of a framework costs under the loads of one use case."""

    framework: str
    costs: tuple[UnitCost, ...]
    """By size, ascending; at least one."""
    kb_per_client: float | None
    """Memory of an idle connection."""

    def nearest(self, size: float) -> UnitCost:
        """The measurement whose size is nearest by its ratio; of two, the smaller."""
        return min(self.costs, key=lambda one: abs(math.log(one.size / size)))


@dataclass(frozen=True)
class LoadEstimate:
    """What a load takes. ``cores``: of CPU time per second, with the ends of the interval; ``mb``: of its idle
    connections, ``None`` if that was not measured. ``is_far``: whether its size is far from every measured one.
    """

    cost: UnitCost
    cores: float
    low: float | None
    high: float | None
    mb: float | None
    is_far: bool


def estimate_load(model: LoadModel, found: LoadCosts, values: Mapping[str, float]) -> LoadEstimate:
    """What a load takes of one framework, in proportion to its units per second.

    ``values``: of all dials.
    """
    size = values[model.size] if model.size else 1.0
    cost = found.nearest(size)
    scale = model.units_per_s(values) / 1e6
    low, high = cost.interval or (None, None)
    return LoadEstimate(
        cost=cost,
        cores=scale * cost.cpu_us,
        low=None if low is None else scale * low,
        high=None if high is None else scale * high,
        mb=None if found.kb_per_client is None else values[model.clients] * found.kb_per_client / 1000,
        is_far=model.size is not None and not 1 / LARGEST_STEP <= size / cost.size <= LARGEST_STEP,
    )


def load_costs(model: LoadModel, basis: ScoringBasis) -> tuple[LoadCosts, ...]:
    """Of each framework that takes part in verdicts and has a value that counts, what a unit costs."""
    tables = [
        (load, table)
        for load in model.measured
        for table in basis.comparison.of_workload(load.workload)
        if load.is_of(table.parameters) and is_published(table)
    ]
    found = []
    for slug in basis.competing:
        costs: dict[float, UnitCost] = {}
        for load, table in tables:
            row = basis.row_of(table, slug)
            if row is not None and (cost := _unit_cost(load, table, row)) is not None:
                costs.setdefault(cost.size, cost)
        if costs:
            ordered = tuple(costs[size] for size in sorted(costs))
            found.append(LoadCosts(slug, ordered, _kb_per_client(basis, slug)))
    return tuple(found)


def _unit_cost(load: MeasuredLoad, table: Table, row: Row) -> UnitCost | None:
    """``None`` if the value does not count."""
    metric = CPU_PER_MESSAGE if load.is_per_unit else CPU
    value = row.values.get(metric.key)
    if row.status != "valid" or value is None or not value.is_enough:
        return None
    compared = table.compared.of(metric) if load.is_per_unit else costs_with_broker(table)
    estimate = compared.estimate(row.key)
    if estimate is None:
        return None
    # A hundredth of a core is 10,000 µs per second.
    scale = 1.0 if load.is_per_unit else 10_000 / load.units_per_s(table.parameters)
    interval = estimate.interval
    return UnitCost(
        size=float(table.parameters[load.size]) if load.size else 1.0,
        cpu_us=scale * estimate.mean,
        interval=(scale * interval.low, scale * interval.high) if interval else None,
        rounds=estimate.rounds,
        workload=table.workload.slug,
        anchor=table.slug,
        raw=row.raw,
    )


def _kb_per_client(basis: ScoringBasis, slug: str) -> float | None:
    for table in basis.comparison.of_workload("connect"):
        row = basis.row_of(table, slug)
        value = row.values.get(MEMORY_PER_CONNECTION.key) if row else None
        if row and row.status == "valid" and value and value.is_enough and is_published(table):
            return max(0.0, value.estimate.mean)
    return None


def _total(terms: Iterable[LoadTerm], values: Mapping[str, float]) -> float:
    return sum(term.factor * math.prod(values[name] for name in term.dials) for term in terms)


# How a unit's cost changes with the size


@dataclass(frozen=True)
class Growth:
    """What a unit costs at the smallest and the largest size at which the same frameworks were measured.

    ``sizes``: all sizes, ascending. ``rows``: by framework, the cost at each size, ``None`` where it was not measured.
    ``factors``: the largest of each row divided by its smallest size, of the frameworks that have both.
    """

    sizes: tuple[float, ...]
    rows: Mapping[str, tuple[UnitCost | None, ...]]
    factors: Mapping[str, float]


def growth_of(found: Sequence[LoadCosts]) -> Growth | None:
    """How the cost of a unit grows; ``None`` unless a framework has two sizes or more."""
    grown = [one for one in found if len(one.costs) > 1]
    if not grown:
        return None
    sizes = tuple(sorted({cost.size for one in grown for cost in one.costs}))
    rows = {}
    for one in grown:
        by_size = {cost.size: cost for cost in one.costs}
        rows[one.framework] = tuple(by_size.get(size) for size in sizes)
    factors = {
        slug: row[-1].cpu_us / row[0].cpu_us
        for slug, row in rows.items()
        if row[0] is not None and row[-1] is not None and row[0].cpu_us > 0
    }
    return Growth(sizes, rows, factors)


def model_facts(model: LoadModel, found: Sequence[LoadCosts]) -> dict[str, object]:
    """The model and the costs as data for the page's script."""
    return {
        "units": model.units,
        "dials": [{"name": one.name, "steps": one.steps, "usual": one.usual} for one in model.dials],
        "terms": [asdict(term) for term in model.terms],
        "clients": model.clients,
        "size": model.size,
        "size_in_words": model.size_in_words,
        "farthest": LARGEST_STEP,
        "frameworks": {one.framework: asdict(one) for one in found},
    }
