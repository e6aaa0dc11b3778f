"""Contradictions between values of a document, which its schema cannot find. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runners.record.evidence import EvidenceDocument
from runners.record.histogram import MIN_EVENTS_BEYOND, QUANTILES, Histogram, HistogramError, is_supported
from runners.record.schema import (
    Adaptive,
    Capacity,
    CapacityProbe,
    CellRecord,
    Distribution,
    Flame,
    FlameDocument,
    FlameGraph,
    FrameworkDocument,
    LoadShare,
    Look,
    Measurement,
    Percentiles,
    RunDocument,
    SustainedInterval,
)
from runners.record.sustained_load import estimate_sustained_load, share_of_capacity, tries_at

LITTLE_TOLERANCE_PERCENT = 15.0
"""Between the connections of a closed loop, and throughput times mean latency. Neither contains the time from an answer
to the next message, which takes the load generator a few microseconds of a few hundred."""


@dataclass(frozen=True)
class Contradiction:
    """A value that contradicts another one; ``place`` is its path of keys and indexes."""

    place: tuple[str | int, ...]
    message: str


def find_contradictions(
    document: RunDocument | FrameworkDocument | FlameDocument | EvidenceDocument,
) -> Iterator[Contradiction]:
    """Every contradiction in a document that its schema accepts."""
    if isinstance(document, RunDocument):
        yield from _order(document)
        return
    if isinstance(document, EvidenceDocument):
        return
    if isinstance(document, FlameDocument):
        for index, flame in enumerate(document.flames):
            for finding in _flame(flame):
                yield Contradiction(("flames", index, *finding.place), finding.message)
        return
    headlines = [index for index, variant in enumerate(document.variants) if variant.headline]
    for index in headlines[1:]:
        first = document.variants[headlines[0]].slug
        yield Contradiction(("variants", index, "headline"), f"is true, but {first} is the headline variant already")
    for index, cell in enumerate(document.cells):
        for name in ("latency", "latency_from_send", "last_delivery", "push_lateness"):
            distribution: Distribution | None = getattr(cell, name)
            if distribution is not None:
                for finding in _distribution(distribution):
                    yield Contradiction(("cells", index, name, *finding.place), finding.message)
        yield from _counts(index, cell)
        yield from _repeats(index, cell)
        for number, measurement in enumerate(cell.measurements):
            place = ("cells", index, "measurements", number)
            for finding in (*_measurement(cell, measurement), *_events(measurement)):
                yield Contradiction((*place, *finding.place), finding.message)
            if measurement.load_share is not None:
                for finding in _load_share(cell, measurement, measurement.load_share):
                    yield Contradiction((*place, "load_share", *finding.place), finding.message)
            if measurement.capacity is not None:
                for finding in _capacity(cell, measurement.capacity):
                    yield Contradiction((*place, "capacity", *finding.place), finding.message)


def _order(document: RunDocument) -> Iterator[Contradiction]:
    """Each round measures every cell once, except workloads that only the first rounds measure.

    Later rounds of an adaptive run measure a part of the cells.
    """
    whole = document.rounds if document.adaptive is None else document.adaptive.first_rounds
    limits = [document.workload_rounds.get(_workload_of(key), whole) for key in document.cells]
    for number, turn in enumerate(document.order, start=1):
        due = [index for index, rounds in enumerate(limits) if number <= rounds]
        if number <= whole and sorted(turn) != due:
            yield Contradiction(("order", number - 1), f"round {number} does not name each of {len(due)} cells once")
        elif number > whole and not _is_choice(turn, len(limits)):
            message = f"round {number} does not name at least one of {len(limits)} cells, and none twice"
            yield Contradiction(("order", number - 1), message)
    if len(document.order) != document.rounds:
        yield Contradiction(("rounds",), f"{document.rounds} rounds, but the order has {len(document.order)}")
    if document.adaptive is not None:
        for finding in _adaptive(document, document.adaptive):
            yield Contradiction(("adaptive", *finding.place), finding.message)


def _is_choice(chosen: Sequence[int], cells: int) -> bool:
    """Whether these are the indexes of some of so many cells, each once."""
    return bool(chosen) and len(set(chosen)) == len(chosen) and max(chosen) < cells


def _adaptive(document: RunDocument, adaptive: Adaptive) -> Iterator[Contradiction]:
    """The looks are in order, chose the rounds that follow them, and the end has a reason."""
    rounds, looks = len(document.order), adaptive.looks
    if not adaptive.first_rounds <= rounds <= adaptive.most_rounds:
        message = f"{adaptive.first_rounds} to {adaptive.most_rounds} rounds are possible, but the order has {rounds}"
        yield Contradiction(("most_rounds",), message)
    earlier = adaptive.first_rounds - 1
    for number, look in enumerate(looks):
        for finding in _look(document, look, earlier):
            yield Contradiction(("looks", number, *finding.place), finding.message)
        if not look.cells and number < len(looks) - 1:
            yield Contradiction(("looks", number, "cells"), "is empty, but there is a later look")
        earlier = look.after_round
    if adaptive.ended is None:
        if document.finished is not None:
            yield Contradiction(("ended",), "is absent, but the run is finished")
    elif not looks or looks[-1].cells:
        yield Contradiction(("ended",), f"is {adaptive.ended!r}, but the last look chose a further round")


def _look(document: RunDocument, look: Look, earlier: int) -> Iterator[Contradiction]:
    """One look is after the one before it (``earlier``: its round), chose the next round, and its sums are right."""
    if not earlier < look.after_round <= len(document.order):
        message = f"after round {look.after_round}, but expected after {earlier + 1} to {len(document.order)}"
        yield Contradiction(("after_round",), message)
    chosen = document.order[look.after_round] if look.after_round < len(document.order) else []
    if look.cells != sorted(chosen):
        yield Contradiction(("cells",), f"are not the cells of round {look.after_round + 1}, in ascending order")
    for name in ("decided", "deciding"):
        given, found = getattr(look, name), sum(getattr(part, name) for part in look.parts.values())
        if given != found:
            yield Contradiction((name,), f"{given} is given, but the parts have {found}")
    listed = {workload.slug for workload in document.workloads}
    for name, part in look.parts.items():
        if part.decided > part.deciding or part.wide > part.values:
            message = f"{part.decided} of {part.deciding} comparisons, {part.wide} of {part.values} values"
            yield Contradiction(("parts", name), message)
        if name.split("/")[0] not in listed:
            yield Contradiction(("parts", name), "is a part of a workload that the run does not list")


def _workload_of(key: str) -> str:
    """The second word of a cell's key, see `cell_key`."""
    return " ".join(key.split(" ")[1:2])


