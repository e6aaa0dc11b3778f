"""One measurement: fresh servers, proven ready, loaded, watched, checked again, stopped.

Cells that are measured together share the time of their window: all their servers are up, and one after the other is
loaded for a slice, over and over. What disturbs the machine meanwhile disturbs them all alike.
"""

from __future__ import annotations

import datetime as dt
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runners import broker, capacity, environment, load, machine, resources, server, trend, validity, workloads
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
    publishable,
)
from runners.workloads import Case, Profile, Workload

Stage = Literal["environment", "broker", "start", "ready", "connect", "load", "recheck", "stop"]
LOOK_EVERY_S = 1.0
"""Of a server's own load: how often its memory is read."""
FILES_BESIDE_CLIENTS = 200
TURNOVERS = 20
"""Answers per client in a slice, at least. A slice begins with all clients asking at once and ends with the last ones
being answered; with fewer turnovers these edges would show in throughput and service time."""


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


def measure(cells: Sequence[Cell], conditions: Sequence[Conditions]) -> list[Outcome]:
    """Measure cells once, together if there are several. A failure is an outcome, not an error.

    No process is left behind either way. Cells measured together have the same case, and one core share.
    """
    if len(cells) == 1 and cells[0].case.search is not None:
        return [_search(cells[0], conditions[0])]
    alone = len(cells) == 1
    surroundings = _Surroundings()
    with tempfile.TemporaryDirectory(prefix="rtsite-") as logs, ExitStack() as stack:
        stations = [
            _Station(cell, condition, Path(logs) / str(index), alone=alone)
            for index, (cell, condition) in enumerate(zip(cells, conditions, strict=True))
        ]
        for station in stations:
            stack.callback(station.stop)
        for step in (_Station.start, _Station.connect, _Station.warm_up):
            for station in stations:
                station.attempt(step)
        surroundings.begin()
        for station in stations:
            station.attempt(_Station.open_window)
        _take_turns(stations, random.Random(conditions[0].seed))
        for station in stations:
            station.attempt(_Station.close_window)
        surroundings.end()
        for step in (_Station.finish, _Station.recheck):
            for station in stations:
                station.attempt(step)
        yardstick = next((s.medians for s in stations if s.cell.framework.reference and s.medians), None)
        return [station.outcome(surroundings, stations, yardstick) for station in stations]


def _take_turns(stations: Sequence[_Station], chance: random.Random) -> None:
    """Load whoever is furthest behind, for one slice, until all have had their time; equals in random order."""
    while left := [station for station in stations if station.failure is None and station.progress < 1]:
        behind = min(left, key=lambda station: (round(station.progress, 6), chance.random()))
        behind.attempt(_Station.load_slice)


def _search(cell: Cell, conditions: Conditions) -> Outcome:
    """The highest load the cell's server withstands; every load is tried on a server of its own."""
    wanted = cell.case.search
    assert wanted is not None
    asked = workloads.asked_by(cell.workload, cell.case)

    def probe(at: int) -> capacity.Probe:
        case = cell.case.at(at)
        one = Cell(cell.framework, cell.variant, asked, case)
        circumstances = Conditions(
            conditions.profile.of_probe(case), conditions.cores, conditions.round, conditions.position, conditions.seed
        )
        (outcome,) = measure([one], [circumstances])
        return capacity.judge(
            at,
            outcome.measurement,
            validity.disturbances(outcome.measurement),
            p99_limit_ms=wanted.settings.p99_limit_ms,
        )

    blank = _blank(conditions)
    # Every client is an open file of the generator's and one of the server's.
    most = machine.open_files_limit() - FILES_BESIDE_CLIENTS
    settings = wanted.settings.below(most) if wanted.unit == "users" else wanted.settings
    try:
        found = capacity.as_record(capacity.search(settings, probe), wanted.unit)
    except capacity.ProbeError as error:
        return Outcome(_with(blank, failure=error.failure), {})
    reasons = [found.reason] if found.reason else []
    return Outcome(_with(blank, capacity=found, valid=found.conclusive, invalid_reasons=reasons), {})


