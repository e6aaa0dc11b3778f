"""What a shard is asked (`Job`) and what it answers (`Sample`): one JSON document in, one out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Protocol = Literal["websocket", "socket.io"]
Mode = Literal["closed", "open"]
Exchange = Literal["echo", "room", "dashboard", "events"]
Kind = Literal["text", "binary"]
Serializer = Literal["json", "msgpack"]
Transport = Literal["websocket", "polling", "sse"]
Arrivals = Literal["steady", "poisson"]

MIN_PAYLOAD_BYTES = 18
"""Client number, sequence number and their separators."""


@dataclass(frozen=True)
class Job:
    """One shard's part of a load.

    Times are seconds, rates are per second over all of this shard's connections. Connections are
    numbered from ``first_client`` so that no two shards send the same bytes.
    """

    url: str
    protocol: Protocol
    exchange: Exchange
    mode: Mode
    connections: int
    warmup_s: float
    """At the least; the load goes on until it is steady."""
    duration_s: float
    """Of the timed window, all slices of it together."""
    payload_bytes: int = 64
    payload_kind: Kind = "text"
    serializer: Serializer = "json"
    """Of Socket.IO's packets. In msgpack there are only echo, of text, and dashboard, over WebSocket."""
    transport: Transport = "websocket"
    """``polling``: HTTP long-polling of Socket.IO; ``sse``: server-sent events, which carry pushes alone."""
    rate_per_s: float = 0.0
    """Open loop only. Of a room: messages, each of which goes to every connection."""
    under_way: int = 1
    """Closed loop in a room: how many messages are under way at a time."""
    arrivals: Arrivals = "steady"
    """Open loop: evenly spaced, or at random as those of many independent users."""
    push_period_s: float = 0.0
    """Seconds between the server's own pushes; 0: it pushes nothing."""
    deaf: int = 0
    """In a room: so many members, the last ones, read nothing until they are told to listen."""
    first_client: int = 0
    seed: int = 0
    drain_s: float = 2.0
    """How long unanswered messages are waited for after the last send."""
    answer_timeout_s: float = 5.0
    """A message unanswered for longer is lost; in the closed loop its connection then goes on."""
    at_once: int = 32
    """Connections being opened at any time."""
    connect_timeout_s: float = 10.0
    cpus: tuple[int, ...] = ()
    """Logical CPUs to run on; empty: wherever the kernel likes."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        data = json.loads(text)
        return cls(**{**data, "cpus": tuple(data["cpus"])})


@dataclass(frozen=True)
class Ledger:
    """What became of every message: sent = received + lost + in_flight. In a room: of every delivery."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    in_flight: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0

    def __add__(self, other: Ledger) -> Ledger:
        mine, theirs = asdict(self), asdict(other)
        return Ledger(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True)
class Connected:
    """How the connections of a shard came up."""

    planned: int
    established: int
    took_ns: int
    """From the first one's first packet until the last one was ready or had failed."""
    cpu_ns: int
    errors: dict[str, int]
    histogram: str
    """Nanoseconds per connection, HdrHistogram V2."""


@dataclass(frozen=True)
class Recovered:
    """What a shard's clients went through when their server died and came back. Moments are clock nanoseconds."""

    sent: int
    answered: int
    lost: int
    """Sent, and never answered."""
    unsent: int
    """Due while there was no connection."""
    gone_at: list[int]
    """When each client that lost its connection noticed."""
    back_at: list[int]
    """When each client that came back was ready again."""
    attempts: int
    """To connect again."""


@dataclass(frozen=True)
class Heard:
    """What members of a room found when they read again."""

    said: int
    """Messages that each of them should have."""
    heard: int
    """Of these, over all of them, those that came."""
    closed: int
    """Members whose connection had been ended."""


@dataclass(frozen=True)
class Brief:
    """What one slice of load came to."""

    answered: int
    window_ns: int
    p50_ns: int
    """Median latency, from the intended send in the open loop."""


@dataclass(frozen=True)
class Sample:
    """What one shard measured in its timed slices. Histograms are HdrHistogram V2 texts, in nanoseconds."""

    window_ns: int
    """All slices together."""
    slices: int
    ledger: Ledger
    warmup_ledger: Ledger
    planned: int
    established: int
    closed_early: int
    answered_in_window: int
    """Closed loop: all that was answered, since its window ends with the last answer."""
    offered: int
    """Messages that were due in the window (in a room: deliveries); closed loop: those sent."""
    censored: int
    pushes: int
    pushes_missed: int
    errors: dict[str, int]
    histograms: dict[str, str]
    """``latency``, ``connect``; open loop: ``latency_from_send``, ``send_lag``, ``read_lag``; pushes:
    ``push_lateness``; rooms: ``last_delivery``, the latency of each message's last delivery."""
    seconds: list[str]
    """The latency histogram of each second of the window."""
    cpu_ns: int
    working_ns: int
    """Open loop: time in the window not spent waiting. Closed loop: equal to ``cpu_ns``."""
    packages: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Sample:
        ledgers = {name: Ledger(**data[name]) for name in ("ledger", "warmup_ledger")}
        return cls(**{**data, **ledgers})