def _distribution(distribution: Distribution) -> Iterator[Contradiction]:
    """The percentiles are those of the histogram beside them."""
    try:
        derived = Histogram.decode(distribution.histogram).percentiles(distribution.percentiles_ms.events)
    except HistogramError as error:
        yield Contradiction(("histogram",), str(error))
        return
    stored = distribution.percentiles_ms
    for name in type(stored).model_fields:
        given, found = getattr(stored, name), getattr(derived, name)
        if given != found:
            yield Contradiction(("percentiles_ms", name), f"{name} is {given}, but {found} by its histogram")


def _counts(index: int, cell: CellRecord) -> Iterator[Contradiction]:
    """The merged histogram contains all valid rounds and nothing else."""
    if cell.latency is None:
        return
    valid = [one.latency_ms.count for one in cell.measurements if one.valid and one.latency_ms is not None]
    merged = cell.latency.percentiles_ms.count
    if merged != sum(valid):
        yield Contradiction(
            ("cells", index, "latency", "percentiles_ms", "count"),
            f"{merged} latencies in the merged histogram, but {sum(valid)} in the valid rounds",
        )


def _repeats(index: int, cell: CellRecord) -> Iterator[Contradiction]:
    """Only measurements that are not valid were repeated."""
    last = {measurement.round: number for number, measurement in enumerate(cell.measurements)}
    for number, measurement in enumerate(cell.measurements):
        if measurement.valid and number != last[measurement.round]:
            yield Contradiction(
                ("cells", index, "measurements", number, "round"),
                f"round {measurement.round} was measured again, though this measurement of it counts",
            )


