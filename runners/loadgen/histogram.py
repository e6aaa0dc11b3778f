"""HDR histograms: counted while the load runs, encoded by the HdrHistogram library afterwards."""

from __future__ import annotations

from array import array

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST_NS = 100
HIGHEST_NS = 600_000_000_000
DIGITS = 3

UNIT_MAGNITUDE = int(np.log2(LOWEST_NS))
HALF_MAGNITUDE = int(np.ceil(np.log2(2 * 10**DIGITS))) - 1
COUNTS: int = len(np.ctypeslib.as_array(HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS).encoder.get_counts()))
"""Buckets between the bounds: the length of a counts array."""

Counts = NDArray[np.int64]


def empty() -> Counts:
    """No values yet; shape (`COUNTS`,)."""
    return np.zeros(COUNTS, dtype=np.int64)


def of(values_ns: array[int] | NDArray[np.int64]) -> Counts:
    """The counts of values in nanoseconds, shape (n,); those outside the bounds count at the bound."""
    if not len(values_ns):
        return empty()
    values = np.clip(np.frombuffer(values_ns, dtype=np.int64), 0, HIGHEST_NS)
    return np.bincount(_bucket_index(values), minlength=COUNTS)


def median_ns(counts: Counts) -> int:
    """The lowest value of the bucket in which the median lies; 0 where there is none."""
    total = int(counts.sum())
    return _lowest_of(int(np.searchsorted(counts.cumsum(), (total + 1) // 2))) if total else 0


def encode(counts: Counts) -> str:
    """The HdrHistogram V2 base64 text of counts."""
    histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    present = np.flatnonzero(counts)
    if present.size:
        np.ctypeslib.as_array(histogram.encoder.get_counts())[:] = counts
        histogram.total_count = int(counts.sum())
        histogram.min_value = _lowest_of(int(present[0]))
        histogram.max_value = _lowest_of(int(present[-1]) + 1) - 1
    return bytes(histogram.encode()).decode("ascii")


def _bucket_index(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index into the counts array, as HdrHistogram lays it out: the exponent selects the bucket,
    the leading bits the sub-bucket (HdrHistogram_c, ``counts_index_for``).
    """
    scaled = (values >> UNIT_MAGNITUDE) | ((1 << (HALF_MAGNITUDE + 1)) - 1)
    exponent = np.frexp(scaled.astype(np.float64))[1].astype(np.int64)
    bucket = exponent - (HALF_MAGNITUDE + 1)
    sub_bucket = values >> (bucket + UNIT_MAGNITUDE)
    index: NDArray[np.int64] = ((bucket + 1) << HALF_MAGNITUDE) + sub_bucket - (1 << HALF_MAGNITUDE)
    return index


def _lowest_of(index: int) -> int:
    """The lowest value in nanoseconds that counts in this bucket: `_bucket_index` turned round."""
    bucket = (index >> HALF_MAGNITUDE) - 1
    sub_bucket = (index & ((1 << HALF_MAGNITUDE) - 1)) + (1 << HALF_MAGNITUDE)
    if bucket < 0:
        bucket, sub_bucket = 0, sub_bucket - (1 << HALF_MAGNITUDE)
    return sub_bucket << (bucket + UNIT_MAGNITUDE)
