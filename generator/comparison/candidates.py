"""The facts by which a reader chooses a framework for an application."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from generator.comparison.capacities import CapacityTable
from generator.comparison.metrics import BROKER_CPU, CPU, LATENCY, QUANTILES, tail_of
from generator.comparison.tables import Comparison, Row, RowKey, Table
from generator.dataset import Evidence, normalised
from runners.record import Finding, FrameworkFacts, VariantFacts

STACKS = {"django": "Django", "flask": "Flask", "asgi": "ASGI"}
"""Stacks of existing applications: title by package or interface. They need not be compared here."""

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
class Choice:
    """One variant with the properties that a reader can require. ``None``: not determined."""

    slug: str
    stacks: tuple[str, ...]
    """Stacks that it can be part of or run beside."""
    polling: bool | None
    plain: bool | None
    spans: bool | None
    """Whether a room reaches the clients of other processes."""
    loads: tuple[UserLoad, ...]
    """Loads by number of users, ascending."""
    searched: UserCapacity | None
    module: str | None
    """The shown source file that its command starts; ``None`` if the command names none of them."""


@dataclass(frozen=True)
class Candidate:
    """A framework with its variants."""

    slug: str
    title: str
    variants: tuple[Choice, ...]
    limit_ms: float | None
    """The p99 latency up to which a load counts as sustained; ``None`` if no capacity was searched."""

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks of all variants."""
        return tuple(stack for stack in STACKS if any(stack in one.stacks for one in self.variants))

    def can(self, need: Need) -> bool | None:
        """Whether any variant fulfils the need; ``None`` if it was determined for none."""
        known = [value for one in self.variants if (value := getattr(one, need)) is not None]
        return any(known) if known else None

    @property
    def cheapest(self) -> dict[int, tuple[Choice, UserLoad]]:
        """The variant with the lowest CPU use, by number of users in ascending order."""
        found: dict[int, tuple[Choice, UserLoad]] = {}
        for one in self.variants:
            for load in one.loads:
                if load.users not in found or load.cpu_percent < found[load.users][1].cpu_percent:
                    found[load.users] = one, load
        return dict(sorted(found.items()))

    @property
    def largest(self) -> tuple[Choice, UserCapacity] | None:
        """The variant whose search confirmed the most users."""
        found = [(one, one.searched) for one in self.variants if one.searched is not None]
        return max(found, key=lambda pair: pair[1].sustains or 0, default=None)

    def to_json(self) -> dict[str, object]:
        """Data for the page's script."""
        return asdict(self)


def find_candidates(
    comparison: Comparison,
    searched: Sequence[CapacityTable],
    evidence: Mapping[str, Evidence],
    titles: Mapping[str, str],
    competing: Sequence[str],
    code: Mapping[str, Set[str]] = MappingProxyType({}),
) -> list[Candidate]:
    """The competing frameworks with results or evidence, by slug. ``code``: the shown source files of each."""
    dashboards = sorted(
        (table for table in comparison.tables if table.parameters.keys() >= _DASHBOARD_PARAMETERS),
        key=lambda table: int(table.parameters["users"]),
    )
    users = [table for table in searched if table.unit == "users"]
    limit_ms = next((float(table.parameters["p99_limit_ms"]) for table in users), None)
    measured = {item.slug: item for item in comparison.frameworks}
    found = []
    for slug in sorted(competing):
        one, facts = evidence.get(slug), measured.get(slug)
        if one is None and facts is None:
            continue
        known = _variants(one, facts, comparison)
        stacks = _stacks(known, one.document.framework if one else facts)
        transports, plain, spans = (
            dict(one.findings_of(item)) if one else {} for item in ("transports", "plain-websocket", "cross-process")
        )
        variants = tuple(
            Choice(
                slug=variant.slug,
                stacks=stacks[variant.slug],
                polling=_contains(transports.get(variant.slug), "polling"),
                plain=_is_true(plain.get(variant.slug)),
                spans=_is_true(spans.get(variant.slug)),
                loads=tuple(_loads(dashboards, (slug, variant.slug))),
                searched=_capacity(users, (slug, variant.slug)),
                module=module_of(variant.command, code.get(slug, frozenset())),
            )
            for variant in known
        )
        found.append(Candidate(slug, titles[slug], variants, limit_ms))
    return found


def module_of(command: str, code: Set[str]) -> str | None:
    """The file in ``code`` that a command starts, named as a file or like ``app:application``; else ``None``."""
    names = (f"{stem}.py" for stem in re.findall(r"\b(\w+)(?:\.py\b|:\w)", command))
    return next((name for name in names if name in code), None)


def _variants(one: Evidence | None, facts: FrameworkFacts | None, comparison: Comparison) -> tuple[VariantFacts, ...]:
    """All variants of a framework; where a variant was measured, its measured facts."""
    found = {each.variant.slug: each.variant for each in one.document.variants} if one else {}
    if facts:
        for run in reversed(comparison.runs):
            item = run.framework(facts.slug)
            found |= {variant.slug: variant for variant in item.document.variants} if item else {}
    return tuple(found.values())


def _stacks(variants: Sequence[VariantFacts], framework: FrameworkFacts | None) -> dict[str, tuple[str, ...]]:
    """The stacks that each variant can be part of.

    They follow from the installed packages; an ASGI framework runs beside any ASGI application. Variants are installed
    together, so a variant for Django installs Django for all variants. If titles of variants name the stack, only these
    variants count.
    """
    interface = framework.interface if framework else ""
    inside: dict[str, set[str]] = {}
    for stack, title in STACKS.items():
        able = [
            variant
            for variant in variants
            if stack in normalised(variant.packages) or (stack == "asgi" and title in interface)
        ]
        named = [variant for variant in able if title in variant.title]
        inside[stack] = {variant.slug for variant in named or able}
    return {one.slug: tuple(stack for stack in STACKS if one.slug in inside[stack]) for one in variants}


def _is_true(finding: Finding | None) -> bool | None:
    return None if finding is None or finding.value is None else finding.value is True


def _contains(finding: Finding | None, name: str) -> bool | None:
    return name in finding.value if finding is not None and isinstance(finding.value, list) else None


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