_DISTRIBUTIONS = tuple(
    name for name, field in Measurement.model_fields.items() if field.annotation == Percentiles | None
)


def _events(measurement: Measurement) -> Iterator[Contradiction]:
    """There are no more events than samples, and every percentile rests on enough of them."""
    for name in _DISTRIBUTIONS:
        percentiles: Percentiles | None = getattr(measurement, name)
        if percentiles is None or percentiles.events is None:
            continue
        if percentiles.events > percentiles.count:
            yield Contradiction((name, "events"), f"{percentiles.events} events, but {percentiles.count} samples")
        for field, quantile in QUANTILES.items():
            if getattr(percentiles, field) is not None and not is_supported(quantile, percentiles.events):
                yield Contradiction(
                    (name, field), f"fewer than {MIN_EVENTS_BEYOND} of {percentiles.events} events lie beyond it"
                )


def _measurement(cell: CellRecord, measurement: Measurement) -> Iterator[Contradiction]:
    """Little's law (1961), L = λW: in a closed loop every connection has one message in flight.

    In a room the same number is in flight to every member, but the first members have received some already. λ and W
    must belong to the same time, so the part of the waits after the window does not count.
    """
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
    if measurement.overrun_s is None or measurement.messages is None or not measurement.duration_s:
        found = measurement.messages_per_s * latency.mean / 1000
    else:
        waited_s = measurement.messages.received * latency.mean / 1000
        found = (waited_s - measurement.overrun_s) / measurement.duration_s
        answered = measurement.messages_per_s * measurement.duration_s
        if answered > measurement.messages.received * (1 + _ROUNDING_PERCENT / 100) + 1:
            yield Contradiction(
                ("messages_per_s",),
                f"throughput times window makes {answered:.0f} answers, but there were {measurement.messages.received}",
            )
    per_connection = cell.parameters.get("under_way")
    most = connections.established * (per_connection if isinstance(per_connection, int) else 1)
    excess = found / most - 1
    if (excess if per_connection is not None else abs(excess)) > LITTLE_TOLERANCE_PERCENT / 100:
        yield Contradiction(
            ("messages_per_s",),
            f"throughput times mean latency makes {found:.1f} messages in flight, but there are"
            f" {f'{most} connections' if per_connection is None else f'at most {most}'} (Little's law)",
        )


def _capacity(cell: CellRecord, capacity: Capacity) -> Iterator[Contradiction]:
    """The ends follow from the probes, and whether a probe passed follows from its values."""
    asked = cell.parameters.get("p99_limit_ms", capacity.p99_limit_ms)
    if asked != capacity.p99_limit_ms:
        yield Contradiction(
            ("p99_limit_ms",), f"searched with a limit of {capacity.p99_limit_ms:g} ms, but the scenario has {asked}"
        )
    if capacity.low is not None and capacity.high is not None and capacity.low >= capacity.high:
        yield Contradiction(("low",), f"the low end {capacity.low} is not below the high end {capacity.high}")
    yield from _ends(capacity) if capacity.confirmations else _sustained(capacity)
    for index, probe in enumerate(capacity.probes):
        against = _against(probe, capacity.p99_limit_ms)
        if probe.passed and against:
            yield Contradiction(("probes", index, "passed"), f"passed, but {against}")
        if not probe.passed and not against and not probe.reasons:
            yield Contradiction(("probes", index, "passed"), "did not pass, but nothing speaks against it")


def _load_share(cell: CellRecord, measurement: Measurement, share: LoadShare) -> Iterator[Contradiction]:
    """The rate follows from the capacity, and it is the rate that was applied."""
    percent = cell.parameters.get("load_percent")
    if not isinstance(percent, int):
        yield Contradiction((), "the load is a share of a capacity, but the scenario has no load_percent")
        return
    expected = share_of_capacity(percent, share.capacity_per_s)
    if share.rate_per_s != expected:
        yield Contradiction(
            ("rate_per_s",), f"{share.rate_per_s} is given, but {percent} % of {share.capacity_per_s} are {expected}"
        )
    if not share.low_per_s <= share.capacity_per_s <= share.high_per_s:
        yield Contradiction(("capacity_per_s",), f"{share.capacity_per_s} is not between the ends of its interval")
    members = cell.parameters.get("members", 1)
    due = share.rate_per_s * (members if isinstance(members, int) else 1)
    offered = measurement.offered_per_s
    if offered is not None and abs(offered - due) > _RATE_TOLERANCE * due:
        yield Contradiction(("rate_per_s",), f"{due} per second are due, but the load offered {offered:g}")


