"""Verdicts from evidence: fixed criteria for each dimension, and every way to weigh them.

No common unit exists for a statement of code and a megabyte, so we choose no weights. Instead we draw ten thousand
weightings, all equally likely, and count which framework is first. A framework is among a dimension's winners if it is
first under at least one weighting in ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from generator.dataset import Evidence
from runners.record import ITEMS, Finding, Item

WEIGHTINGS = 10_000
LEADING_SHARE = 0.1
"""The least share of weightings under which a winner is first."""
SURE_SHARE = 0.95
"""The least share of weightings under which one of two is better, for a verdict between them."""
_SEED = 4
_EQUAL = 1e-9

Standing = Literal["better", "worse", "same", "mixed", "unknown"]


@dataclass(frozen=True)
class Criterion:
    """An item that counts in a verdict. ``better``: the same as the item declares, if it declares it."""

    item: str
    better: Literal["lower", "higher", "yes"]
    plus: float = 0.0
    """Added to amounts that may be zero, so that no ratio is infinite."""
    of_any_variant: bool = False
    """The framework can do what any of its variants can; otherwise its main variant represents it."""

    @property
    def facts(self) -> Item:
        return ITEMS[self.item]

    @property
    def words(self) -> str:
        """The formula of the points, as text."""
        if self.better == "yes":
            return "yes: 1, no: 0"
        if self.better == "higher":
            return "value / highest"
        return f"(lowest + {self.plus:g}) / (value + {self.plus:g})" if self.plus else "lowest / value"


CRITERIA: dict[str, tuple[Criterion, ...]] = {
    "ease-of-use": (
        Criterion("statements", "lower"),
        Criterion("concepts", "lower"),
        Criterion("packages", "lower"),
        Criterion("installed-mb", "lower"),
        Criterion("rooms", "yes"),
        Criterion("client-library-kb", "lower", plus=10.0),
    ),
    "architecture": (
        Criterion("plain-websocket", "yes", of_any_variant=True),
        Criterion("cross-process", "yes", of_any_variant=True),
        Criterion("thread-per-client", "lower", plus=1.0),
        Criterion("memory-mb", "lower"),
    ),
    "development-experience": (
        Criterion("typed", "yes"),
        Criterion("start-s", "lower"),
        Criterion("reloader", "yes"),
        Criterion("raise-logged", "yes"),
    ),
}


@dataclass(frozen=True)
class Weighed:
    """A dimension's evidence as points between 0 and 1, weighed in every way.

    ``points``: per framework the points of each criterion; ``None``: not determined.
    """

    criteria: tuple[Criterion, ...]
    points: Mapping[str, tuple[float | None, ...]]

    @property
    def frameworks(self) -> tuple[str, ...]:
        """Slugs of the frameworks, by mean points in descending order."""
        return tuple(sorted(self.points, key=lambda slug: (-self.means[slug], slug)))

    @cached_property
    def means(self) -> dict[str, float]:
        """Each framework's mean points, with equal weights."""
        return dict(zip(self.points, self._scores(np.ones((1, len(self.criteria))))[:, 0].tolist(), strict=True))

    @cached_property
    def first_shares(self) -> dict[str, float]:
        """The share of weightings under which each framework is first, alone or with equal points."""
        scores = self._all_scores
        is_first = scores >= scores.max(axis=0) - _EQUAL
        return dict(zip(self.points, is_first.mean(axis=1).tolist(), strict=True))

    @property
    def leading(self) -> tuple[str, ...]:
        """Slugs of the dimension's winners, by their share of weightings in descending order."""
        shares = self.first_shares
        return tuple(sorted((one for one in shares if shares[one] >= LEADING_SHARE), key=lambda one: -shares[one]))

    def standing(self, first: str, second: str) -> tuple[Standing, float]:
        """The outcome for the first of two, and the share of the weightings under which it is better."""
        if first not in self.points or second not in self.points:
            return "unknown", 0.0
        order = list(self.points)
        mine, theirs = (self._all_scores[order.index(slug)] for slug in (first, second))
        share, other = float((mine > theirs + _EQUAL).mean()), float((theirs > mine + _EQUAL).mean())
        if share == other == 0:
            return "same", share
        return ("better" if share >= SURE_SHARE else "worse" if other >= SURE_SHARE else "mixed"), share

    @cached_property
    def _all_scores(self) -> np.ndarray:
        chance = np.random.default_rng(_SEED)
        return self._scores(chance.dirichlet(np.ones(len(self.criteria)), size=WEIGHTINGS))

    def _scores(self, weights: np.ndarray) -> np.ndarray:
        """Weighted means over the determined criteria, shape (frameworks, weightings)."""
        table = np.array([[np.nan if one is None else one for one in row] for row in self.points.values()])
        known = ~np.isnan(table)
        scores: np.ndarray = np.where(known, table, 0.0) @ weights.T / (known @ weights.T)
        return scores


def weigh(dimension: str, evidence: Mapping[str, Evidence]) -> Weighed | None:
    """The weighed evidence of these frameworks in one dimension; ``None`` if there is none."""
    criteria = CRITERIA[dimension]
    columns = [_points(criterion, evidence) for criterion in criteria]
    points = {slug: tuple(column.get(slug) for column in columns) for slug in evidence}
    points = {slug: row for slug, row in points.items() if any(one is not None for one in row)}
    return Weighed(criteria, points) if points else None


def deciding_finding(criterion: Criterion, evidence: Evidence) -> Finding | None:
    """The finding that determines the framework's points."""
    if criterion.of_any_variant:
        found = [finding for _, finding in evidence.findings_of(criterion.item) if finding.value is not None]
        return next((finding for finding in found if finding.value is True), found[0] if found else None)
    return evidence.finding(criterion.item)


def _points(criterion: Criterion, evidence: Mapping[str, Evidence]) -> dict[str, float]:
    found = {slug: deciding_finding(criterion, one) for slug, one in evidence.items()}
    known = {slug: finding for slug, finding in found.items() if finding is not None and finding.value is not None}
    if criterion.better == "yes":
        return {slug: float(finding.value is True) for slug, finding in known.items()}
    amounts = {slug: _amount(finding) for slug, finding in known.items()}
    if not amounts:
        return {}
    if criterion.better == "higher":
        most = max(amounts.values())
        return {slug: amount / most if most else 1.0 for slug, amount in amounts.items()}
    best = min(amounts, key=lambda slug: amounts[slug])
    return {
        slug: 1.0
        if _overlap(known[slug], known[best]) or amount == amounts[best]
        else (amounts[best] + criterion.plus) / (amount + criterion.plus)
        for slug, amount in amounts.items()
    }


def _amount(finding: Finding) -> float:
    """The number, or the length of the list."""
    if isinstance(finding.value, list):
        return float(len(finding.value))
    assert isinstance(finding.value, int | float)
    return float(finding.value)


def _overlap(one: Finding, other: Finding) -> bool:
    """Whether the ranges of two repeated items overlap; they are then not distinguishable."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def all_weighed(evidence: Mapping[str, Evidence]) -> dict[str, Weighed]:
    """The weighed evidence of each dimension that has any."""
    weighed = {dimension: weigh(dimension, evidence) for dimension in CRITERIA}
    return {dimension: one for dimension, one in weighed.items() if one is not None}


def items_of(dimension: str) -> Sequence[Item]:
    """The items of a dimension, in the order of its table."""
    return [item for item in ITEMS.values() if item.dimension == dimension]
