"""What one must know of each framework to pick one for a case of one's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from generator.comparison.capacities import CapacityTable
from generator.comparison.metrics import METRICS
from generator.comparison.tables import Comparison, Row, Table
from generator.dataset import Evidence
from runners.record import Finding, FrameworkFacts, VariantFacts

STACKS = {"django": "Django", "flask": "Flask", "asgi": "ASGI"}
"""Of an existing application, by the package or interface that shows it."""

_LOAD = {"users", "updates_per_user_per_s"}
"""What a table was asked whose figures are of a live dashboard."""


@dataclass(frozen=True)
class Load:
    """What a live dashboard asked and cost: the answer for the same case, for others the ground for an estimate."""

    workload: str
    users: int
    updates_per_s: float
    """Per user."""
    cores: int
    """Logical CPUs that the server could use."""
    cpu_percent: float
    """Of one core, the broker's included."""
    with_broker: bool
    interval: tuple[float, float] | None
    """Of the server's share, with the broker's mean added."""
    late_ms: float | None
    late_percentile: int | None
    """Of the answers to updates, how late which of them was: p99, or the highest that there is."""
    rounds: int
    anchor: str
    """Of the figure on the workload's page."""
    raw: str
    """Where the file stands that holds the figure, below ``data/``."""


@dataclass(frozen=True)
class Searched:
    """How many dashboard users one core takes."""

    withstands: int | None
    """The most that were confirmed."""
    breaks: int | None
    """The fewest that it did not withstand."""
    anchor: str
    raw: str
    """As of a `Load`, on the page of capacities."""


@dataclass(frozen=True)
class Choice:
    """One variant, with what can be asked of it. ``None``: not established."""

    slug: str
    stacks: tuple[str, ...]
    """Existing applications that it can stand in or beside."""
    polling: bool | None
    plain: bool | None
    spans: bool | None
    """Whether a room reaches the clients of other processes."""
    loads: tuple[Load, ...]
    """By users, the fewest first."""
    searched: Searched | None
    module: str | None
    """The file that its command starts, of those that are shown; ``None`` where it names none."""


@dataclass(frozen=True)
class Candidate:
    """One framework."""

    slug: str
    title: str
    variants: tuple[Choice, ...]
    limit_ms: float | None
    """Of the p99, up to which searches count a load as withstood; ``None`` where nobody searched."""

    @property
    def stacks(self) -> tuple[str, ...]:
        """Of any variant."""
        return tuple(stack for stack in STACKS if any(stack in one.stacks for one in self.variants))

    def can(self, need: Literal["polling", "plain", "spans"]) -> bool | None:
        """Whether any variant can; ``None`` if it was established of none."""
        known = [value for one in self.variants if (value := getattr(one, need)) is not None]
        return any(known) if known else None

    @property
    def cheapest(self) -> dict[int, tuple[Choice, Load]]:
        """By users, the fewest first, the variant that costs least."""
        found: dict[int, tuple[Choice, Load]] = {}
        for one in self.variants:
            for load in one.loads:
                if load.users not in found or load.cpu_percent < found[load.users][1].cpu_percent:
                    found[load.users] = one, load
        return dict(sorted(found.items()))

    @property
    def largest(self) -> tuple[Choice, Searched] | None:
        """The variant whose search confirmed the most users."""
        found = [(one, one.searched) for one in self.variants if one.searched is not None]
        return max(found, key=lambda pair: pair[1].withstands or 0, default=None)

    def to_json(self) -> dict[str, object]:
        """For the page's script."""
        return asdict(self)


def candidates(
    comparison: Comparison | None,
    searched: Sequence[CapacityTable],
    evidence: Mapping[str, Evidence],
    titles: Mapping[str, str],
    competing: Sequence[str],
    code: Mapping[str, Set[str]] = MappingProxyType({}),
) -> list[Candidate]:
    """Those that can be the answer, by slug. ``code``: the names of the files that are shown of each."""
    dashboards = sorted(
        (table for table in (comparison.tables if comparison else ()) if table.parameters.keys() >= _LOAD),
        key=lambda table: int(table.parameters["users"]),
    )
    users = [table for table in searched if table.unit == "users"]
    measured = {item.slug: item for item in comparison.frameworks} if comparison else {}
    found = []
    for slug in sorted(competing):
        one, facts = evidence.get(slug), measured.get(slug)
        if one is None and facts is None:
            continue
        known = _variants(one, facts, comparison)
        standing = _standing(known, one.document.framework if one else facts)
        transports, plain, spans = (
            dict(one.findings_of(item)) if one else {} for item in ("transports", "plain-websocket", "cross-process")
        )
        variants = tuple(
            Choice(
                slug=variant.slug,
                stacks=standing[variant.slug],
                polling=_contains(transports.get(variant.slug), "polling"),
                plain=_is_true(plain.get(variant.slug)),
                spans=_is_true(spans.get(variant.slug)),
                loads=tuple(
                    load
                    for table in dashboards
                    for row in table.valid_rows
                    if row.key == (slug, variant.slug) and (load := _load(table, row)) is not None
                ),
                searched=_searched(users, (slug, variant.slug)),
                module=module_of(variant.command, code.get(slug, frozenset())),
            )
            for variant in known
        )
        limit = next((float(table.parameters["p99_limit_ms"]) for table in users), None)
        found.append(Candidate(slug, titles[slug], variants, limit))
    return found


