"""Cells, the conditions of a measurement, and its result."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runners import machine
from runners.judging import thresholds
from runners.loadgen.job import Job
from runners.loading.driver import Hooks, ShardGroup
from runners.loading.job_building import build_job
from runners.loading.load_place import THIS_MACHINE, LoadPlace
from runners.record import (
    Failure,
    FrameworkFacts,
    Histogram,
    InstalledFacts,
    LoadShare,
    Measurement,
    ReferenceBeside,
    Timeline,
    VariantFacts,
)
from runners.record.schema import Topology
from runners.serving.environment import Environment
from runners.serving.server import Server
from runners.subjects.catalog import Framework, Variant
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import Scenario, Workload


@dataclass(frozen=True)
class Cell:
    """A variant under a workload with one set of parameters."""

    framework: Framework
    variant: Variant
    workload: Workload
    scenario: Scenario
    load: LoadShare | None = None
    """The load, if it is a share of a capacity and about to be applied."""

    def under(self, python: str, topology: Topology) -> Cell:
        """The cell on this version of Python, and behind this topology."""
        scenario = replace(self.scenario, python=python, topology=topology)
        return replace(self, variant=self.variant.under(python, topology), scenario=scenario)


@dataclass(frozen=True)
class Conditions:
    """The conditions of a measurement: how long, on which cores, in which round."""

    profile: Profile
    cores: machine.CoreShare
    round: int
    position: int
    seed: int
    earlier: tuple[Measurement, ...] = ()
    """What was measured in earlier rounds. It shows where a search begins."""
    place: LoadPlace = THIS_MACHINE
    """Where the load comes from."""

    def most_shards(self) -> int:
        """The number of shards that can apply load at once."""
        return self.place.most_shards(self.cores.loadgen)

    def shard_group(self, shards: int, hooks: Hooks | None = None) -> ShardGroup:
        """So many shards, where the load comes from."""
        return self.place.group(shards, self.cores.loadgen, hooks)


@dataclass(frozen=True)
class MeasurementResult:
    """A measurement, its distributions by name, and its timeline in seconds."""

    measurement: Measurement
    histograms: dict[str, Histogram]
    timeline: Timeline | None = None


def framework_facts(framework: Framework) -> FrameworkFacts:
    """The facts about a framework for a result file."""
    return FrameworkFacts(
        slug=framework.slug,
        title=framework.title,
        homepage=framework.homepage,
        protocol=framework.protocol,
        interface=framework.interface,
        package=framework.package,
        is_reference=framework.reference,
        cannot=framework.cannot,
        app_sha256=framework.app_sha256,
        sources=framework.sources,
    )


def variant_facts(
    variant: Variant, installed: Environment | None, further: Mapping[str, Environment | None] | None = None
) -> VariantFacts:
    """The facts about a variant for a result file. Without an environment the list of packages is empty.

    ``further``: its environments for other versions of Python, by version.
    """
    return VariantFacts(
        slug=variant.slug,
        title=variant.title,
        command=" ".join(variant.command),
        server=variant.server,
        tuning=variant.tuning,
        broker=variant.broker,
        transports=list(variant.transports),
        packages=installed.packages if installed else {},
        python=installed.python_version if installed else variant.python or platform.python_version(),
        further=[
            InstalledFacts(
                name=name or platform.python_version(),
                python=other.python_version if other else name or platform.python_version(),
                packages=other.packages if other else {},
            )
            for name, other in (further or {}).items()
        ],
        loop=variant.loop,
        headline=variant.headline,
        recommended_by=variant.recommended_by,
        not_for_production=variant.not_for_production,
        legacy=variant.legacy,
    )


def now() -> str:
    """The current time in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def blank_measurement(conditions: Conditions) -> Measurement:
    """A new measurement without values."""
    return Measurement.model_construct(
        round=conditions.round, position=conditions.position, started=now(), valid=False, errors={}
    )


def completed(blank: Measurement, **values: object) -> Measurement:
    """The measurement with its values, validated as a whole."""
    return Measurement(
        **{**{name: getattr(blank, name) for name in ("round", "position", "started", "valid")}, **values}
    )


def unmeasured(conditions: Conditions, failure: Failure) -> MeasurementResult:
    """The result of a cell that cannot be measured, and why."""
    return MeasurementResult(completed(blank_measurement(conditions), failure=failure), {})


def judged(measurement: Measurement, cell: Cell) -> Measurement:
    """The measurement, marked invalid with the reasons if a threshold is broken."""
    reasons = thresholds.reasons_against(measurement, of_reference=cell.framework.reference)
    if not reasons:
        return measurement
    return measurement.model_copy(update={"invalid_reasons": reasons, "valid": False})


def build_cell_job(
    cell: Cell, conditions: Conditions, server: Server, *, connections: int | None = None, first_client: int = 0
) -> Job:
    """The load generator's job for a cell with this server, or for some of its connections."""
    return build_job(
        cell.scenario,
        url=server.websocket_url,
        ca=server.ca,
        protocol=cell.framework.protocol,
        serializer=cell.variant.serializer,
        profile=conditions.profile,
        seed=conditions.seed,
        connections=connections,
        first_client=first_client,
    )


def with_share_of_ceiling(measurement: Measurement, ceiling_per_s: float) -> Measurement:
    """The measurement, with its throughput in percent of the reference's throughput in the same round."""
    if measurement.generator is None or measurement.messages_per_s is None:
        return measurement
    share = round(100 * measurement.messages_per_s / ceiling_per_s, 2)
    health = measurement.generator.model_copy(update={"share_of_ceiling_percent": share})
    return measurement.model_copy(update={"generator": health})


def beside_reference(result: MeasurementResult, reference: Measurement) -> MeasurementResult:
    """The result, with the values of the reference that was measured in the same seconds, if they are valid."""
    measurement = result.measurement
    if measurement.failure is not None or not reference.valid or reference.messages_per_s is None:
        return result
    beside = ReferenceBeside(
        messages_per_s=reference.messages_per_s,
        latency_ms=reference.latency_ms,
        last_delivery_ms=reference.last_delivery_ms,
        server=reference.server,
    )
    return replace(result, measurement=measurement.model_copy(update={"reference": beside}))
