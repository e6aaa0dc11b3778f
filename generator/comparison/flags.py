"""Flags: facts that end a choice for most readers, whatever the scores are.

A flag has the value that raised it and a link. A hard flag caps the label at *special case* and bars the framework
from every "best" sentence. It changes no number, neither of this framework nor of others.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.version import Version

from generator.comparison.metrics import CPU
from generator.comparison.scored_values import ScoringBasis, headline_finding, is_published
from generator.comparison.tables import Row, Table
from generator.dataset import Evidence
from generator.statistics import MIN_ROUNDS
from runners.record import VariantFacts, amount_of, supports_python

BUSY_PERCENT = 50.0
"""CPU, in percent of one core, that a dashboard of 100 users with one update per second each must not take. A server
that needs half a core for a few hundred small messages per second is busy with itself."""
BUSY_TIMES_MEDIAN = 5.0
OLDEST_RELEASE_DAYS = 548
"""18 months. A Python release appears every 12 months, so one at least came out since."""
HALF_BUSY_PERCENT = 50.0
"""A server that uses less than this share of its core is below half of its capacity."""
LEAST_ROUNDS_WITH_LOSS = 2
LEAST_LOSS_SHARE = 1e-4
"""One message in 10,000. Who sends one per second loses three in a working day, without an error or a reconnection."""
LATEST_NOTICE_S = 75.0
"""Three heartbeats of 25 s, the default interval of Socket.IO; proxies usually close idle connections after 60 s."""

_USUAL_USERS = {"users": 100}
_FIXED_RATE = ("echo", "room", "dashboard", "crowd")


@dataclass(frozen=True)
class FlagRule:
    """A kind of flag. ``is_hard``: it caps the label; otherwise it only warns."""

    slug: str
    title: str
    rule: str
    is_hard: bool = True


@dataclass(frozen=True)
class Flag:
    """A rule that applies to a framework. ``found``: the value that raised it, as a sentence. ``page``: the proof."""

    rule: FlagRule
    found: str
    page: str

    @property
    def is_hard(self) -> bool:
        return self.rule.is_hard


BUSY = FlagRule(
    "busy",
    "Busy when nearly idle",
    f"With 100 dashboard users it takes more than {BUSY_PERCENT:g} % of a core, or {BUSY_TIMES_MEDIAN:g} times the"
    f" median of all frameworks. The whole 95 % interval of {MIN_ROUNDS} valid rounds or more lies above.",
)
UNMAINTAINED = FlagRule(
    "unmaintained",
    "No recent release",
    f"The newest release of the framework's own package is older than 18 months ({OLDEST_RELEASE_DAYS} days) at the day"
    " of collection. Or the package does not support the newest Python that it is measured on. Releases of the packages"
    " below it do not count.",
)
LOSES = FlagRule(
    "loses",
    "Loses messages without load",
    f"At least one in {1 / LEAST_LOSS_SHARE:,.0f} messages is lost on open connections while the server uses less than"
    f" {HALF_BUSY_PERCENT:g} % of its core. That is seen in {LEAST_ROUNDS_WITH_LOSS} rounds or more, of {MIN_ROUNDS} or"
    " more that nothing but the server disturbed.",
)
SPREADS = FlagRule(
    "spreads",
    "One client's mistake reaches others",
    "After a handler raised, or after bytes that are no frame, other clients get no answers any more.",
)
NOT_FOR_PRODUCTION = FlagRule(
    "not-for-production", "Not for production", "The makers of its setup say that it is not for production."
)
DEAF = FlagRule(
    "dead-peers",
    "Does not notice dead clients",
    "By default, the session of a client that answers nothing does not end as long as we waited. Nor does the"
    " connection of one whose packets are dropped.",
    is_hard=False,
)
LATE = FlagRule(
    "dead-peers-late",
    "Notices dead clients late",
    f"By default, a dead client is noticed, but after more than {LATEST_NOTICE_S:g} s.",
    is_hard=False,
)

FLAG_RULES: tuple[FlagRule, ...] = (BUSY, UNMAINTAINED, LOSES, SPREADS, NOT_FOR_PRODUCTION, DEAF, LATE)


def find_flags(basis: ScoringBasis) -> dict[str, tuple[Flag, ...]]:
    """The flags of every competing framework, in the order of `FLAG_RULES`; an empty tuple without any."""
    busy = dict(_busy(basis))
    found = {}
    for slug in basis.competing:
        one = basis.evidence.get(slug)
        every = [busy.get(slug), *_losses(basis, slug), _not_for_production(basis, slug)]
        if one is not None:
            headline = basis.headline.get(slug)
            every += [_unmaintained(one, slug), _spreading(one, headline, slug), _unnoticed(one, headline, slug)]
        raised = [flag for flag in every if flag is not None]
        found[slug] = tuple(sorted(raised, key=lambda flag: FLAG_RULES.index(flag.rule)))
    return found


def flagged(flags: Mapping[str, tuple[Flag, ...]]) -> frozenset[str]:
    """The frameworks with a hard flag."""
    return frozenset(slug for slug, found in flags.items() if any(flag.is_hard for flag in found))


# What measurements show


def _busy(basis: ScoringBasis) -> Iterator[tuple[str, Flag]]:
    table = next(
        (
            one
            for one in basis.comparison.of_workload("dashboard")
            if is_published(one) and _USUAL_USERS.items() <= one.parameters.items()
        ),
        None,
    )
    if table is None:
        return
    rows = {slug: row for slug in basis.competing if (row := basis.row_of(table, slug)) and row.status == "valid"}
    values = {
        slug: value.estimate for slug, row in rows.items() if (value := row.values.get(CPU.key)) and value.is_enough
    }
    if not values:
        return
    median = statistics.median(one.mean for one in values.values())
    limit = min(BUSY_PERCENT, BUSY_TIMES_MEDIAN * median if len(values) > 2 else math.inf)
    for slug, estimate in values.items():
        if estimate.interval is not None and estimate.interval.low > limit:
            yield (
                slug,
                Flag(
                    BUSY,
                    f"With 100 dashboard users it takes {estimate.mean:.0f} % of a core; the median is {median:.1f} %.",
                    f"tests/dashboard.md#{table.slug}",
                ),
            )


def _losses(basis: ScoringBasis, framework: str) -> list[Flag]:
    """The flag, from the table with the most lost messages."""
    found: list[tuple[int, Flag]] = []
    for table in basis.comparison.tables:
        if table.workload.slug in _FIXED_RATE and table.is_open and is_published(table):
            row = basis.row_of(table, framework)
            flag = _loss(table, row) if row is not None else None
            if flag is not None:
                found.append(flag)
    return [max(found, key=lambda pair: pair[0])[1]] if found else []


def _loss(table: Table, row: Row) -> tuple[int, Flag] | None:
    """The number of lost messages and the flag, if messages were lost silently while the server had time.

    Rounds count that are valid, or that only the server made invalid: a lost echo does so itself.
    """
    lost = sent = rounds = losing = 0
    for one in row.cell.decisive:
        if one.failure is not None or one.messages is None or one.server is None or one.connections is None:
            continue
        if not row.counts(one) and row.own_cause(one) is None:
            continue
        cpu = one.server.cpu_percent
        if one.connections.closed_early or cpu is None or cpu >= HALF_BUSY_PERCENT:
            continue
        rounds, sent, lost = rounds + 1, sent + one.messages.sent, lost + one.messages.lost
        losing += one.messages.lost > 0
    if rounds < MIN_ROUNDS or losing < LEAST_ROUNDS_WITH_LOSS or lost < LEAST_LOSS_SHARE * sent:
        return None
    sentence = (
        f"It lost {lost:,} of {sent:,} messages, in {losing} of {rounds} rounds of {table.workload.title.lower()}."
    )
    return lost, Flag(LOSES, sentence, f"tests/{table.workload.slug}.md#{table.slug}")


def _not_for_production(basis: ScoringBasis, framework: str) -> Flag | None:
    facts = _headline_facts(basis, framework)
    said = facts.not_for_production if facts else None
    return Flag(NOT_FOR_PRODUCTION, said.reason, f"frameworks/{framework}.md#variants") if said else None


def _headline_facts(basis: ScoringBasis, framework: str) -> VariantFacts | None:
    """The measured facts of the headline variant, the newest first; else those of its evidence."""
    slug = basis.headline.get(framework)
    measured = (run.framework(framework) for run in basis.comparison.runs)
    documents = [item.document.variants for item in measured if item is not None]
    if (one := basis.evidence.get(framework)) is not None:
        documents.append([variant.variant for variant in one.document.variants])
    return next((facts for variants in documents for facts in variants if facts.slug == slug), None)


# What evidence shows


def _evidence_page(framework: str, dimension: str) -> str:
    return f"frameworks/{framework}/results.md#evidence-{dimension}"


def _unmaintained(evidence: Evidence, framework: str) -> Flag | None:
    """The age of the newest release, and the Pythons that it supports.

    Where evidence lacks the newest release, as older evidence does, that of the measured one counts.
    """
    page = _evidence_page(framework, "development-experience")
    for item, name in (("latest-released", "newest"), ("released", "measured")):
        finding = evidence.finding(item)
        days = amount_of(finding, evidence.document.collected) if finding else None
        if finding is not None and days is not None:
            if days > OLDEST_RELEASE_DAYS:
                return Flag(
                    UNMAINTAINED,
                    f"The {name} release of its own package is of {finding.value}, {days / 30.4:.0f} months old.",
                    page,
                )
            break
    newest = max((_minor(one.variant.python) for one in evidence.document.variants), default=None)
    pythons = evidence.finding("pythons")
    if newest is not None and pythons is not None and supports_python(pythons.value, str(newest)) is False:
        return Flag(UNMAINTAINED, f"Its package does not name Python {newest}, on which it is measured.", page)
    return None


def _minor(python: str) -> Version:
    return Version(".".join(python.split(".")[:2]))


def _spreading(evidence: Evidence, headline: str | None, framework: str) -> Flag | None:
    seen = {
        "raise-others": "After a handler raised, other clients got no answers any more.",
        "garbage-others": "After bytes that are no frame, other clients got no answers any more.",
    }
    for item, sentence in seen.items():
        finding = headline_finding(evidence, item, headline)
        if finding is not None and finding.value is False:
            return Flag(SPREADS, sentence, _evidence_page(framework, "architecture"))
    return None


def _unnoticed(evidence: Evidence, headline: str | None, framework: str) -> Flag | None:
    """A server notices a dead client when it frees the connection, or before, when it ends the session.

    The session's end is seen by a silent client: it gets a close frame, or its protocol's close packet.
    """
    freed = headline_finding(evidence, "dead-peer", headline)
    seen = [
        float(found.value)
        for item in ("dead-peer-s", "silent-close-s")
        if (found := headline_finding(evidence, item, headline)) is not None
        and isinstance(found.value, int | float)
        and not isinstance(found.value, bool)
    ]
    page = _evidence_page(framework, "architecture")
    if not seen and freed is not None and freed.value is False:
        return Flag(DEAF, "By default, a dead client was not noticed as long as we waited.", page)
    if seen and min(seen) > LATEST_NOTICE_S:
        return Flag(LATE, f"By default, a dead client was noticed after {min(seen):.0f} s.", page)
    return None
