"""Checks claims of published articles against our results.

Absolute values of another machine are not comparable. So a claim about values is checked as an order: the same setups
in a test like the article's, on one machine in the same rounds. A claim is contradicted only if what was found excludes
it; everything that is open is not decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from generator.comparison.capacities import MIN_SEARCHES, CapacityTable
from generator.comparison.deciding import needs_quiet
from generator.comparison.metrics import METRICS, Metric
from generator.comparison.scored_values import is_published
from generator.comparison.tables import Comparison, Row, Table
from generator.dataset import (
    Article,
    Claim,
    ClaimVocabulary,
    Compared,
    DocumentationTest,
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
from runners.record import ITEMS, amount_of, degree_of

Verdict = Literal["holds", "contradicted", "not decided", "not checked"]


@dataclass(frozen=True)
class JudgedClaim:
    """A claim and its verdict.

    ``contradicted``: the opposite is certain (`Judged.direction`), or a fact excludes the claim. ``not decided``: it
    was tested, but with too few rounds, too disturbed, or neither is certain. ``not checked``: no test like the
    article's has results.
    """

    claim: Claim
    article: Article
    verdict: Verdict
    found: str
    """A sentence: what was measured or determined, or why nothing can be concluded."""
    page: str | None = None
    """Page and anchor of the evidence."""
    values: tuple[tuple[Row, Metric], ...] = ()
    ratio: Contrast | None = None
    source: str | None = None
    """Address of the documentation that states it, if that is the evidence."""


@dataclass(frozen=True)
class ClaimBasis:
    """The results and the evidence that claims are checked against.

    ``headline``: the headline variant of each framework. It stands for a framework whose setup the article does not
    name.
    """

    comparison: Comparison
    searched: Sequence[CapacityTable]
    evidence: Mapping[str, Evidence]
    titles: Mapping[str, str]
    headline: Mapping[str, str]


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
        case DocumentationTest():
            return JudgedClaim(claim, article, "holds", f"{test.how} Not tested here.", source=test.source)
        case NoTest():
            return JudgedClaim(claim, article, "not checked", test.why)


def _compared(claim: Claim, article: Article, test: Compared, known: ClaimBasis) -> JudgedClaim:
    table, metric = _table(test.workload, test.where, known), METRICS[test.metric]
    if table is None:
        return JudgedClaim(claim, article, "not checked", _not_measured(test.workload, test.where))
    rows = [_row(table, metric, name, known) for name in (test.first, test.second)]
    first, second = rows
    page = _page(table)
    if first is None or second is None:
        missing = test.first if first is None else test.second
        return JudgedClaim(claim, article, "not checked", f"There is no valid {metric.title} of {missing}.", page)
    judged = table.judged(metric, first, second)
    values, contrast = ((first, metric), (second, metric)), judged.contrast
    if reason := _too_little(metric, first, second) or _DISTURBED.get(judged.reason or "", ""):
        return JudgedClaim(claim, article, "not decided", reason, page, values, contrast)
    side = judged.direction
    if test.kind == "differ":
        verdict: Verdict = "holds" if side and judged.outcome != "same" else "not decided"
        if judged.outcome == "same":
            verdict = "contradicted"
        found = {"holds": "They differ.", "contradicted": "They are practically equal."}.get(verdict, _UNDECIDED)
    else:
        expected = "better" if _claims_better(test, metric) else "worse"
        verdict = "not decided" if side is None else "holds" if side == expected else "contradicted"
        found = {"better": "The first is better", "worse": "The second is better"}.get(side or "", _UNDECIDED[:-1])
        found += f"; the article's ratio is {test.claimed:g}." if test.claimed is not None else "."
    return JudgedClaim(claim, article, verdict, found, page, values, contrast)


_UNDECIDED = "It is not certain which one is better."
_DISTURBED = {"disturbed": "Other processes disturbed the rounds too much for this percentile."}


def _too_little(metric: Metric, *rows: Row) -> str:
    """Why these rows decide nothing, as a sentence; empty if they do."""
    rounds = min(row.values[metric.key].valid_rounds for row in rows)
    if any(not row.values[metric.key].is_enough for row in rows):
        return f"Too few valid rounds: {rounds}."
    return ""


def _claims_better(test: Compared, metric: Metric) -> bool:
    return True if test.claimed is None else metric.is_better(test.claimed, 1.0)


def _extreme(claim: Claim, article: Article, test: Extreme, known: ClaimBasis) -> JudgedClaim:
    """Check whether the named frameworks are the article's best or worst.

    It holds if each named one surely differs from each other one in that direction. It is contradicted if one of the
    others surely lies beyond a named one.
    """
    whole, metric = _table(test.workload, test.where, known), METRICS[test.metric]
    if whole is None:
        return JudgedClaim(claim, article, "not checked", _not_measured(test.workload, test.where))
    rows = {slug: row for slug in article.between if (row := _row(whole, metric, slug, known)) is not None}
    missing = [known.titles.get(slug, slug) for slug in article.between if slug not in rows]
    if missing:
        return JudgedClaim(
            claim, article, "not checked", f"There is no valid value of {', '.join(missing)}.", _page(whole)
        )
    best_first = sorted(rows, key=lambda slug: metric.best_first(rows[slug].values[metric.key].estimate.mean))
    values = tuple((rows[slug], metric) for slug in best_first)
    if reason := _too_little(metric, *rows.values()):
        return JudgedClaim(claim, article, "not decided", reason, _page(whole), values)
    claimed = "better" if test.kind == "first" else "worse"
    others = [slug for slug in rows if slug not in test.names]
    judged = [whole.judged(metric, rows[name], rows[other]) for name, other in product(test.names, others)]
    sides = [one.direction for one in judged]
    if any(side is not None and side != claimed for side in sides):
        verdict: Verdict = "contradicted"
    else:
        verdict = "holds" if all(side == claimed for side in sides) else "not decided"
    disturbed = next((_DISTURBED[one.reason] for one in judged if one.reason in _DISTURBED), "")
    order = ", ".join(known.titles.get(slug, slug) for slug in best_first)
    found = f"By their means, from the best: {order}."
    if verdict == "not decided" and disturbed:
        found += f" {disturbed}"
    return JudgedClaim(claim, article, verdict, found, _page(whole), values)


def _within(claim: Claim, article: Article, test: Within, known: ClaimBasis) -> JudgedClaim:
    """Times of another machine are not comparable: an interval wholly inside supports the claim, no other decides."""
    table, metric = _table(test.workload, test.where, known), METRICS[test.metric]
    if table is None:
        return JudgedClaim(claim, article, "not checked", _not_measured(test.workload, test.where))
    row = _row(table, metric, test.framework, known)
    if row is None:
        return JudgedClaim(claim, article, "not checked", "There is no valid value of it.", _page(table))
    is_disturbed = needs_quiet(metric) and not row.is_quiet
    if reason := _too_little(metric, row) or (_DISTURBED["disturbed"] if is_disturbed else ""):
        return JudgedClaim(claim, article, "not decided", reason, _page(table), ((row, metric),))
    interval = row.values[metric.key].estimate.interval
    is_inside = interval is not None and test.low <= interval.low and interval.high <= test.high
    lies = "surely lies" if is_inside else "does not surely lie"
    found = f"On this machine it {lies} there; on another one, times differ."
    verdict: Verdict = "holds" if is_inside else "not decided"
    return JudgedClaim(claim, article, verdict, found, _page(table), ((row, metric),))


def _evidence(claim: Claim, article: Article, test: EvidenceTest, known: ClaimBasis) -> JudgedClaim:
    one, item = known.evidence.get(test.framework), ITEMS[test.item]
    values = [finding.value for _, finding in one.findings_of(test.item) if finding.value is not None] if one else []
    if not values:
        return JudgedClaim(claim, article, "not checked", f"Not determined: {item.title[0].lower()}{item.title[1:]}.")
    if isinstance(test.has, str):
        true = any(isinstance(value, list) and test.has in value for value in values)
        found = (
            f"{item.title}: {', '.join(sorted({one for value in values if isinstance(value, list) for one in value}))}."
        )
    else:
        able = any(value is True for value in values)
        true = able is test.has
        found = f"{item.title}: {'yes' if able else 'no'}."
    page = f"frameworks/{test.framework}/results.md#evidence"
    return JudgedClaim(claim, article, "holds" if true else "contradicted", found, page)


def _more(claim: Claim, article: Article, test: More, known: ClaimBasis) -> JudgedClaim:
    """Check whether the first has more of an item: a higher amount, or a higher degree of what it can do."""
    item, amounts, shown = ITEMS[test.item], [], []
    for slug in (test.first, test.second):
        one = known.evidence.get(slug)
        finding = one.finding(test.item, known.headline.get(slug)) if one else None
        amount = None
        if one is not None and finding is not None:
            degree = degree_of(finding.value)
            amount = amount_of(finding, one.document.collected) if degree is None else degree
        if finding is None or amount is None:
            return JudgedClaim(claim, article, "not checked", f"Not determined of {known.titles.get(slug, slug)}.")
        amounts.append(amount)
        shown.append(f"{known.titles.get(slug, slug)} {finding.value}")
    verdict: Verdict = "holds" if amounts[0] > amounts[1] else "contradicted"
    return JudgedClaim(
        claim, article, verdict, f"{item.title}: {', '.join(shown)}.", f"dimensions/{item.dimension}.md#evidence"
    )


def _measured(claim: Claim, article: Article, test: Measured, known: ClaimBasis) -> JudgedClaim:
    tables = known.comparison.of_workload(test.workload)
    rows = [row for table in tables for row in table.valid_rows if "/".join(row.key) == test.framework]
    if not rows:
        return JudgedClaim(claim, article, "not checked", "There is no valid value of it.")
    return JudgedClaim(
        claim, article, "holds", "It is measured like that.", f"frameworks/{rows[0].framework.slug}.md#variants"
    )


def _sustains(claim: Claim, article: Article, test: Sustains, known: ClaimBasis) -> JudgedClaim:
    for table in known.searched:
        for row in table.rows:
            if table.unit == "users" and "/".join(row.key) == test.framework:
                page = f"tests/{table.workload.slug}.md#{table.slug}"
                low, high = (row.bracket.low, row.bracket.high) if row.bracket else (None, None)
                searches = row.bracket.searches if row.bracket else 0
                return _by_bracket(claim, article, test, low, high, searches, page)
    return JudgedClaim(claim, article, "not checked", "Its capacity in users was not searched.")


def _by_bracket(
    claim: Claim, article: Article, test: Sustains, low: float | None, high: float | None, searches: int, page: str
) -> JudgedClaim:
    if searches < MIN_SEARCHES:
        return JudgedClaim(claim, article, "not decided", f"Too few searches: {searches}.", page)
    if low is not None and low >= test.users:
        return JudgedClaim(claim, article, "holds", f"One core sustains {low:,.0f} dashboard users.", page)
    if high is not None and high <= test.users:
        return JudgedClaim(
            claim, article, "contradicted", f"One core does not sustain {high:,.0f} dashboard users.", page
        )
    return JudgedClaim(claim, article, "not decided", "The search was not conclusive.", page)


def _interface(claim: Claim, article: Article, test: InterfaceTest, known: ClaimBasis) -> JudgedClaim:
    facts = {slug: known.evidence[slug].document.framework.interface for slug in test.names if slug in known.evidence}
    if len(facts) < len(test.names):
        return JudgedClaim(claim, article, "not checked", "Not all of them have evidence.")
    others = [
        known.titles.get(slug, slug) for slug, interface in facts.items() if test.has not in interface.split(", ")
    ]
    found = f"These do not: {', '.join(others)}." if others else f"All are {test.has}."
    return JudgedClaim(claim, article, "contradicted" if others else "holds", found, "frameworks/index.md#glance")


def _vocabulary(claim: Claim, article: Article, test: ClaimVocabulary, known: ClaimBasis) -> JudgedClaim:
    """Check whether the app uses names of packages other than these."""
    one = known.evidence.get(test.framework)
    finding = one.finding("names") if one else None
    if finding is None or finding.note is None:
        return JudgedClaim(claim, article, "not checked", "Its app's names were not determined.")
    beyond = [name for name in finding.note.split(", ") if name.split(".")[0] not in test.beyond]
    found = f"Its app takes from elsewhere: {', '.join(beyond)}." if beyond else "Its app takes nothing from elsewhere."
    page = f"frameworks/{test.framework}/results.md#evidence"
    return JudgedClaim(claim, article, "holds" if beyond else "contradicted", found, page)


def _table(workload: str, where: Mapping[str, object], known: ClaimBasis) -> Table | None:
    """The published table with these parameters; results of short profiles decide nothing."""
    tables = known.comparison.of_workload(workload)
    matching = (table for table in tables if where.items() <= table.parameters.items())
    return next((table for table in matching if is_published(table)), None)


def _row(table: Table, metric: Metric, name: str, known: ClaimBasis) -> Row | None:
    """The row of a variant, or of a framework's headline variant."""
    slug, _, variant = name.partition("/")
    key = (slug, variant or known.headline.get(slug, ""))
    return next((row for row in table.valid_rows if row.key == key and metric.key in row.values), None)


def _page(table: Table) -> str:
    return f"tests/{table.workload.slug}.md#{table.slug}"


def _not_measured(workload: str, where: Mapping[str, object]) -> str:
    parameters = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in where.items())
    return f"No published run here has enough rounds of that ({workload}: {parameters})."
