"""One measurement: a fresh server, proven ready, loaded, watched, checked again, stopped."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runners import broker, environment, load, machine, resources, server, validity
from runners.catalog import Framework, Variant
from runners.record import (
    Connections,
    Failure,
    GeneratorHealth,
    Histogram,
    Measurement,
    Messages,
    RtsiteError,
    Timeline,
)
from runners.workloads import Case, Profile, Workload

Stage = Literal["environment", "broker", "start", "ready", "connect", "load", "recheck", "stop"]


@dataclass(frozen=True)
class Cell:
    """What is measured: a variant under a workload with one set of parameters."""

    framework: Framework
    variant: Variant
    workload: Workload
    case: Case


@dataclass(frozen=True)
class Conditions:
    """Under what circumstances: how long, on which cores, in which round."""

    profile: Profile
    cores: machine.CoreShare
    round: int
    position: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """A measurement and the distributions behind it, by name, and per second."""

    measurement: Measurement
    histograms: dict[str, Histogram]
    timeline: Timeline | None = None


class _FailedError(Exception):
    """The measurement gave no figures; carries the failure to record."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def measure(cell: Cell, conditions: Conditions) -> Outcome:
    """Measure a cell once. A failure is an outcome, not an error; no process is left behind either way."""
    blank = Measurement.model_construct(
        round=conditions.round, position=conditions.position, started=now(), valid=False, errors={}
    )
    try:
        with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
            return _measure(cell, conditions, blank, Path(logs))
    except _FailedError as error:
        failure = error.failure
    except OSError as error:
        failure = Failure(stage="start", reason=_brief(f"this machine refused something: {error}"))
    return Outcome(_with(blank, failure=failure), {})


def now() -> str:
    """The time in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with(blank: Measurement, **figures: object) -> Measurement:
    """The measurement with its figures, validated as a whole."""
    return Measurement(
        **{**{name: getattr(blank, name) for name in ("round", "position", "started", "valid")}, **figures}
    )


def _measure(cell: Cell, conditions: Conditions, blank: Measurement, logs: Path) -> Outcome:
    cores = conditions.cores
    with _stage("environment"):
        installed = environment.prepare(cell.framework, cell.variant)
    redis = None
    running = None
    try:
        if cell.variant.broker == "redis":
            with _stage("broker"):
                redis = broker.start(broker.find(), cpus=cores.server, logs=logs)
        with _stage("start"):
            running = server.start(
                cell.framework,
                cell.variant,
                installed,
                cpus=cores.server,
                workers=cell.case.server_cores,
                redis_url=redis.url if redis else None,
                logs=logs,
            )
        with _stage("start", running):
            running.wait_until_listening()
        with _stage("ready", running):
            running.verify(cell.workload.readiness, "ready")
        outcome = _load(cell, conditions, blank, running, redis)
        with _stage("recheck", running):
            running.verify(cell.workload.recheck, "recheck")
        return outcome
    finally:
        if running is not None:
            running.stop()
        if redis is not None:
            redis.stop()


@contextmanager
def _stage(stage: Stage, running: server.Server | None = None) -> Iterator[None]:
    """Turn an error into the failure that is recorded, with the stage and the server's last lines."""
    try:
        yield
    except RtsiteError as error:
        log = running.child.last_lines() if running is not None else []
        raise _FailedError(Failure(stage=stage, reason=_brief(str(error)), log=log)) from error


