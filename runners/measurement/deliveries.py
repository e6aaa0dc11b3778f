"""Messages to the members of rooms, who leave again and again, or stay and only receive: what reaches them, and when?

The messages come from one member of each room, from requests to the server, or from another process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from runners import resources
from runners.loadgen.job import Job
from runners.loading import driver
from runners.loading.load_result import DeliveryResult
from runners.measurement.cell import Cell, Conditions, MeasurementResult
from runners.measurement.clients import Prepared, ServerUnderLoad, Watching, measure_clients
from runners.record import Deliveries, PublishedMessages
from runners.serving.deployment import Deployment, Deployments


def measure_deliveries(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """Send messages to rooms for the length of a window.

    Where members stay, there is a warm-up. Where they leave, the window has its own beginning anyway.
    """
    scenario, profile = cell.scenario, conditions.profile
    warmup_s = None if scenario.departures is not None else profile.warmup_s

    @contextlib.contextmanager
    def with_publisher(deployment: Deployment, job: Job) -> Iterator[Prepared]:
        """The job, while the process runs that publishes, if it is one."""
        program = deployment.server.publisher
        if job.publisher != "process" or program is None:
            yield Prepared(job)
            return
        with deployment.stage("load"), contextlib.ExitStack() as stack:
            with deployment.stage("ready"):
                publisher = stack.enter_context(program.running(conditions.cores.loadgen))
            watches = {"publisher": resources.Watch(publisher.child.pid)}
            yield Prepared(replace(job, publish_to=str(publisher.lines)), watches)

    def load(running: driver.ShardGroup, watching: Watching) -> DeliveryResult:
        if warmup_s is not None:
            running.deliver(warmup_s)
        with watching:
            return running.deliver(profile.window_s(scenario))

    def record(result: DeliveryResult, _: ServerUnderLoad) -> dict[str, Any]:
        if scenario.publisher is not None:
            of_requests = scenario.publisher == "http"
            return {"warmup_s": warmup_s, "published": published_record(result, of_requests=of_requests)}
        return {"warmup_s": warmup_s, "deliveries" if scenario.rooms == 1 else "rooms": deliveries_record(result)}

    return measure_clients(
        cell,
        conditions,
        deployments,
        shards=1,  # because one member of each room sends, or one publisher
        prepare=with_publisher,
        load=load,
        messages_of=lambda shard: shard.received,
        record=record,
    )


def deliveries_record(result: DeliveryResult) -> Deliveries:
    """What became of messages to members who leave."""
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


def published_record(result: DeliveryResult, *, of_requests: bool) -> PublishedMessages:
    """What became of messages from outside. ``of_requests``: whether requests published them."""
    (shard,) = result.shards
    return PublishedMessages(
        messages=shard.messages,
        due=shard.due,
        in_time=shard.in_time,
        late=shard.late,
        never=shard.never,
        twice=shard.twice,
        foreign=shard.foreign,
        complete=shard.complete,
        refused=shard.unpublished,
        ended=shard.ended,
        connections=shard.publisher_connections if of_requests else None,
        delivery_ms=result.histograms["delivery"].percentiles(shard.messages, missing=shard.never),
        last_delivery_ms=result.histograms["last_delivery"].percentiles(
            shard.messages, missing=shard.messages - shard.complete
        ),
        answer_ms=result.histograms["answer"].percentiles() if of_requests else None,
    )
