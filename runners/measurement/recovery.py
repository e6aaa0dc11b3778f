"""The recovery from a crash: the server is killed under load and restarted at once, as a supervisor would do."""

from __future__ import annotations

import time
from contextlib import ExitStack

from runners.loading import driver
from runners.loading.load_result import compression_record
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
from runners.record import Connections, Recovery
from runners.serving.deployment import Deployments, StageError

LEAD_S = 1.0
"""Seconds of steady load before the server is killed."""


def measure_recovery(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """Kill the server under load, restart it, and measure how its clients reconnect."""
    scenario, cores = cell.scenario, conditions.cores
    interference = Interference(cores)
    blank = blank_measurement(conditions)
    with ExitStack() as stack:
        deployment = stack.enter_context(
            deployments.take(cell.framework, cell.variant, cpus=cores.server, workers=scenario.workers)
        )
        try:
            deployment.start(scenario.readiness)
            with deployment.stage("connect"):
                running = stack.enter_context(driver.ShardGroup(1, cores.loadgen))
                connected = running.connect(build_cell_job(cell, conditions, deployment.server))
            interference.begin()
            began_at = time.perf_counter_ns()
            running.begin_recovery(LEAD_S + scenario.outage_s)
            time.sleep(LEAD_S)
            killed_at = time.perf_counter_ns()
            deployment.kill()
            deployment.restart()
            restarted_at = time.perf_counter_ns()
            with deployment.stage("load"):
                recovered = running.end_recovery(killed_at, restarted_at)
            ended_at = time.perf_counter_ns()
            interference.end()
            if conditions.profile.rechecks:
                deployment.recheck(scenario.recheck)
        except StageError as error:
            return MeasurementResult(completed(blank, failure=error.failure), {})
    established = sum(one.established for one in connected)
    measurement = completed(
        blank,
        valid=True,
        duration_s=round((ended_at - began_at) / 1e9, 6),
        connections=Connections(planned=scenario.connections, established=established, closed_early=0),
        compression=compression_record(connected),
        recovery=Recovery(
            restart_s=round((restarted_at - killed_at) / 1e9, 6),
            noticed_ms=recovered.noticed.percentiles(),
            back_ms=recovered.back.percentiles(),
            back_after_listening_ms=recovered.back_after_listening.percentiles(),
            lost=recovered.lost,
            unsent=recovered.unsent,
            never_back=max(0, established - recovered.back.total),
            attempts=recovered.attempts,
        ),
        tls=deployment.tls,
        generator=interference.health(shards=1, cpu_percent=0.0),
    )
    return MeasurementResult(judged(measurement, cell), {})
