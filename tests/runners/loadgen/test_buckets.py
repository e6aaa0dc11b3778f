"""The buckets have the layout of HdrHistogram, and sparse counts equal dense counts."""

from __future__ import annotations

import json
from array import array

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runners.loadgen import buckets
from runners.loadgen.buckets import LAYOUT, Layout, SparseCounts

layouts = st.builds(
    lambda lowest, times, digits: Layout(lowest, max(lowest * times, 2 * lowest), digits),
    st.integers(1, 10_000),
    st.integers(2, 10**9),
    st.integers(1, 4),
)


@given(layouts, st.data())
@example(LAYOUT, None)
@example(Layout(1, 2, 3), None)
@example(Layout(1, 2**40 - 1, 2), None)
@example(Layout(1, 2**40, 2), None)
@settings(deadline=None, max_examples=60)
def test_the_layout_is_the_library_s(layout: Layout, data: st.DataObject | None) -> None:
    library = HdrHistogram(layout.lowest, layout.highest, layout.digits)
    assert layout.size == library.counts_len
    assert (layout.unit_magnitude, layout.half_magnitude) == (
        library.unit_magnitude,
        library.sub_bucket_half_count_magnitude,
    )
    if data is None:
        return
    value = data.draw(st.integers(0, layout.highest))
    library.record_value(value)
    (index,) = layout.index_of(np.array([value], dtype=np.int64))
    assert np.flatnonzero(np.ctypeslib.as_array(library.encoder.get_counts())).tolist() == [index]
    assert layout.lower[index] <= value <= layout.upper[index]


def test_a_bucket_ends_where_the_next_begins() -> None:
    assert (LAYOUT.lower[1:] == LAYOUT.upper[:-1] + 1).all()
    assert LAYOUT.lower[0] == 0


def test_bounds_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        LAYOUT.lower[0] = 1


@given(st.lists(st.integers(-5, 2 * LAYOUT.highest), max_size=50))
def test_sparse_counts_survive_the_pipe(values: list[int]) -> None:
    counts = buckets.counts_of(array("q", values))
    sent = SparseCounts(*json.loads(json.dumps(buckets.sparse(counts))))
    assert (buckets.dense(sent) == counts).all()
    assert sum(sent.counts) == len(values)
    assert 0 not in sent.counts


@given(st.lists(st.integers(0, LAYOUT.highest), min_size=1, max_size=50))
def test_the_median_is_in_its_bucket(values: list[int]) -> None:
    found = buckets.median_ns(buckets.counts_of(array("q", values)))
    (index,) = LAYOUT.index_of(np.array([sorted(values)[(len(values) - 1) // 2]], dtype=np.int64))
    assert found == LAYOUT.lower[index]


def test_there_is_no_median_of_nothing() -> None:
    assert buckets.median_ns(buckets.no_counts()) == 0
