"""What a schema cannot say: figures of a document that contradict each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runners.record.histogram import Histogram, HistogramError
from runners.record.schema import Cell, Distribution, FrameworkDocument, Measurement, RunDocument

LITTLE_TOLERANCE_PERCENT = 15.0
"""Between the connections of a closed loop and throughput times mean latency. What the generator does between an
answer and the next message is in neither, and takes a few microseconds of a few hundred."""


@dataclass(frozen=True)
class Finding:
    """Something wrong: ``place`` leads to the value, as keys and indexes."""

    place: tuple[str | int, ...]
    message: str


def audit(document: RunDocument | FrameworkDocument) -> Iterator[Finding]:
    """Every contradiction in a document that its schema accepts."""
    if isinstance(document, RunDocument):
        yield from _order(document)
        return
    for index, cell in enumerate(document.cells):
        for name in ("latency", "latency_from_send", "push_lateness"):
            distribution: Distribution | None = getattr(cell, name)
            if distribution is not None:
                for finding in _distribution(distribution):
                    yield Finding(("cells", index, name, *finding.place), finding.message)
        yield from _counts(index, cell)
        for number, measurement in enumerate(cell.measurements):
            place = ("cells", index, "measurements", number)
            for finding in _measurement(cell, measurement):
                yield Finding((*place, *finding.place), finding.message)


def _order(document: RunDocument) -> Iterator[Finding]:
    """Each round measures every cell once."""
    every = list(range(len(document.cells)))
    for number, turn in enumerate(document.order):
        if sorted(turn) != every:
            yield Finding(("order", number), f"round {number + 1} does not name each of {len(every)} cells once")
    if len(document.order) != document.rounds:
        yield Finding(("rounds",), f"{document.rounds} rounds, but the order has {len(document.order)}")


def _distribution(distribution: Distribution) -> Iterator[Finding]:
    """The percentiles are those of the histogram beside them."""
    try:
        derived = Histogram.decode(distribution.histogram).percentiles()
    except HistogramError as error:
        yield Finding(("histogram",), str(error))
        return
    stored = distribution.percentiles_ms
    for name in type(stored).model_fields:
        told, found = getattr(stored, name), getattr(derived, name)
        if told != found:
            yield Finding(("percentiles_ms", name), f"{name} is {told}, but {found} by its histogram")


def _counts(index: int, cell: Cell) -> Iterator[Finding]:
    """The merged histogram holds the valid rounds, all of them and nothing else."""
    if cell.latency is None:
        return
    valid = [one.latency_ms.count for one in cell.measurements if one.valid and one.latency_ms is not None]
    merged = cell.latency.percentiles_ms.count
    if merged != sum(valid):
        yield Finding(
            ("cells", index, "latency", "percentiles_ms", "count"),
            f"{merged} latencies in the merged histogram, but {sum(valid)} in the valid rounds",
        )


def _measurement(cell: Cell, measurement: Measurement) -> Iterator[Finding]:
    """Little's law (1961), L = λW: in a closed loop every connection has one message on its way."""
    latency, connections = measurement.latency_ms, measurement.connections
    if (
        cell.latency_kind != "service_time"
        or not measurement.valid
        or latency is None
        or latency.mean is None
        or connections is None
        or measurement.messages_per_s is None
        or not connections.established
    ):
        return
    under_way = measurement.messages_per_s * latency.mean / 1000
    if abs(under_way / connections.established - 1) > LITTLE_TOLERANCE_PERCENT / 100:
        yield Finding(
            ("messages_per_s",),
            f"throughput times mean latency makes {under_way:.1f} messages under way, but there are"
            f" {connections.established} connections (Little's law)",
        )