def now() -> str:
    """The time in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _blank(conditions: Conditions) -> Measurement:
    return Measurement.model_construct(
        round=conditions.round, position=conditions.position, started=now(), valid=False, errors={}
    )


def _with(blank: Measurement, **figures: object) -> Measurement:
    """The measurement with its figures, validated as a whole."""
    return Measurement(
        **{**{name: getattr(blank, name) for name in ("round", "position", "started", "valid")}, **figures}
    )


class _Station:
    """One cell being measured: its server, its broker, its load, and what is seen of them."""

    def __init__(self, cell: Cell, conditions: Conditions, logs: Path, *, alone: bool) -> None:
        self.cell = cell
        self.failure: Failure | None = None
        self.medians: list[float | None] = []
        self._conditions = conditions
        self._logs = logs
        self._alone = alone
        self._blank = _blank(conditions)
        self._stack = ExitStack()
        self._server: server.Server | None = None
        self._broker: broker.Broker | None = None
        self._watches: dict[str, resources.Watch] = {}
        self._loaded_s = 0.0
        self._unwatched_s = 0.0
        self._cpu_at_start_s = 0.0
        self._idle_cpu_s = 0.0
        self._warm_up = load.WarmUp(0.0, settled=True, messages_per_s=0.0)
        self._result: load.LoadResult | None = None

    def attempt(self, step: Callable[[_Station], object]) -> None:
        """Take a step, unless one before it failed."""
        if self.failure is None:
            try:
                step(self)
            except _FailedError as error:
                self.failure = error.failure
            except OSError as error:
                self.failure = Failure(stage="start", reason=publishable(f"this machine refused something: {error}"))
            if self.failure is not None:
                self.stop()

    def stop(self) -> None:
        """End all that was started."""
        self._stack.close()

    def start(self) -> None:
        cell, cores = self.cell, self._conditions.cores
        self._logs.mkdir()
        with self._stage("environment"):
            installed = environment.prepare(cell.framework, cell.variant)
        with self._stage("load"):
            hooks = load.Hooks(each_second=self.look, is_hopeless=self._has_ended)
            shards = max(1, min(len(cores.generator), cell.case.connections))
            self._load = self._stack.enter_context(load.Load(shards, cores.generator, hooks))
        if cell.variant.broker == "redis":
            with self._stage("broker"):
                self._broker = broker.start(broker.find(), cpus=cores.server, logs=self._logs)
            self._stack.callback(self._broker.stop)
        with self._stage("start"):
            self._server = server.start(
                cell.framework,
                cell.variant,
                installed,
                cpus=cores.server,
                workers=cell.case.server_cores,
                redis_url=self._broker.url if self._broker else None,
                logs=self._logs,
            )
            self._stack.callback(self._server.stop)
            self._server.wait_until_listening()
        with self._stage("ready"):
            self._server.verify(cell.workload.readiness, "ready")

    def connect(self) -> None:
        cell = self.cell
        assert self._server is not None
        with self._stage("connect"):
            self._load.connect(
                load.job_for(
                    cell.workload,
                    cell.case,
                    url=self._server.websocket_url,
                    protocol=cell.framework.protocol,
                    profile=self._conditions.profile,
                    seed=self._conditions.seed,
                )
            )

    def warm_up(self) -> None:
        with self._stage("load"):
            self._warm_up = self._load.warm_up()

    def open_window(self) -> None:
        assert self._server is not None
        self._watches = {"server": resources.Watch(self._server.child.pid)}
        if self._broker is not None:
            self._watches["broker"] = resources.Watch(self._broker.child.pid)
        self._cpu_at_start_s = self._total_cpu_s()
        self.look()

    @property
    def progress(self) -> float:
        """How much of its window has been measured, from 0 to 1."""
        return min(1.0, self._loaded_s / self._conditions.profile.duration_s + 1e-9)

    def load_slice(self) -> None:
        """One slice of the window: long enough for every client to be answered many times."""
        seconds = self._conditions.profile.duration_s
        if self.cell.case.slice_s and not self._alone:
            turnover_s = self.cell.case.connections / max(self._warm_up.messages_per_s, 1.0)
            seconds = min(seconds, max(self.cell.case.slice_s, TURNOVERS * turnover_s))
        for watch in self._watches.values():
            watch.begin()
        with self._stage("load"):
            briefs = self._load.load(seconds)
            if self._has_ended():
                assert self._server is not None
                raise load.LoadError(f"the server ended under load, with status {self._server.child.status}")
            if not self._alone and not sum(brief.answered for brief in briefs):
                raise load.LoadError(f"no message of a slice of {seconds:.3g} s was answered")
        for watch in self._watches.values():
            watch.end()
        self._loaded_s += seconds
        self._unwatched_s += seconds
        if self._unwatched_s >= LOOK_EVERY_S:
            self.look()

    def look(self) -> None:
        """Read the memory."""
        self._unwatched_s = 0.0
        for watch in self._watches.values():
            watch.look()

    def close_window(self) -> None:
        spent_s = sum(watch.cpu_s for watch in self._watches.values())
        self._idle_cpu_s = max(0.0, self._total_cpu_s() - self._cpu_at_start_s - spent_s)

    def _total_cpu_s(self) -> float:
        return sum(watch.total_cpu_s() for watch in self._watches.values())

    def finish(self) -> None:
        with self._stage("load"):
            result = self._load.finish()
            if result.ledger.received == 0:
                raise load.LoadError(f"none of {result.ledger.sent} messages was answered")
        self._result = result
        self.medians = [second.percentile_ms(0.5) for second in result.seconds]

    def recheck(self) -> None:
        assert self._server is not None
        with self._stage("recheck"):
            self._server.verify(self.cell.workload.recheck, "recheck")

    def outcome(
        self, surroundings: _Surroundings, stations: Sequence[_Station], yardstick: list[float | None] | None
    ) -> Outcome:
        """The measurement, judged. ``yardstick``: the reference's medians in the same seconds, if it was there."""
        if self.failure is not None or self._result is None:
            return Outcome(_with(self._blank, failure=self.failure), {})
        result, case = self._result, self.cell.case
        answered = result.total(lambda sample: sample.answered_in_window)
        usages = {name: watch.usage(answered, alone=self._alone) for name, watch in self._watches.items()}
        neighbours_s = sum(other._idle_cpu_s for other in stations if other is not self)
        measurement = _with(
            self._blank,
            **figures(result, case, self._warm_up),
            **usages,
            trend_percent=_trend(self.medians, None if self._alone or self.cell.framework.reference else yardstick),
            generator=generator_health(
                result,
                surroundings,
                neighbours_percent=None if self._alone else round(100 * neighbours_s / surroundings.seconds, 2),
            ),
        )
        reasons = validity.reasons_against(measurement, of_reference=self.cell.framework.reference)
        if reasons:
            measurement = measurement.model_copy(update={"invalid_reasons": reasons, "valid": False})
        kept = {name: result.histograms[name] for name in _KEPT if name in result.histograms}
        return Outcome(measurement, kept, timeline_of(result.seconds))

    def _has_ended(self) -> bool:
        return self._server is not None and not self._server.child.running

    @contextmanager
    def _stage(self, stage: Stage) -> Iterator[None]:
        """Turn an error into the failure that is recorded, with the stage and the server's last lines."""
        try:
            yield
        except RtsiteError as error:
            log = [publishable(line) for line in self._server.child.last_lines()] if self._server is not None else []
            raise _FailedError(Failure(stage=stage, reason=publishable(str(error)), log=log)) from error


