"""What is asked of a framework, and for how long: workloads and profiles, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from runners import catalog
from runners.record import WorkloadFacts
from runners.record.schema import Parameters

Mode = Literal["closed", "open"]
Exchange = Literal["echo", "dashboard"]


@dataclass(frozen=True)
class Case:
    """A workload with one set of parameters."""

    workload: str
    mode: Mode
    parameters: Parameters
    connections: int
    rate_per_s: float = 0.0
    payload_bytes: int = 64
    push_period_s: float = 0.0
    server_cores: int = 1

    @property
    def latency_kind(self) -> Literal["from_intended", "service_time"]:
        return "from_intended" if self.mode == "open" else "service_time"


@dataclass(frozen=True)
class Workload:
    """A question put to every framework."""

    slug: str
    title: str
    question: str
    description: str
    exchange: Exchange
    path: str
    """Of the raw WebSocket endpoint; Socket.IO has one address for all."""
    readiness: frozenset[str]
    """The contract's checks that a server must pass before the load; they leave nothing behind in it."""
    recheck: frozenset[str]
    """Those that it must pass after it."""
    cases: tuple[Case, ...]

    @property
    def version(self) -> str:
        """Changes with anything that changes what is asked; wording does not count."""
        return catalog.digest(self.slug, self.exchange, self.path, self.cases)

    def facts(self) -> WorkloadFacts:
        return WorkloadFacts(
            slug=self.slug,
            title=self.title,
            question=self.question,
            description=self.description,
            version=self.version,
        )


@dataclass(frozen=True)
class Profile:
    """How long and how often. Seconds are per measurement."""

    slug: str
    rounds: int
    warmup_s: float
    duration_s: float


_READINESS = frozenset({"health", "echo-text"})

ECHO = Workload(
    slug="echo",
    title="Echo",
    question="How fast can it pass one message in and out, and how long does that take?",
    description=(
        "100 clients send 64-byte text messages and each comes back unchanged. In the closed loop every client"
        " sends its next message as soon as the last one returned: this shows the highest throughput on one core."
        " In the open loop messages are sent at a fixed rate whatever the server does, and latency counts from"
        " the moment a message was meant to be sent: this shows what a user waits. The application does nothing"
        " but return the message, so what is measured is the framework, its server and its protocol."
    ),
    exchange="echo",
    path="/echo",
    readiness=_READINESS,
    recheck=_READINESS,
    cases=(
        Case(
            "echo",
            "closed",
            {"mode": "closed", "connections": 100, "payload_bytes": 64, "server_cores": 1},
            connections=100,
        ),
        Case(
            "echo",
            "open",
            {"mode": "open", "connections": 100, "payload_bytes": 64, "rate_per_s": 1000, "server_cores": 1},
            connections=100,
            rate_per_s=1000.0,
        ),
    ),
)

DASHBOARD = Workload(
    slug="dashboard",
    title="Live dashboard",
    question="Does a live dashboard stay live for 100 users on one core, and what does it cost?",
    description=(
        "100 users each send one metric update per second and get the updated panel back; once per second the"
        " server pushes a snapshot of all 20 panels to every user. That makes 6,000 updates and 6,000 snapshots"
        " per minute. Measured are the time until an update is answered (from when it was meant to be sent), how"
        " late each snapshot is against the server's own steady beat, and the CPU and memory all this takes."
    ),
    exchange="dashboard",
    path="/dashboard",
    readiness=_READINESS,
    recheck=frozenset({"health", "dashboard-answer", "dashboard-push"}),
    cases=(
        Case(
            "dashboard",
            "open",
            {"users": 100, "updates_per_user_per_s": 1, "server_cores": 1},
            connections=100,
            rate_per_s=100.0,
            push_period_s=1.0,
        ),
    ),
)

WORKLOADS: dict[str, Workload] = {workload.slug: workload for workload in (ECHO, DASHBOARD)}

PROFILES: dict[str, Profile] = {
    profile.slug: profile
    for profile in (
        Profile("quick", rounds=2, warmup_s=1.0, duration_s=3.0),
        Profile("standard", rounds=7, warmup_s=5.0, duration_s=10.0),
        Profile("full", rounds=15, warmup_s=5.0, duration_s=20.0),
    )
}


def choose(wanted: Sequence[str]) -> list[Workload]:
    """The workloads named, all of them if none is; raises `UsageError` for an unknown one."""
    for name in wanted:
        if name not in WORKLOADS:
            raise catalog.unknown("workload", name, WORKLOADS)
    return [workload for slug, workload in WORKLOADS.items() if not wanted or slug in wanted]


def choose_profile(name: str) -> Profile:
    """The profile of that name; raises `UsageError`."""
    if name not in PROFILES:
        raise catalog.unknown("profile", name, PROFILES)
    return PROFILES[name]


def with_rounds(profile: Profile, *, rounds: int | None = None) -> Profile:
    """The profile, with another number of rounds, if one is given."""
    return profile if rounds is None else replace(profile, rounds=rounds)