def _brief(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()  # a server's answer may hold half a surrogate pair
    return text if len(text) <= 2000 else text[:2000] + " …"


def _load(
    cell: Cell, conditions: Conditions, blank: Measurement, running: server.Server, redis: broker.Broker | None
) -> Outcome:
    job = load.job_for(
        cell.workload,
        cell.case,
        url=running.websocket_url,
        protocol=cell.framework.protocol,
        profile=conditions.profile,
        seed=conditions.seed,
    )
    watches = {"server": resources.Watch(running.child.pid)}
    if redis is not None:
        watches["broker"] = resources.Watch(redis.child.pid)
    surroundings = _Surroundings()

    def open_window() -> None:
        surroundings.begin()
        for watch in watches.values():
            watch.begin()

    def close_window() -> None:
        for watch in watches.values():
            watch.end()
        surroundings.end()

    hooks = load.Hooks(open_window, close_window, is_hopeless=lambda: not running.child.running)
    try:
        with _stage("load", running):
            shards = max(1, len(conditions.cores.generator))
            result = load.apply(job, shards=shards, cpus=conditions.cores.generator, hooks=hooks)
            if not running.child.running:
                raise load.LoadError(f"the server ended under load, with status {running.child.status}")
            if result.ledger.received == 0:
                raise load.LoadError(f"none of {result.ledger.sent} messages was answered")
    finally:
        for watch in watches.values():
            watch.abandon()
    answered = result.total(lambda sample: sample.answered_in_window)
    usages = {name: watch.usage(answered) for name, watch in watches.items()}
    measurement = _with(
        blank,
        **figures(result, cell.case, conditions.profile),
        **usages,
        generator=generator_health(
            result,
            steal_percent=surroundings.steal_percent,
            foreign_percent=surroundings.foreign_percent,
        ),
    )
    reasons = validity.reasons_against(measurement, of_reference=cell.framework.reference)
    if reasons:
        measurement = measurement.model_copy(update={"invalid_reasons": reasons, "valid": False})
    kept = {name: result.histograms[name] for name in _KEPT if name in result.histograms}
    return Outcome(measurement, kept, timeline_of(result.seconds))


_KEPT = ("latency", "latency_from_send", "push_lateness")


class _Surroundings:
    """What else happened on the machine in the window."""

    def __init__(self) -> None:
        self._steal: tuple[float, float] | None = None
        self._others: dict[int, int] = {}
        self.steal_percent: float | None = None
        """Share of all CPU time that the hypervisor gave to others."""
        self.foreign_percent: float | None = None
        """CPU that neither the measured nor the measuring processes used, in percent of one CPU."""

    def begin(self) -> None:
        self._began_ns = time.perf_counter_ns()
        self._others = resources.read_others()
        self._steal = machine.read_steal()

    def end(self) -> None:
        if self._steal is None:
            return
        spent_ns = sum(max(0, used - self._others.get(pid, 0)) for pid, used in resources.read_others().items())
        self.foreign_percent = round(100 * spent_ns / (time.perf_counter_ns() - self._began_ns), 2)
        stolen, total = (after - before for before, after in zip(self._steal, machine.read_steal(), strict=True))
        self.steal_percent = round(100 * stolen / total, 3) if total else None


def figures(result: load.LoadResult, case: Case, profile: Profile) -> dict[str, object]:
    """The measurement's figures from the load's side; pure."""
    ledger = result.ledger
    histograms = result.histograms
    percentiles = {name: histogram.percentiles() for name, histogram in histograms.items()}
    found: dict[str, object] = {
        "valid": True,
        "duration_s": round(result.window_s, 6),
        "warmup_s": profile.warmup_s,
        "offered_per_s": round(result.offered_per_s, 3) if case.mode == "open" else None,
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
        "connect_ms": percentiles["connect"],
    }
    if case.push_period_s:
        pushes = result.total(lambda sample: sample.pushes)
        found["pushes_per_s"] = round(pushes / result.window_s, 3)
        found["pushes_missed"] = result.total(lambda sample: sample.pushes_missed)
        found["push_lateness_ms"] = percentiles["push_lateness"]
    return found


def generator_health(
    result: load.LoadResult, *, steal_percent: float | None, foreign_percent: float | None
) -> GeneratorHealth:
    """How well the generator did, and what disturbed it; pure."""
    lag = result.histograms.get("send_lag")
    return GeneratorHealth(
        shards=len(result.samples),
        cpu_percent=round(result.percent(lambda sample: sample.cpu_ns), 2),
        working_percent=round(result.percent(lambda sample: sample.working_ns), 2),
        # Told even where it rests on few samples: a generator that stood still must not pass for that reason.
        send_lag_p50_ms=lag.percentile_ms(0.5) if lag else None,
        send_lag_p99_ms=lag.percentile_ms(0.99) if lag else None,
        send_lag_max_ms=lag.percentile_ms(1.0) if lag else None,
        steal_percent=steal_percent,
        foreign_cpu_percent=foreign_percent,
    )


def timeline_of(seconds: tuple[Histogram, ...]) -> Timeline:
    """One row per second: answers, and their median and 99th percentile in milliseconds."""
    rows = [second.percentiles() for second in seconds]
    return Timeline(
        second=list(range(1, len(rows) + 1)),
        messages=[row.count for row in rows],
        p50_ms=[row.p50 for row in rows],
        p99_ms=[row.p99 for row in rows],
    )


def with_share_of_ceiling(measurement: Measurement, ceiling_per_s: float) -> Measurement:
    """The measurement with its throughput as a share of the reference's in the same round."""
    if measurement.generator is None or measurement.messages_per_s is None:
        return measurement
    share = round(100 * measurement.messages_per_s / ceiling_per_s, 2)
    health = measurement.generator.model_copy(update={"share_of_ceiling_percent": share})
    return measurement.model_copy(update={"generator": health})


def cores_for(case: Case, cores: list[list[int]]) -> machine.CoreShare:
    """Who runs where under this case, on a machine with these cores."""
    return machine.share_cores(case.server_cores, cores, pinnable=machine.can_pin())
