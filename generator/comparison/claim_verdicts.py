"""Checks claims of published articles against our results.

Absolute values of another machine are not comparable. So a claim about values is checked as an order and a ratio: the
same two under the same workload, on one machine in the same rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from generator.comparison.capacities import CapacityTable
from generator.comparison.metrics import METRICS, Metric
from generator.comparison.tables import Comparison, Row, Table
from generator.dataset import (
    Article,
    Claim,
    ClaimVocabulary,
    Compared,
    EvidenceTest,
    Extreme,
    InterfaceTest,
    Measured,
    More,
    NoTest,
    Sustains,
    Within,
)
from generator.dataset.collected_evidence import Evidence
from generator.statistics import Contrast
from runners.record import ITEMS

Verdict = Literal["holds", "does not hold", "cannot be compared"]


@dataclass(frozen=True)
class JudgedClaim:
    """A claim and its verdict."""

    claim: Claim
    article: Article
    verdict: Verdict
    found: str
    """A sentence: what was measured or determined, or why nothing can be concluded."""
    page: str | None = None
    """Page and anchor of the evidence."""
    values: tuple[tuple[Row, Metric], ...] = ()
    ratio: Contrast | None = None


@dataclass(frozen=True)
class ClaimBasis:
    """The results and the evidence that claims are checked against."""

    comparison: Comparison
    searched: Sequence[CapacityTable]
    evidence: Mapping[str, Evidence]
    titles: Mapping[str, str]


def try_claim(claim: Claim, article: Article, known: ClaimBasis) -> JudgedClaim:
    """Check one claim."""
    test = claim.test
    match test:
        case Compared():
            return _compared(claim, article, test, known)
        case Extreme():
            return _extreme(claim, article, test, known)
        case Within():
            return _within(claim, article, test, known)
        case EvidenceTest():
            return _evidence(claim, article, test, known)
        case More():
            return _more(claim, article, test, known)
        case Measured():
            return _measured(claim, article, test, known)
        case Sustains():
            return _sustains(claim, article, test, known)
        case InterfaceTest():
            return _interface(claim, article, test, known)
        case ClaimVocabulary():
            return _vocabulary(claim, article, test, known)
        case NoTest():
            return JudgedClaim(claim, article, "cannot be compared", test.why)


def _compared(claim: Claim, article: Article, test: Compared, known: ClaimBasis) -> JudgedClaim:
    table, metric = _table(test.workload, test.where, known), METRICS[test.metric]
    if table is None:
        return JudgedClaim(claim, article, "cannot be compared", _not_measured(test.workload, test.where))
    first, second = (_row(table, metric, name) for name in (test.first, test.second))
    page = _page(table)
    if first is None or second is None:
        missing = test.first if first is None else test.second
        return JudgedClaim(
            claim, article, "cannot be compared", f"There is no valid {metric.title} of {missing}.", page
        )
    judged = table.judged(metric, first, second)
    ratio, outcome = judged.contrast, judged.outcome
    compared = ((first, metric), (second, metric))
    if outcome == "unknown":
        return JudgedClaim(claim, article, "cannot be compared", "Too few rounds of both count.", page, compared, ratio)
    if test.kind == "differ":
        verdict: Verdict = "holds" if outcome != "same" else "does not hold"
        found = "They are distinguishable." if outcome != "same" else "They are not distinguishable."
    else:
        expected = "better" if _claims_better(test, metric) else "worse"
        verdict = "holds" if outcome == expected else "does not hold"
        found = {
            "better": "The first is better",
            "worse": "The second is better",
            "same": "They are not distinguishable",
        }[outcome]
        found += f"; the article's ratio is {test.claimed:g}." if test.claimed is not None else "."
    return JudgedClaim(claim, article, verdict, found, page, compared, ratio)


def _claims_better(test: Compared, metric: Metric) -> bool:
    return True if test.claimed is None else metric.is_better(test.claimed, 1.0)


def _extreme(claim: Claim, article: Article, test: Extreme, known: ClaimBasis) -> JudgedClaim:
    """Check whether the named frameworks are the article's best or worst, each by its best variant."""
    whole, metric = _table(test.workload, test.where, known), METRICS[test.metric]
    if whole is None:
        return JudgedClaim(claim, article, "cannot be compared", _not_measured(test.workload, test.where))
    rows = {slug: row for slug in article.between if (row := _row(whole, metric, slug)) is not None}
    missing = [known.titles.get(slug, slug) for slug in article.between if slug not in rows]
    if missing:
        return JudgedClaim(
            claim, article, "cannot be compared", f"There is no valid value of {', '.join(missing)}.", _page(whole)
        )
    best_first = sorted(rows, key=lambda slug: metric.best_first(rows[slug].values[metric.key].estimate.mean))
    count = len(test.names)
    extreme = best_first[:count] if test.kind == "first" else best_first[-count:]
    verdict: Verdict = "holds" if set(extreme) == set(test.names) else "does not hold"
    order = ", ".join(known.titles.get(slug, slug) for slug in best_first)
    return JudgedClaim(
        claim,
        article,
        verdict,
        f"From the best: {order}.",
        _page(whole),
        tuple((rows[slug], metric) for slug in best_first),
    )


