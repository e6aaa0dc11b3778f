"""One cell being measured: its server, its broker, its load, and what is observed of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from runners import resources, sockets
from runners.judging.trend import trend_of
from runners.loadgen.job import CaughtUp, Visited
from runners.loading import driver
from runners.loading.job_building import count_shards, second_job
from runners.loading.load_result import ClientsResult, LoadResult, median_latencies_ms
from runners.loading.shards import LoadError
from runners.measurement.cell import (
    Cell,
    Conditions,
    MeasurementResult,
    blank_measurement,
    build_cell_job,
    completed,
    judged,
)
from runners.measurement.interference import Interference
from runners.measurement.soaking import soak_record
from runners.measurement.values import KEPT, load_values, loadgen_health, second_load_record, timeline_of
from runners.record import Failure, SlowConsumer, Soak
from runners.serving.deployment import Deployments, StageError, server_settings_for

LOOK_EVERY_S = 1.0
"""Seconds of a server's own load between two readings of its memory."""
LISTEN_S = 10.0
"""Seconds that a paused reader has to catch up, in which a server sends it 50 MB."""
TURNOVERS = 20
"""Minimum number of answers per client in a slice. At the start of a slice all clients send at once, and at its end
only the last answers come. With fewer turnovers these edges would affect throughput and service time."""


