"""Histograms of times in nanoseconds, as counts in the buckets of HdrHistogram (http://hdrhistogram.org).

All arithmetic on buckets is in this module. The kernel counts, and a shard sends its counts as `SparseCounts`. The
harness adds them up, and `runners.record` encodes the sum once for a result file.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cache
from math import ceil, floor, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
"""The number of values in each bucket, shape (buckets,)."""


@dataclass(frozen=True)
class Layout:
    """The buckets of HdrHistogram for values from ``lowest`` to ``highest``, with a precision of ``digits`` decimal
    digits.

    A bucket has an index and counts the values from its lower to its upper bound. Counts with equal layouts can be
    added.
    """

    lowest: int
    highest: int
    digits: int

    @property
    def unit_magnitude(self) -> int:
        """The binary logarithm of the smallest difference between two values in different buckets."""
        return floor(log2(self.lowest)) if self.lowest > 1 else 0

    @property
    def half_magnitude(self) -> int:
        """The binary logarithm of half the number of sub-buckets per power of two."""
        return ceil(log2(2 * 10**self.digits)) - 1

    @property
    def size(self) -> int:
        """The number of buckets."""
        half = self.half_magnitude
        powers = max(1, self.highest.bit_length() - (half + 1 + self.unit_magnitude) + 1)
        return (powers + 1) << half

    @property
    def lower(self) -> NDArray[np.int64]:
        """The lowest value of each bucket, shape (buckets,)."""
        return _lower_bounds(self)

    @property
    def upper(self) -> NDArray[np.int64]:
        """The highest value of each bucket, shape (buckets,)."""
        return _upper_bounds(self)

    def index_of(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bucket of each value, shape (n,); values outside the bounds are in the bucket of the bound.

        The exponent selects the power of two, the leading bits the sub-bucket (HdrHistogram_c, ``counts_index_for``).
        """
        values = np.clip(values, 0, self.highest)
        scaled = (values >> self.unit_magnitude) | ((1 << (self.half_magnitude + 1)) - 1)
        exponent = np.frexp(scaled.astype(np.float64))[1].astype(np.int64)
        power = exponent - (self.half_magnitude + 1)
        sub_bucket = values >> (power + self.unit_magnitude)
        index: NDArray[np.int64] = ((power + 1) << self.half_magnitude) + sub_bucket - (1 << self.half_magnitude)
        return index


@cache
def _lower_bounds(layout: Layout) -> NDArray[np.int64]:
    half_count = 1 << layout.half_magnitude
    index = np.arange(layout.size, dtype=np.int64)
    power = (index >> layout.half_magnitude) - 1
    sub_bucket = (index & (half_count - 1)) + half_count
    sub_bucket[power < 0] -= half_count
    power[power < 0] = 0
    bounds: NDArray[np.int64] = sub_bucket << (power + layout.unit_magnitude)
    bounds.flags.writeable = False
    return bounds


@cache
def _upper_bounds(layout: Layout) -> NDArray[np.int64]:
    lower = layout.lower
    bounds: NDArray[np.int64] = lower + np.diff(lower, append=2 * lower[-1] - lower[-2]) - 1
    bounds.flags.writeable = False
    return bounds


LAYOUT = Layout(lowest=100, highest=600_000_000_000, digits=3)
"""The layout of all histograms of the load generator: 100 ns to 10 minutes."""

# The kernel needs them as constants.
HIGHEST_NS = LAYOUT.highest
UNIT_MAGNITUDE = LAYOUT.unit_magnitude
HALF_MAGNITUDE = LAYOUT.half_magnitude
COUNTS = LAYOUT.size


class SparseCounts(NamedTuple):
    """Counts as a shard sends them: the indexes of the buckets that are not empty, ascending, and their counts."""

    buckets: list[int]
    counts: list[int]


def no_counts() -> Counts:
    """Counts with all buckets empty."""
    return np.zeros(COUNTS, dtype=np.int64)


def counts_of(values_ns: array[int] | NDArray[np.int64]) -> Counts:
    """The counts of values in nanoseconds, shape (n,)."""
    if not len(values_ns):
        return no_counts()
    return np.bincount(LAYOUT.index_of(np.frombuffer(values_ns, dtype=np.int64)), minlength=COUNTS)


def sparse(counts: Counts) -> SparseCounts:
    """The sparse form of counts."""
    index = np.flatnonzero(counts)
    return SparseCounts(index.tolist(), counts[index].tolist())


def dense(sent: SparseCounts) -> Counts:
    """The counts of a sparse form; raises `ValueError` or `IndexError` if it is invalid."""
    counts = no_counts()
    counts[np.array(sent.buckets, dtype=np.int64)] = sent.counts
    return counts


def median_ns(counts: Counts) -> int:
    """The lowest value of the bucket that contains the median; 0 if all buckets are empty."""
    total = int(counts.sum())
    return int(LAYOUT.lower[np.searchsorted(counts.cumsum(), (total + 1) // 2)]) if total else 0