def _within(claim: Claim, article: Article, test: Within, known: ClaimBasis) -> JudgedClaim:
    table, metric = _table(test.workload, test.where, known), METRICS[test.metric]
    if table is None:
        return JudgedClaim(claim, article, "cannot be compared", _not_measured(test.workload, test.where))
    rows = [row for row in table.valid_rows if row.framework.slug == test.framework and metric.key in row.values]
    if not rows:
        return JudgedClaim(claim, article, "cannot be compared", "There is no valid value of it.", _page(table))
    inside = [row for row in rows if test.low <= row.values[metric.key].estimate.mean <= test.high]
    found = f"{len(inside)} of {len(rows)} variants lie there on this machine."
    verdict: Verdict = "holds" if len(inside) > len(rows) / 2 else "does not hold"
    return JudgedClaim(claim, article, verdict, found, _page(table), tuple((row, metric) for row in rows))


def _evidence(claim: Claim, article: Article, test: EvidenceTest, known: ClaimBasis) -> JudgedClaim:
    one, item = known.evidence.get(test.framework), ITEMS[test.item]
    values = [finding.value for _, finding in one.findings_of(test.item) if finding.value is not None] if one else []
    if not values:
        return JudgedClaim(
            claim, article, "cannot be compared", f"Not determined: {item.title[0].lower()}{item.title[1:]}."
        )
    if isinstance(test.has, str):
        true = any(isinstance(value, list) and test.has in value for value in values)
        found = (
            f"{item.title}: {', '.join(sorted({one for value in values if isinstance(value, list) for one in value}))}."
        )
    else:
        able = any(value is True for value in values)
        true = able is test.has
        found = f"{item.title}: {'yes' if able else 'no'}."
    page = f"frameworks/{test.framework}.md#evidence"
    return JudgedClaim(claim, article, "holds" if true else "does not hold", found, page)


def _more(claim: Claim, article: Article, test: More, known: ClaimBasis) -> JudgedClaim:
    item, amounts = ITEMS[test.item], []
    for slug in (test.first, test.second):
        finding = known.evidence[slug].finding(test.item) if slug in known.evidence else None
        if finding is None or not isinstance(finding.value, int | float):
            return JudgedClaim(
                claim, article, "cannot be compared", f"Not determined of {known.titles.get(slug, slug)}."
            )
        amounts.append(finding.value)
    first, second = (known.titles.get(slug, slug) for slug in (test.first, test.second))
    found = f"{item.title}: {first} {amounts[0]:g}, {second} {amounts[1]:g}."
    verdict: Verdict = "holds" if amounts[0] > amounts[1] else "does not hold"
    return JudgedClaim(claim, article, verdict, found, f"{item.dimension}.md#evidence")


