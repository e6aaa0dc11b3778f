"""Two collections of evidence side by side: which facts differ, and which timings lie apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from generator.dataset import Evidence
from runners.record import ITEMS, Finding

Kind = Literal["same", "within", "apart", "differs"]


@dataclass(frozen=True)
class EvidenceChange:
    """One item in both collections; ``variant`` is ``None`` for what is established of a framework as a whole."""

    framework: str
    variant: str | None
    before: Finding
    after: Finding

    @property
    def kind(self) -> Kind:
        """``within`` and ``apart`` are of what was repeated: whether the extremes of one reach into the other's."""
        mine, theirs = _spread(self.before), _spread(self.after)
        if mine is None or theirs is None:
            return "same" if self.before.value == self.after.value else "differs"
        return "within" if mine[0] <= theirs[1] and theirs[0] <= mine[1] else "apart"


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
    return tuple(found)


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
