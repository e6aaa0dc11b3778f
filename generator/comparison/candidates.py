"""The facts by which a reader chooses a framework for an application: those of its headline variant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from generator.comparison.application_stacks import STACKS, variants_of
from generator.comparison.capacities import CapacityTable
from generator.comparison.conclusions import Conclusions
from generator.comparison.metrics import BROKER_CPU, CPU, LATENCY, QUANTILES, tail_of
from generator.comparison.scored_values import headline_finding
from generator.comparison.tables import Row, RowKey, Table
from generator.dataset import Evidence
from runners.record import degree_of

_DASHBOARD_PARAMETERS = {"users", "updates_per_user_per_s"}
"""Parameters that only tables of a live dashboard have."""

Need = Literal["polling", "plain", "spans"]


@dataclass(frozen=True)
class UserLoad:
    """A measured live dashboard load; the page estimates other loads from it."""

    workload: str
    users: int
    updates_per_s: float
    """Updates per second of each user."""
    cores: int
    """Logical CPUs that the server could use."""
    cpu_percent: float
    """CPU use of server and broker, in percent of one core."""
    with_broker: bool
    interval: tuple[float, float] | None
    """95 % interval of the server's CPU use, plus the broker's mean."""
    late_ms: float | None
    late_percentile: int | None
    """The percentile of ``late_ms``, the latency of updates: 99, or the highest that was determined."""
    rounds: int
    anchor: str
    """Anchor of the value on the workload's page."""
    raw: str
    """Path of the result file, below ``data/``."""


@dataclass(frozen=True)
class UserCapacity:
    """How many dashboard users one core sustains."""

    sustains: int | None
    """The most users that were confirmed."""
    fails_at: int | None
    """The fewest users that it did not sustain."""
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
    searched: UserCapacity | None
    module: str | None
    """The shown source file that its command starts; ``None`` if the command names none of them."""


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
    label: str | None
    """Its label for a new project."""
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

    def to_json(self) -> dict[str, object]:
        """Data for the page's script."""
        return asdict(self)


def find_candidates(
    conclusions: Conclusions, titles: Mapping[str, str], code: Mapping[str, Set[str]] = MappingProxyType({})
) -> list[Candidate]:
    """The competing frameworks with results or evidence, by slug. ``code``: the shown source files of each."""
    basis = conclusions.basis
    dashboards = sorted(
        (table for table in basis.comparison.tables if table.parameters.keys() >= _DASHBOARD_PARAMETERS),
        key=lambda table: int(table.parameters["users"]),
    )
    users = [table for table in basis.searched if table.unit == "users"]
    limit_ms = max((float(table.parameters["p99_limit_ms"]) for table in users), default=None)
    users = [table for table in users if table.parameters["p99_limit_ms"] == limit_ms]
    labels = conclusions.starting_points.get("new", {})
    found = []
    for slug in basis.competing:
        variants = variants_of(basis.evidence.get(slug), basis.comparison, slug)
        headline = basis.headline.get(slug)
        facts = next((one for one in variants if one.slug == headline), None)
        stacks = conclusions.stacks_by_setup.get(slug, {})
        setup = None
        if facts is not None:
            can = _degrees(basis.evidence.get(slug), facts.slug)
            setup = Setup(
                slug=facts.slug,
                stacks=tuple(stacks.get(facts.slug, ())),
                loads=tuple(_loads(dashboards, (slug, facts.slug))),
                searched=_capacity(users, (slug, facts.slug)),
                module=module_of(facts.command, code.get(slug, frozenset())),
                polling=can["polling"],
                plain=can["plain"],
                spans=can["spans"],
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
                label=labels[slug].label if slug in labels else None,
                limit_ms=limit_ms,
            )
        )
    return found


def _degrees(evidence: Evidence | None, headline: str) -> dict[Need, float | None]:
    """To which degree the headline variant fulfils each need."""
    if evidence is None:
        return {"polling": None, "plain": None, "spans": None}
    found = {
        item: finding.value if (finding := headline_finding(evidence, item, headline)) else None
        for item in ("transports", "plain-websocket", "rooms-across", "cross-process")
    }
    transports = found["transports"]
    across = degree_of(found["rooms-across"])
    return {
        "polling": float("polling" in transports) if isinstance(transports, list) else None,
        "plain": degree_of(found["plain-websocket"]),
        "spans": degree_of(found["cross-process"]) if across is None else across,
    }


def module_of(command: str, code: Set[str]) -> str | None:
    """The file in ``code`` that a command starts, named as a file or like ``app:application``; else ``None``."""
    names = (f"{stem}.py" for stem in re.findall(r"\b(\w+)(?:\.py\b|:\w)", command))
    return next((name for name in names if name in code), None)


def _loads(dashboards: Sequence[Table], key: RowKey) -> list[UserLoad]:
    """One load per table in which the variant's CPU use was measured."""
    rows = [(table, row) for table in dashboards for row in table.valid_rows if row.key == key]
    return [_load(table, row) for table, row in rows if CPU.key in row.values]


def _load(table: Table, row: Row) -> UserLoad:
    estimate = row.values[CPU.key].estimate
    broker = row.values[BROKER_CPU.key].estimate.mean if BROKER_CPU.key in row.values else 0.0
    interval = estimate.interval
    tail = tail_of(LATENCY, row.values)
    return UserLoad(
        workload=table.workload.slug,
        users=int(table.parameters["users"]),
        updates_per_s=float(table.parameters["updates_per_user_per_s"]),
        cores=_cores(table),
        cpu_percent=round(estimate.mean + broker, 3),
        with_broker=broker > 0,
        interval=(round(interval.low + broker, 3), round(interval.high + broker, 3)) if interval else None,
        late_ms=round(row.values[tail.key].estimate.mean, 4) if tail else None,
        late_percentile=int(QUANTILES[tail.quantile]) if tail and tail.quantile else None,
        rounds=estimate.rounds,
        anchor=f"chart-{table.slug}-{CPU.slug}" if CPU in table.deciding else table.slug,
        raw=row.raw,
    )


def _cores(table: Table) -> int:
    """The number of CPUs that the workload allows, limited to those of the machine."""
    document = table.run.document
    available = len(document.pinning.server) or document.machine.logical_cpus
    allowed = table.parameters.get("server_cores", table.parameters.get("cores_at_most", available))
    return min(int(allowed), available)


def _capacity(tables: Sequence[CapacityTable], key: RowKey) -> UserCapacity | None:
    """The result of the search with the highest low end."""
    found = [
        UserCapacity(sustains=row.bracket.low, fails_at=row.bracket.high, anchor=table.slug, raw=row.raw)
        for table in tables
        for row in table.bracketed_rows
        if row.key == key and row.bracket is not None
    ]
    return max(found, key=lambda one: one.sustains or 0, default=None)
