"""Rooms whose members leave again and again: what of the messages reaches them, and when?"""

from __future__ import annotations

from typing import Any

from runners.loading import driver
from runners.loading.load_result import DeliveryResult
from runners.measurement.cell import Cell, Conditions, MeasurementResult
from runners.measurement.clients import ServerUnderLoad, Watching, measure_clients
from runners.record import Deliveries
from runners.serving.deployment import Deployments


def measure_departures(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """Send messages to rooms for the length of a window, while their members leave."""

    def load(running: driver.ShardGroup, watching: Watching) -> DeliveryResult:
        with watching:
            return running.depart(conditions.profile.window_s(cell.scenario))

    def record(result: DeliveryResult, _: ServerUnderLoad) -> dict[str, Any]:
        return {"deliveries" if cell.scenario.rooms == 1 else "rooms": _record(result)}

    return measure_clients(
        cell,
        conditions,
        deployments,
        shards=1,  # because one member of each room sends
        load=load,
        messages_of=lambda shard: shard.received,
        record=record,
    )


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
