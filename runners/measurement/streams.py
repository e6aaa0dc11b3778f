"""Streams of chunks, as of a language model: how late chunks are, what each costs, and what cancelling saves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runners.loadgen.job import StreamRequest
from runners.loadgen.pace import Open
from runners.loading import driver
from runners.loading.job_building import count_shards
from runners.loading.load_result import StreamResult
from runners.loading.shards import LoadError
from runners.measurement.cell import Cell, Conditions, MeasurementResult
from runners.measurement.clients import ServerUnderLoad, Watching, measure_clients
from runners.record import Streams
from runners.serving.deployment import Deployments

IDLE_S = 1.0
"""Seconds without streams, in which the CPU of the idle server is measured."""
CANCELLED_AFTER_S = 3.0
"""Seconds until all streams are cancelled at once. In the last two their CPU is measured."""
BEFORE_S = 2.0
WATCHED_S = 10.0
"""Seconds for which the CPU of the server is measured afterwards."""
LONG_STREAM_S = 60.0
"""Planned length of streams that are cancelled."""
_LEAST_CORES = 0.02
"""Streams that take less of a core than this cannot be distinguished from an idle server."""


def measure_streams(cell: Cell, conditions: Conditions, deployments: Deployments) -> MeasurementResult:
    """Let clients request streams for the length of a window, and then cancel as many long ones at once."""
    scenario, profile = cell.scenario, conditions.profile
    shards = count_shards(scenario.spoken, scenario.connections, conditions.most_shards())

    def load(running: driver.ShardGroup, watching: Watching) -> StreamResult:
        running.stream(profile.warmup_s)
        with watching:
            return running.stream(profile.window_s(scenario))

    def record(result: StreamResult, under: ServerUnderLoad) -> dict[str, Any]:
        return {"warmup_s": profile.warmup_s, "streams": _record(result, _cost_of_cancelled(under, shards, conditions))}

    return measure_clients(
        cell,
        conditions,
        deployments,
        shards=shards,
        load=load,
        messages_of=lambda shard: shard.chunks,
        record=record,
    )


def _cores_used(total_cpu_s: Callable[[], float], seconds: float) -> float:
    """Cores that a server uses on average over so many seconds."""
    before_s, began_s = total_cpu_s(), time.perf_counter()
    time.sleep(seconds)
    return (total_cpu_s() - before_s) / (time.perf_counter() - began_s)


def _record(result: StreamResult, cost_s: float | None) -> Streams:
    return Streams(
        due=result.total(lambda shard: shard.due),
        begun=result.total(lambda shard: shard.begun),
        completed=result.total(lambda shard: shard.completed),
        cancelled=result.total(lambda shard: shard.cancelled),
        broken=result.total(lambda shard: shard.broken),
        unfinished=result.total(lambda shard: shard.unfinished),
        chunks=result.total(lambda shard: shard.chunks),
        missing=result.total(lambda shard: shard.missing),
        wrong=result.total(lambda shard: shard.wrong),
        together=result.total(lambda shard: shard.together),
        first_chunk_ms=result.histograms["first_chunk"].percentiles(),
        chunk_lateness_ms=result.histograms["chunk_lateness"].percentiles(),
        cancel_cost_s=cost_s,
    )


def _cost_of_cancelled(under: ServerUnderLoad, shards: int, conditions: Conditions) -> float | None:
    """Cancel long streams of all clients at once; returns the CPU time that the server used for them afterwards, as
    seconds of what it had used before. ``None`` if that was too little to distinguish.
    """
    deployment, job = under.deployment, under.job
    assert job.stream is not None
    chunks = round(LONG_STREAM_S * job.stream.chunks_per_s)
    long = StreamRequest(chunks, job.stream.chunks_per_s, together=job.connections)
    job = replace(job, stream=long, pace=Open(job.connections / LONG_STREAM_S))
    watch = deployment.watches()["server"]
    with deployment.stage("load"), conditions.shard_group(shards, under.hooks) as running:
        running.connect(job)
        idle = _cores_used(watch.total_cpu_s, IDLE_S)
        running.begin_cancelled_streams(CANCELLED_AFTER_S)
        time.sleep(CANCELLED_AFTER_S - BEFORE_S)
        before_s, began_s = watch.total_cpu_s(), time.perf_counter()
        running.end_cancelled_streams()
        loaded = (watch.total_cpu_s() - before_s) / (time.perf_counter() - began_s) - idle
        after = _cores_used(watch.total_cpu_s, WATCHED_S) - idle
        if deployment.has_ended:
            raise LoadError("the server ended after its streams were cancelled")
    return round(max(0.0, after) * WATCHED_S / loaded, 3) if loaded >= _LEAST_CORES else None
