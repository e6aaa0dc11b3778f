"""From raw latencies to HDR histograms, after the load: numpy bins, the HdrHistogram library encodes."""

from __future__ import annotations

from array import array

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST_NS = 100
HIGHEST_NS = 600_000_000_000
DIGITS = 3

_UNIT_MAGNITUDE = int(np.log2(LOWEST_NS))
_HALF_MAGNITUDE = int(np.ceil(np.log2(2 * 10**DIGITS))) - 1


def encode(latencies_ns: array[int] | NDArray[np.int64]) -> str:
    """The HdrHistogram V2 base64 text of latencies in nanoseconds, shape (n,).

    Values outside the bounds are recorded at the bound.
    """
    histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    if len(latencies_ns):
        values = np.clip(np.frombuffer(latencies_ns, dtype=np.int64), 0, HIGHEST_NS)
        counts = np.ctypeslib.as_array(histogram.encoder.get_counts())
        counts[:] = np.bincount(_bucket_index(values), minlength=counts.size)
        histogram.total_count = int(values.size)
        histogram.min_value = int(values.min())
        histogram.max_value = int(values.max())
    return bytes(histogram.encode()).decode("ascii")


def _bucket_index(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index into the counts array, as HdrHistogram lays it out: the exponent selects the bucket,
    the leading bits the sub-bucket (HdrHistogram_c, ``counts_index_for``).
    """
    scaled = (values >> _UNIT_MAGNITUDE) | ((1 << (_HALF_MAGNITUDE + 1)) - 1)
    exponent = np.frexp(scaled.astype(np.float64))[1].astype(np.int64)
    bucket = exponent - (_HALF_MAGNITUDE + 1)
    sub_bucket = values >> (bucket + _UNIT_MAGNITUDE)
    index: NDArray[np.int64] = ((bucket + 1) << _HALF_MAGNITUDE) + sub_bucket - (1 << _HALF_MAGNITUDE)
    return index
