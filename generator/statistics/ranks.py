"""Ranks with their uncertainty: the ranks that an item can have, given which items surely are before which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

from generator.statistics.contrasts import Interval

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class RankRange:
    """The ranks that an item can have, from ``first`` to ``last``, counted from 1.

    No other item is surely before one whose ``first`` is 1.
    """

    first: int
    last: int


def rank_ranges(items: Collection[Key], before: Iterable[tuple[Key, Key]]) -> dict[Key, RankRange]:
    """Rank ranges: of n items, one with k surely before it and m surely after it has a rank from k + 1 to n - m.

    ``before``: pairs of which the first is surely before the second. See Mogstad, Romano, Shaikh and Wilhelm (2024),
    "Inference for ranks", Rev. Econ. Stud. 91(1). Rejected: groups of items that are pairwise not distinguishable. This
    relation is not transitive. If some rows are noisier than others, 35 rows make nearly a hundred such groups.
    """
    ahead, behind = Counter[Key](), Counter[Key]()
    for first, second in before:
        ahead[second] += 1
        behind[first] += 1
    return {item: RankRange(ahead[item] + 1, len(items) - behind[item]) for item in items}


def bracket_rank_ranges(brackets: Mapping[Key, Interval]) -> dict[Key, RankRange]:
    """The rank range of each bracket among all; the highest has rank 1.

    A bracket goes from a load that was sustained to one that was not. One bracket is above another if its low end is at
    least the high end of the other.
    """
    above = [
        (first, second) for first, second in permutations(brackets, 2) if brackets[first].low >= brackets[second].high
    ]
    return rank_ranges(brackets, above)
