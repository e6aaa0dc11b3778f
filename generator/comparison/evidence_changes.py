"""Compares two collections of evidence: which facts differ, and which timings have separate ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from generator.comparison.metrics import MEMORY_BETWEEN_RUNS
from generator.dataset import Evidence
from runners.record import ITEMS, Finding

Kind = Literal["same", "within", "apart", "differs"]
BETWEEN_COLLECTIONS: Mapping[str, float] = {"memory-mb": 2 * MEMORY_BETWEEN_RUNS}
"""By how much, as a share, a value differs from collection to collection of the same code beyond its own samples: two
standard deviations."""
FEWEST_TO_PACE = 8
"""The fewest timings of an item for a machine factor. With fewer, a few frameworks might cause the difference."""


@dataclass(frozen=True)
class EvidenceChange:
    """One item in both collections; ``variant`` is ``None`` for an item of the framework as a whole."""

    framework: str
    variant: str | None
    before: Finding
    after: Finding
    machine_factor: float = 1.0
    """Ratio of the later to the earlier timings over all frameworks: see `machine_factors`."""

    @property
    def kind(self) -> Kind:
        """The kind of change: facts are ``same`` or ``differs``, repeated items ``within`` or ``apart``.

        ``within``: the ranges overlap after the earlier one is multiplied by the machine factor. Those of memory are
        wider by what it differs by from run to run.
        """
        mine, theirs = _spread(self.before), _spread(self.after)
        if mine is None or theirs is None:
            return "same" if self.before.value == self.after.value else "differs"
        low, high = (end * self.machine_factor for end in mine)
        return "within" if low <= theirs[1] and theirs[0] <= high else "apart"


def compare_evidence(base: Mapping[str, Evidence], head: Mapping[str, Evidence]) -> tuple[EvidenceChange, ...]:
    """All items that both collections have, in the order of the later one."""
    found = []
    for slug, after in head.items():
        earlier = {(variant, one.item): one for variant, one in _findings(base[slug])} if slug in base else {}
        found += [
            EvidenceChange(slug, variant, earlier[variant, one.item], one)
            for variant, one in _findings(after)
            if (variant, one.item) in earlier
        ]
    common = machine_factors(found)
    return tuple(replace(change, machine_factor=common.get(change.after.item, 1.0)) for change in found)


def machine_factors(changes: Iterable[EvidenceChange]) -> dict[str, float]:
    """Per timed item the ratio of the later to the earlier timing: the median over all variants.

    The speed of a shared machine differs from hour to hour. That changes all timings of a collection alike, so it does
    not count as a change of a framework.
    """
    ratios: dict[str, list[float]] = {}
    for change in changes:
        if ITEMS[change.after.item].unit != "s" or not (_spread(change.before) and _spread(change.after)):
            continue
        before, after = change.before.value, change.after.value
        if isinstance(before, int | float) and isinstance(after, int | float) and before > 0:
            ratios.setdefault(change.after.item, []).append(after / before)
    return {item: median(found) for item, found in ratios.items() if len(found) >= FEWEST_TO_PACE}


def count_kinds(changes: tuple[EvidenceChange, ...]) -> Counter[Kind]:
    """The number of changes of each kind."""
    return Counter(change.kind for change in changes)


def _findings(evidence: Evidence) -> Iterator[tuple[str | None, Finding]]:
    """The findings, without those of items that are not collected any more."""
    yield from ((None, one) for one in evidence.document.findings if one.item in ITEMS)
    for variant in evidence.document.variants:
        yield from ((variant.variant.slug, one) for one in variant.findings if one.item in ITEMS)


def _spread(finding: Finding) -> tuple[float, float] | None:
    if not ITEMS[finding.item].repeated or finding.low is None or finding.high is None:
        return None
    beyond = BETWEEN_COLLECTIONS.get(finding.item, 0.0)
    return finding.low * (1 - beyond), finding.high * (1 + beyond)
