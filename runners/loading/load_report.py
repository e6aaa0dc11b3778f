"""The report of ``rtsite load``, judged by the same thresholds as a measurement of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from runners.judging.thresholds import NOT_OFFERED, reasons_against
from runners.judging.trend import trend_of
from runners.loadgen.job import CLIENT_PLACE, Example, Job
from runners.loadgen.own_messages import assumes_order
from runners.loadgen.pace import Closed, Pace
from runners.loading.load_result import (
    LoadResult,
    compression_record,
    loadgen_values,
    measured_values,
    median_latencies_ms,
)
from runners.record import LoadgenHealth, Measurement, Percentiles


def build_report(
    result: LoadResult, pace: Pace, *, more_reasons: Iterable[str] = (), **conditions: Any
) -> dict[str, Any]:
    """The values of a load by key of ``rtsite load --json``, and whether they are valid.

    ``more_reasons``: why they are not, besides the thresholds.
    ``conditions``: what is known of the machine, by key of `LoadgenHealth`.
    """
    measurement = as_measurement(result, pace, **conditions)
    health, latency, connections = measurement.generator, measurement.latency_ms, measurement.connections
    assert health is not None
    assert latency is not None
    assert connections is not None
    reasons = [*reasons_against(measurement), *more_reasons]
    ledger = result.ledger
    return {
        "messages_per_second": measurement.messages_per_s,
        "connections": connections.established,
        "duration_s": round(result.window_s, 3),
        "sent": ledger.sent,
        "received": ledger.received,
        "lost": ledger.lost,
        "in_flight": ledger.in_flight,
        "duplicated": ledger.duplicated,
        "reordered": ledger.reordered,
        "corrupted": ledger.corrupted,
        "foreign": ledger.foreign,
        "empty": ledger.empty,
        "unanswered_at_end": result.total(lambda sample: sample.unanswered_at_end),
        "errors": result.errors,
        "causes": [cause.model_dump() for cause in measurement.causes],
        "latency_ms": shown_percentiles(latency),
        "latency_from_send_ms": shown_percentiles(measurement.latency_from_send_ms or latency),
        "send_lag_ms": {"p99": health.send_lag_p99_ms},
        "traffic": None if measurement.traffic is None else measurement.traffic.model_dump(),
        "compression": None if measurement.compression is None else measurement.compression.model_dump(),
        "generator_cpu_percent": health.cpu_percent,
        "generator_working_percent": health.working_percent,
        "valid": not reasons,
        "invalid_reasons": reasons,
    }


def doubts_about_order(result: LoadResult, job: Job) -> Iterator[str]:
    """Why it is not known which message each answer belongs to, and what to do; nothing if it is known."""
    surplus = result.total(lambda sample: sample.surplus)
    if surplus:
        advice = "put {seq} into both templates"
        if job.protocol == "socket.io":
            advice = "let the server acknowledge each message, or echo it without --answers any"
        elif job.own is None:
            advice = "use --message and --answer, with {seq} in both"
        yield (
            f"{surplus:,} more messages arrived than were sent, so it is not known which message each answers: {advice}"
        )


def explain(result: LoadResult, job: Job) -> Iterator[str]:
    """What the counts of a load mean and which option of ``rtsite load`` helps, one or two sentences each."""
    ledger = result.ledger
    if NOT_OFFERED.is_broken_by(NOT_OFFERED.value_of(as_measurement(result, job.pace))):
        sent_per_s, due_per_s = ledger.sent / result.window_s, result.offered_per_s
        yield (
            f"The load generator sent {sent_per_s:,.0f} of {due_per_s:,.0f} messages per second."
            " Lower --rate, or use more processes: --shards."
        )
    compression = compression_record(result.samples)
    if compression is not None and compression.declined:
        whole = (
            "The server declines to compress" if not compression.agreed else "The server declines on some connections"
        )
        yield (
            f"{whole}: it answered --deflate without permessage-deflate on {compression.declined:,} of"
            f" {compression.declined + compression.agreed:,} connections. Their messages are as without --deflate."
        )
    if job.own is not None and job.answers == "same" and assumes_order(job.own, job.answers):
        yield (
            "The answers have no {seq}, so their order was assumed: each answered the oldest message that its"
            " connection waited for."
        )
    differing, foreign = result.examples.get("corrupted"), result.examples.get("foreign")
    hint = " If any message is an answer to this server's clients, use --answers any."
    if job.own is not None:
        hint = " In an answer, {any} stands for text that varies."
    if ledger.corrupted and differing:
        yield (
            f"{ledger.corrupted:,} answers differ from what was sent: expected {differing.expected!r}, received"
            f" {differing.received!r}.{hint}"
        )
    if ledger.foreign and foreign:
        what = f"{ledger.foreign:,} messages are no answers to the client's own messages"
        left_out = " Messages that answer nothing can be left out: --ignore." if job.protocol == "websocket" else ""
        advice = _advice_on_foreign(job, foreign) or (left_out if ledger.received else hint)
        yield f"{what}: expected {foreign.expected!r}, received {foreign.received!r}.{advice}"
    if ledger.duplicated:
        yield f"{ledger.duplicated:,} answers came more than once.{_OF_OTHERS if _may_mix_clients(job) else ''}"
    if foreign and not ledger.foreign and not ledger.received:
        yield (
            f"In the warm-up a message arrived that is no answer: expected {foreign.expected!r}, received"
            f" {foreign.received!r}.{_advice_on_foreign(job, foreign) or hint}"
        )
    if ledger.empty:
        yield f"{ledger.empty:,} acknowledgements have no data, so their content was not compared."
    ended = result.total(lambda sample: sample.closed_early)
    late = f"unanswered after {job.answer_timeout_s:g} s (--answer-timeout), or overtaken by a newer answer"
    if ledger.lost and ended:
        due = "" if isinstance(job.pace, Closed) else "Messages that were due there later count as sent too. "
        yield (
            f"{ledger.lost:,} messages are lost, because the server closed {ended:,} connections. {due}Others are lost"
            f" if they are {late}."
        )
    elif ledger.lost:
        yield f"{ledger.lost:,} messages are lost: {late}."
    if ledger.in_flight:
        yield f"{ledger.in_flight:,} messages were unanswered {job.drain_s:g} s after the last one was sent (--drain)."


def _advice_on_foreign(job: Job, foreign: Example) -> str:
    """What makes a foreign message an answer, or keeps it apart from answers; empty if its cause is not known."""
    own = job.own
    if own is None or assumes_order(own, job.answers):
        return ""
    if "{seq}" in own.answer and '"{seq}"' not in own.answer and _NUMBER_AS_TEXT.search(foreign.received):
        return ' The number came back as a string: put quotes around it in the answer, as in "{seq}".'
    return _OF_OTHERS if _NUMBER.search(foreign.received) and _may_mix_clients(job) else ""


def _may_mix_clients(job: Job) -> bool:
    """Whether messages of several clients are alike, because they do not name their client."""
    own = job.own
    if own is None or not own.message or job.connections == 1:
        return False
    return CLIENT_PLACE not in own.message or not ({CLIENT_PLACE, "{message}"} & set(re.findall(r"{\w+}", own.answer)))


_OF_OTHERS = " If the server also sends the messages of other clients, put {client} into both templates."
_NUMBER, _NUMBER_AS_TEXT = re.compile(r"(?<!\d)\d{8}(?!\d)"), re.compile(r'"\d{8}"')
"""The number of a message, wherever it is, and in a string of JSON."""


def as_measurement(result: LoadResult, pace: Pace, **conditions: Any) -> Measurement:
    """The load as a measurement without a run. It has only the values that the load generator alone can measure."""
    return Measurement.model_construct(
        **measured_values(result, pace),
        trend_percent=trend_of(median_latencies_ms(result)),
        generator=LoadgenHealth(**loadgen_values(result), **conditions),
    )


def shown_percentiles(percentiles: Percentiles) -> dict[str, float | None]:
    """The percentiles of a report, by name."""
    return {name: getattr(percentiles, name) for name in ("p50", "p90", "p99", "p999", "max")}