_KEPT = ("latency", "latency_from_send", "push_lateness")


def _trend(medians: Sequence[float | None], yardstick: Sequence[float | None] | None) -> float | None:
    """The trend of the medians per second; where the reference was measured in the same seconds, of their ratio to
    its medians, since a machine that slows down is no trend of the server's.
    """
    pairs = list(zip(medians, yardstick if yardstick is not None else [1.0] * len(medians), strict=False))
    ratios = [mine / theirs for mine, theirs in pairs if mine is not None and theirs]
    found = trend.percent(ratios) if len(ratios) == len(pairs) else None
    return None if found is None else round(found, 2)


class _Surroundings:
    """What else happened on the machine in the window."""

    def __init__(self) -> None:
        self._steal = (0.0, 0.0)
        self._others: dict[int, int] = {}
        self.seconds = 0.0
        self.steal_percent: float | None = None
        """Share of all CPU time that the hypervisor gave to others."""
        self.foreign_percent: float | None = None
        """CPU that neither the measured nor the measuring processes used, in percent of one CPU."""
        self.clock_jump_ms = 0.0

    def begin(self) -> None:
        self._others = resources.read_others()
        self._steal = machine.read_steal()
        self._clocks = machine.read_clocks()

    def end(self) -> None:
        clocks = machine.read_clocks()
        self.seconds = clocks.steady_s - self._clocks.steady_s
        self.clock_jump_ms = round(1e3 * clocks.jump_since(self._clocks), 3)
        spent_ns = sum(max(0, used - self._others.get(pid, 0)) for pid, used in resources.read_others().items())
        self.foreign_percent = round(100 * spent_ns / 1e9 / self.seconds, 2)
        stolen, total = (after - before for before, after in zip(self._steal, machine.read_steal(), strict=True))
        self.steal_percent = round(100 * stolen / total, 3) if total else None


def figures(result: load.LoadResult, case: Case, warm_up: load.WarmUp) -> dict[str, object]:
    """The measurement's figures from the load's side; pure."""
    ledger = result.ledger
    histograms = result.histograms
    percentiles = {name: histogram.percentiles() for name, histogram in histograms.items()}
    found: dict[str, object] = {
        "valid": True,
        "duration_s": round(result.window_s, 6),
        "warmup_s": warm_up.seconds,
        "warmup_settled": warm_up.settled,
        "slices": max(sample.slices for sample in result.samples),
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
    result: load.LoadResult, surroundings: _Surroundings, *, neighbours_percent: float | None
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
        steal_percent=surroundings.steal_percent,
        foreign_cpu_percent=surroundings.foreign_percent,
        neighbours_cpu_percent=neighbours_percent,
        clock_jump_ms=surroundings.clock_jump_ms,
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
