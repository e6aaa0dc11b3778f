"""What one must know of each framework to pick one for a case of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TypeVar

from generator.comparison.capacities import CapacityTable
from generator.comparison.metrics import METRICS
from generator.comparison.tables import Comparison, Row, Table
from generator.dataset import Evidence
from runners.record import FrameworkFacts, VariantFacts

STACKS = {"django": "Django", "flask": "Flask", "asgi": "ASGI"}
"""Of an existing application, by the package or interface that shows it."""

SPANNING = "+spans"

AnyRow = TypeVar("AnyRow", bound=Row)

_LOAD = {"users", "updates_per_user_per_s"}
"""What a table was asked whose figures are of a live dashboard."""


@dataclass(frozen=True)
class Load:
    """What a live dashboard asked and cost: the answer for the same case, for others the ground for an estimate."""

    workload: str
    variant: str
    users: int
    updates_per_s: float
    """Per user."""
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
    module: str | None
    """The file that the variant's command starts, of those that are shown; ``None`` where it names none."""


@dataclass(frozen=True)
class Searched:
    """How many dashboard users one core takes, by the variant that takes the most."""

    variant: str
    withstands: int | None
    """The most that were confirmed."""
    breaks: int | None
    """The fewest that it did not withstand."""
    anchor: str
    raw: str
    """As of a `Load`, on the page of capacities."""


@dataclass(frozen=True)
class Candidate:
    """One framework. ``None``: not established."""

    slug: str
    title: str
    stacks: tuple[str, ...]
    """Existing applications that it can stand in or beside."""
    polling: bool | None
    plain: bool | None
    spans: bool | None
    """Whether a room reaches the clients of other processes."""
    spanning: Mapping[str, bool | None]
    """The same by stack, of the variants that stand in it."""
    loads: Mapping[str, tuple[Load, ...]]
    """By the stack that its variant must stand in, ``""``: none; each by users, the fewest first. With `SPANNING` after
    the stack: of variants whose rooms span processes.
    """
    searched: Mapping[str, Searched | None]
    """By stack, as the loads."""
    limit_ms: float | None
    """Of the p99, up to which searches count a load as withstood; ``None`` where nobody searched."""

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
        standing, shown = _standing(one, facts, comparison), code.get(slug, frozenset())
        spanning = dict(_findings(one, "cross-process"))
        able = {variant for variant, spans in spanning.items() if spans}
        wanted = standing | {f"{stack}{SPANNING}": inside & able or inside for stack, inside in standing.items()}
        found.append(
            Candidate(
                slug=slug,
                title=titles[slug],
                stacks=tuple(stack for stack in STACKS if stack in standing),
                polling=_has_transport(one, "polling"),
                plain=one.can("plain-websocket") if one else None,
                spans=one.can("cross-process") if one else None,
                spanning={
                    stack: any(seen) if (seen := [spanning[each] for each in inside if each in spanning]) else None
                    for stack, inside in standing.items()
                },
                loads={
                    stack: tuple(load for table in dashboards if (load := _load(table, slug, variants, shown)))
                    for stack, variants in wanted.items()
                },
                searched={stack: _searched(users, slug, variants) for stack, variants in wanted.items()},
                limit_ms=next((float(table.parameters["p99_limit_ms"]) for table in users), None),
            )
        )
    return found


def _standing(one: Evidence | None, facts: FrameworkFacts | None, comparison: Comparison | None) -> dict[str, set[str]]:
    """The variants that stand in each stack, by slug, and all of them under ``""``; no stack without any.

    By what they are installed with; an ASGI framework stands beside any ASGI application. Variants are installed
    together, so that one that runs beside Django puts Django beside all: where titles name the stack, these decide.
    """
    variants: list[VariantFacts] = [each.variant for each in one.document.variants] if one else []
    if facts and comparison:
        variants += [
            variant
            for run in comparison.runs
            for item in run.frameworks
            if item.document.framework.slug == facts.slug
            for variant in item.document.variants
        ]
    interface = one.document.framework.interface if one else facts.interface if facts else ""
    found = {"": {variant.slug for variant in variants}}
    for stack, name in STACKS.items():
        inside = [
            variant
            for variant in variants
            if stack in {package.lower() for package in variant.packages} or (stack == "asgi" and name in interface)
        ]
        if inside:
            found[stack] = {variant.slug for variant in inside if name in variant.title} or {
                variant.slug for variant in inside
            }
    return found


def _findings(one: Evidence | None, item: str) -> Iterator[tuple[str, bool]]:
    """What was established of which variant."""
    for variant, finding in one.findings_of(item) if one else ():
        if finding.value is not None:
            yield variant, finding.value is True


def _has_transport(one: Evidence | None, name: str) -> bool | None:
    lists = [finding.value for _, finding in one.findings_of("transports")] if one else []
    known = [value for value in lists if isinstance(value, list)]
    return any(name in value for value in known) if known else None


def _rows(rows: Iterable[AnyRow], slug: str, variants: Set[str]) -> Iterator[AnyRow]:
    return (row for row in rows if row.framework.slug == slug and row.variant.slug in variants)


def _load(table: Table, slug: str, variants: Set[str], code: Set[str]) -> Load | None:
    """The variant that costs least, of these."""
    cost, broker = METRICS["cpu_percent"].key, METRICS["broker_cpu_percent"].key
    rows = [row for row in _rows(table.valid_rows, slug, variants) if cost in row.figures]
    if not rows:
        return None

    def besides(row: Row) -> float:
        return row.figures[broker].summary.mean if broker in row.figures else 0.0

    row = min(rows, key=lambda row: row.figures[cost].summary.mean + besides(row))
    summary, more = row.figures[cost].summary, besides(row)
    interval = summary.interval
    percentile = next((one for one in (99, 90, 50) if f"latency_p{one}" in row.figures), None)
    latency = row.figures[f"latency_p{percentile}"].summary.mean if percentile else None
    return Load(
        workload=table.workload.slug,
        variant=row.variant.slug,
        users=int(table.parameters["users"]),
        updates_per_s=float(table.parameters["updates_per_user_per_s"]),
        cpu_percent=round(summary.mean + more, 3),
        with_broker=more > 0,
        interval=(round(interval.low + more, 3), round(interval.high + more, 3)) if interval else None,
        late_ms=round(latency, 4) if latency is not None else None,
        late_percentile=percentile,
        rounds=summary.rounds,
        anchor=f"chart-{table.slug}-cpu-percent" if METRICS[cost] in table.deciding else table.slug,
        raw=row.raw,
        module=module_of(row.variant.command, code),
    )


def module_of(command: str, code: Set[str]) -> str | None:
    """Which of these files a variant's command starts, by its name or that of something in it, ``app:application``."""
    names = (f"{stem}.py" for stem in re.findall(r"\b(\w+)(?:\.py\b|:\w)", command))
    return next((name for name in names if name in code), None)


def _searched(tables: Sequence[CapacityTable], slug: str, variants: Set[str]) -> Searched | None:
    """The variant with the highest low end, of these."""
    found = [
        Searched(
            variant=row.variant.slug,
            withstands=row.bracket.low,
            breaks=row.bracket.high,
            anchor=table.slug,
            raw=row.raw,
        )
        for table in tables
        for row in _rows(table.told_rows, slug, variants)
        if row.bracket is not None
    ]
    return max(found, key=lambda one: one.withstands or 0, default=None)
