"""HDR histograms of latencies in nanoseconds: decode, merge, percentiles.

The load generator makes them; this module only reads them back. The encoding is HdrHistogram V2
(http://hdrhistogram.org), so that any HdrHistogram library can open what stands in a result file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from runners.record.errors import InvalidError
from runners.record.schema import Percentiles

MIN_SAMPLES_BEYOND = 20
"""A percentile rests on at least this many samples beyond it, or it is not reported: below that
the order statistic's own confidence interval spans a large part of the tail."""

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
_NS_PER_MS = 1e6


class HistogramError(InvalidError):
    """The text is no HdrHistogram, or two histograms cannot be merged."""


@dataclass(frozen=True)
class Histogram:
    """Counts per bucket. Two histograms merge only if their bounds are equal.

    ``counts`` has one entry per HdrHistogram bucket, shape (n,); values are nanoseconds.
    """

    lowest: int
    highest: int
    digits: int
    counts: NDArray[np.int64]

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Read an HdrHistogram V2 compressed base64 text; raises `HistogramError`."""
        try:
            inner = HdrHistogram.decode(text.encode("ascii"))
            counts = np.array(np.ctypeslib.as_array(inner.encoder.get_counts()), dtype=np.int64)
        except Exception as error:  # the codec raises zlib, struct, index and its own errors
            raise HistogramError(f"not an HdrHistogram V2 text ({type(error).__name__}: {error})") from error
        return cls(
            inner.lowest_trackable_value,
            inner.highest_trackable_value,
            inner.significant_figures,
            counts[: inner.counts_len],
        )

    def encode(self) -> str:
        """The HdrHistogram V2 compressed base64 text."""
        inner = HdrHistogram(self.lowest, self.highest, self.digits)
        into = np.ctypeslib.as_array(inner.encoder.get_counts())
        into[: self.counts.size] = self.counts
        inner.total_count = self.total
        occupied = np.flatnonzero(self.counts)
        if occupied.size:
            inner.max_value = int(self.upper_ns[occupied[-1]])
            inner.min_value = int(self.lower_ns[occupied[0]])
        return bytes(inner.encode()).decode("ascii")

    def merge(self, other: Histogram) -> Histogram:
        """Add the counts; raises `HistogramError` where the bounds differ."""
        mine, theirs = self.bounds, other.bounds
        if mine != theirs:
            raise HistogramError(
                f"histograms with unequal (lowest, highest, digits) cannot be merged: {mine} and {theirs}"
            )
        return Histogram(*mine, self.counts + other.counts)

    def thinned(self, digits: int) -> Histogram:
        """The same with fewer significant digits, which takes a fraction of the room; never with more.

        The buckets are powers of two apart, so that each lies wholly in one of the wider ones.
        """
        if digits >= self.digits:
            return self
        empty = HdrHistogram(self.lowest, self.highest, digits)
        wider = Histogram(self.lowest, self.highest, digits, np.zeros(empty.counts_len, dtype=np.int64))
        places = np.searchsorted(wider.lower_ns, self.lower_ns, side="right") - 1
        np.add.at(wider.counts, places, self.counts)
        return wider

    @property
    def bounds(self) -> tuple[int, int, int]:
        return self.lowest, self.highest, self.digits

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def lower_ns(self) -> NDArray[np.int64]:
        """The lowest value of each bucket, in nanoseconds, shape (n,)."""
        unit = math.floor(math.log2(self.lowest)) if self.lowest > 1 else 0
        half_magnitude = math.ceil(math.log2(2 * 10**self.digits)) - 1
        half = 1 << half_magnitude
        index = np.arange(self.counts.size, dtype=np.int64)
        bucket = (index >> half_magnitude) - 1
        sub = (index & (half - 1)) + half
        first = bucket < 0
        sub[first] -= half
        bucket[first] = 0
        return sub << (bucket + unit)

    @cached_property
    def upper_ns(self) -> NDArray[np.int64]:
        """The highest value that falls into each bucket, in nanoseconds, shape (n,)."""
        lower = self.lower_ns
        if lower.size < 2:
            return lower.copy()
        width = np.diff(lower, append=2 * lower[-1] - lower[-2])
        return lower + width - 1

    def percentile_ms(self, quantile: float) -> float | None:
        """The value at ``quantile`` (0 to 1), as the top of its bucket; ``None`` where it is empty."""
        total = self.total
        if total == 0:
            return None
        rank = max(1, math.ceil(quantile * total - 1e-9))
        return float(self.upper_ns[int(np.searchsorted(self.counts.cumsum(), rank))]) / _NS_PER_MS

    def percentiles(self) -> Percentiles:
        """The published percentiles; those with too few samples beyond them are absent."""
        total = self.total
        if total == 0:
            return Percentiles(count=0)
        occupied = np.flatnonzero(self.counts)
        middle = (self.lower_ns + self.upper_ns) / 2
        figures = {
            name: _rounded(self.percentile_ms(quantile))
            for name, quantile in _QUANTILES.items()
            if total * (1 - quantile) >= MIN_SAMPLES_BEYOND - 1e-6  # 200 * (1 - 0.9) is 19.999…
        }
        return Percentiles(
            count=total,
            mean=_rounded(float((middle * self.counts).sum() / total / _NS_PER_MS)),
            max=_rounded(float(self.upper_ns[occupied[-1]]) / _NS_PER_MS),
            **figures,
        )


def _rounded(milliseconds: float | None) -> float | None:
    """Nanoseconds are the finest a histogram knows: six decimals of a millisecond."""
    return None if milliseconds is None else round(milliseconds, 6)
