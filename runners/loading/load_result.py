"""The merged results of the shards of a load, and their values by key of a measurement. Pure functions."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

import numpy as np

from runners.loadgen.buckets import SparseCounts, counts_of, dense
from runners.loadgen.causes import CauseTable, CountedCause, merge
from runners.loadgen.job import (
    DECLINED,
    Connected,
    Delivered,
    Example,
    LedgerTotals,
    Recovered,
    Sample,
    Streamed,
    Visited,
)
from runners.loadgen.pace import Closed, Pace
from runners.loading.clocks import OUR_CLOCK, ClockOffset
from runners.record import Compression, Connections, ErrorCause, Histogram, Messages, Traffic

Seen = TypeVar("Seen", Streamed, Delivered, Visited)
Part = TypeVar("Part")


@dataclass(frozen=True)
class WarmUp:
    """The length of the warm-up, whether its last two pieces agreed, and the throughput of the last one."""

    seconds: float
    settled: bool | None
    """``None`` if there were too few messages to decide."""
    messages_per_s: float


@dataclass(frozen=True)
class LoadResult:
    """The samples of all shards together. Histograms in nanoseconds by name, and in ``seconds`` per second."""

    samples: tuple[Sample, ...]
    ledger: LedgerTotals
    histograms: dict[str, Histogram]
    seconds: tuple[Histogram, ...]
    warm_up: WarmUp
    hosts: tuple[str, ...] = ()
    """The host of each shard; empty names and none: this machine."""
    clock_error_ns: int = 0
    """How wrong times can be that are counted across the clocks of the shards: the lateness of pushes."""

    def by_host(self) -> dict[str, LoadResult]:
        """The part of each host, by its name; empty if there are no hosts."""
        return {host: merge_samples(part, self.warm_up) for host, part in _by_host(self.samples, self.hosts).items()}

    @property
    def window_s(self) -> float:
        return max(sample.window_ns for sample in self.samples) / 1e9

    @property
    def messages_per_s(self) -> float:
        """Answers per second of the planned window: the sum over the shards."""
        return sum(sample.answered / sample.window_ns for sample in self.samples) * 1e9

    @property
    def offered_per_s(self) -> float:
        return sum(sample.offered / sample.window_ns for sample in self.samples) * 1e9

    @property
    def errors(self) -> dict[str, int]:
        kinds = {kind for sample in self.samples for kind in sample.errors}
        return {kind: sum(sample.errors.get(kind, 0) for sample in self.samples) for kind in sorted(kinds)}

    @property
    def causes(self) -> list[CountedCause]:
        """The errors of connections by cause, with one example each."""
        return merge(sample.causes for sample in self.samples).counted()

    @property
    def examples(self) -> dict[str, Example]:
        """A message of each kind that was not the expected answer, beside the expected one."""
        return {kind: example for sample in self.samples for kind, example in sample.examples.items()}

    @property
    def silent_seconds(self) -> int:
        """Seconds of the window in which no client received anything."""
        return self.received_by_second.count(0)

    @property
    def received_by_second(self) -> list[int]:
        """Answers that arrived in each second of the window. Unlike `seconds`, it has no lost messages."""
        return [sum(column) for column in zip(*(sample.received_by_second for sample in self.samples), strict=False)]

    def total(self, value_of: Callable[[Sample], int]) -> int:
        """The sum of a value over all shards."""
        return sum(value_of(sample) for sample in self.samples)

    def percent(self, value_of: Callable[[Sample], int]) -> float:
        """A time in percent of the window: the highest value of all shards."""
        return max(100 * value_of(sample) / sample.window_ns for sample in self.samples)


@dataclass(frozen=True)
class RecoveryResult:
    """The reconnection of clients after their server was killed. Histograms are in nanoseconds since its end."""

    noticed: Histogram
    back: Histogram
    back_after_listening: Histogram
    """The same as ``back``, since the new server listened."""
    lost: int
    unsent: int
    attempts: int
    away: int
    """Clients without a connection at the end."""
    endings: dict[str, int]
    """Connections that ended, by what the client saw."""
    answers: list[tuple[int, int]]
    """When each answered message was due, since the end of the server, and its latency; both in nanoseconds."""
    clock_error_ns: int = 0
    """How wrong these times can be, because the clients have other clocks than the server."""


@dataclass(frozen=True)
class ClientsResult(Generic[Seen]):
    """What the clients of all shards saw that the compiled kernel does not serve. Histograms are in nanoseconds, by
    name.
    """

    shards: tuple[Seen, ...]
    histograms: dict[str, Histogram]
    hosts: tuple[str, ...] = ()
    """The host of each shard; empty names and none: this machine."""

    def by_host(self) -> dict[str, ClientsResult[Seen]]:
        """The part of each host, by its name; empty if there are no hosts."""
        return {host: merge_clients(part) for host, part in _by_host(self.shards, self.hosts).items()}

    def total(self, value_of: Callable[[Seen], int]) -> int:
        """The sum of a value over all shards."""
        return sum(map(value_of, self.shards))

    @property
    def seconds(self) -> float:
        """Seconds until the last shard had ended."""
        return max(one.took_ns for one in self.shards) / 1e9

    @property
    def cpu_percent(self) -> float:
        """The CPU time of the busiest shard, in percent of its time."""
        return round(max(100 * one.cpu_ns / one.took_ns for one in self.shards), 2)

    def health_values(self: ClientsResult[Streamed] | ClientsResult[Delivered]) -> dict[str, Any]:
        """The performance of the load generator, by key of `LoadgenHealth`."""
        send_lag, read_lag = self.histograms["send_lag"], self.histograms["read_lag"]
        return {
            "shards": len(self.shards),
            "cpu_percent": self.cpu_percent,
            "working_percent": round(max(100 * one.working_ns / one.took_ns for one in self.shards), 2),
            "send_lag_p50_ms": send_lag.percentile_ms(0.5),
            "send_lag_p90_ms": send_lag.percentile_ms(0.9),
            "send_lag_p99_ms": send_lag.percentile_ms(0.99),
            "send_lag_max_ms": send_lag.percentile_ms(1.0),
            "read_lag_p90_ms": read_lag.percentile_ms(0.9),
            "read_lag_p99_ms": read_lag.percentile_ms(0.99),
        }

    @property
    def causes(self) -> CauseTable:
        """What ended connections."""
        return merge(one.causes for one in self.shards)


StreamResult = ClientsResult[Streamed]
DeliveryResult = ClientsResult[Delivered]


def _by_host(shards: Iterable[Part], hosts: Iterable[str]) -> dict[str, list[Part]]:
    """The results of the shards of each host, by its name; without those of this machine."""
    found: dict[str, list[Part]] = {}
    for shard, host in zip(shards, hosts, strict=False):
        if host:
            found.setdefault(host, []).append(shard)
    return found


def merge_clients(shards: Sequence[Seen], hosts: Sequence[str] = ()) -> ClientsResult[Seen]:
    """Add up the histograms of all shards. ``hosts``: that of each."""
    names = shards[0].histograms
    return ClientsResult(
        tuple(shards), {name: merge_counts([one.histograms[name] for one in shards]) for name in names}, tuple(hosts)
    )


def merge_samples(
    samples: Sequence[Sample], warm_up: WarmUp, hosts: Sequence[str] = (), clock_error_ns: int = 0
) -> LoadResult:
    """Add up ledgers and histograms. Percentiles are always computed from the sums.

    ``hosts``: that of each sample. ``clock_error_ns``: how wrong times across their clocks can be.
    """
    names = samples[0].histograms
    return LoadResult(
        samples=tuple(samples),
        ledger=reduce(lambda total, sample: total + sample.ledger, samples, LedgerTotals()),
        histograms={name: merge_counts([sample.histograms[name] for sample in samples]) for name in names},
        seconds=tuple(merge_counts(column) for column in zip(*(sample.seconds for sample in samples), strict=False)),
        warm_up=warm_up,
        hosts=tuple(hosts),
        clock_error_ns=clock_error_ns,
    )


def merge_counts(shards: Sequence[SparseCounts]) -> Histogram:
    """One histogram of the counts of all shards."""
    return Histogram(reduce(np.add, map(dense, shards)))


def _times_since(start_ns: int, moments: Sequence[int]) -> Histogram:
    return Histogram(counts_of(np.array(moments, dtype=np.int64) - start_ns))


def merge_recovered(
    samples: Sequence[Recovered], since_ns: int, listening_ns: int, clocks: Sequence[ClockOffset] = ()
) -> RecoveryResult:
    """Add up the recoveries of all shards. Times in the result are relative to ``since_ns`` and, once, to
    ``listening_ns``, both of `time.perf_counter_ns`. A client may be back a moment before we see that the server
    listens; this counts as no time.

    ``clocks``: that of each shard; none: they are ours. By a clock that is not ours, a client can notice the end a
    moment before it; this counts as no time, too.
    """
    clocks = clocks or [OUR_CLOCK] * len(samples)
    on_our_clock = [(sample, clock.offset_ns) for sample, clock in zip(samples, clocks, strict=True)]
    gone_at = [max(since_ns, moment - ahead_ns) for sample, ahead_ns in on_our_clock for moment in sample.gone_at]
    back_at = [max(since_ns, moment - ahead_ns) for sample, ahead_ns in on_our_clock for moment in sample.back_at]
    return RecoveryResult(
        noticed=_times_since(since_ns, gone_at),
        back=_times_since(since_ns, back_at),
        back_after_listening=_times_since(listening_ns, [max(listening_ns, moment) for moment in back_at]),
        lost=sum(sample.lost for sample in samples),
        unsent=sum(sample.unsent for sample in samples),
        attempts=sum(sample.attempts for sample in samples),
        away=sum(sample.away for sample in samples),
        endings=_summed(sample.endings for sample in samples),
        answers=[
            (due_ns - ahead_ns - since_ns, latency_ns)
            for sample, ahead_ns in on_our_clock
            for due_ns, latency_ns in sample.answers
        ],
        clock_error_ns=max(clock.error_ns for clock in clocks),
    )


def _summed(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums of several tables of counts, by name."""
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(sorted(total.items()))


