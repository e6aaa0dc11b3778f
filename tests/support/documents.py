"""Small, complete result documents for tests."""

from __future__ import annotations

import numpy as np

from runners.loadgen.buckets import counts_of
from runners.record import (
    SCHEMA_VERSION,
    Adaptive,
    Capacity,
    CapacityProbe,
    CellRecord,
    Connections,
    Distribution,
    Failure,
    Flame,
    FlameDocument,
    FlameFunction,
    FlameGraph,
    FrameworkDocument,
    FrameworkFacts,
    Histogram,
    LoadgenHealth,
    Look,
    Machine,
    Measurement,
    Messages,
    Origin,
    PartLook,
    Pinning,
    RunDocument,
    Timeline,
    Usage,
    VariantFacts,
    WorkloadFacts,
)

LATENCIES_NS = np.random.default_rng(1).lognormal(13, 0.5, 5000).astype(np.int64)


def distribution(rounds: int = 1) -> Distribution:
    """The merged distribution of this number of equal rounds."""
    merged = Histogram(counts_of(np.tile(LATENCIES_NS, rounds)))
    return Distribution(percentiles_ms=merged.percentiles(), histogram=merged.encode())


def messages(sent: int = 5000, received: int = 5000, lost: int = 0) -> Messages:
    return Messages(sent=sent, received=received, lost=lost, in_flight=0, duplicated=0, reordered=0, corrupted=0)


def measurement(round_number: int = 1) -> Measurement:
    percentiles = distribution().percentiles_ms
    return Measurement(
        round=round_number,
        position=0,
        started="2026-11-01T00:00:00Z",
        valid=True,
        duration_s=3.0,
        warmup_s=1.0,
        offered_per_s=1000.0,
        messages_per_s=1666.667,
        connections=Connections(planned=100, established=100, closed_early=0),
        messages=messages(),
        errors={"closed-by-server": 0},
        latency_ms=percentiles,
        connect_ms=percentiles,
        server=Usage(cpu_s=1.5, cpu_percent=50.0, cpu_us_per_message=300.0, pss_mean_mb=40.0),
        generator=LoadgenHealth(
            shards=1, cpu_percent=30.0, working_percent=30.0, send_lag_p99_ms=1e-05, steal_percent=0.0
        ),
    )


def failed(reason: str = "the server ended at once", log: list[str] | None = None) -> Measurement:
    return Measurement(
        round=1,
        position=0,
        started="2026-11-01T00:00:00Z",
        valid=False,
        failure=Failure(stage="start", reason=reason, log=log or []),
    )


def capacity_probe(load: int, *, passed: bool) -> CapacityProbe:
    return CapacityProbe(
        load=load,
        passed=passed,
        p99_ms=4.25 if passed else 61.5,
        lost=0,
        errors=0,
        achieved_per_s=float(load),
        server_cpu_percent=88.5,
    )


def capacity(**changes: object) -> Capacity:
    """A conclusive search: 12,000 passed three times, 12,500 failed three times."""
    found = Capacity(
        unit="messages_per_s",
        low=12_000,
        high=12_500,
        conclusive=True,
        p99_limit_ms=20.0,
        confirmations=3,
        probes=[
            *(capacity_probe(load, passed=load <= 12_000) for load in (8_000, 16_000)),
            *(capacity_probe(load, passed=load <= 12_000) for load in (12_000, 12_500) for _ in range(3)),
        ],
    )
    return found.model_copy(update=changes)


def capacity_measurement(found: Capacity | None = None) -> Measurement:
    found = found or capacity()
    return Measurement(
        round=1,
        position=0,
        started="2026-11-01T00:00:00Z",
        valid=found.conclusive,
        invalid_reasons=[] if found.reason is None else [found.reason],
        capacity=found,
    )


