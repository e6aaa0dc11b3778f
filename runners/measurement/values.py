"""The values of a measurement, from what the load generator counted. Pure."""

from __future__ import annotations

from runners.loading import driver
from runners.measurement.interference import Interference
from runners.record import Connections, Histogram, LoadgenHealth, Messages, Timeline
from runners.subjects.scenarios import Scenario

KEPT = ("latency", "latency_from_send", "last_delivery", "push_lateness")
"""Distributions whose histograms a result file keeps."""


def load_values(result: driver.LoadResult, scenario: Scenario, warm_up: driver.WarmUp) -> dict[str, object]:
    """The values that the load generator measured, by key of `Measurement`."""
    ledger = result.ledger
    histograms = result.histograms
    percentiles = {name: histogram.percentiles() for name, histogram in histograms.items()}
    found: dict[str, object] = {
        "valid": True,
        "duration_s": round(result.window_s, 6),
        "warmup_s": warm_up.seconds,
        "warmup_settled": warm_up.settled,
        "slices": max(sample.slices for sample in result.samples),
        "offered_per_s": round(result.offered_per_s, 3) if scenario.mode == "open" else None,
        "messages_per_s": round(result.messages_per_s, 3),
        "connections": Connections(
            planned=result.total(lambda sample: sample.planned),
            established=result.total(lambda sample: sample.established),
            closed_early=result.total(lambda sample: sample.closed_early),
        ),
        "messages": Messages(
            sent=ledger.sent,
            received=ledger.received,
            lost=ledger.lost,
            in_flight=ledger.in_flight,
            duplicated=ledger.duplicated,
            reordered=ledger.reordered,
            corrupted=ledger.corrupted,
        ),
        "errors": result.errors,
        "censored": result.total(lambda sample: sample.censored),
        "latency_ms": percentiles["latency"],
        "latency_from_send_ms": percentiles.get("latency_from_send"),
        "last_delivery_ms": percentiles.get("last_delivery"),
        "connect_ms": percentiles["connect"],
    }
    if scenario.push_period_s:
        pushes = result.total(lambda sample: sample.pushes)
        found["pushes_per_s"] = round(pushes / result.window_s, 3)
        found["pushes_missed"] = result.total(lambda sample: sample.pushes_missed)
        found["push_lateness_ms"] = percentiles["push_lateness"]
    return found


def loadgen_health(
    result: driver.LoadResult, interference: Interference, *, neighbours_percent: float | None
) -> LoadgenHealth:
    """The health of the load generator, with the interference."""
    lag = result.histograms.get("send_lag")
    return interference.health(
        shards=len(result.samples),
        cpu_percent=round(result.percent(lambda sample: sample.cpu_ns), 2),
        working_percent=round(result.percent(lambda sample: sample.working_ns), 2),
        # Without a minimum of samples: a load generator that was stopped sends few, and must not pass for that.
        send_lag_p50_ms=lag.percentile_ms(0.5) if lag else None,
        send_lag_p99_ms=lag.percentile_ms(0.99) if lag else None,
        send_lag_max_ms=lag.percentile_ms(1.0) if lag else None,
        read_lag_p99_ms=read.percentile_ms(0.99) if (read := result.histograms.get("read_lag")) else None,
        neighbours_cpu_percent=neighbours_percent,
    )


def timeline_of(seconds: tuple[Histogram, ...]) -> Timeline:
    """One row per second: answers, with their median and 99th percentile in milliseconds."""
    rows = [second.percentiles() for second in seconds]
    return Timeline(
        second=list(range(1, len(rows) + 1)),
        messages=[row.count for row in rows],
        p50_ms=[row.p50 for row in rows],
        p99_ms=[row.p99 for row in rows],
    )