def compression_sum(compressions: Sequence[Compression]) -> Compression | None:
    """The compressions of several loads as one; ``None`` if nothing was offered in any."""
    if not compressions:
        return None
    return Compression(
        agreed=sum(one.agreed for one in compressions),
        declined=sum(one.declined for one in compressions),
        agreements=_summed(one.agreements for one in compressions),
    )


def compression_record(results: Iterable[Connected | Sample]) -> Compression | None:
    """What servers answered to the offer of compression, over all shards; ``None`` if nothing was offered."""
    found = _summed(one.compression for one in results)
    declined = found.pop(DECLINED, 0)
    if not found and not declined:
        return None
    return Compression(agreed=sum(found.values()), declined=declined, agreements=found)


def traffic_record(result: LoadResult) -> Traffic | None:
    """The bytes per message; ``None`` if no message was sent over WebSocket."""
    total = reduce(operator.add, (sample.traffic for sample in result.samples))
    if not total.sent_messages:
        return None
    received = {}
    if total.received_messages:
        received = {
            "received_payload_bytes": round(total.received_payload_bytes / total.received_messages, 3),
            "received_wire_bytes": round(total.received_wire_bytes / total.received_messages, 3),
        }
    return Traffic(
        sent_payload_bytes=round(total.sent_payload_bytes / total.sent_messages, 3),
        sent_wire_bytes=round(total.sent_wire_bytes / total.sent_messages, 3),
        **received,
    )