class CellRun:
    """One cell being measured: its server, its broker, its load, and what is observed of them."""

    def __init__(self, cell: Cell, conditions: Conditions, deployments: Deployments, *, alone: bool) -> None:
        self.cell = cell
        self.failure: Failure | None = None
        self.medians: list[float | None] = []
        self._conditions = conditions
        self._alone = alone
        self._window_s = conditions.profile.window_s(cell.scenario)
        self._blank = blank_measurement(conditions)
        self._stack = ExitStack()
        self.deployment = self._stack.enter_context(
            # Memory is read where a server is alone. One used before keeps memory of its earlier loads.
            deployments.take(
                cell.framework,
                cell.variant,
                cpus=conditions.cores.server,
                workers=cell.scenario.workers,
                settings=server_settings_for(cell.scenario),
                fresh=alone,
            )
        )
        self._watches: dict[str, resources.Watch] = {}
        self._loaded_s = 0.0
        self._unwatched_s = 0.0
        self._cpu_at_start_s = 0.0
        self._idle_cpu_s = 0.0
        self._idle_cpu_percent: float | None = None
        self._answers_per_s = 0.0
        self._proxy_log_bytes = 0
        self._proxy_complaints: list[str] = []
        self._result: LoadResult | None = None
        self._caught_up: CaughtUp | None = None
        self._receive_buffer_bytes: int | None = None
        self._sending: sockets.Sending | None = None
        self._spread: list[int] = []
        self._visitors: driver.ShardGroup | None = None
        self._visited: ClientsResult[Visited] | None = None
        self._second: driver.ShardGroup | None = None
        self._second_result: LoadResult | None = None
        self._opened_s = 0.0

    def attempt(self, step: Callable[[CellRun], object]) -> None:
        """Run a step, unless an earlier one failed."""
        if self.failure is None:
            try:
                step(self)
            except StageError as error:
                self.failure = error.failure
                self.stop()

    def stop(self) -> None:
        """Stop everything that was started."""
        self._stack.close()

    def serve(self) -> None:
        """Start the server and check its contract."""
        self.deployment.start(self.cell.scenario.readiness)
        if self.deployment.proxy is not None:
            self._proxy_log_bytes = self.deployment.proxy.log_bytes

    def connect(self) -> None:
        """Start the load generator, and open all connections."""
        cell, conditions = self.cell, self._conditions
        hooks = driver.Hooks(each_second=self.look, is_hopeless=lambda: self.deployment.has_ended)
        shards = count_shards(cell.scenario.spoken, cell.scenario.connections, conditions.most_shards())
        with self.deployment.stage("connect"):
            self._load = self._stack.enter_context(conditions.shard_group(shards, hooks))
            job = build_cell_job(cell, conditions, self.deployment.server)
            self._load.connect(job)
            if cell.scenario.visits is not None:
                self._visitors = self._stack.enter_context(conditions.shard_group(1, hooks))
                self._visitors.connect(replace(job, visits=cell.scenario.visits))
            if cell.scenario.second is not None:
                beside = driver.Hooks(is_hopeless=hooks.is_hopeless)
                self._second = self._stack.enter_context(conditions.shard_group(1, beside))
                self._second.connect(second_job(job, cell.scenario.second))

    def warm_up(self) -> None:
        with self.deployment.stage("load"):
            if self._second is not None:
                self._second.rehearse(self._conditions.profile.warmup_s)
            self._answers_per_s = self._load.warm_up().messages_per_s
        scenario = self.cell.scenario
        self._window_s = self._conditions.profile.window_at_s(scenario, self._answers_per_s / scenario.receivers)

    def be_idle(self) -> None:
        """Begin a period without load."""
        self._watches = self.deployment.watches()
        self._cpu_at_start_s = self._total_cpu_s()

    def see_idle(self, seconds: float) -> None:
        """End a period without load that lasted this many seconds. The CPU used in it is the server's idle CPU."""
        self.deployment.idle_cpu_percent = round(100 * (self._total_cpu_s() - self._cpu_at_start_s) / seconds, 2)
        self._idle_cpu_percent = self.deployment.idle_cpu_percent
        self._rest()

    def open_window(self) -> None:
        self._watches = self.deployment.watches()
        if self.cell.scenario.workers > 1:
            self._spread = self.deployment.server.spread()
        self._cpu_at_start_s = self._total_cpu_s()
        self._opened_s = time.perf_counter()
        self.look()
        if self.cell.scenario.paused_readers:
            with self.deployment.stage("load"):
                self._receive_buffer_bytes = self._load.pause()

    @property
    def progress(self) -> float:
        """The share of the window that has been measured, from 0 to 1."""
        return min(1.0, self._loaded_s / self._window_s + 1e-9)

    def load_slice(self) -> None:
        """Apply load for one slice of the window, long enough for every client to be answered many times."""
        seconds = self._window_s
        if self.cell.scenario.slice_s and not self._alone:
            scenario = self.cell.scenario
            # In a room each message in flight is answered once per member.
            turnover_s = scenario.connections * scenario.in_flight / max(self._answers_per_s, 1.0)
            seconds = min(seconds, max(self.cell.scenario.slice_s, TURNOVERS * turnover_s))
        self.deployment.wake()
        for watch in self._watches.values():
            watch.begin()
        with self.deployment.stage("load"):
            if self._visitors is not None:
                self._visitors.begin_visits(seconds)
            if self._second is not None:
                self._second.begin_load(seconds)
            briefs = self._load.load(seconds)
            if self._second is not None:
                self._second.end_load()
            if self._visitors is not None:
                self._visited = self._visitors.end_visits()
            if self.deployment.has_ended:
                raise LoadError(f"the server ended under load, with status {self.deployment.server.status}")
            if not self._alone and not sum(brief.answered for brief in briefs):
                raise LoadError(f"no message was answered in a slice of {seconds:.3g} s")
        for watch in self._watches.values():
            watch.end()
        self._rest()
        self._loaded_s += seconds
        self._unwatched_s += seconds
        if self._unwatched_s >= LOOK_EVERY_S:
            self.look()

    def _rest(self) -> None:
        """Wait for the next turn."""
        self.deployment.rest(is_short=self.cell.scenario.pauses_waiting and not self._alone)

    def look(self) -> None:
        """Read the memory of the server and the broker."""
        self._unwatched_s = 0.0
        for watch in self._watches.values():
            watch.look()

    def close_window(self) -> None:
        self.deployment.wake()
        spent_s = sum(watch.cpu_s for watch in self._watches.values())
        self._idle_cpu_s = max(0.0, self._total_cpu_s() - self._cpu_at_start_s - spent_s)

    def _total_cpu_s(self) -> float:
        return sum(watch.total_cpu_s() for watch in self._watches.values())

    def finish(self) -> None:
        with self.deployment.stage("load"):
            if self.cell.scenario.paused_readers:
                self.look()
                self._sending = sockets.read_sending(self.deployment.server.port)
                (self._caught_up,) = self._load.catch_up(LISTEN_S)
            result = self._load.finish()
            if self._second is not None:
                self._second_result = self._second.finish()
            if result.ledger.received == 0 and not result.total(lambda sample: sample.pushes):
                raise LoadError(_silence(result))
            if self.deployment.proxy is not None:
                self._proxy_complaints = self.deployment.proxy.complaints(self._proxy_log_bytes)
        self._result = result
        self.medians = median_latencies_ms(result)

    def _slow_consumer(self, result: LoadResult) -> SlowConsumer | None:
        if self._caught_up is None:
            return None
        caught_up, memory, sending = self._caught_up, self._watches["server"].memory, self._sending
        withheld_bytes = caught_up.sent * self.cell.scenario.payload_bytes * self.cell.scenario.paused_readers
        return SlowConsumer(
            said=caught_up.sent,
            heard=caught_up.received,
            closed=caught_up.closed,
            consumers=self.cell.scenario.paused_readers,
            memory_mb=[round(look.pss / 1e6, 3) for look in memory],
            withheld_mb=round(withheld_bytes / 1e6, 3),
            receive_buffer_bytes=self._receive_buffer_bytes,
            send_buffer_bytes=sending.buffer if sending else None,
            send_queue_bytes=sending.queued if sending else None,
            stalled_s=float(result.silent_seconds),
        )

    def _soak(self, result: LoadResult) -> Soak | None:
        if self._visited is None:
            return None
        server = self._watches["server"]
        return soak_record(
            result.seconds,
            [(at_s - self._opened_s, look.pss) for at_s, look in zip(server.looked_s, server.memory, strict=True)],
            self._visited,
            window_s=self._window_s,
            is_whole=self._window_s >= self.cell.scenario.soak_s > 0,
        )

    def recheck(self) -> None:
        if self._conditions.profile.rechecks:
            self.deployment.recheck(self.cell.scenario.recheck)

    def to_result(
        self, interference: Interference, runs: Sequence[CellRun], reference_medians: list[float | None] | None
    ) -> MeasurementResult:
        """The measurement, checked against the thresholds. ``reference_medians``: the reference's median latency in the
        same seconds.
        """
        if self.failure is not None or self._result is None:
            return MeasurementResult(completed(self._blank, failure=self.failure, load_share=self.cell.load), {})
        result, scenario = self._result, self.cell.scenario
        received = result.ledger.received + (self._second_result.ledger.received if self._second_result else 0)
        usages = {name: watch.usage(received, alone=self._alone) for name, watch in self._watches.items()}
        if (server := usages["server"]) is not None and self._spread:
            usages["server"] = server.model_copy(update={"connections_per_process": self._spread})
        if (server := usages["server"]) is not None and self._idle_cpu_percent is not None:
            usages["server"] = server.model_copy(update={"idle_cpu_percent": self._idle_cpu_percent})
        neighbours_s = sum(other._idle_cpu_s for other in runs if other is not self)
        measurement = completed(
            self._blank,
            **load_values(result, scenario),
            **usages,
            tls=self.deployment.tls,
            proxy_complaints=self._proxy_complaints,
            load_share=self.cell.load,
            slow_consumer=self._slow_consumer(result),
            soak=self._soak(result),
            second_load=(
                second_load_record(self._second_result, scenario.second)
                if self._second_result and scenario.second
                else None
            ),
            # How a soak changes the server is a result.
            trend_percent=None if scenario.soak_s else self._trend(reference_medians),
            generator=loadgen_health(
                result,
                interference,
                neighbours_percent=None if self._alone else round(100 * neighbours_s / interference.seconds, 2),
            ),
        )
        kept = {name: result.histograms[name] for name in KEPT if name in result.histograms}
        timeline = None if scenario.soak_s else timeline_of(result, copies=scenario.receivers)
        return MeasurementResult(judged(measurement, self.cell), kept, timeline)

    def _trend(self, reference_medians: list[float | None] | None) -> float | None:
        is_own = self._alone or self.cell.framework.reference
        return trend_of(self.medians, None if is_own else reference_medians)


def _silence(result: LoadResult) -> str:
    """The reason why a load had no answers, as far as the load generator knows."""
    seen = "; ".join(f"{one.error} {one.times} times, such as: {one.example}" for one in result.causes[:3])
    if result.ledger.sent:
        return (
            f"none of {result.ledger.sent} messages was answered in time, and nothing was pushed;"
            f" seen: {seen or 'nothing'}"
        )
    let_in = result.total(lambda sample: sample.established)
    planned = result.total(lambda sample: sample.planned)
    return f"no message could be sent: of {planned} clients {let_in} were let in, then seen: {seen or 'nothing'}"
