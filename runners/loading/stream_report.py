"""The report of ``rtsite load --sse``, judged by the same thresholds as a measurement of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from runners.judging.thresholds import LOST, NOT_OFFERED, NOTHING_RECEIVED, thresholds_of
from runners.loadgen.job import Connected, Job
from runners.loadgen.pace import Closed
from runners.loading.load_report import shown_percentiles
from runners.loading.load_result import StreamResult
from runners.record import Connections, ErrorCause, LoadgenHealth, Measurement, Messages


def build_stream_report(
    result: StreamResult, connected: Sequence[Connected], job: Job, **conditions: Any
) -> dict[str, Any]:
    """The values of a load of streams by key of ``rtsite load --sse --json``, and whether they are valid. A stream
    counts as a message: begun = completed + broken + unfinished.

    ``conditions``: what is known of the machine, by key of `LoadgenHealth`.
    """
    window_s = max(shard.window_ns for shard in result.shards) / 1e9
    begun, completed = result.total(lambda shard: shard.begun), result.total(lambda shard: shard.completed)
    broken, unfinished = result.total(lambda shard: shard.broken), result.total(lambda shard: shard.unfinished)
    causes = result.causes
    health = LoadgenHealth(**result.health_values(), **conditions)
    values: dict[str, Any] = {
        "duration_s": round(window_s, 6),
        "offered_per_s": None if isinstance(job.pace, Closed) else result.total(lambda shard: shard.due) / window_s,
        "connections": Connections(
            planned=sum(one.planned for one in connected),
            established=sum(one.established for one in connected),
            closed_early=0,
        ),
        "messages": Messages(
            sent=begun, received=completed, lost=broken, in_flight=unfinished, duplicated=0, reordered=0, corrupted=0
        ),
        "errors": causes.errors(),
        "causes": [ErrorCause(error=one.error, count=one.times, example=one.example) for one in causes.counted()],
        "generator": health,
    }
    measurement = Measurement.model_construct(**values)
    chunks = result.total(lambda shard: shard.chunks)
    reasons = list(_reasons_against(measurement, chunks))
    return {
        "streams_per_second": round(completed / window_s, 3),
        "chunks_per_second": round(result.total(lambda shard: shard.chunks_in_window) / window_s, 3),
        "connections": job.connections,
        "duration_s": round(window_s, 3),
        "due": result.total(lambda shard: shard.due),
        "begun": begun,
        "completed": completed,
        "done": result.total(lambda shard: shard.done),
        "broken": broken,
        "unfinished": unfinished,
        "chunks": chunks,
        "errors": measurement.errors,
        "causes": [cause.model_dump() for cause in measurement.causes],
        **{
            f"{name}_ms": shown_percentiles(result.histograms[name].percentiles())
            for name in ("first_chunk", "chunk_gap", "stream")
        },
        "send_lag_ms": {"p99": health.send_lag_p99_ms},
        "generator_cpu_percent": health.cpu_percent,
        "generator_working_percent": health.working_percent,
        "valid": not reasons,
        "invalid_reasons": reasons,
    }


def _reasons_against(measurement: Measurement, chunks: int) -> Iterator[str]:
    """The reasons of the thresholds, in words of streams. Streams without an end count by their chunks."""
    for rule in thresholds_of("measurement"):
        if rule is NOTHING_RECEIVED:
            rule = replace(rule, name="chunks received", value_of=lambda _: chunks)
        elif rule.name in _OF_STREAMS:
            rule = replace(rule, name=_OF_STREAMS[rule.name])
        if reason := rule.reason_against(measurement):
            yield reason


_OF_STREAMS = {NOT_OFFERED.name: "streams that could not begin", LOST.name: "streams that broke"}
"""What thresholds of messages are called for streams."""


def explain_streams(report: dict[str, Any], job: Job) -> Iterator[str]:
    """What the counts of a load of streams mean, one or two sentences each."""
    if report["due"] > report["begun"]:
        yield (
            f"{report['due'] - report['begun']:,} of {report['due']:,} streams were due and could not begin, because"
            " their clients were busy. Lower --rate, or use more clients: --connections."
        )
    if report["unfinished"]:
        yield (
            f"{report['unfinished']:,} streams had not ended {job.drain_s:g} s after the window (--drain). Their chunks"
            " count."
        )
    if 0 < report["done"] < report["completed"]:
        yield (
            f"{report['completed'] - report['done']:,} of {report['completed']:,} streams ended without [DONE]: the end"
            " of the body was taken as their end."
        )