def median_latencies_ms(result: LoadResult) -> list[float | None]:
    """The median latency of each second of the window."""
    return [second.percentile_ms(0.5) for second in result.seconds]


def measured_values(result: LoadResult, pace: Pace) -> dict[str, Any]:
    """The values that every load has, by key of `Measurement`."""
    # In a room each message is one event, however many members receive it.
    messages = result.histograms["last_delivery"].total if "last_delivery" in result.histograms else None
    of_each = ("latency", "latency_from_send")
    percentiles = {
        name: histogram.percentiles(messages if name in of_each else None)
        for name, histogram in result.histograms.items()
    }
    return {
        "duration_s": round(result.window_s, 6),
        "warmup_s": result.warm_up.seconds,
        "warmup_settled": result.warm_up.settled,
        "slices": max(sample.slices for sample in result.samples),
        "offered_per_s": None if isinstance(pace, Closed) else round(result.offered_per_s, 3),
        "messages_per_s": round(result.messages_per_s, 3),
        "overrun_s": (
            round(result.total(lambda sample: sample.overrun_ns) / 1e9, 6) if isinstance(pace, Closed) else None
        ),
        "connections": Connections(
            planned=result.total(lambda sample: sample.planned),
            established=result.total(lambda sample: sample.established),
            closed_early=result.total(lambda sample: sample.closed_early),
        ),
        "messages": Messages(**asdict(result.ledger)),
        "errors": result.errors,
        "causes": [ErrorCause(error=one.error, count=one.times, example=one.example) for one in result.causes],
        "censored": result.total(lambda sample: sample.censored),
        "latency_ms": percentiles["latency"],
        "latency_from_send_ms": percentiles.get("latency_from_send"),
        "last_delivery_ms": percentiles.get("last_delivery"),
        "connect_ms": percentiles["connect"],
        "traffic": traffic_record(result),
        "compression": compression_record(result.samples),
    }


def loadgen_values(result: LoadResult) -> dict[str, Any]:
    """The performance of the load generator, by key of `LoadgenHealth`."""
    send_lag, read_lag = result.histograms.get("send_lag"), result.histograms.get("read_lag")
    return {
        "shards": len(result.samples),
        "cpu_percent": round(result.percent(lambda sample: sample.cpu_ns), 2),
        "working_percent": round(result.percent(lambda sample: sample.working_ns), 2),
        # There is no minimum number of samples: a load generator that was stopped sends few messages, and must still
        # fail.
        "send_lag_p50_ms": send_lag.percentile_ms(0.5) if send_lag else None,
        "send_lag_p90_ms": send_lag.percentile_ms(0.9) if send_lag else None,
        "send_lag_p99_ms": send_lag.percentile_ms(0.99) if send_lag else None,
        "send_lag_max_ms": send_lag.percentile_ms(1.0) if send_lag else None,
        "read_lag_p90_ms": read_lag.percentile_ms(0.9) if read_lag else None,
        "read_lag_p99_ms": read_lag.percentile_ms(0.99) if read_lag else None,
    }
