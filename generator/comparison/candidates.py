"""The facts by which a reader chooses a framework for an application: those of its headline variant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from generator.comparison.application_stacks import STACKS, variants_of
from generator.comparison.capacities import MIN_SEARCHES, CapacityTable
from generator.comparison.conclusions import Conclusions
from generator.comparison.deciding import needs_quiet
from generator.comparison.metrics import BROKER_CPU, CPU, LATENCY, METRICS, QUANTILES, Metric, tail_of
from generator.comparison.scored_values import headline_finding, is_published
from generator.comparison.tables import Row, RowKey, Table, costs_with_broker
from generator.dataset import Evidence
from generator.statistics import MIN_ROUNDS
from runners.record import degree_of

_DASHBOARD_PARAMETERS = {"users", "updates_per_user_per_s"}
"""Parameters that only tables of a live dashboard have."""

Need = Literal["polling", "plain", "spans", "sse"]


@dataclass(frozen=True)
class UserLoad:
    """A measured live dashboard load whose values count; the page estimates other loads from it."""

    workload: str
    users: int
    updates_per_s: float
    """Updates per second of each user."""
    snapshots_per_s: float
    """Snapshots per second to each user."""
    cores: int
    """Logical CPUs that the server could use."""
    cpu_percent: float
    """CPU use of server and broker, in percent of one core."""
    with_broker: bool
    interval: tuple[float, float] | None
    """95 % interval of ``cpu_percent``."""
    cheaper_than: tuple[str, ...]
    """The frameworks that take more by the outcome of the whole table: certain, and by more than the margin."""
    late_ms: float | None
    late_percentile: int | None
    """The percentile of ``late_ms``, the latency of updates: 99, or the highest that was determined and can decide."""
    rounds: int
    anchor: str
    """Anchor of the value on the workload's page."""
    raw: str
    """Path of the result file, below ``data/``."""


@dataclass(frozen=True)
class UncountedLoad:
    """A live dashboard load that was measured and does not count. ``why``: a clause, such as *3 of 5 valid rounds*."""

    workload: str
    users: int
    snapshots_per_s: float
    why: str
    anchor: str
    raw: str


@dataclass(frozen=True)
class UserCapacity:
    """The number of dashboard users that one core sustains in half of all attempts: an interval from two searches or
    more.
    """

    sustains: int | None
    """The lower end."""
    fails_at: int | None
    """The upper end."""
    anchor: str
    raw: str
    """Like ``anchor`` and ``raw`` of a `UserLoad`; the anchor is on the page of capacities."""


@dataclass(frozen=True)
class Setup:
    """The headline variant, with the properties that a reader can require.

    A need is fulfilled to a degree: 1 yes, 0.5 with code of one's own, 0 no; ``None``: not determined.
    """

    slug: str
    stacks: tuple[str, ...]
    """Stacks that it can be part of or run beside."""
    polling: float | None
    plain: float | None
    spans: float | None
    """Whether a room reaches the clients of other processes."""
    loads: tuple[UserLoad, ...]
    """Loads by number of users, ascending."""
    uncounted: tuple[UncountedLoad, ...]
    """Measured loads whose values do not count, likewise."""
    searched: UserCapacity | None
    search_uncounted: str | None
    """Why the search of a capacity does not count, as a clause; ``None`` if it does, or if there was none."""
    module: str | None
    """The shown source file that its command starts; ``None`` if the command names none of them."""
    sse: float | None = None
    """Whether it sends server-sent events."""


@dataclass(frozen=True)
class Candidate:
    """A framework with its headline variant. ``setup`` is ``None`` if it has none, or none with results or evidence."""

    slug: str
    title: str
    setup: Setup | None
    elsewhere: tuple[str, ...]
    """Stacks that only other variants of it can be part of."""
    flags: tuple[str, ...]
    """Titles of its hard flags."""
    labels: Mapping[str, str | None]
    """Its label by starting point and by use case, of those that it supports; ``None`` without enough data."""
    leads: Mapping[str, bool]
    """Where it has the best label, likewise, and whether it keeps that without any single part of the results."""
    limit_ms: float | None
    """The p99 latency up to which a load counts as sustained; ``None`` if no capacity was searched."""

    def can(self, need: Need) -> float | None:
        """To which degree its setup fulfils the need; ``None`` if that was not determined."""
        found: float | None = getattr(self.setup, need) if self.setup else None
        return found

    @property
    def loads(self) -> dict[int, UserLoad]:
        """The measured loads by number of users, ascending."""
        return {load.users: load for load in self.setup.loads} if self.setup else {}

    @property
    def uncounted(self) -> dict[int, UncountedLoad]:
        """The loads that were measured and do not count, likewise."""
        return {load.users: load for load in self.setup.uncounted} if self.setup else {}

    def to_json(self) -> dict[str, object]:
        """Data for the page's script."""
        return asdict(self)


