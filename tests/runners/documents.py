"""Result documents made by hand, small and complete, for the tests of this folder."""

from __future__ import annotations

import numpy as np

from runners.loadgen import histogram
from runners.record import (
    Cell,
    Connections,
    Distribution,
    Failure,
    FrameworkDocument,
    FrameworkFacts,
    GeneratorHealth,
    Histogram,
    Machine,
    Measurement,
    Messages,
    Origin,
    Pinning,
    RunDocument,
    Timeline,
    Usage,
    VariantFacts,
    WorkloadFacts,
)

LATENCIES_NS = np.random.default_rng(1).lognormal(13, 0.5, 5000).astype(np.int64)


def distribution(rounds: int = 1) -> Distribution:
    """The merged distribution of as many equal rounds."""
    text = histogram.encode(np.tile(LATENCIES_NS, rounds))
    return Distribution(percentiles_ms=Histogram.decode(text).percentiles(), histogram=text)


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
        generator=GeneratorHealth(
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


def framework_document(*measurements: Measurement, title: str = "FastAPI") -> FrameworkDocument:
    made = list(measurements) or [measurement(1), measurement(2)]
    rounds = sum(one.valid for one in made)
    return FrameworkDocument(
        schema_version=1,
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
            Cell(
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
        schema_version=1,
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
