"""Two collections of evidence side by side: which facts differ, and which timings lie apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from generator.dataset import Evidence
from runners.record import ITEMS, Finding

Kind = Literal["same", "within", "apart", "differs"]
FEWEST_TO_PACE = 8
"""Of one item's timings, below which their common factor might be the doing of a few frameworks."""


@dataclass(frozen=True)
class EvidenceChange:
    """One item in both collections; ``variant`` is ``None`` for what is established of a framework as a whole."""

    framework: str
    variant: str | None
    before: Finding
    after: Finding
    pace: float = 1.0
    """What was timed took so many times as long in the later collection, whatever the framework: see `paces`."""

    @property
    def kind(self) -> Kind:
        """``within`` and ``apart`` are of what was repeated: whether the extremes of one reach into the other's.

        The earlier ones are brought to the later collection's pace before.
        """
        mine, theirs = _spread(self.before), _spread(self.after)
        if mine is None or theirs is None:
            return "same" if self.before.value == self.after.value else "differs"
        return "within" if mine[0] * self.pace <= theirs[1] and theirs[0] <= mine[1] * self.pace else "apart"


def evidence_changes(base: Mapping[str, Evidence], head: Mapping[str, Evidence]) -> tuple[EvidenceChange, ...]:
    """Every item that both collections hold, in the order of the later one."""
    found = []
    for slug, after in head.items():
        earlier = {(variant, one.item): one for variant, one in _findings(base[slug])} if slug in base else {}
        found += [
            EvidenceChange(slug, variant, earlier[variant, one.item], one)
            for variant, one in _findings(after)
            if (variant, one.item) in earlier
        ]
    common = paces(found)
    return tuple(replace(change, pace=common.get(change.after.item, 1.0)) for change in found)


def paces(changes: Iterable[EvidenceChange]) -> dict[str, float]:
    """Per item that is timed, the median over all variants of how many times as long it took in the later collection.

    The speed of a shared machine differs from hour to hour. That meets all that is timed in a collection, so it is no
    change of any framework; its passes spread over an hour, but not over the hours before and after.
    """
    ratios: dict[str, list[float]] = {}
    for change in changes:
        if ITEMS[change.after.item].unit != "s" or not (_spread(change.before) and _spread(change.after)):
            continue
        before, after = change.before.value, change.after.value
        if isinstance(before, int | float) and isinstance(after, int | float) and before > 0:
            ratios.setdefault(change.after.item, []).append(after / before)
    return {item: median(found) for item, found in ratios.items() if len(found) >= FEWEST_TO_PACE}


def counted(changes: tuple[EvidenceChange, ...]) -> Counter[Kind]:
    """How many there are of each kind."""
    return Counter(change.kind for change in changes)


def _findings(evidence: Evidence) -> Iterator[tuple[str | None, Finding]]:
    yield from ((None, one) for one in evidence.document.findings if not ITEMS[one.item].grows)
    for variant in evidence.document.variants:
        yield from ((variant.variant.slug, one) for one in variant.findings)


def _spread(finding: Finding) -> tuple[float, float] | None:
    if not ITEMS[finding.item].repeated or finding.low is None or finding.high is None:
        return None
    return finding.low, finding.high
