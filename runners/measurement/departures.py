"""Rooms whose members leave again and again: what of the messages reaches them, and when?"""

from __future__ import annotations

from contextlib import ExitStack

from runners.loading import driver
from runners.loading.load_result import DeliveryResult
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
from runners.measurement.values import clients_values
from runners.measurement.watching import Watching
from runners.record import Deliveries
from runners.serving.deployment import Deployments, StageError


def measure_departures(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """Send messages to rooms for the length of a window, while their members leave."""
    scenario, cores = cell.scenario, conditions.cores
    interference = Interference(cores)
    blank = blank_measurement(conditions)
    with ExitStack() as stack:
        deployment = stack.enter_context(
            deployments.take(cell.framework, cell.variant, cpus=cores.server, workers=scenario.workers, fresh=True)
        )
        try:
            deployment.start(scenario.readiness)
            watch = Watching(deployment.watches(), interference)
            hooks = driver.Hooks(each_second=watch.look, is_hopeless=lambda: deployment.has_ended)
            # One shard, because one member of each room sends.
            with driver.ShardGroup(1, cores.loadgen, hooks) as running:
                with deployment.stage("connect"):
                    connected = running.connect(build_cell_job(cell, conditions, deployment.server))
                with deployment.stage("load"), watch:
                    result = running.depart(conditions.profile.window_s(scenario))
            if conditions.profile.rechecks:
                deployment.recheck(scenario.recheck)
        except StageError as error:
            return MeasurementResult(completed(blank, failure=error.failure), {})
        usages = watch.usages(result.total(lambda shard: shard.received))
    measurement = completed(
        blank,
        **clients_values(result, connected, interference),
        **usages,
        **{"deliveries" if scenario.rooms == 1 else "rooms": _record(result)},
        tls=deployment.tls,
        proxy_complaints=deployment.proxy.complaints() if deployment.proxy else [],
    )
    return MeasurementResult(judged(measurement, cell), {})


def _record(result: DeliveryResult) -> Deliveries:
    (shard,) = result.shards
    return Deliveries(
        messages=shard.messages,
        due=shard.due,
        in_time=shard.in_time,
        late=shard.late,
        never=shard.never,
        never_connected=shard.never_connected,
        twice=shard.twice,
        foreign=shard.foreign,
        departures=shard.departures,
        ended=shard.ended,
        refused=shard.refused,
        never_back=shard.away,
        delivery_ms=result.histograms["delivery"].percentiles(shard.messages),
        rejoin_ms=result.histograms["rejoin"].percentiles(),
    )