_RATE_TOLERANCE = 0.01


def _ends(capacity: Capacity) -> Iterator[Contradiction]:
    """Every try at an end had the same outcome, and there were enough of them."""
    for name, load, wanted in (("low", capacity.low, True), ("high", capacity.high, False)):
        if load is None:
            continue
        tries = [probe.passed for probe in capacity.probes if probe.load == load and probe.valid]
        as_wanted = sum(passed == wanted for passed in tries)
        if as_wanted < len(tries) or len(tries) < (capacity.confirmations or 0):
            yield Contradiction(
                (name,),
                f"{load} is given as {'passed' if wanted else 'failed'}, which all of at least"
                f" {capacity.confirmations} tries have to show, but {as_wanted} of {len(tries)} did",
            )


def _sustained(capacity: Capacity) -> Iterator[Contradiction]:
    """The interval is the one that its tries give."""
    targets: list[tuple[tuple[str, ...], Capacity | SustainedInterval]] = [((), capacity)]
    if capacity.strict is not None:
        targets.append((("strict",), capacity.strict))
    for place, target in targets:
        found = estimate_sustained_load(tries_at(capacity.probes, target.p99_limit_ms))
        for name in ("low", "typical", "high"):
            given, shown = getattr(target, name), getattr(found, name)
            if given != shown:
                yield Contradiction((*place, name), f"{given} is given, but the tries show {shown}")


def _against(probe: CapacityProbe, p99_limit_ms: float) -> str | None:
    """Why a probe cannot have passed."""
    if not probe.valid:
        return "is not valid"
    if probe.lost or probe.errors:
        return f"lost {probe.lost} messages and had {probe.errors} errors"
    if probe.p99_ms is None:
        return "has no p99"
    if probe.p99_ms >= p99_limit_ms:
        return f"its p99 of {probe.p99_ms:g} ms is not below {p99_limit_ms:g} ms"
    return None


def _flame(flame: Flame) -> Iterator[Contradiction]:
    """No branch has more samples than its parent, and all shares add up to the whole."""
    for number, function in enumerate(flame.top):
        if function.self_percent > function.total_percent:
            yield Contradiction(
                ("top", number, "self_percent"),
                f"{function.self_percent:g} % by itself is more than {function.total_percent:g} % in all",
            )
    if flame.graph is None or not flame.samples:
        return
    for number, (_, _, total, own) in enumerate(flame.graph.rows):
        within = own + sum(flame.graph.rows[child][2] for child in _children(flame.graph, number))
        if within > total:
            yield Contradiction(
                ("graph", "rows", number), f"{within} samples in the node and its children, but {total} in all of it"
            )
    grown = sum(total for depth, _, total, _ in flame.graph.rows if depth == 0)
    if grown > flame.samples:
        yield Contradiction(("graph", "rows"), f"{grown} samples in the graph, but {flame.samples} were taken")
    missing = 100 * (flame.samples - sum(own for *_, own in flame.graph.rows)) / flame.samples
    if abs(missing - flame.graph.dropped_percent) > _ROUNDING_PERCENT:
        yield Contradiction(
            ("graph", "dropped_percent"), f"{flame.graph.dropped_percent:g} is given, but {missing:.2f} % are missing"
        )


_ROUNDING_PERCENT = 0.02


def _children(graph: FlameGraph, number: int) -> Iterator[int]:
    """The rows directly below a row."""
    depth = graph.rows[number][0]
    for below in range(number + 1, len(graph.rows)):
        if graph.rows[below][0] <= depth:
            return
        if graph.rows[below][0] == depth + 1:
            yield below
