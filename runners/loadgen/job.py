"""What a shard has to do (`Job`) and what it measured (`Sample`): one JSON document in, one out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from runners.loadgen import pace as paces
from runners.loadgen.buckets import SparseCounts
from runners.loadgen.pace import Pace

Protocol = Literal["websocket", "socket.io"]
Exchange = Literal["echo", "room", "dashboard", "events"]
PayloadKind = Literal["text", "binary"]
Serializer = Literal["json", "msgpack"]
Transport = Literal["websocket", "polling", "sse"]

MIN_PAYLOAD_BYTES = 18
"""Client number, sequence number and their separators."""


@dataclass(frozen=True)
class Job:
    """One shard's part of a load.

    Times are seconds, the pace is that of all connections of this shard. Connections are
    numbered from ``first_client`` so that no two shards send the same bytes.
    """

    url: str
    protocol: Protocol
    exchange: Exchange
    pace: Pace
    connections: int
    warmup_s: float
    """At least; the load goes on until it is steady."""
    duration_s: float
    """Of the timed window, all slices of it together."""
    payload_bytes: int = 64
    payload_kind: PayloadKind = "text"
    serializer: Serializer = "json"
    """Of Socket.IO's packets. In msgpack there are only echo, of text, and dashboard, over WebSocket."""
    transport: Transport = "websocket"
    """``polling``: HTTP long-polling of Socket.IO; ``sse``: server-sent events, which carry pushes alone."""
    push_period_s: float = 0.0
    """Seconds between the server's own pushes; 0: it pushes nothing."""
    paused: int = 0
    """In a room: so many members, the last ones, read nothing until they have to catch up."""
    first_client: int = 0
    seed: int = 0
    drain_s: float = 2.0
    """How long the shard waits for unanswered messages after the last send."""
    answer_timeout_s: float = 5.0
    """A message unanswered for longer is lost; in the closed loop its connection then goes on."""
    at_once: int = 32
    """Connections being opened at any time."""
    connect_timeout_s: float = 10.0
    cpus: tuple[int, ...] = ()
    """Logical CPUs to run on; empty: any."""

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "pace": paces.to_mapping(self.pace)})

    @classmethod
    def from_json(cls, text: str) -> Job:
        data = json.loads(text)
        return cls(**{**data, "pace": paces.from_mapping(data["pace"]), "cpus": tuple(data["cpus"])})


@dataclass(frozen=True)
class LedgerTotals:
    """What became of every message: sent = received + lost + in_flight. In a room: of every delivery."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    in_flight: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0

    def __add__(self, other: LedgerTotals) -> LedgerTotals:
        names = [field.name for field in fields(self)]
        return LedgerTotals(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True)
class Connected:
    """How the connections of a shard came up."""

    planned: int
    established: int
    took_ns: int
    """From the first one's first packet until the last one was ready or had failed."""
    cpu_ns: int
    errors: dict[str, int]
    counts: SparseCounts
    """Of the nanoseconds per connection."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Connected:
        return cls(**{**data, "counts": SparseCounts(*data["counts"])})


@dataclass(frozen=True)
class Recovered:
    """What happened to a shard's clients when their server ended and came back. Moments are clock nanoseconds."""

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
class CaughtUp:
    """What paused members of a room received when they read again."""

    sent: int
    """Messages that each of them should have."""
    received: int
    """Of these, over all of them, those that came."""
    closed: int
    """Members whose connection the server had closed."""


@dataclass(frozen=True)
class Brief:
    """The result of one slice of load."""

    answered: int
    window_ns: int
    p50_ns: int
    """Median latency, from the intended send in the open loop."""


@dataclass(frozen=True)
class Sample:
    """What one shard measured in its timed slices."""

    window_ns: int
    """All slices together."""
    slices: int
    ledger: LedgerTotals
    warmup_ledger: LedgerTotals
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
    histograms: dict[str, SparseCounts]
    """Of nanoseconds: ``latency``, ``connect``; open loop: ``latency_from_send``, ``send_lag``, ``read_lag``; pushes:
    ``push_lateness``; rooms: ``last_delivery``, the latency of each message's last delivery."""
    seconds: list[SparseCounts]
    """The latency histogram of each second of the window."""
    cpu_ns: int
    working_ns: int
    """Open loop: time in the window not spent waiting. Closed loop: equal to ``cpu_ns``."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Sample:
        ledgers = {name: LedgerTotals(**data[name]) for name in ("ledger", "warmup_ledger")}
        histograms = {name: SparseCounts(*counts) for name, counts in data["histograms"].items()}
        seconds = [SparseCounts(*counts) for counts in data["seconds"]]
        return cls(**{**data, **ledgers, "histograms": histograms, "seconds": seconds})