def framework_document(*measurements: Measurement, title: str = "FastAPI") -> FrameworkDocument:
    made = list(measurements) or [measurement(1), measurement(2)]
    rounds = sum(one.valid for one in made)
    return FrameworkDocument(
        schema_version=SCHEMA_VERSION,
        kind="framework",
        run="20261101T000000Z",
        campaign="local",
        framework=FrameworkFacts(
            slug="fastapi",
            title=title,
            homepage="https://fastapi.tiangolo.com",
            protocol="websocket",
            interface="ASGI",
            package="fastapi",
            app_sha256="0" * 64,
        ),
        variants=[
            VariantFacts(
                slug="uvicorn",
                title="uvicorn",
                command="uvicorn app:app --port {port}",
                server="uvicorn",
                tuning="defaults",
                broker="none",
                transports=["websocket"],
                packages={"fastapi": "3.10", "no": "1e5", "yes": "0x10"},
                python="3.11",
            )
        ],
        cells=[
            CellRecord(
                variant="uvicorn",
                workload="echo",
                workload_version="0123456789ab",
                parameters={"mode": "open", "connections": 100, "rate_per_s": 1000},
                latency_kind="from_intended",
                measurements=made,
                latency=distribution(rounds) if rounds else None,
                timeline=Timeline(second=[1, 2], messages=[10, 20], p50_ms=[None, 1.0], p99_ms=[None, None]),
            )
        ],
    )


def run_document() -> RunDocument:
    return RunDocument(
        schema_version=SCHEMA_VERSION,
        kind="run",
        id="20261101T000000Z",
        campaign="local",
        started="2026-11-01T00:00:00Z",
        profile="quick",
        rounds=2,
        seed=7,
        rtsite_version="0.1.0",
        origin=Origin(kind="local"),
        machine=Machine(
            cpu_model="AMD EPYC 7763",
            logical_cpus=2,
            memory_mb=8000,
            operating_system="Debian",
            kernel="Linux 6.1",
            architecture="x86_64",
            python="3.10",
        ),
        pinning=Pinning(server=[0], generator=[1], harness=[1], note=None),
        generator_packages={"picows": "2.3.1"},
        workloads=[WorkloadFacts(slug="echo", title="Echo", question="?", description="…", version="1")],
        cells=["fastapi/uvicorn echo"],
        order=[[0], [0]],
    )


def look(after_round: int, cells: list[int], *, decided: int = 1) -> Look:
    """A look at one part with two comparisons, of which ``decided`` are decided."""
    part = PartLook(decided=decided, deciding=2, short=0, wide=1, values=3)
    return Look(
        after_round=after_round,
        spent_s=60.0 * after_round,
        decided=decided,
        deciding=2,
        parts={"echo/closed": part},
        cells=cells,
    )


def adaptive_run_document() -> RunDocument:
    """Three cells; two rounds of everything, then one of two cells; it reached its target."""
    adaptive = Adaptive(
        first_rounds=2,
        most_rounds=4,
        target_decided_percent=95.0,
        looks=[look(2, [0, 2]), look(3, [], decided=2)],
        ended="target reached",
    )
    return run_document().model_copy(
        update={
            "cells": [f"{name} echo" for name in ("fastapi/uvicorn", "tornado/own", "reference/picows")],
            "rounds": 3,
            "order": [[0, 1, 2], [2, 1, 0], [2, 0]],
            "adaptive": adaptive,
        }
    )


def flame(
    *,
    samples: int = 100,
    graph: FlameGraph | None = None,
    top: list[FlameFunction] | None = None,
    self_percent: dict[str, float] | None = None,
) -> Flame:
    """The flame graph of a variant; the default graph has three functions."""
    small = FlameGraph(
        modules=["./app.py", "python3.11/asyncio/events.py"],
        functions=["main", "Handle._run", "echo"],
        module_of=[0, 1, 0],
        rows=[[0, 0, 100, 10], [1, 1, 60, 60], [1, 2, 29, 29]],
        threshold_percent=0.5,
        dropped_percent=1.0,
    )
    return Flame(
        variant="uvicorn",
        started="2026-11-01T00:10:00Z",
        workload="echo",
        workload_version="0123456789ab",
        parameters={"mode": "closed", "connections": 100},
        command="py-spy record --pid PID",
        py_spy="0.4.3",
        duration_s=10.0,
        rate_per_s=100.0,
        samples=samples,
        errors=0,
        self_percent=self_percent or {"python3.11": 60.0, ".": 39.0},
        top=top or [FlameFunction(function="echo", module="./app.py", self_percent=29.0, total_percent=29.0)],
        graph=graph or small,
    )


def flame_document(*flames: Flame, framework: str = "fastapi") -> FlameDocument:
    return FlameDocument(
        schema_version=SCHEMA_VERSION,
        kind="flame",
        run="20261101T000000Z",
        campaign="local",
        framework=framework,
        flames=list(flames) or [flame()],
    )
