"""Repeated items: the median, and the extremes as their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from runners.record import Finding


def repeated(item: str, values: Sequence[float], *, digits: int, note: str | None = None) -> Finding:
    """The finding of something that was timed or measured several times; raises `ValueError` for none at all."""
    if not values:
        raise ValueError(f"{item}: nothing was measured")
    return Finding(
        item=item,
        value=round(float(statistics.median(values)), digits),
        low=round(float(min(values)), digits),
        high=round(float(max(values)), digits),
        samples=len(values),
        note=note,
    )
