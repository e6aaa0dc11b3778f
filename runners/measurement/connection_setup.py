"""The cost of clients that connect, stay connected and send nothing: time and memory per connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from runners import resources, sockets
from runners.loading import driver
from runners.loading.load_result import merge_counts
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
from runners.record import Connecting, Connections, ConnectStep
from runners.serving.deployment import Deployment, Deployments, StageError
from runners.subjects.profiles import STEP_PAUSE_S

_KB = 1e3
_MB = 1e6


def measure_connecting(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """Connect the scenario's clients step by step, up to the first step in which the server does not accept all."""
    scenario, cores = cell.scenario, conditions.cores
    interference = Interference(cores)
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
            connected = []
            listening = sockets.read_listening(deployment.server.port)
            interference.begin()
            for total in scenario.steps:
                running = stack.enter_context(driver.ShardGroup(1, cores.loadgen))
                job = build_cell_job(
                    cell,
                    conditions,
                    deployment.server.websocket_url,
                    connections=total - steps[-1].connections,
                    first_client=steps[-1].connections,
                )
                for watch in watches.values():
                    watch.begin()
                with deployment.stage("connect"):
                    connected += running.connect(job)
                for watch in watches.values():
                    watch.end()
                time.sleep(STEP_PAUSE_S)
                steps.append(_step(deployment, sum(one.established for one in connected)))
                if steps[-1].connections < total:
                    break
            interference.end()
            listened = sockets.read_listening(deployment.server.port)
            is_full = steps[-1].connections < scenario.connections
            if conditions.profile.rechecks and not is_full:
                deployment.recheck(scenario.recheck)
        except StageError as error:
            return MeasurementResult(completed(blank, failure=error.failure), {})
        usages = {name: watch.usage(None, alone=True) for name, watch in watches.items()}
    histogram = merge_counts([one.counts for one in connected])
    took_s = sum(one.took_ns for one in connected) / 1e9
    established = sum(one.established for one in connected)
    busy = round(100 * sum(one.cpu_ns for one in connected) / 1e9 / took_s, 2)
    measurement = completed(
        blank,
        valid=True,
        duration_s=round(took_s, 6),
        connections=Connections(planned=scenario.connections, established=established, closed_early=0),
        errors=_added([one.errors for one in connected]),
        connect_ms=histogram.percentiles(),
        connecting=Connecting(
            connections_per_s=round(established / took_s, 3),
            took_s=round(took_s, 6),
            steps=steps,
            memory_per_connection_kb=_slope(steps),
            listen_backlog=listened.backlog if listened else None,
            listen_drops=listened.drops - listening.drops if listening and listened else None,
        ),
        **usages,
        generator=interference.health(shards=1, cpu_percent=busy, working_percent=busy),
    )
    return MeasurementResult(judged(measurement, cell), {})


def _step(deployment: Deployment, connections: int) -> ConnectStep:
    memory = resources.read_memory(deployment.server.child.pid)
    return ConnectStep(connections=connections, pss_mb=round(memory.pss / _MB, 3))


def _slope(steps: Sequence[ConnectStep]) -> float:
    """Kilobytes per connection, by least squares."""
    memory_kb = [step.pss_mb * _MB / _KB for step in steps]
    return round(float(np.polyfit([step.connections for step in steps], memory_kb, 1)[0]), 3)


def _added(tables: Sequence[dict[str, int]]) -> dict[str, int]:
    return {kind: sum(table.get(kind, 0) for table in tables) for kind in sorted(set().union(*tables))}
