"""The cost of clients that connect, stay connected and send nothing: time, memory per connection, CPU time of pings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from runners import resources, sockets
from runners.loadgen.job import Connected
from runners.loading import driver
from runners.loading.load_result import compression_record, merge_counts
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
from runners.record import Connecting, Connections, ConnectStep, IdleClients, RtsiteError
from runners.serving.deployment import Deployment, Deployments, StageError
from runners.subjects.profiles import STEP_PAUSE_S

_LOOK_EVERY_S = 1.0
"""Seconds between two checks whether a server with idle clients still runs."""
_FILES_BESIDE = 8
"""A process this close to its limit of open files accepts no client."""
_KB = 1e3
_MB = 1e6


def measure_connecting(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """Connect the scenario's clients step by step, up to the first step in which the server does not accept all."""
    scenario, cores = cell.scenario, conditions.cores
    interference = Interference(cores, conditions.place)
    blank = blank_measurement(conditions)
    with ExitStack() as stack:
        deployment = stack.enter_context(
            # Fresh, because memory that earlier loads left to a used server is free for these clients.
            deployments.take(cell.framework, cell.variant, cpus=cores.server, workers=scenario.workers, fresh=True)
        )
        try:
            deployment.start(scenario.readiness)
            watches = deployment.watches()
            steps = [_step(deployment, 0)]
            connected: list[Connected] = []
            idle: IdleClients | None = None
            groups: list[driver.ShardGroup] = []
            hosts: set[str] = set()
            refusal = ""
            listening = sockets.read_listening(deployment.server.port)
            interference.begin()
            for total in scenario.steps:
                running = stack.enter_context(conditions.shard_group(1))
                job = build_cell_job(
                    cell,
                    conditions,
                    deployment.server,
                    connections=total - steps[-1].connections,
                    first_client=steps[-1].connections,
                )
                for watch in watches.values():
                    watch.begin()
                try:
                    with deployment.stage("connect"):
                        connected += running.connect(job)
                    groups.append(running)
                    hosts.update(filter(None, running.hosts))
                except StageError as error:
                    # Where earlier clients are connected, a step without a single client is the server's ceiling.
                    if not scenario.hold_s or not connected or deployment.has_ended:
                        raise
                    refusal = str(error)
                for watch in watches.values():
                    watch.end()
                time.sleep(STEP_PAUSE_S)
                steps.append(_step(deployment, sum(one.established for one in connected)))
                if steps[-1].connections < total:
                    break
            listened = sockets.read_listening(deployment.server.port)
            drops = listened.drops - listening.drops if listening and listened else None
            is_full = steps[-1].connections < scenario.connections
            ceiling = _ceiling(deployment, connected, drops or 0, refusal) if is_full and scenario.hold_s else None
            if scenario.hold_s:
                idle = _hold(deployment, groups, scenario.hold_s)
            interference.end()
            if conditions.profile.rechecks and not is_full:
                deployment.recheck(scenario.recheck)
        except StageError as error:
            return MeasurementResult(completed(blank, failure=error.failure), {})
        usages = {name: watch.usage(None, alone=True) for name, watch in watches.items()}
    histogram = merge_counts([one.counts for one in connected])
    took_s = sum(one.took_ns for one in connected) / 1e9
    established = sum(one.established for one in connected)
    busy = round(100 * sum(one.cpu_ns for one in connected) / 1e9 / took_s, 2)
    health = {"shards": 1, "cpu_percent": busy, "working_percent": busy}
    measurement = completed(
        blank,
        valid=True,
        duration_s=round(took_s, 6),
        connections=Connections(planned=scenario.connections, established=established, closed_early=0),
        compression=compression_record(connected),
        errors=_added([one.errors for one in connected]),
        connect_ms=histogram.percentiles(),
        connecting=Connecting(
            connections_per_s=round(established / took_s, 3),
            took_s=round(took_s, 6),
            steps=steps,
            memory_per_connection_kb=_slope(steps),
            listen_backlog=listened.backlog if listened else None,
            listen_drops=drops,
            idle=idle,
            ceiling=ceiling,
        ),
        **usages,
        tls=deployment.tls,
        proxy_complaints=deployment.proxy.complaints() if deployment.proxy else [],
        generator=interference.health(health, dict.fromkeys(hosts, health)),
    )
    return MeasurementResult(judged(measurement, cell), {})


def _hold(deployment: Deployment, groups: Sequence[driver.ShardGroup], seconds: float) -> IdleClients:
    """Let all connected clients be idle for so many seconds; raises `StageError` if the server ends meanwhile."""
    watch = deployment.watches()["server"]
    watch.begin()
    until = time.monotonic() + seconds
    with deployment.stage("connect"):
        while (rest_s := until - time.monotonic()) > 0:
            if deployment.has_ended:
                raise RtsiteError("the server ended while its clients were idle")
            time.sleep(min(rest_s, _LOOK_EVERY_S))
        watch.end()
        results = [group.finish() for group in groups]
    usage = watch.usage(None, alone=False)
    return IdleClients(
        seconds=seconds,
        clients=sum(sample.established for result in results for sample in result.samples),
        cpu_percent=usage.cpu_percent if usage else 0.0,
        closed=sum(sample.closed_early for result in results for sample in result.samples),
    )


def _ceiling(deployment: Deployment, connected: Sequence[Connected], drops: int, refusal: str) -> str:
    """What ended where the server did not take all clients."""
    pid = deployment.server.child.pid
    for used, limit in resources.read_open_files(pid):
        if used + _FILES_BESIDE >= limit:
            return f"open files: a process of the server may have {limit:,}"
    if drops:
        return f"its listen queue, which {drops:,} attempts found full"
    if deployment.variant.loop == "threads":
        return f"its threads: the server has {resources.count_threads(pid):,}"
    errors = _added([one.errors for one in connected])
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in errors.items())
    return f"clients that were not accepted: {refusal or kinds}"[:400]


def _step(deployment: Deployment, connections: int) -> ConnectStep:
    memory = resources.read_memory(*deployment.server.pids)
    return ConnectStep(connections=connections, pss_mb=round(memory.pss / _MB, 3))


def _slope(steps: Sequence[ConnectStep]) -> float:
    """Kilobytes per connection, by least squares."""
    memory_kb = [step.pss_mb * _MB / _KB for step in steps]
    return round(float(np.polyfit([step.connections for step in steps], memory_kb, 1)[0]), 3)


def _added(tables: Sequence[dict[str, int]]) -> dict[str, int]:
    return {kind: sum(table.get(kind, 0) for table in tables) for kind in sorted(set().union(*tables))}
