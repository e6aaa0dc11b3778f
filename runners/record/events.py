"""The independent events behind the samples of a distribution. Pure functions.

A room of 1,000 members makes 1,000 samples of one message, and 100 viewers make 100 samples of one push. These samples
are late together, so they say no more about a tail than one event. Results from before 28 November 2026 counted
samples. For them, the number of events follows from the other values of the measurement.
"""

from __future__ import annotations

from collections.abc import Iterable

from runners.record.histogram import QUANTILES, is_supported
from runners.record.schema import Measurement, Percentiles


def events_behind(measurement: Measurement, percentiles: Percentiles) -> int:
    """The number of independent events behind one of the measurement's distributions."""
    if percentiles.events is not None:
        return percentiles.events
    clients = measurement.connections.established if measurement.connections else 0
    last = measurement.last_delivery_ms
    if percentiles is measurement.push_lateness_ms:
        return percentiles.count // max(1, clients)
    if last is not None and any(
        percentiles is one for one in (measurement.latency_ms, measurement.latency_from_send_ms)
    ):
        return min(percentiles.count, last.count)
    return percentiles.count


def events_in(measurements: Iterable[Measurement], name: str) -> int | None:
    """The number of independent events behind the merged distribution of a cell with these measurements; ``None`` if
    each sample is one.

    ``name``: the field of the cell, for example ``push_lateness``. The measurements have it as ``push_lateness_ms``.
    """
    counted = [
        (found.count, events_behind(measurement, found))
        for measurement in measurements
        if measurement.valid and (found := getattr(measurement, f"{name}_ms")) is not None
    ]
    events = sum(number for _, number in counted)
    return None if events == sum(count for count, _ in counted) else events


def supports(measurement: Measurement, percentiles: Percentiles, name: str) -> bool:
    """Whether enough events lie beyond the percentile ``name`` (``p50`` … ``p999``) of one of its distributions."""
    return is_supported(QUANTILES[name], events_behind(measurement, percentiles))