def _variants(
    one: Evidence | None, facts: FrameworkFacts | None, comparison: Comparison | None
) -> tuple[VariantFacts, ...]:
    """All that are known, each once, as it was measured if it was."""
    found = {each.variant.slug: each.variant for each in one.document.variants} if one else {}
    if facts and comparison:
        for run in reversed(comparison.runs):
            item = run.framework(facts.slug)
            found |= {variant.slug: variant for variant in item.document.variants} if item else {}
    return tuple(found.values())


def _standing(variants: Sequence[VariantFacts], framework: FrameworkFacts | None) -> dict[str, tuple[str, ...]]:
    """The stacks that each variant stands in.

    By what they are installed with; an ASGI framework stands beside any ASGI application. Variants are installed
    together, so that one that runs beside Django puts Django beside all: where titles name the stack, these decide.
    """
    interface = framework.interface if framework else ""
    inside: dict[str, set[str]] = {}
    for stack, name in STACKS.items():
        able = [
            variant
            for variant in variants
            if stack in {package.lower() for package in variant.packages} or (stack == "asgi" and name in interface)
        ]
        named = [variant for variant in able if name in variant.title]
        inside[stack] = {variant.slug for variant in named or able}
    return {one.slug: tuple(stack for stack in STACKS if one.slug in inside[stack]) for one in variants}


def _is_true(finding: Finding | None) -> bool | None:
    return None if finding is None or finding.value is None else finding.value is True


def _contains(finding: Finding | None, name: str) -> bool | None:
    return name in finding.value if finding is not None and isinstance(finding.value, list) else None


def _load(table: Table, row: Row) -> Load | None:
    """``None`` where nobody saw what it cost."""
    cost, broker = METRICS["cpu_percent"], row.figures.get("broker_cpu_percent")
    if cost.key not in row.figures:
        return None
    summary, more = row.figures[cost.key].summary, broker.summary.mean if broker else 0.0
    interval = summary.interval
    percentile = next((one for one in (99, 90, 50) if f"latency_p{one}" in row.figures), None)
    latency = row.figures[f"latency_p{percentile}"].summary.mean if percentile else None
    return Load(
        workload=table.workload.slug,
        users=int(table.parameters["users"]),
        updates_per_s=float(table.parameters["updates_per_user_per_s"]),
        cores=_cores(table),
        cpu_percent=round(summary.mean + more, 3),
        with_broker=more > 0,
        interval=(round(interval.low + more, 3), round(interval.high + more, 3)) if interval else None,
        late_ms=round(latency, 4) if latency is not None else None,
        late_percentile=percentile,
        rounds=summary.rounds,
        anchor=f"chart-{table.slug}-cpu-percent" if cost in table.deciding else table.slug,
        raw=row.raw,
    )


def _cores(table: Table) -> int:
    """What the workload allows, as far as the machine had it."""
    document = table.run.document
    had = len(document.pinning.server) or document.machine.logical_cpus
    asked = table.parameters.get("server_cores", table.parameters.get("cores_at_most", had))
    return min(int(asked), had)


def module_of(command: str, code: Set[str]) -> str | None:
    """Which of these files a variant's command starts, by its name or that of something in it, ``app:application``."""
    names = (f"{stem}.py" for stem in re.findall(r"\b(\w+)(?:\.py\b|:\w)", command))
    return next((name for name in names if name in code), None)


def _searched(tables: Sequence[CapacityTable], key: tuple[str, str]) -> Searched | None:
    """The search with the highest low end."""
    found = [
        Searched(withstands=row.bracket.low, breaks=row.bracket.high, anchor=table.slug, raw=row.raw)
        for table in tables
        for row in table.told_rows
        if row.key == key and row.bracket is not None
    ]
    return max(found, key=lambda one: one.withstands or 0, default=None)
