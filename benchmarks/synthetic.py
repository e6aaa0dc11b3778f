"""Writes a small seeded folder of synthetic results, for tests and for previews of pages; never published.

Run ``python -m benchmarks.synthetic FOLDER``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runners.flame.stacks import Stack, StackFrame, build_graph, count_top, share_by_owner
from runners.judging import capacity
from runners.loadgen.buckets import Layout
from runners.record import (
    EVIDENCE_FOLDER,
    FLAME_SUFFIX,
    ITEMS,
    SCHEMA_VERSION,
    CellRecord,
    Connections,
    Distribution,
    EvidenceDocument,
    Failure,
    Finding,
    Flame,
    FlameDocument,
    FrameworkDocument,
    FrameworkFacts,
    Histogram,
    Item,
    LoadgenHealth,
    Machine,
    Measurement,
    Messages,
    Origin,
    Percentiles,
    Pinning,
    RunDocument,
    Timeline,
    Usage,
    VariantEvidence,
    VariantFacts,
    WorkloadFacts,
    cell_key,
    save,
)
from runners.record.schema import Parameters

CLOSED: Parameters = {"mode": "closed", "connections": 100, "payload_bytes": 64, "server_cores": 1}
OPEN: Parameters = {"mode": "open", "connections": 100, "payload_bytes": 64, "rate_per_s": 1000, "server_cores": 1}
USERS: Parameters = {"users": 100, "updates_per_user_per_s": 1, "server_cores": 1}

ECHO = WorkloadFacts(
    slug="echo",
    title="Echo",
    question="How many messages does one server core carry, and how long does a client wait?",
    description="Each of 100 clients sends a message of 64 bytes and gets it back unchanged.",
    version="1",
)
DASHBOARD = WorkloadFacts(
    slug="dashboard",
    title="Live dashboard",
    question="What do 100 users who each send one update per second cost?",
    description="Each user sends one metric update per second and waits for the updated panel."
    " Once per second the server pushes a snapshot of all panels to everyone.",
    version="1",
)
ROOM = WorkloadFacts(
    slug="room",
    title="Chat room",
    question="How fast does a message reach everybody in the room?",
    description="100 members are in one room, and each message of a member is delivered to all.",
    version="1",
)
ROOM_CLOSED: Parameters = {"mode": "closed", "members": 100, "payload_bytes": 64, "under_way": 10, "server_cores": 1}
ROOM_OPEN: Parameters = {
    "mode": "open",
    "members": 100,
    "payload_bytes": 64,
    "deliveries_per_s": 1000,
    "server_cores": 1,
}
RATE: Parameters = {
    "search": "rate",
    "connections": 100,
    "payload_bytes": 64,
    "p99_limit_ms": 100,
    "server_cores": 1,
}
MOST: Parameters = {"search": "users", "updates_per_user_per_s": 1, "p99_limit_ms": 100, "server_cores": 1}

CAPACITY = WorkloadFacts(
    slug="capacity",
    title="Capacity",
    question="How much can one core take before clients wait longer than 20 ms?",
    description="The load is raised and lowered until one is found that the server sustains and a higher one that"
    " it does not.",
    version="1",
)


@dataclass(frozen=True)
class Made:
    """The true values of one variant: messages per second, p50 at the fixed rate, memory."""

    framework: str
    title: str
    protocol: str
    package: str
    version: str
    variant: str
    server: str
    rate: float
    p50_ms: float
    memory_mb: float
    broker: str = "none"
    headline: bool = False


VARIANTS = (
    Made("reference", "Reference (picows)", "websocket", "picows", "2.3.0", "picows", "picows", 171_000, 0.06, 31),
    Made(
        "websockets",
        "websockets",
        "websocket",
        "websockets",
        "17.4",
        "asyncio",
        "websockets",
        61_000,
        0.14,
        33,
        headline=True,
    ),
    Made(
        "fastapi", "FastAPI", "websocket", "fastapi", "0.165.0", "uvicorn", "uvicorn", 66_800, 0.13, 52, headline=True
    ),
    Made(
        "flask-socketio",
        "Flask-SocketIO",
        "socket.io",
        "flask-socketio",
        "5.6.0",
        "gevent",
        "gevent",
        7_700,
        0.31,
        61,
        headline=True,
    ),
    Made(
        "flask-socketio",
        "Flask-SocketIO",
        "socket.io",
        "flask-socketio",
        "5.6.0",
        "eventlet",
        "eventlet",
        6_500,
        0.36,
        58,
    ),
    Made(
        "flask-socketio",
        "Flask-SocketIO",
        "socket.io",
        "flask-socketio",
        "5.6.0",
        "threading",
        "Werkzeug",
        3_300,
        0.9,
        74,
    ),
    Made(
        "django-channels",
        "Django Channels",
        "websocket",
        "channels",
        "4.3.1",
        "daphne-memory",
        "daphne",
        10_900,
        0.27,
        66,
    ),
    Made(
        "django-channels",
        "Django Channels",
        "websocket",
        "channels",
        "4.3.1",
        "daphne-redis",
        "daphne",
        10_850,
        0.28,
        71,
        "redis",
    ),
    Made(
        "django-channels",
        "Django Channels",
        "websocket",
        "channels",
        "4.3.1",
        "uvicorn-memory",
        "uvicorn",
        19_000,
        0.19,
        68,
    ),
    Made(
        "django-channels",
        "Django Channels",
        "websocket",
        "channels",
        "4.3.1",
        "uvicorn-redis",
        "uvicorn",
        18_900,
        0.19,
        72,
        "redis",
        headline=True,
    ),
)


def write(
    folder: Path,
    *,
    rounds: int = 5,
    seconds: int = 10,
    variants: tuple[Made, ...] = VARIANTS,
    run: str = "2026-11-20-a1b2c3",
    campaign: str = "2026-11-20",
    started: str = "2026-11-20T09:00:00Z",
    cpu: str = "AMD EPYC 7B13",
    text: str = "",
    seed: int = 1,
    searches: bool = True,
    search_rounds: int = 1,
    rooms: bool = False,
    flamed: tuple[str, ...] = (),
    profile: str = "standard",
    only: tuple[str, ...] = (),
) -> Path:
    """Write one run and return its folder.

    ``text``: appended to every free string. ``rooms``: whether a chat room was measured too. ``flamed``: frameworks
    with flame graphs. ``only``: the workloads. ``search_rounds``: how many of the rounds search for capacities.
    """
    chance = np.random.default_rng(seed)
    target = folder / campaign / run
    documents = [
        _framework(members, run, campaign, rounds, seconds, text, chance, only) for members in _by_framework(variants)
    ]
    planned = [ECHO, DASHBOARD]
    if rooms:
        documents = [
            document.model_copy(
                update={
                    "cells": [
                        *document.cells,
                        *(
                            _cell(member, ROOM, parameters, rounds, seconds, text, chance)
                            for member in members
                            for parameters in (ROOM_CLOSED, ROOM_OPEN)
                        ),
                    ]
                }
            )
            for document, members in zip(documents, _by_framework(variants), strict=True)
        ]
        planned.append(ROOM)
    if searches and (not only or CAPACITY.slug in only):
        documents = [
            _searched(document, members, text, search_rounds)
            for document, members in zip(documents, _by_framework(variants), strict=True)
        ]
        planned.append(CAPACITY)
    if only:
        planned = [workload for workload in planned if workload.slug in only]
        documents = [
            document.model_copy(update={"cells": [cell for cell in document.cells if cell.workload in only]})
            for document in documents
        ]
    cells = [
        cell_key(document.framework.slug, cell.variant, cell.workload, cell.parameters)
        for document in documents
        for cell in document.cells
    ]
    save(
        RunDocument(
            schema_version=SCHEMA_VERSION,
            kind="run",
            id=run,
            campaign=campaign,
            started=started,
            finished=started.replace("09:00", "10:12"),
            profile=profile,
            rounds=rounds,
            seed=7,
            rtsite_version="0.1.0",
            rtsite_commit="0" * 40,
            rtsite_modified=False,
            origin=Origin(kind="local"),
            machine=_machine(cpu, text),
            pinning=Pinning(server=[0], generator=[1], harness=[1], note="one core each" + text),
            generator_packages={"picows": "2.3.0", "uvloop": "0.23.0"},
            reference="reference" if any(made.framework == "reference" for made in variants) else None,
            workloads=[
                workload.model_copy(
                    update={name: getattr(workload, name) + text for name in ("title", "question", "description")}
                )
                for workload in planned
            ],
            cells=cells,
            order=[
                [
                    int(index)
                    for index in chance.permutation(len(cells))
                    if number < search_rounds or " capacity " not in cells[index]
                ]
                for number in range(rounds)
            ],
            workload_rounds={"capacity": search_rounds} if searches else {},
        ),
        target / "run.yml",
    )
    for document in documents:
        save(document, target / f"{document.framework.slug}.yml")
        if document.framework.slug in flamed:
            save(_flames(document, text), target / f"{document.framework.slug}{FLAME_SUFFIX}")
    return target


def write_evidence(
    folder: Path,
    *,
    variants: tuple[Made, ...] = VARIANTS,
    campaign: str = "2026-11-20",
    collected: str = "2026-11-20T12:00:00Z",
    text: str = "",
    seed: int = 1,
) -> None:
    """Write evidence on each framework except the reference; the licence of variant gevent is not determined."""
    chance = np.random.default_rng(seed)
    for members in _by_framework(variants):
        facts = _framework(members, "none", campaign, 1, 1, text, chance)
        if facts.framework.is_reference:
            continue
        document = EvidenceDocument(
            schema_version=SCHEMA_VERSION,
            kind="evidence",
            campaign=campaign,
            framework=facts.framework,
            version=members[0].version,
            collected=collected,
            rtsite_version="0.1.0",
            rtsite_commit="0" * 40,
            rtsite_modified=False,
            machine=_machine("AMD EPYC 7B13", text),
            tools={"mypy": "2.4.0"},
            findings=[_found(item, members[0], text, chance) for item in ITEMS.values() if item.of == "framework"],
            variants=[
                VariantEvidence(
                    variant=variant,
                    findings=[_found(item, made, text, chance) for item in ITEMS.values() if item.of == "variant"],
                )
                for variant, made in zip(facts.variants, members, strict=True)
            ],
        )
        save(document, folder / campaign / EVIDENCE_FOLDER / f"{facts.framework.slug}.yml")


def _found(item: Item, made: Made, text: str, chance: np.random.Generator) -> Finding:
    if item.slug == "licence" and made.variant == "gevent":
        return Finding(item=item.slug, note="its metadata names none" + text)
    if item.slug in ("transports", "pythons"):
        return Finding(item=item.slug, value=["websocket", "3.11" + text][: int(chance.integers(1, 3))])
    if item.unit == "date":
        return Finding(item=item.slug, value=f"2026-{int(chance.integers(1, 11)):02}-05", note="version 1.0" + text)
    if item.slug in ("rooms-across", "authentication"):
        return Finding(
            item=item.slug, value=str(chance.choice(["built in", "with 20 lines", "no"])), note="as it says" + text
        )
    if item.slug in ("raise-others", "garbage-others"):
        return Finding(item=item.slug, value=True, note="a viewer got its answers" + text)
    if item.better == "yes":
        return Finding(item=item.slug, value=bool(chance.integers(0, 2)), note="tested" + text)
    if item.slug in ("licence", "raise-sender", "garbage-sender", "drain-client"):
        return Finding(item=item.slug, value="as it says" + text)
    value = round(float(chance.uniform(1, 50)), 2)
    if item.repeated:
        return Finding(item=item.slug, value=value, low=round(value * 0.95, 3), high=round(value * 1.1, 3), samples=5)
    return Finding(item=item.slug, value=value if item.unit else int(value), note="counted" + text)


def _machine(cpu: str, text: str) -> Machine:
    return Machine(
        cpu_model=cpu + text,
        logical_cpus=2,
        physical_cores=1,
        memory_mb=8_200,
        operating_system="Debian GNU/Linux 13" + text,
        kernel="6.12.0" + text,
        architecture="x86_64",
        virtualisation="kvm",
        python="3.11.9",
    )


def _flames(document: FrameworkDocument, text: str) -> FlameDocument:
    """Flame graphs with the same few stacks for every variant, and a failed recording of one more variant."""
    calls = [
        StackFrame("?/uvicorn", "<module>"),
        StackFrame("uvicorn/server.py", "Server.run"),
        StackFrame("python3.11/asyncio/runners.py", "Runner.run"),
        StackFrame("./app.py", "echo" + text[:60]),
        StackFrame("starlette/websockets.py", "WebSocket.send"),
        StackFrame("uvicorn/protocols/websockets.py", "Protocol.<locals>.send"),
    ]
    found = [
        Stack(tuple(calls[:3]), 200),
        Stack(tuple(calls[:4]), 61),
        Stack(tuple(calls[:5]), 120),
        Stack(tuple(calls), 600),
        Stack((*calls[:3], StackFrame("websockets/frames.py", "Frame.parse")), 15),
        Stack((*calls[:3], StackFrame("<string>", "__init__")), 4),
    ]
    facts = {
        "started": "2026-11-20T10:20:00Z",
        "workload": "echo",
        "workload_version": "1",
        "parameters": CLOSED,
        "command": "py-spy record --pid PID --output FILE" + text,
    }
    flames = [
        Flame.model_validate(
            {
                **facts,
                "variant": variant.slug,
                "py_spy": "0.4.3",
                "duration_s": 10.0,
                "rate_per_s": 100.0,
                "samples": sum(stack.samples for stack in found),
                "errors": 2,
                "behind_s": 12.5,
                "self_percent": share_by_owner(found),
                "top": count_top(found),
                "graph": build_graph(found),
            }
        )
        for variant in document.variants
    ]
    failed = Flame.model_validate(
        {**facts, "variant": "forbidden", "failure": "the kernel does not let py-spy read the server’s memory" + text}
    )
    return FlameDocument(
        schema_version=SCHEMA_VERSION,
        kind="flame",
        run=document.run,
        campaign=document.campaign,
        framework=document.framework.slug,
        flames=[*flames, failed],
    )


def _by_framework(variants: tuple[Made, ...]) -> list[list[Made]]:
    grouped: dict[str, list[Made]] = {}
    for made in variants:
        grouped.setdefault(made.framework, []).append(made)
    return list(grouped.values())


def _framework(
    members: list[Made],
    run: str,
    campaign: str,
    rounds: int,
    seconds: int,
    text: str,
    chance: np.random.Generator,
    only: tuple[str, ...] = (),
) -> FrameworkDocument:
    made = members[0]
    planned = [(ECHO, CLOSED, seconds), (ECHO, OPEN, seconds), (DASHBOARD, USERS, seconds * 3)]
    return FrameworkDocument(
        schema_version=SCHEMA_VERSION,
        kind="framework",
        run=run,
        campaign=campaign,
        framework=FrameworkFacts(
            slug=made.framework,
            title=made.title + text,
            homepage=f"https://example.org/{made.framework}",
            protocol="socket.io" if made.protocol == "socket.io" else "websocket",
            interface=("WSGI" if made.protocol == "socket.io" else "ASGI") + text,
            package=made.package,
            is_reference=made.framework == "reference",
            app_sha256="0" * 64,
        ),
        variants=[
            VariantFacts(
                slug=member.variant,
                title=f"{member.server} ({member.variant})" + text,
                command=f"python -m {member.server.lower()} app --host {{host}} --port {{port}}" + text,
                server=member.server + text,
                tuning="defaults",
                broker="redis" if member.broker == "redis" else "none",
                transports=["websocket"],
                packages={member.package: member.version, "uvloop": "0.23.0"},
                python="3.11.9",
                headline=member.headline or None,
            )
            for member in members
        ],
        cells=[
            _cell(member, workload, parameters, rounds, lasting, text, chance)
            for member in members
            for workload, parameters, lasting in planned
            if not only or workload.slug in only
        ],
    )


def _searched(document: FrameworkDocument, members: list[Made], text: str, rounds: int) -> FrameworkDocument:
    """The document with both searches of each variant: the real search, with the probes of a simulated server."""
    cells = [_capacity_cell(member, parameters, text, rounds) for member in members for parameters in (RATE, MOST)]
    return document.model_copy(update={"cells": [*document.cells, *cells]})


def _capacity_cell(made: Made, parameters: Parameters, text: str, rounds: int) -> CellRecord:
    """The cell of a search in so many rounds.

    The reference is faster than the load generator; most attempts of gevent are disturbed; threading fails to start.
    """
    rate = parameters["search"] == "rate"
    limit = made.rate * (0.85 if rate else 0.02)
    settings = (
        capacity.Settings(start=8_000, lowest=250, highest=400_000, strict_p99_limit_ms=20.0)
        if rate
        else capacity.Settings(start=400, lowest=25, highest=20_000, strict_p99_limit_ms=20.0)
    )
    search = capacity.Search(settings)

    def probe(load: int) -> capacity.Probe:
        valid = made.framework != "reference" or load < 0.8 * limit
        if made.variant == "gevent" and rate:
            valid = len(search.probes) % 6 == 5
        passed = valid and load <= limit
        return capacity.Probe(
            load,
            passed=passed,
            p99_ms=round(90 * (load / limit) ** 3 if load <= limit else 120 * load / limit, 3),
            lost=0 if load < 2 * limit else 17,
            errors=0,
            achieved_per_s=float(min(load, limit)),
            valid=valid,
            beyond_loadgen=not valid and made.framework == "reference",
            reasons=() if valid else ("load generator working time 91 %, limit 85 %" + text,),
            server_cpu_percent=round(100 * min(1.0, load / limit), 2),
        )

    measurement = Measurement(
        round=1,
        position=1,
        started="2026-11-20T09:00:00Z",
        valid=False,
        failure=Failure(stage="ready", reason="it did not answer within 10 s" + text),
    )
    if made.variant != "threading":
        while (load := search.next_load) is not None:
            search.enter(probe(load))
        found = capacity.as_record(search.result(), "messages_per_s" if rate else "users")
        measurement = Measurement(
            round=1,
            position=1,
            started="2026-11-20T09:00:00Z",
            valid=found.conclusive,
            invalid_reasons=[] if found.reason is None else [found.reason],
            capacity=found,
        )
    return CellRecord(
        variant=made.variant,
        workload=CAPACITY.slug,
        workload_version=CAPACITY.version,
        parameters=parameters,
        latency_kind="from_intended",
        measurements=[measurement.model_copy(update={"round": number + 1}) for number in range(rounds)],
    )


def _cell(
    made: Made,
    workload: WorkloadFacts,
    parameters: Parameters,
    rounds: int,
    seconds: int,
    text: str,
    chance: np.random.Generator,
) -> CellRecord:
    closed, pushes = parameters.get("mode") == "closed", workload.slug == "dashboard"
    measurements, merged, pushed = [], None, None
    first_latencies = None
    for number in range(1, rounds + 1):
        failure = made.variant == "threading" and pushes
        late = made.variant == "eventlet" and not closed and not pushes
        if failure or (made.variant == "daphne-redis" and closed and number == 2):
            measurements.append(
                Measurement(
                    round=number,
                    position=number,
                    started="2026-11-20T09:00:00Z",
                    valid=False,
                    failure=Failure(
                        stage="load",
                        reason="the server closed 100 of 100 connections after 3.2 s" + text,
                        log=["RuntimeError: cannot start new thread" + text],
                    ),
                )
            )
            continue
        jitter = float(np.exp(chance.normal(0, 0.012)))
        rate = made.rate * jitter if closed else 1000.0 if not pushes else 100.0
        typical_ns = (100 / rate * 1e9) if closed else made.p50_ms * (9 if pushes else 1) * 1e6 * jitter
        count = int(rate * seconds) if not closed else 40_000
        latencies = typical_ns * np.exp(chance.normal(0, 0.25, count)) * (1 + 12 * (chance.random(count) > 0.985))
        if closed:  # Little's law: throughput times mean latency makes the messages in flight
            latencies *= typical_ns / latencies.mean()
        histogram = _histogram(latencies)
        valid = not late
        if valid:
            merged = histogram if merged is None else merged.merge(histogram)
            first_latencies = latencies if first_latencies is None else first_latencies
        lateness = _histogram(typical_ns * np.exp(chance.normal(0.6, 0.5, count))) if pushes else None
        if lateness is not None:
            pushed = lateness if pushed is None else pushed.merge(lateness)
        sent = int(rate * seconds)
        cpu_us = 1e6 / made.rate * (0.97 if closed else 1.4 if not pushes else 9) * jitter
        measurements.append(
            Measurement(
                round=number,
                position=number,
                started="2026-11-20T09:00:00Z",
                valid=valid,
                invalid_reasons=[] if valid else ["send lag p99 1.40 ms is above 1 ms" + text],
                duration_s=float(seconds),
                warmup_s=5.0,
                offered_per_s=None if closed else rate,
                messages_per_s=round(rate, 1),
                pushes_per_s=100.0 if pushes else None,
                connections=Connections(planned=100, established=100, closed_early=0),
                messages=Messages(
                    sent=sent, received=sent, lost=0, in_flight=0, duplicated=0, reordered=0, corrupted=0
                ),
                latency_ms=histogram.percentiles(),
                latency_from_send_ms=None if closed else histogram.percentiles(),
                push_lateness_ms=None if lateness is None else lateness.percentiles(lateness.total),
                connect_ms=Percentiles(count=100, mean=2.1, p50=1.9, max=7.5),
                server=Usage(
                    cpu_s=round(rate * seconds * cpu_us / 1e6, 3),
                    cpu_percent=round(rate * cpu_us / 1e4, 2),
                    cpu_us_per_message=round(cpu_us, 3),
                    pss_mean_mb=round(made.memory_mb * jitter, 2),
                    pss_peak_mb=round(made.memory_mb * 1.04, 2),
                    threads=3,
                    processes=1,
                ),
                broker=Usage(cpu_s=0.4, cpu_percent=1.3, pss_mean_mb=6.0) if made.broker == "redis" else None,
                generator=LoadgenHealth(
                    shards=1,
                    cpu_percent=99.0,
                    working_percent=22.0,
                    send_lag_p50_ms=0.001,
                    send_lag_p99_ms=0.004 if valid else 1.4,
                    send_lag_max_ms=0.2,
                    share_of_ceiling_percent=round(100 * rate / 171_000, 1) if closed else None,
                    steal_percent=0.1,
                ),
            )
        )
    timeline = None
    if first_latencies is not None:
        windows = np.array_split(first_latencies, seconds)
        timeline = Timeline(
            second=list(range(seconds)),
            messages=[len(window) if not closed else int(made.rate * chance.normal(1, 0.01)) for window in windows],
            p50_ms=[round(float(np.quantile(window, 0.5)) / 1e6, 4) for window in windows],
            p99_ms=[round(float(np.quantile(window, 0.99)) / 1e6, 4) for window in windows],
        )
    return CellRecord(
        variant=made.variant,
        workload=workload.slug,
        workload_version=workload.version,
        parameters=parameters,
        latency_kind="service_time" if closed else "from_intended",
        measurements=measurements,
        latency=_distribution(merged),
        push_lateness=_distribution(pushed),
        timeline=timeline,
    )


def _histogram(latencies_ns: np.ndarray) -> Histogram:
    """A histogram from 1 µs to 10 min, with two digits."""
    lowest, highest, digits = 1_000, 600_000_000_000, 2
    layout = Layout(lowest, highest, digits)
    return Histogram(np.bincount(layout.index_of(latencies_ns.astype(np.int64)), minlength=layout.size), layout)


def _distribution(histogram: Histogram | None) -> Distribution | None:
    if histogram is None:
        return None
    return Distribution(percentiles_ms=histogram.percentiles(), histogram=histogram.encode())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
