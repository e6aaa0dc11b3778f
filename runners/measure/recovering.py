"""What happens when the server dies: it is killed under load and started again, as a supervisor would, at once."""

from __future__ import annotations

import time
from contextlib import ExitStack

from runners import load
from runners.host import Hosts, StageError
from runners.measure.cell import Cell, Conditions, Outcome, blank_for, completed, job_for, judged
from runners.measure.surroundings import Surroundings
from runners.record import Connections, Recovery

LEAD_S = 1.0
"""Of steady load before the kill."""


def measure(cell: Cell, conditions: Conditions, hosts: Hosts) -> Outcome:
    """Kill the server under its clients' load, start it again, and see them come back."""
    case, cores = cell.case, conditions.cores
    surroundings = Surroundings()
    blank = blank_for(conditions)
    with ExitStack() as stack:
        host = stack.enter_context(hosts.take(cell.framework, cell.variant, cpus=cores.server, workers=case.workers))
        try:
            host.start(cell.workload.readiness)
            with host.stage("connect"):
                running = stack.enter_context(load.Load(1, cores.generator))
                connected = running.connect(job_for(cell, conditions, host.server.websocket_url))
            surroundings.begin()
            began_at = time.perf_counter_ns()
            running.begin_recovery(LEAD_S + case.outage_s)
            time.sleep(LEAD_S)
            killed_at = time.perf_counter_ns()
            host.kill()
            host.restart()
            restarted_at = time.perf_counter_ns()
            with host.stage("load"):
                recovered = running.end_recovery(killed_at)
            ended_at = time.perf_counter_ns()
            surroundings.end()
            if conditions.profile.rechecks:
                host.recheck(cell.workload.recheck)
        except StageError as error:
            return Outcome(completed(blank, failure=error.failure), {})
    established = sum(one.established for one in connected)
    measurement = completed(
        blank,
        valid=True,
        duration_s=round((ended_at - began_at) / 1e9, 6),
        connections=Connections(planned=case.connections, established=established, closed_early=0),
        recovery=Recovery(
            restart_s=round((restarted_at - killed_at) / 1e9, 6),
            noticed_ms=recovered.noticed.percentiles(),
            back_ms=recovered.back.percentiles(),
            lost=recovered.lost,
            unsent=recovered.unsent,
            never_back=max(0, established - recovered.back.total),
            attempts=recovered.attempts,
        ),
        generator=surroundings.health(shards=1, cpu_percent=0.0),
    )
    return Outcome(judged(measurement, cell), {})
