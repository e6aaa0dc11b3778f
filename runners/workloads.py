"""What is asked of a framework, and for how long: workloads and profiles, as data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from runners import capacity, catalog
from runners.record import WorkloadFacts
from runners.record.schema import Parameters

Mode = Literal["closed", "open"]
Exchange = Literal["echo", "dashboard"]


_LATER = {"later": True}
"""Marks a field of `Case` that came after the first published run."""


@dataclass(frozen=True)
class Search:
    """A case whose load is not given but searched for: the highest that the server withstands."""

    unit: capacity.Unit
    asks: str
    """The workload whose exchange, endpoint and checks it borrows; who implements that one can be searched."""
    settings: capacity.Settings


@dataclass(frozen=True, repr=False)
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
    search: Search | None = field(default=None, metadata=_LATER)
    slice_s: float = field(default=0.0, metadata=_LATER)
    """Above 0: measured together with the other cells of this case, each loaded for this long in turn. 0: alone."""

    def __repr__(self) -> str:
        """What is asked, in full: the workload's version is a digest of it.

        A later field is told only where it is set, so that the versions of older workloads stay what they were.
        """
        told = [
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            if not one.metadata.get("later") or getattr(self, one.name) != one.default
        ]
        return f"Case({', '.join(told)})"

    def at(self, load: int) -> Case:
        """The plain open-loop case that applies this load; raises `ValueError` where nothing is searched."""
        if self.search is None:
            raise ValueError(f"a case of {self.workload} has a load of its own")
        connections = load if self.search.unit == "users" else self.connections
        return replace(self, search=None, connections=connections, rate_per_s=float(load))

    @property
    def kind(self) -> str:
        """What tells it from the other cases of its workload: its loop, or what is searched for."""
        return str(self.parameters.get("search", self.mode))

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
    only: frozenset[str] = frozenset()
    """The kinds of cases that are wanted of it; empty: all."""

    @property
    def kinds(self) -> set[str]:
        """What its cases are called, each apart from the others."""
        return {case.kind for case in self.cases}

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
    probe_warmup_s: float = 1.0
    """Of each probe of a search."""
    probe_s: float = 3.0
    """Of each probe of a search, at least: a p99 needs its number of messages."""
    capacity_rounds: int = 1
    """How many of the rounds search: one search takes minutes, and confirms its own ends."""

    def rounds_of(self, case: Case) -> int:
        """How many rounds measure the case, from the first on."""
        return min(self.rounds, self.capacity_rounds) if case.search else self.rounds

    def of_probe(self, case: Case) -> Profile:
        """The times of one probe, given the case it applies (`Case.at`)."""
        return replace(self, warmup_s=self.probe_warmup_s, duration_s=capacity.window_s(self.probe_s, case.rate_per_s))

    def expected_s(self, case: Case, overhead_s: float = 0.0) -> float:
        """How long one measurement takes; a search, if it ends near where it starts. Overhead: of each server start."""
        if case.search is None:
            return self.warmup_s + self.duration_s + overhead_s
        probe = self.of_probe(case.at(case.search.settings.start))
        return capacity.EXPECTED_PROBES * (probe.warmup_s + probe.duration_s + overhead_s)


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
            slice_s=0.1,
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

CAPACITY = Workload(
    slug="capacity",
    title="Capacity",
    question="How much can one core take before clients wait longer than 20 ms or messages are lost?",
    description=(
        "The load is raised and lowered until two loads are found next to each other: a lower one that the server"
        " withstands and a higher one that it does not. To withstand means that 99 % of all messages are answered"
        " within 20 ms of when they were meant to be sent, none is lost and no error comes. Once for the echo, over"
        " 100 connections: the highest rate. Once for the live dashboard, where every user sends one update per"
        " second and receives all snapshots: the most users."
    ),
    # Of the echo, from which the users' search differs: see `Search.asks`.
    exchange="echo",
    path="/echo",
    readiness=_READINESS,
    recheck=_READINESS,
    cases=(
        Case(
            "capacity",
            "open",
            {"search": "rate", "connections": 100, "payload_bytes": 64, "p99_limit_ms": 20, "server_cores": 1},
            connections=100,
            search=Search(
                "messages_per_s",
                asks="echo",
                # The closed-loop throughputs seen here lie between 3,300 and 171,000 per second.
                settings=capacity.Settings(start=8_000, lowest=250, highest=400_000),
            ),
        ),
        Case(
            "capacity",
            "open",
            {"search": "users", "updates_per_user_per_s": 1, "p99_limit_ms": 20, "server_cores": 1},
            connections=0,
            push_period_s=1.0,
            search=Search(
                "users",
                asks="dashboard",
                # Below 25 a p99 takes minutes; above 20,000 the local ports of one address run out.
                settings=capacity.Settings(start=200, lowest=25, highest=20_000),
            ),
        ),
    ),
)

WORKLOADS: dict[str, Workload] = {workload.slug: workload for workload in (ECHO, DASHBOARD, CAPACITY)}

PROFILES: dict[str, Profile] = {
    profile.slug: profile
    for profile in (
        Profile("quick", rounds=2, warmup_s=1.0, duration_s=3.0),
        Profile("standard", rounds=10, warmup_s=5.0, duration_s=10.0, probe_warmup_s=2.0, probe_s=5.0),
        Profile("full", rounds=15, warmup_s=5.0, duration_s=20.0, probe_warmup_s=3.0, probe_s=10.0, capacity_rounds=3),
    )
}


def choose(wanted: Sequence[str]) -> list[Workload]:
    """The workloads named, all of them if none is; raises `UsageError` for an unknown one.

    ``echo/closed`` is the closed loop of echo alone: a part of the question, and no other version of it.
    """
    only: dict[str, set[str]] = {}
    for name in wanted:
        slug, _, kind = name.partition("/")
        if slug not in WORKLOADS:
            raise catalog.unknown("workload", slug, WORKLOADS)
        kinds = WORKLOADS[slug].kinds
        if kind and kind not in kinds:
            raise catalog.unknown(f"part of {slug}", kind, sorted(kinds))
        only.setdefault(slug, set()).update({kind} if kind else kinds)
    return [
        replace(workload, only=frozenset(only[slug] if slug in only and only[slug] != workload.kinds else ()))
        for slug, workload in WORKLOADS.items()
        if not wanted or slug in only
    ]


def for_quickstart() -> list[Workload]:
    """The workloads for a first look: those that search nothing."""
    return [workload for workload in WORKLOADS.values() if not any(case.search for case in workload.cases)]


def asked_by(workload: Workload, case: Case) -> Workload:
    """The workload whose exchange, endpoint and checks the case uses: its own, or the one a search borrows."""
    return WORKLOADS[case.search.asks] if case.search else workload


def cases_for(workload: Workload, implemented: Collection[str]) -> list[Case]:
    """The cases that a framework can be asked, given the workloads that its folder says it implements."""
    return [
        case
        for case in workload.cases
        if asked_by(workload, case).slug in implemented and (not workload.only or case.kind in workload.only)
    ]


def choose_profile(name: str) -> Profile:
    """The profile of that name; raises `UsageError`."""
    if name not in PROFILES:
        raise catalog.unknown("profile", name, PROFILES)
    return PROFILES[name]


def with_rounds(profile: Profile, *, rounds: int | None = None) -> Profile:
    """The profile, with another number of rounds, if one is given."""
    return profile if rounds is None else replace(profile, rounds=rounds)
