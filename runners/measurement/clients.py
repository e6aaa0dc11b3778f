"""Loads of clients that the compiled kernel does not serve, such as streams and members of rooms: what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from runners import resources
from runners.loadgen.job import Connected, Delivered, Job, Streamed
from runners.loading import driver
from runners.loading.load_result import ClientsResult, compression_record
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
from runners.record import Connections, ErrorCause, Usage
from runners.serving.deployment import Deployment, Deployments, StageError

Clients = TypeVar("Clients", Streamed, Delivered)


class Watching:
    """A context manager for the time of a load: what processes of a deployment use, and what disturbs it.

    ``watches``: of the server, of its broker and proxy if there are any, and of what was started beside them.
    """

    def __init__(self, watches: Mapping[str, resources.Watch], interference: Interference) -> None:
        self._watches, self._interference = watches, interference

    def __enter__(self) -> None:
        self._interference.begin()
        for watch in self._watches.values():
            watch.begin()

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:  # otherwise nothing is measured, and the processes may be gone
            for watch in self._watches.values():
                watch.end()
            self._interference.end()
            self.look()

    def look(self) -> None:
        """Read the memory of all processes."""
        for watch in self._watches.values():
            watch.look()

    def usages(self, messages: int) -> dict[str, Usage | None]:
        """What each used, also per message, by key of a measurement."""
        return {name: watch.usage(messages, alone=True) for name, watch in self._watches.items()}


@dataclass(frozen=True)
class ServerUnderLoad:
    """A server that has been loaded and still runs: for what is measured afterwards."""

    deployment: Deployment
    job: Job
    hooks: driver.Hooks


class Prepared(NamedTuple):
    """What a load needs beside the server: the job with it, and watches of its processes by key of `Measurement`."""

    job: Job
    watches: Mapping[str, resources.Watch] = MappingProxyType({})


@contextmanager
def _unchanged(_: Deployment, job: Job) -> Iterator[Prepared]:
    yield Prepared(job)


def measure_clients(
    cell: Cell,
    conditions: Conditions,
    deployments: Deployments,
    *,
    shards: int,
    prepare: Callable[[Deployment, Job], AbstractContextManager[Prepared]] = _unchanged,
    load: Callable[[driver.ShardGroup, Watching], ClientsResult[Clients]],
    messages_of: Callable[[Clients], int],
    record: Callable[[ClientsResult[Clients], ServerUnderLoad], dict[str, Any]],
) -> MeasurementResult:
    """Start a new server, connect clients, load it and make a measurement of the result.

    ``prepare``: starts what the load needs beside the server, and returns the job with it; it may raise `StageError`.
    ``load``: applies the load, and is watched as long as it says. ``messages_of``: the messages of a shard by which
    CPU time is divided. ``record``: what this load alone has, by key of `Measurement`; it may raise `StageError`.
    """
    scenario, cores = cell.scenario, conditions.cores
    interference = Interference(cores, conditions.place)
    blank = blank_measurement(conditions)
    with ExitStack() as stack:
        deployment = stack.enter_context(
            deployments.take(cell.framework, cell.variant, cpus=cores.server, workers=scenario.workers, fresh=True)
        )
        try:
            deployment.start(scenario.readiness)
            with prepare(deployment, build_cell_job(cell, conditions, deployment.server)) as (job, watches):
                watching = Watching({**deployment.watches(), **watches}, interference)
                hooks = driver.Hooks(each_second=watching.look, is_hopeless=lambda: deployment.has_ended)
                with conditions.shard_group(shards, hooks) as running:
                    with deployment.stage("connect"):
                        connected = running.connect(job)
                    with deployment.stage("load"):
                        result = load(running, watching)
                recorded = record(result, ServerUnderLoad(deployment, job, hooks))
            if conditions.profile.rechecks:
                deployment.recheck(scenario.recheck)
        except StageError as error:
            return MeasurementResult(completed(blank, failure=error.failure), {})
        measurement = completed(
            blank,
            **_values(result, connected, interference),
            **watching.usages(result.total(messages_of)),
            **recorded,
            tls=deployment.tls,
            proxy_complaints=deployment.proxy.complaints() if deployment.proxy else [],
        )
    return MeasurementResult(judged(measurement, cell), {})


def _values(
    result: ClientsResult[Clients], connected: Sequence[Connected], interference: Interference
) -> dict[str, Any]:
    """The values that all these loads have, by key of `Measurement`."""
    return {
        "valid": True,
        "duration_s": round(result.seconds, 6),
        "connections": Connections(
            planned=sum(one.planned for one in connected),
            established=sum(one.established for one in connected),
            closed_early=0,
        ),
        "compression": compression_record(connected),
        "errors": result.causes.errors(),
        "causes": [
            ErrorCause(error=one.error, count=one.times, example=one.example) for one in result.causes.counted()
        ],
        "generator": interference.health(
            result.health_values(), {host: part.health_values() for host, part in result.by_host().items()}
        ),
    }
