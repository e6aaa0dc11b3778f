"""Reads ``results/<campaign>/evidence/*.yml``: everything about frameworks except performance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runners.record import EVIDENCE_FOLDER, ITEMS, EvidenceDocument, Finding, Item, Read, VariantEvidence, degree_of


@dataclass(frozen=True)
class Evidence:
    """One ``evidence/<framework>.yml`` and its path."""

    path: Path
    document: EvidenceDocument

    @property
    def raw(self) -> str:
        """The path of this file on the site, below ``data/``; made of validated names, not of the path read."""
        return f"{self.document.campaign}/{EVIDENCE_FOLDER}/{self.document.framework.slug}.yml"

    @property
    def main(self) -> VariantEvidence | None:
        """The variant that represents the framework: its headline variant, or the first where none was recorded."""
        headlines = (one for one in self.document.variants if one.variant.headline)
        return next(headlines, next(iter(self.document.variants), None))

    def finding(self, item: str, variant: str | None = None) -> Finding | None:
        """The finding on the framework, or on one of its variants (``None``: the main one)."""
        named = (one for one in self.document.variants if one.variant.slug == variant)
        chosen = self.main if variant is None else next(named, None)
        for finding in (*self.document.findings, *(_counting(chosen) if chosen else [])):
            if finding.item == item:
                return finding
        return None

    def older_rules(self, items: Iterable[Item]) -> list[str]:
        """Titles of those items that this evidence determined in another way than today."""
        return [item.title for item in items if item.is_older_rule(self.document.collected) and self.has(item.slug)]

    def has(self, item: str) -> bool:
        """Whether it has a value of the item, for the framework or any variant."""
        every = [*self.document.findings, *(one for _, one in self.findings_of(item))]
        return any(one.item == item and one.value is not None for one in every)

    def can(self, item: str) -> bool | None:
        """Whether any variant has the capability; ``None`` if it was determined for none."""
        values = [finding.value for _, finding in self.findings_of(item) if finding.value is not None]
        return any(value is True for value in values) if values else None

    def findings_of(self, item: str) -> Iterator[tuple[str, Finding]]:
        """The finding on each variant that has one, with the variant's slug."""
        for one in self.document.variants:
            for finding in _counting(one):
                if finding.item == item:
                    yield one.variant.slug, finding


def _counting(variant: VariantEvidence) -> Iterator[Finding]:
    """The findings, where a yes that needs another one (`Item.needs`) is a no without it."""
    known = {finding.item for finding in variant.findings if finding.value is not None}
    for finding in variant.findings:
        item = ITEMS.get(finding.item)
        if degree_of(finding.value) and item is not None and item.needs is not None and item.needs not in known:
            yield finding.model_copy(update={"value": False, "note": item.otherwise})
        else:
            yield finding


def all_evidence(read: Mapping[Path, Read]) -> tuple[Evidence, ...]:
    """All evidence among the files read, newest first."""
    found = [Evidence(path, document) for path, document in read.items() if isinstance(document, EvidenceDocument)]
    return tuple(sorted(found, key=lambda one: (one.document.collected, one.raw), reverse=True))
