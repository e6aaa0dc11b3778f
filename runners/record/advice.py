"""What further rounds of a run would decide: how the half that knows the statistics advises the half that measures.

Values only. `runners.campaign` calls an adviser after each round, and `generator.comparison` contains it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from runners.record.schema import PartLook

MOST_SEARCHES = 8
"""Searches of one cell in a run, after which there is none for it. What was not found in so many is beyond the
search."""


@dataclass(frozen=True)
class Undecided:
    """A comparison, a value or a row that further rounds would probably decide.

    ``cells``: keys of the cells (`runners.record.cell_key`) that these rounds have to measure: two of a comparison,
    else one. ``reason``: the comparison is inconclusive, the interval of the value is wider than its target, or the row
    has too few valid rounds. ``rounds``: the number of further rounds that is best for it, at least one. ``decisions``:
    how many comparisons and values these rounds decide, as an expected number.
    """

    cells: tuple[str, ...]
    reason: Literal["inconclusive", "wide", "short"]
    rounds: int
    decisions: float

    @property
    def gain(self) -> float:
        """The expected number of decisions per round."""
        return self.decisions / self.rounds


@dataclass(frozen=True)
class Advice:
    """What a look found: per scenario (`runners.record.scenario_of`) the counts, and all that is worth more rounds."""

    scenarios: Mapping[str, PartLook] = field(default_factory=dict)
    undecided: tuple[Undecided, ...] = ()


class VariantLike(Protocol):
    """What catalog and results know of a variant."""

    @property
    def slug(self) -> str: ...

    @property
    def headline(self) -> bool | None: ...


def compared_variants(variants: Iterable[VariantLike]) -> set[str]:
    """The variants of one framework that a run compares with those of others, by slug: its headline variant, or all if
    the run has no headline variant of it.
    """
    known = list(variants)
    return {one.slug for one in known if one.headline} or {one.slug for one in known}
