"""Builds the job of each shard of a load. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from runners.loadgen.job import (
    CLIENT_IN_URL,
    MIN_PAYLOAD_BYTES,
    Answers,
    ClientOptions,
    Exchange,
    Job,
    OwnMessages,
    Protocol,
    Serializer,
)
from runners.loadgen.pace import Open, Pace, share_of
from runners.record import UsageError, require_between
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import ENDPOINTS, Scenario, SecondLoad
from runners.subjects.topologies import TOPOLOGIES

MOST_SECONDS = 86_400.0
MOST_CONNECTIONS = 65_535
MOST_ON_CLUSTER = 1_000_000
"""Connections from several hosts; each host says whether it has the ports for its part."""
MOST_PER_S = 1e9
"""The clock of the load generator counts nanoseconds."""
SECOND_SEED = 0
"""Seed of a second load."""
_COPIES = 8
"""Copies of a connection's message in memory: request, mask and answer, twice each while they are laid out, and buffers
of both directions."""
_STREAMS_BYTES = 312_000
"""The two streams of a compressed connection (https://zlib.net/zlib_tech.html)."""


def build_job(
    scenario: Scenario,
    *,
    url: str,
    protocol: Protocol,
    serializer: Serializer = "json",
    profile: Profile,
    seed: int,
    connections: int | None = None,
    first_client: int = 0,
    ca: str = "",
) -> Job:
    """The job of one measurement, before it is split over shards. ``url`` is ``ws://host:port`` or ``wss://host:port``.

    ``connections``: a part of the scenario's connections. Its clients are numbered from ``first_client``. ``ca``: file
    of certificates in PEM that clients trust.
    """
    if scenario.transport == "sse":  # plain HTTP with plain JSON, whatever the application's other clients speak
        protocol, serializer = "websocket", "json"
    endpoint = ENDPOINTS[scenario.exchange]
    return Job(
        url=url + ("/" if protocol == "socket.io" else scenario.path),
        stream=scenario.stream,
        protocol=protocol,
        serializer=serializer,
        exchange=scenario.spoken,
        pace=scenario.pace,
        connections=scenario.connections if connections is None else connections,
        first_client=first_client,
        at_once=scenario.at_once,
        warmup_s=profile.warmup_s,
        duration_s=profile.window_s(scenario),
        payload_bytes=scenario.payload_bytes,
        payload_kind=scenario.payload_kind,
        transport=scenario.transport,
        rooms=scenario.rooms,
        departures=scenario.departures,
        publisher=scenario.publisher,
        paused=scenario.paused_readers,
        retries=scenario.retries,
        idling="spin" if scenario.second is None else "spin-yield",
        push_period_s=scenario.push_period_s,
        client=replace(endpoint.client, ca=ca, deflate=TOPOLOGIES[scenario.topology].offers_deflate),
        seed=seed,
    )


def second_job(job: Job, second: SecondLoad) -> Job:
    """The job of a load beside the one of ``job``, which has the same clients otherwise, numbered after its own.

    Its seed is always the same, so that its messages come at the same random times in every measurement.
    """
    place = urlsplit(job.url)
    if job.protocol != "socket.io":
        place = place._replace(path=second.path)
    return replace(
        job,
        url=place.geturl(),
        client=replace(job.client, event=second.event),
        pace=Open(second.rate_per_s, arrivals="poisson"),
        connections=second.connections,
        first_client=job.first_client + job.connections,
        seed=SECOND_SEED,
        idling="sleep",
    )


def build_echo_job(
    url: str,
    protocol: Protocol,
    *,
    connections: int,
    duration_s: float,
    warmup_s: float,
    pace: Pace,
    payload_bytes: int,
    connect_timeout_s: float,
    client: ClientOptions,
    serializer: Serializer = "json",
    answers: Answers = "same",
    own: OwnMessages | None = None,
    answer_timeout_s: float = Job.answer_timeout_s,
    drain_s: float = Job.drain_s,
    memory_bytes: float = math.inf,
    most_connections: int = MOST_CONNECTIONS,
) -> Job:
    """The job for any echo server, or for one with messages of its ``own``; raises `UsageError` if the values are
    invalid.

    ``memory_bytes``: memory that is available on this machine.
    """
    if payload_bytes < MIN_PAYLOAD_BYTES:
        raise UsageError(
            f"a payload of {payload_bytes} bytes is too small: at least {MIN_PAYLOAD_BYTES} carry the numbers"
            " by which loss is counted"
        )
    _require_sense(connections, duration_s, warmup_s, pace, answer_timeout_s, drain_s, most_connections)
    if own is not None:
        payload_bytes = max(payload_bytes, len(own.message.encode()), len(own.answer.encode()))
    needed = connections * connection_bytes(payload_bytes, client)
    if needed > memory_bytes:
        hint = ", or omit --deflate" if client.deflate else ""
        raise UsageError(
            f"{connections:,} connections with {payload_bytes:,} bytes each need about {needed / 1e9:,.1f} GB of"
            f" memory, and this machine has {memory_bytes / 1e9:,.1f} GB available; reduce --connections or"
            f" --payload{hint}"
        )
    return Job(
        url=url,
        protocol=protocol,
        exchange="echo",
        pace=pace,
        connections=connections,
        warmup_s=warmup_s,
        duration_s=duration_s,
        payload_bytes=payload_bytes,
        connect_timeout_s=connect_timeout_s,
        client=client,
        serializer=serializer,
        answers=answers,
        own=own,
        first_client=_first_client(url, connections, client, own),
        answer_timeout_s=answer_timeout_s,
        drain_s=drain_s,
    )


def connection_bytes(payload_bytes: int, client: ClientOptions) -> int:
    """Memory that a connection of an echo load needs."""
    return payload_bytes * _COPIES + (_STREAMS_BYTES if client.deflate else 0)


def build_stream_job(
    url: str,
    method: str,
    body: str,
    *,
    connections: int,
    duration_s: float,
    warmup_s: float,
    pace: Pace,
    client: ClientOptions,
    connect_timeout_s: float,
    answer_timeout_s: float,
    drain_s: float,
) -> Job:
    """The job for a server whose event streams have a pace and an end of their own; raises `UsageError` if the values
    are invalid. ``url`` is in the form for WebSocket. ``body``: the template of what a request sends.
    """
    _require_sense(connections, duration_s, warmup_s, pace, answer_timeout_s, drain_s)
    own = OwnMessages(message=body, answer="", method=method)
    fields = [("Accept-Encoding", "identity")]
    if body and not any(name.lower() == "content-type" for name, _ in client.headers):
        fields.append(("Content-Type", "application/json" if body.lstrip()[:1] in ("{", "[") else "text/plain"))
    return Job(
        url=url,
        protocol="websocket",
        exchange="stream-events",
        transport="sse",
        pace=pace,
        connections=connections,
        warmup_s=warmup_s,
        duration_s=duration_s,
        own=own,
        first_client=_first_client(url, connections, client, own),
        client=replace(client, headers=(*client.headers, *fields)),
        connect_timeout_s=connect_timeout_s,
        answer_timeout_s=answer_timeout_s,
        drain_s=drain_s,
    )


def _require_sense(
    connections: int,
    duration_s: float,
    warmup_s: float,
    pace: Pace,
    answer_timeout_s: float,
    drain_s: float,
    most_connections: int = MOST_CONNECTIONS,
) -> None:
    """Raise `UsageError` for numbers beyond reason."""
    require_between("--duration", duration_s, 0.1, MOST_SECONDS, "seconds")
    require_between("--warmup", warmup_s, 0.0, MOST_SECONDS, "seconds")
    place = "this machine" if most_connections == MOST_CONNECTIONS else "a host"
    require_between("--connections", connections, 1, most_connections, f"connections, one per port of {place}")
    require_between("--answer-timeout", answer_timeout_s, 0.1, MOST_SECONDS, "seconds")
    require_between("--drain", drain_s, 0.0, MOST_SECONDS, "seconds")
    if isinstance(pace, Open):
        require_between("--rate", pace.rate_per_s, 0.001, MOST_PER_S, "messages per second")


def first_client_of(connections: int) -> int:
    """The lowest number from which on so many clients have numbers of equally many digits: 1, 10, 100 and so on. The
    kernel needs messages of one length.
    """
    first = 1
    while 9 * first < connections:
        first *= 10
    return first


def _first_client(url: str, connections: int, client: ClientOptions, own: OwnMessages | None) -> int:
    """The number of the first client, which matters where clients send it."""
    is_sent = CLIENT_IN_URL in url or client.names_client or (own is not None and own.names_client)
    return first_client_of(connections) if is_sent else 0


def count_shards(exchange: Exchange, connections: int, cores: int) -> int:
    """The number of shards that apply a load. A room has one, which sends every message and receives every delivery."""
    return 1 if exchange == "room" else max(1, min(cores, connections))


def split_job(job: Job, shards: int, cpus: Sequence[int]) -> list[Job]:
    """Split a job: each shard gets a part of the connections and of the rate, its own client numbers, and one CPU."""
    shards = count_shards(job.exchange, job.connections, shards)
    parts = []
    first = 0
    for index in range(shards):
        connections = job.connections // shards + (index < job.connections % shards)
        parts.append(
            replace(
                job,
                connections=connections,
                pace=share_of(job.pace, connections, job.connections),
                first_client=job.first_client + first,
                seed=job.seed + index,
                cpus=(cpus[index % len(cpus)],) if cpus else (),
            )
        )
        first += connections
    return parts