def _measured(claim: Claim, article: Article, test: Measured, known: ClaimBasis) -> JudgedClaim:
    tables = known.comparison.of_workload(test.workload)
    rows = [row for table in tables for row in table.valid_rows if "/".join(row.key) == test.framework]
    if not rows:
        return JudgedClaim(claim, article, "cannot be compared", "There is no valid value of it.")
    return JudgedClaim(
        claim, article, "holds", "It is measured like that.", f"frameworks/{rows[0].framework.slug}.md#variants"
    )


def _sustains(claim: Claim, article: Article, test: Sustains, known: ClaimBasis) -> JudgedClaim:
    for table in known.searched:
        for row in table.rows:
            if table.unit == "users" and "/".join((row.framework.slug, row.variant.slug)) == test.framework:
                page = f"workloads/{table.workload.slug}.md#{table.slug}"
                low, high = (row.bracket.low, row.bracket.high) if row.bracket else (None, None)
                return _by_bracket(claim, article, test, low, high, page)
    return JudgedClaim(claim, article, "cannot be compared", "Its capacity in users was not searched.")


def _by_bracket(
    claim: Claim, article: Article, test: Sustains, low: float | None, high: float | None, page: str
) -> JudgedClaim:
    if low is not None and low >= test.users:
        return JudgedClaim(claim, article, "holds", f"One core sustains {low:,.0f} dashboard users.", page)
    if high is not None and high <= test.users:
        return JudgedClaim(
            claim, article, "does not hold", f"One core does not sustain {high:,.0f} dashboard users.", page
        )
    return JudgedClaim(claim, article, "cannot be compared", "The search was not conclusive.", page)


def _interface(claim: Claim, article: Article, test: InterfaceTest, known: ClaimBasis) -> JudgedClaim:
    facts = {slug: known.evidence[slug].document.framework.interface for slug in test.names if slug in known.evidence}
    if len(facts) < len(test.names):
        return JudgedClaim(claim, article, "cannot be compared", "Not all of them have evidence.")
    others = [known.titles.get(slug, slug) for slug, interface in facts.items() if interface != test.has]
    found = f"These do not: {', '.join(others)}." if others else f"All are {test.has}."
    return JudgedClaim(claim, article, "does not hold" if others else "holds", found, "frameworks/index.md#glance")


def _vocabulary(claim: Claim, article: Article, test: ClaimVocabulary, known: ClaimBasis) -> JudgedClaim:
    """Check whether the app uses names of packages other than these."""
    one = known.evidence.get(test.framework)
    finding = one.finding("names") if one else None
    if finding is None or finding.note is None:
        return JudgedClaim(claim, article, "cannot be compared", "Its app's names were not determined.")
    beyond = [name for name in finding.note.split(", ") if name.split(".")[0] not in test.beyond]
    found = f"Its app takes from elsewhere: {', '.join(beyond)}." if beyond else "Its app takes nothing from elsewhere."
    page = f"frameworks/{test.framework}.md#evidence"
    return JudgedClaim(claim, article, "holds" if beyond else "does not hold", found, page)


def _table(workload: str, where: Mapping[str, object], known: ClaimBasis) -> Table | None:
    tables = known.comparison.of_workload(workload)
    return next(
        (table for table in tables if all(table.parameters.get(name) == value for name, value in where.items())), None
    )


def _row(table: Table, metric: Metric, name: str) -> Row | None:
    """The row of a variant, or of a framework's best variant."""
    slug, _, variant = name.partition("/")
    rows = [
        row
        for row in table.valid_rows
        if row.framework.slug == slug and variant in ("", row.variant.slug) and metric.key in row.values
    ]
    return min(rows, key=lambda row: metric.best_first(row.values[metric.key].estimate.mean), default=None)


def _page(table: Table) -> str:
    return f"workloads/{table.workload.slug}.md#{table.slug}"


def _not_measured(workload: str, where: Mapping[str, object]) -> str:
    parameters = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in where.items())
    return f"No published run here measured that ({workload}: {parameters})."
