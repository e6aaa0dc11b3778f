"""Histograms: merging adds counts, percentiles match the raw values, and invalid input is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from runners.loadgen.buckets import LAYOUT, counts_of
from runners.record import Histogram, HistogramError

LAYOUT_BOUNDS = (LAYOUT.lowest, LAYOUT.highest, LAYOUT.digits)

latencies = st.lists(st.integers(0, 2 * LAYOUT.highest) | st.integers(0, 10**7), min_size=1, max_size=60)


def made(values: list[int] | NDArray[np.int64]) -> Histogram:
    return Histogram(counts_of(np.array(values, dtype=np.int64)))


def library_text(counts: NDArray[np.int64]) -> str:
    """What the library writes of these counts, each bucket's lowest value recorded as often as it is counted."""
    library = HdrHistogram(*LAYOUT_BOUNDS)
    for bucket in np.flatnonzero(counts).tolist():
        library.record_value(int(LAYOUT.lower[bucket]), int(counts[bucket]))
    return bytes(library.encode()).decode()


def same(one: Histogram, other: Histogram) -> bool:
    return one.bounds == other.bounds and bool((one.counts == other.counts).all())


@given(latencies, latencies, latencies)
@settings(deadline=None, max_examples=40)
def test_merging_is_associative_and_commutative_and_adds(a: list[int], b: list[int], c: list[int]) -> None:
    one, two, three = made(a), made(b), made(c)
    assert same(one.merge(two), two.merge(one))
    assert same(one.merge(two).merge(three), one.merge(two.merge(three)))
    assert same(one.merge(two).merge(three), made(a + b + c))


@given(latencies)
@settings(deadline=None, max_examples=40)
def test_encoding_round_trips(values: list[int]) -> None:
    histogram = made(values)
    assert same(Histogram.decode(histogram.encode()), histogram)
    assert histogram.total == len(values)


@given(latencies)
@settings(deadline=None, max_examples=60)
def test_the_generator_bins_as_the_library_does(values: list[int]) -> None:
    library = HdrHistogram(*LAYOUT_BOUNDS)
    for value in values:
        assert library.record_value(min(value, LAYOUT.highest))
    ours = HdrHistogram.decode(made(values).encode().encode())
    assert same(Histogram.decode(library.encode().decode()), made(values))
    assert made(values).encode() == library_text(made(values).counts)
    assert ours.get_total_count() == library.get_total_count()
    for percentile in (50, 90, 99, 100):
        assert ours.get_value_at_percentile(percentile) == library.get_value_at_percentile(percentile)


def test_random_values_of_all_sizes_are_binned_as_the_library_does() -> None:
    values = np.exp(np.random.default_rng(3).uniform(0, np.log(LAYOUT.highest), 20_000)).astype(np.int64)
    library = HdrHistogram(*LAYOUT_BOUNDS)
    for value in values:
        library.record_value(int(value))
    assert same(Histogram.decode(library.encode().decode()), made(values))


@given(latencies, st.lists(st.floats(0, 1), min_size=2, max_size=10))
@settings(deadline=None, max_examples=60)
def test_percentiles_rise_with_the_quantile(values: list[int], quantiles: list[float]) -> None:
    histogram = made(values)
    found = [histogram.percentile_ms(quantile) for quantile in sorted(quantiles)]
    assert found == sorted(found, key=lambda value: value or 0.0)
    assert None not in found


@given(latencies, st.floats(0, 1))
@settings(deadline=None, max_examples=100)
def test_a_percentile_is_the_raw_order_statistic_within_its_bucket(values: list[int], quantile: float) -> None:
    clipped = np.clip(values, 0, LAYOUT.highest)
    raw = int(np.quantile(clipped, quantile, method="inverted_cdf"))
    found = made(values).percentile_ms(quantile)
    assert found is not None
    above_ns = found * 1e6 - raw
    width_ns = max(64, raw * 10**-LAYOUT.digits)
    assert -1e-3 <= above_ns <= width_ns


@given(latencies, st.floats(0, 1), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_thinned_it_gives_nearly_the_same_values(values: list[int], quantile: float, digits: int) -> None:
    full = made(values)
    thin = full.thinned(digits)
    assert (thin.total, thin.layout.digits) == (full.total, digits)
    assert thin.thinned(digits) is thin
    assert Histogram.decode(thin.encode()).counts.tolist() == thin.counts.tolist()
    exact, near = full.percentile_ms(quantile), thin.percentile_ms(quantile)
    assert exact is not None
    assert near is not None
    assert exact <= near <= exact * (1 + 2 / 10**digits) + 1e-6


def test_thinning_before_or_after_merging_is_the_same() -> None:
    one, other = made([5, 7_000, 8_000_000]), made([7_001, 123_456])
    early = one.thinned(2).merge(other.thinned(2))
    assert early.counts.tolist() == one.merge(other).thinned(2).counts.tolist()


def test_a_percentile_needs_twenty_samples_beyond_it() -> None:
    names = {"p50": 40, "p90": 200, "p99": 2000, "p999": 20_000}
    for name, needed in names.items():
        enough, short = (made(np.full(count, 1_000_000)).percentiles() for count in (needed, needed - 1))
        assert getattr(enough, name) is not None, name
        assert getattr(short, name) is None, name
        assert short.max is not None


@pytest.mark.parametrize(
    ("missing", "has"),
    [(0, {"p50", "p90", "mean", "max"}), (20, {"p50", "p90"}), (21, {"p50"}), (101, set()), (200, set())],
)
def test_samples_that_never_came_are_longer_than_any(missing: int, has: set[str]) -> None:
    found = made(list(range(1_000_000, 1_000_000 * (201 - missing), 1_000_000))).percentiles(200, missing=missing)
    assert (found.count, found.events) == (200 - missing, 200)
    assert found.model_fields_set - {"count", "events"} == has
    if "p50" in has:
        assert found.p50 == pytest.approx(100, rel=1e-2), "the hundredth of all"
    if "p90" in has:
        assert found.p90 == pytest.approx(180, rel=1e-2)


def test_an_empty_histogram_has_no_percentiles() -> None:
    empty = made([])
    assert empty.total == 0
    assert empty.percentile_ms(0.5) is None
    assert empty.percentiles().model_dump(exclude_none=True) == {"count": 0}


def test_values_beyond_the_bounds_are_kept_at_the_bound() -> None:
    found = made([LAYOUT.highest * 3, -5]).percentiles()
    assert found.count == 2
    assert found.max == pytest.approx(LAYOUT.highest / 1e6, rel=2e-3)


def test_other_bounds_cannot_be_merged() -> None:
    other = Histogram.decode(HdrHistogram(1, 1_000_000, 2).encode().decode())
    with pytest.raises(HistogramError, match=r"\(100, 600000000000, 3\) and \(1, 1000000, 2\)"):
        made([1]).merge(other)


GOOD = made(np.arange(1000, 100_000, 7, dtype=np.int64)).encode()


@pytest.mark.parametrize("text", ["", "AAAA", "junk", "é", GOOD[:-8], GOOD[:20], "HISTFAAA", GOOD[4:], "=" * 40])
def test_junk_is_no_histogram(text: str) -> None:
    with pytest.raises(HistogramError, match="not an HdrHistogram"):
        Histogram.decode(text)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: __import__("base64").b64encode(raw).decode()))
@settings(deadline=None)
def test_no_text_raises_anything_but_a_histogram_error(text: str) -> None:
    with pytest.raises(HistogramError):
        Histogram.decode(text)