def find_candidates(
    conclusions: Conclusions, titles: Mapping[str, str], code: Mapping[str, Set[str]] = MappingProxyType({})
) -> list[Candidate]:
    """The competing frameworks with results or evidence, by slug. ``code``: the shown source files of each."""
    basis = conclusions.basis
    dashboards = sorted(
        (table for table in basis.comparison.tables if _is_scalable(table)),
        key=lambda table: int(table.parameters["users"]),
    )
    users = [table for table in basis.searched if table.unit == "users"]
    limit_ms = max((float(table.parameters["p99_limit_ms"]) for table in users), default=None)
    users = [table for table in users if table.parameters["p99_limit_ms"] == limit_ms]
    leading = conclusions.best_labels
    found = []
    for slug in basis.competing:
        variants = variants_of(basis.evidence.get(slug), basis.comparison, slug)
        headline = basis.headline.get(slug)
        facts = next((one for one in variants if one.slug == headline), None)
        stacks = conclusions.stacks_by_setup.get(slug, {})
        setup = None
        if facts is not None:
            can = _degrees(basis.evidence.get(slug), facts.slug)
            key = (slug, facts.slug)
            counted, uncounted = _loads(dashboards, key, set(basis.headline.items()))
            searched, search_uncounted = _capacity(users, key)
            setup = Setup(
                slug=facts.slug,
                stacks=tuple(stacks.get(facts.slug, ())),
                loads=tuple(counted),
                uncounted=tuple(uncounted),
                searched=searched,
                search_uncounted=search_uncounted,
                module=module_of(facts.command, code.get(slug, frozenset())),
                polling=can["polling"],
                plain=can["plain"],
                spans=can["spans"],
                sse=can["sse"],
            )
        own = set(setup.stacks) if setup else set()
        others = {stack for of_variant in stacks.values() for stack in of_variant} - own
        found.append(
            Candidate(
                slug=slug,
                title=titles[slug],
                setup=setup,
                elsewhere=tuple(stack for stack in STACKS if stack in others),
                flags=tuple(flag.rule.title for flag in conclusions.flags.get(slug, ()) if flag.is_hard),
                labels={aim: of[slug].label for aim, of in conclusions.labels_by_aim.items() if slug in of},
                leads={aim: best.is_robust for aim, best in leading.items() if slug in best.frameworks},
                limit_ms=limit_ms,
            )
        )
    return found


def _degrees(evidence: Evidence | None, headline: str) -> dict[Need, float | None]:
    """To which degree the headline variant fulfils each need."""
    if evidence is None:
        return {"polling": None, "plain": None, "spans": None, "sse": None}
    found = {
        item: finding.value if (finding := headline_finding(evidence, item, headline)) else None
        for item in ("transports", "plain-websocket", "rooms-across", "cross-process", "sse")
    }
    transports = found["transports"]
    across = degree_of(found["rooms-across"])
    return {
        "polling": float("polling" in transports) if isinstance(transports, list) else None,
        "plain": degree_of(found["plain-websocket"]),
        "spans": degree_of(found["cross-process"]) if across is None else across,
        "sse": degree_of(found["sse"]),
    }


def module_of(command: str, code: Set[str]) -> str | None:
    """The file in ``code`` that a command starts, named as a file or like ``app:application``; else ``None``."""
    names = (f"{stem}.py" for stem in re.findall(r"\b(\w+)(?:\.py\b|:\w)", command))
    return next((name for name in names if name in code), None)


def _loads(
    dashboards: Sequence[Table], key: RowKey, headlines: Set[RowKey]
) -> tuple[list[UserLoad], list[UncountedLoad]]:
    """The variant's loads that count, and those that do not, by number of users. A load that is measured in several
    tables counts if it does in one.
    """
    counted: dict[int, UserLoad] = {}
    uncounted: dict[int, UncountedLoad] = {}
    for table in dashboards:
        row = next((row for row in table.rows if row.key == key), None)
        if row is None:
            continue
        users = int(table.parameters["users"])
        why = _why_not(table, row)
        if why is None:
            counted[users] = _load(table, row, headlines)
        else:
            uncounted[users] = UncountedLoad(
                table.workload.slug, users, _snapshots_per_s(table), why, table.slug, row.raw
            )
    return list(counted.values()), [one for users, one in uncounted.items() if users not in counted]


