"""HDR histograms of latencies in nanoseconds: merge, percentiles, and their text in a result file.

The load generator counts, in buckets that `runners.loadgen.buckets` defines. A histogram becomes text once, when it
is written: HdrHistogram V2 (http://hdrhistogram.org), which any HdrHistogram library reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hdrh.histogram import HdrHistogram

from runners.loadgen.buckets import LAYOUT, Counts, Layout
from runners.record.errors import InvalidError
from runners.record.schema import Percentiles

MIN_EVENTS_BEYOND = 20
"""A percentile with fewer events beyond it is not reported. The confidence interval of such an order statistic spans a
large part of the tail. Copies of one event, such as the deliveries of one message to a room, are not independent. If
the server is late with the message, it is late with all of them."""

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
"""The published percentiles."""
_NS_PER_MS = 1e6


def is_supported(quantile: float, events: int) -> bool:
    """Whether at least `MIN_EVENTS_BEYOND` of these events lie beyond the quantile (0 to 1)."""
    return events * (1 - quantile) >= MIN_EVENTS_BEYOND - 1e-6  # 200 * (1 - 0.9) is 19.999…


class HistogramError(InvalidError):
    """The text is no HdrHistogram, or two histograms cannot be merged."""


@dataclass(frozen=True)
class Histogram:
    """Counts per bucket of a layout, shape (buckets,); values are nanoseconds. Two merge only if their layouts are
    equal.
    """

    counts: Counts
    layout: Layout = LAYOUT

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Read an HdrHistogram V2 compressed base64 text; raises `HistogramError`."""
        try:
            inner = HdrHistogram.decode(text.encode("ascii"))
            counts = np.array(np.ctypeslib.as_array(inner.encoder.get_counts()), dtype=np.int64)
            layout = Layout(inner.lowest_trackable_value, inner.highest_trackable_value, inner.significant_figures)
            return cls(counts[: layout.size], layout)
        except Exception as error:  # the codec raises zlib, struct, index and its own errors
            raise HistogramError(f"not an HdrHistogram V2 text ({type(error).__name__}: {error})") from error

    def encode(self) -> str:
        """The HdrHistogram V2 compressed base64 text."""
        inner = HdrHistogram(*self.bounds)
        into = np.ctypeslib.as_array(inner.encoder.get_counts())
        into[: self.counts.size] = self.counts
        inner.total_count = self.total
        occupied = np.flatnonzero(self.counts)
        if occupied.size:
            inner.max_value = int(self.layout.upper[occupied[-1]])
            inner.min_value = int(self.layout.lower[occupied[0]])
        return bytes(inner.encode()).decode("ascii")

    def merge(self, other: Histogram) -> Histogram:
        """Add the counts; raises `HistogramError` where the bounds differ."""
        if self.layout != other.layout:
            raise HistogramError(
                f"histograms with unequal (lowest, highest, digits) cannot be merged: {self.bounds} and {other.bounds}"
            )
        return Histogram(self.counts + other.counts, self.layout)

    def thinned(self, digits: int) -> Histogram:
        """The same with fewer significant digits, which takes a fraction of the room; never with more.

        The buckets are powers of two apart, so that each lies wholly in one of the wider ones.
        """
        if digits >= self.layout.digits:
            return self
        wider = Layout(self.layout.lowest, self.layout.highest, digits)
        counts = np.zeros(wider.size, dtype=np.int64)
        np.add.at(counts, np.searchsorted(wider.lower, self.layout.lower, side="right") - 1, self.counts)
        return Histogram(counts, wider)

    @property
    def bounds(self) -> tuple[int, int, int]:
        """Lowest and highest value, and decimal digits."""
        return self.layout.lowest, self.layout.highest, self.layout.digits

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def percentile_ms(self, quantile: float) -> float | None:
        """The value at ``quantile`` (0 to 1), as the top of its bucket; ``None`` where it is empty."""
        total = self.total
        return None if total == 0 else self._value_ms(_rank(quantile, total), self.counts.cumsum())

    def _value_ms(self, rank: int, sums: Counts) -> float:
        """The value with this rank, from 1, as the top of its bucket. ``sums``: counts up to each bucket."""
        return float(self.layout.upper[int(sums.searchsorted(rank))]) / _NS_PER_MS

    def percentiles(self, events: int | None = None, *, missing: int = 0) -> Percentiles:
        """The published percentiles; those with too few events beyond them are absent.

        ``events``: number of independent events behind the samples; ``None`` if each sample is one.
        ``missing``: number of samples that never came. They count as longer than any, so what lies among them is
        absent, and so are mean and maximum.
        """
        total = self.total
        if total == 0:
            return Percentiles(count=0, events=events)
        every = total + missing
        occupied = np.flatnonzero(self.counts)
        middle = (self.layout.lower + self.layout.upper) / 2
        sums = self.counts.cumsum()
        figures = {
            name: _rounded(self._value_ms(rank, sums))
            for name, quantile in QUANTILES.items()
            if is_supported(quantile, every if events is None else events) and (rank := _rank(quantile, every)) <= total
        }
        if missing:
            return Percentiles(count=total, events=events, **figures)
        return Percentiles(
            count=total,
            events=events,
            mean=_rounded(float((middle * self.counts).sum() / total / _NS_PER_MS)),
            max=_rounded(float(self.layout.upper[occupied[-1]]) / _NS_PER_MS),
            **figures,
        )


def _rank(quantile: float, total: int) -> int:
    return max(1, math.ceil(quantile * total - 1e-9))


def _rounded(milliseconds: float) -> float:
    """Nanoseconds are the finest a histogram knows: six decimals of a millisecond."""
    return round(milliseconds, 6)
