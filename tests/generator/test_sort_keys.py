"""Cells of tables sort by what they mean, not by their text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from generator.comparison import Bracket
from generator.pages.sort_keys import key_text, sort_key
from generator.statistics import RankRange


def order(value: Any) -> tuple[float, ...]:
    """The key of a value as `tables.js` reads it, if it is one of numbers."""
    return tuple(map(float, key_text(value).split(" ")))


def bracket(low: int | None, high: int | None) -> Bracket:
    return Bracket(low, high, conclusive=True)


ASCENDING: dict[str, list[Any]] = {
    "versions": ["0.9.9", "0.10.0a1", "0.10.0rc1", "0.10.0", "0.10.0.post1", "1", "1.0.1", "17.4", "2026.11.20"],
    "numbers": [-0.5, 0, 7.25, 10, 1e9],
    "answers": [False, True],
    "ranks": [RankRange(1, 1), RankRange(1, 3), RankRange(2, 2), RankRange(2, 10), RankRange(10, 10)],
    "capacities": [bracket(None, 900), bracket(500, 600), bracket(500, None), bracket(12_000, 12_600)],
    "counts": [(3, 5), (5, 5), (10, 10)],
}


@pytest.mark.parametrize("values", ASCENDING.values(), ids=list(ASCENDING))
def test_keys_ascend_with_their_values(values: list[Any]) -> None:
    keys = [order(value) for value in values]
    assert all(one < other for one, other in pairwise(keys)), keys


_versions = st.builds(
    lambda release, end: Version(".".join(map(str, release)) + end),
    st.lists(st.integers(0, 2000), min_size=1, max_size=4),
    st.sampled_from(["", "a1", "b2", "rc1", ".post1", ".dev3"]),
)


@given(_versions, _versions)
def test_versions_have_the_order_of_their_specification(one: Version, other: Version) -> None:
    assert (order(str(one)) < order(str(other))) == (one < other)


@pytest.mark.parametrize("text", ["2026-11-20T05:00:00Z", "Intel Xeon, 4 CPUs", "websocket, polling", "yes"])
def test_a_text_is_its_own_key(text: str) -> None:
    assert key_text(text) == text


def test_no_value_has_an_empty_key_and_text_is_escaped() -> None:
    assert sort_key(None) == ' data-value=""'
    assert key_text(bracket(None, None)) == ""
    assert '"><' not in sort_key('"><script>')