def _why_not(table: Table, row: Row) -> str | None:
    """Why a row's CPU use decides nothing, as a clause; ``None`` if it does."""
    if not is_published(table):
        return "measured with profile quick only"
    if row.status == "failed":
        return "it failed"
    value = row.values.get(CPU.key)
    if row.status == "valid" and value is not None and value.is_enough:
        return None
    valid = value.valid_rounds if row.status == "valid" and value is not None else 0
    most = f": {row.reasons[0][0]}" if row.reasons else ""
    return f"{valid} valid rounds of the {MIN_ROUNDS} that are needed{most}"


def _is_scalable(table: Table) -> bool:
    """Whether the table is of a live dashboard whose cost grows with its updates. Where users mostly watch, pushes cost
    as much, and their number does not grow with that of the updates.
    """
    parameters = table.parameters
    return parameters.keys() >= _DASHBOARD_PARAMETERS and float(parameters["updates_per_user_per_s"]) >= 1


def _snapshots_per_s(table: Table) -> float:
    """Snapshots that each user of a live dashboard gets per second. Where the parameter is absent, it is one."""
    return float(table.parameters.get("snapshots_per_s", 1))


def _load(table: Table, row: Row, headlines: Set[RowKey]) -> UserLoad:
    costs = costs_with_broker(table)
    mine = costs.estimate(row.key)
    assert mine is not None
    tail = _tail(row)
    others = [
        other
        for other in table.valid_rows
        if other.key in headlines and other.key != row.key and CPU.key in other.values
    ]
    return UserLoad(
        workload=table.workload.slug,
        users=int(table.parameters["users"]),
        updates_per_s=float(table.parameters["updates_per_user_per_s"]),
        snapshots_per_s=_snapshots_per_s(table),
        cores=_cores(table),
        cpu_percent=round(mine.mean, 3),
        with_broker=BROKER_CPU.key in row.values,
        interval=(round(mine.interval.low, 3), round(mine.interval.high, 3)) if mine.interval else None,
        cheaper_than=tuple(
            other.framework.slug for other in others if costs.judged(row.key, other.key).outcome == "better"
        ),
        late_ms=round(row.values[tail.key].estimate.mean, 4) if tail else None,
        late_percentile=int(QUANTILES[tail.quantile]) if tail and tail.quantile else None,
        rounds=mine.rounds,
        anchor=f"chart-{table.slug}-{CPU.slug}" if CPU in table.deciding else table.slug,
        raw=row.raw,
    )


def _tail(row: Row) -> Metric | None:
    """The highest percentile of the updates' latency that has enough rounds, and no p99 of disturbed rounds."""
    enough = {key for key, value in row.values.items() if value.is_enough}
    return tail_of(LATENCY, {key for key in enough if row.is_quiet or not needs_quiet(METRICS[key])})


def _cores(table: Table) -> int:
    """The number of CPUs that the workload allows, limited to those of the machine."""
    document = table.run.document
    available = len(document.pinning.server) or document.machine.logical_cpus
    allowed = table.parameters.get("server_cores", table.parameters.get("cores_at_most", available))
    return min(int(allowed), available)


def _capacity(tables: Sequence[CapacityTable], key: RowKey) -> tuple[UserCapacity | None, str | None]:
    """The result of the searches with the highest low end that counts; else why the last one does not."""
    found: list[UserCapacity] = []
    why = None
    for table in tables:
        row = next((row for row in table.rows if row.key == key), None)
        if row is None:
            continue
        if not is_published(table):
            why = "searched with profile quick only"
        elif row.bracket is None or row.bracket.searches < MIN_SEARCHES:
            count = row.bracket.searches if row.bracket else 0
            why = f"{count} search{'' if count == 1 else 'es'} of the {MIN_SEARCHES} that are needed"
        elif not row.bracket.has_an_end:
            why = "its searches show neither end"
        else:
            found.append(UserCapacity(row.bracket.low, row.bracket.high, table.slug, row.raw))
    best = max(found, key=lambda one: one.sustains or 0, default=None)
    return best, None if best else why
