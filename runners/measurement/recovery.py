"""The recovery from a crash or a deploy: the server is ended under load and restarted at once, as by a supervisor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from runners.loading.clocks import hidden_by_clocks
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
PATIENCE_S = 10.0
"""Seconds that a server has between SIGTERM and SIGKILL: Docker's default."""
PIECE_S = 0.5
"""Length of the pieces of time that are compared with the time before."""
_HEALTH = {"shards": 1, "cpu_percent": 0.0}
"""Of the load generator, which has a fraction of a millisecond of work per second."""
_SLOWER = 2.0
_LEAST_MS = 5.0
_ANSWERED = 0.9
"""Clients are served as before if this share of what was due is answered, and if the median latency is at most twice as
long or below `_LEAST_MS`."""


def measure_recovery(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """End the server under load, restart it, and measure how its clients reconnect."""
    scenario, cores = cell.scenario, conditions.cores
    interference = Interference(cores, conditions.place)
    blank = blank_measurement(conditions)
    with ExitStack() as stack:
        deployment = stack.enter_context(
            deployments.take(cell.framework, cell.variant, cpus=cores.server, workers=scenario.workers)
        )
        try:
            deployment.start(scenario.readiness)
            with deployment.stage("connect"):
                running = stack.enter_context(conditions.shard_group(1))
                connected = running.connect(build_cell_job(cell, conditions, deployment.server))
            interference.begin()
            began_at = time.perf_counter_ns()
            running.begin_recovery(LEAD_S + scenario.outage_s)
            time.sleep(LEAD_S)
            killed_at = time.perf_counter_ns()
            ending = None
            if scenario.is_deploy:
                ending = deployment.terminate(PATIENCE_S)
            else:
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
    times = {
        "noticed_ms": recovered.noticed.percentiles(),
        "back_ms": recovered.back.percentiles(),
        "back_after_listening_ms": recovered.back_after_listening.percentiles(),
    }
    left_out = {
        name: why for name, found in times.items() if (why := hidden_by_clocks(recovered.clock_error_ns, found))
    }
    known: dict[str, Any] = {name: found for name, found in times.items() if name not in left_out}
    measurement = completed(
        blank,
        valid=True,
        left_out={f"recovery.{name}": why for name, why in left_out.items()},
        duration_s=round((ended_at - began_at) / 1e9, 6),
        connections=Connections(planned=scenario.connections, established=established, closed_early=0),
        compression=compression_record(connected),
        recovery=Recovery(
            restart_s=round((restarted_at - killed_at) / 1e9, 6),
            **known,
            lost=recovered.lost,
            unsent=recovered.unsent,
            never_back=recovered.away,
            attempts=recovered.attempts,
            ended_s=round(ending.seconds, 6) if ending else None,
            was_killed=not ending.by_itself if ending else None,
            served_again_s=served_again_s(recovered.answers, scenario.rate_per_s) if ending else None,
            endings=recovered.endings if ending else {},
        ),
        tls=deployment.tls,
        generator=interference.health(_HEALTH, dict.fromkeys(filter(None, running.hosts), _HEALTH)),
    )
    return MeasurementResult(judged(measurement, cell), {})


def served_again_s(answers: Sequence[tuple[int, int]], rate_per_s: float) -> float | None:
    """Seconds from the end of the server until clients are served as before; ``None`` if they never are.

    ``answers``: when each answered message was due, counted from the end, and its latency; both in nanoseconds.
    ``rate_per_s``: messages due per second.
    """
    table = np.array(answers, dtype=np.float64).reshape(-1, 2)
    due_s, latency_ms = table[:, 0] / 1e9, table[:, 1] / 1e6
    if not (due_s < 0).any() or not (due_s > 0).any():
        return None
    most_ms = max(_LEAST_MS, _SLOWER * float(np.median(latency_ms[due_s < 0])))
    pieces = int(due_s.max() / PIECE_S)  # the last one is not complete
    is_served = [
        len(found := latency_ms[(due_s >= PIECE_S * piece) & (due_s < PIECE_S * (piece + 1))])
        >= _ANSWERED * PIECE_S * rate_per_s
        and float(np.median(found)) <= most_ms
        for piece in range(pieces)
    ]
    if not is_served or not is_served[-1]:
        return None
    return PIECE_S * next((pieces - after for after, good in enumerate(reversed(is_served)) if not good), 0)
