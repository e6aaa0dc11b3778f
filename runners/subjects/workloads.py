"""What is asked of a framework, and for how long: workloads and profiles, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from runners.judging import capacity
from runners.record import WorkloadFacts
from runners.record.schema import Parameters
from runners.subjects import catalog
from runners.subjects.catalog import Framework, Variant

Mode = Literal["closed", "open"]
Procedure = Literal["window", "search", "connect", "recover"]
Exchange = Literal["echo", "room", "dashboard", "events"]


_LATER = {"later": True}
"""Marks a field of `Scenario` that came after the first published run."""
_WORDING = {"wording": True}
"""Marks a field of `Scenario` that asks nothing."""


@dataclass(frozen=True)
class CapacityTarget:
    """A scenario whose load is not given but searched for: the highest that the server sustains."""

    unit: capacity.LoadUnit
    asks: str
    """The workload whose exchange, endpoint and checks it borrows; who implements that one can be searched."""
    settings: capacity.Settings

    def __repr__(self) -> str:
        return f"Search(unit={self.unit!r}, asks={self.asks!r}, settings={self.settings!r})"


@dataclass(frozen=True, repr=False)
class Scenario:
    """A workload with one set of parameters."""

    workload: str
    mode: Mode
    parameters: Parameters
    connections: int
    rate_per_s: float = 0.0
    payload_bytes: int = 64
    push_period_s: float = 0.0
    server_cores: int = 1
    search: CapacityTarget | None = field(default=None, metadata=_LATER)
    slice_s: float = field(default=0.0, metadata=_LATER)
    """Above 0: measured together with the other cells of this scenario, each loaded for this long in turn. 0: alone."""
    payload_kind: Literal["text", "binary"] = field(default="text", metadata=_LATER)
    transport: Literal["websocket", "polling", "sse"] = field(default="websocket", metadata=_LATER)
    """Of a variant that has it."""
    under_way: int = field(default=1, metadata=_LATER)
    """Closed loop in a room: messages under way at a time."""
    workers: int = field(default=1, metadata=_LATER)
    """Processes of the server."""
    steps: tuple[int, ...] = field(default=(), metadata=_LATER)
    """Clients that are to be connected, one step after the other, and then do nothing."""
    at_once: int = field(default=32, metadata=_LATER)
    """Of them being let in at any time."""
    outage_s: float = field(default=0.0, metadata=_LATER)
    """Above 0: the server is killed, and its clients have this long to come back."""
    deaf: int = field(default=0, metadata=_LATER)
    """Connections that stop reading."""
    name: str = field(default="", metadata=_WORDING)

    def __repr__(self) -> str:
        """What is asked, in full: the workload's version is a digest of it.

        A later field is told only where it is set, so that the versions of older workloads stay what they were.
        """
        told = [
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            if not one.metadata.get("wording")
            if not one.metadata.get("later") or getattr(self, one.name) != one.default
        ]
        return f"Case({', '.join(told)})"

    def at(self, load: int) -> Scenario:
        """The plain open-loop scenario that applies this load; raises `ValueError` where nothing is searched."""
        if self.search is None:
            raise ValueError(f"a scenario of {self.workload} has a load of its own")
        connections = load if self.search.unit == "users" else self.connections
        return replace(self, search=None, connections=connections, rate_per_s=float(load))

    @property
    def procedure(self) -> Procedure:
        """How it is measured."""
        if self.search is not None:
            return "search"
        if self.steps:
            return "connect"
        return "recover" if self.outage_s else "window"

    @property
    def kind(self) -> str:
        """What tells it from the other scenarios of its workload: its name, else its loop, or what is searched for."""
        return self.name or str(self.parameters.get("search", self.mode))

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
    scenarios: tuple[Scenario, ...]
    only: frozenset[str] = frozenset()
    """The kinds of scenarios that are wanted of it; empty: all."""
    asks: str = ""
    """The workload whose exchange, endpoint and checks it borrows; who implements that one can be asked."""
    edition: int = 0
    """Raised where the same question got wrong answers before, by a fault of the harness."""

    @property
    def kinds(self) -> set[str]:
        """What its scenarios are called, each apart from the others."""
        return {scenario.kind for scenario in self.scenarios}

    @property
    def version(self) -> str:
        """Changes with anything that changes what is asked; wording does not count."""
        asked = (self.slug, self.exchange, self.path, self.scenarios)
        return catalog.digest(*asked, self.edition) if self.edition else catalog.digest(*asked)

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
    """How many of the rounds search: one search takes minutes, and makes many tries."""

    overhead_s: float = 2.0
    """A measurement's time beside the load, before any was seen: start, readiness, drain, checks, stop."""
    leaves_out: frozenset[str] = frozenset()
    """Workloads, and parts of them, that it has only where they are asked for by name."""
    rechecks: bool = True
    """After each load the server's answers are checked again."""
    shares_servers: bool = False
    """In a round each variant's server is started once, for all that is asked of it."""
    spare: float = 0.0
    """For measurements that the machine spoilt, to make them again: a share of the planned time."""

    def rounds_of(self, scenario: Scenario) -> int:
        """How many rounds measure the scenario, from the first on."""
        return min(self.rounds, self.capacity_rounds) if scenario.search else self.rounds

    def of_probe(self, scenario: Scenario) -> Profile:
        """The profile of one probe under this scenario (`Scenario.at`). Its server is not used again or checked."""
        duration_s = capacity.window_s(self.probe_s, scenario.rate_per_s)
        return replace(self, warmup_s=self.probe_warmup_s, duration_s=duration_s, rechecks=False)

    def load_s(self, scenario: Scenario) -> float:
        """How long the server is loaded in one measurement; a search, if it ends near where it starts."""
        match scenario.procedure:
            case "window":
                return self.warmup_s + self.duration_s
            case "search":
                assert scenario.search is not None
                probe = self.of_probe(scenario.at(scenario.search.settings.start))
                return scenario.search.settings.tries * (probe.warmup_s + probe.duration_s)
            case "connect":
                return scenario.connections / _USUAL_CONNECTIONS_PER_S
            case "recover":
                return _USUAL_RECOVERY_S

    def expected_s(self, scenario: Scenario) -> float:
        """How long one measurement takes."""
        beside_s = self.overhead_s + len(scenario.steps) * STEP_PAUSE_S
        return self.load_s(scenario) + (scenario.search.settings.tries if scenario.search else 1) * beside_s


STEP_PAUSE_S = 1.0
"""Between a step's last client and the look at the memory: what was allocated for the handshakes is returned."""
_USUAL_CONNECTIONS_PER_S = 1000.0
_USUAL_RECOVERY_S = 4.0
"""A second before the crash, a second or two for the server to start, and a second after the last client is back."""

SPARE = 1 / 3
"""A machine that spoils more than every third measurement is not one to measure on."""

_READINESS = frozenset({"health", "echo-text"})

CLOSED_SLICE_S = 0.1
OPEN_SLICE_S = 1.0
"""Long against the two or so milliseconds that a change of turns takes, short against the machine's moods."""

ROOM_BYTES = 64
DELIVERIES_PER_S = 1_000
UNDER_WAY = 10
PAYLOADS: tuple[tuple[Literal["text", "binary"], int], ...] = (
    ("text", 4096),
    ("text", 65536),
    ("text", 1048576),
    ("binary", 65536),
)

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
    scenarios=(
        Scenario(
            "echo",
            "closed",
            {"mode": "closed", "connections": 100, "payload_bytes": 64, "server_cores": 1},
            connections=100,
            slice_s=CLOSED_SLICE_S,
        ),
        Scenario(
            "echo",
            "open",
            {"mode": "open", "connections": 100, "payload_bytes": 64, "rate_per_s": 1000, "server_cores": 1},
            connections=100,
            rate_per_s=1000.0,
            slice_s=OPEN_SLICE_S,
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
    edition=1,
    scenarios=(
        Scenario(
            "dashboard",
            "open",
            {"users": 100, "updates_per_user_per_s": 1, "server_cores": 1},
            connections=100,
            rate_per_s=100.0,
            push_period_s=1.0,
        ),
    ),
)

CROWD = replace(
    DASHBOARD,
    slug="crowd",
    title="Crowded dashboard",
    question="Does the dashboard stay live for 1,000 users, and how much does it take then?",
    description=(
        "What the live dashboard asks, of ten times as many: 1,000 users each send one metric update per second, and"
        " once per second the server pushes a snapshot of all 20 panels to every one of them. It is one process, since"
        " the panels are in its memory, and it may use up to four cores; where the machine has fewer beside the load"
        " generator's, it has those, and the table says so."
    ),
    scenarios=(
        Scenario(
            "crowd",
            "open",
            {"users": 1000, "updates_per_user_per_s": 1, "cores_at_most": 4},
            connections=1000,
            rate_per_s=1000.0,
            push_period_s=1.0,
            server_cores=4,
        ),
    ),
    asks="dashboard",
)


def _room(members: int, mode: Mode) -> Scenario:
    """One size of room. Open loop: as many messages as make `DELIVERIES_PER_S`."""
    parameters = {"mode": mode, "members": members, "payload_bytes": ROOM_BYTES}
    if mode == "closed":
        parameters["under_way"] = UNDER_WAY
    else:
        parameters["deliveries_per_s"] = DELIVERIES_PER_S
    return Scenario(
        "room",
        mode,
        {**parameters, "server_cores": 1},
        connections=members,
        rate_per_s=DELIVERIES_PER_S / members if mode == "open" else 0.0,
        payload_bytes=ROOM_BYTES,
        under_way=UNDER_WAY if mode == "closed" else 1,
        # A thousand clients of every server at once are more files than most machines allow.
        slice_s=0.0 if members > 100 else CLOSED_SLICE_S if mode == "closed" else OPEN_SLICE_S,
        name=f"{mode}-{members}",
    )


ROOM = Workload(
    slug="room",
    title="Chat room",
    question="How fast does a message reach everybody in the room, and what happens when the room grows?",
    description=(
        "10, 100 and 1,000 members sit in one room, and whatever one of them says is delivered to all. In the open loop"
        " 1,000 deliveries fall due per second whatever the size of the room (100 messages per second among 10 members,"
        " one per second among 1,000): this shows how long a delivery takes, and how long until the last member has the"
        " message. In the closed loop ten messages are under way at any time, and another is said as soon as one of"
        " them has reached everybody: this shows the most deliveries per second on one core. Each delivery is"
        " counted: what some member never gets is lost."
    ),
    exchange="room",
    path="/room/load",
    readiness=_READINESS | {"room"},
    recheck=_READINESS | {"room"},
    scenarios=tuple(_room(members, mode) for mode in ("closed", "open") for members in (10, 100, 1000)),
)

PAYLOAD = Workload(
    slug="payload",
    title="Large messages",
    question="What do large messages cost, and do they come back whole?",
    description=(
        "10 clients send text messages of 4 KiB, 64 KiB and 1 MiB and binary ones of 64 KiB in a closed loop, and every"
        " byte of every answer is compared with what was sent. The echo workload shows 64 bytes."
    ),
    exchange="echo",
    path="/echo",
    readiness=_READINESS | {"echo-binary"},
    recheck=_READINESS | {"echo-binary"},
    scenarios=tuple(
        Scenario(
            "payload",
            "closed",
            {"mode": "closed", "connections": 10, "payload_bytes": size, "payload_kind": kind, "server_cores": 1},
            connections=10,
            payload_bytes=size,
            payload_kind=kind,
            slice_s=CLOSED_SLICE_S,
            name=f"{kind}-{size}",
        )
        for kind, size in PAYLOADS
    ),
)

POLLING = Workload(
    slug="polling",
    title="Long-polling",
    question="What if WebSocket is blocked, and Socket.IO has to fall back to HTTP long-polling?",
    description=(
        "The echo workload over HTTP long-polling alone, as Socket.IO falls back to where WebSocket does not pass: each"
        " message is posted, and its answer comes with a request that was waiting for it. 100 clients, 64-byte text"
        " messages, in a closed loop and at 200 messages per second. The same servers' WebSocket figures stand under"
        " echo. Last, two processes with nothing in front that sends a client's requests to the same one: most reach a"
        " process that does not know their session, which is why several workers need sticky sessions."
    ),
    exchange="echo",
    path="/echo",
    readiness=_READINESS,
    recheck=_READINESS,
    scenarios=(
        Scenario(
            "polling",
            "closed",
            {"mode": "closed", "connections": 100, "payload_bytes": 64, "server_cores": 1},
            connections=100,
            transport="polling",
            slice_s=CLOSED_SLICE_S,
        ),
        Scenario(
            "polling",
            "open",
            {"mode": "open", "connections": 100, "payload_bytes": 64, "rate_per_s": 200, "server_cores": 1},
            connections=100,
            transport="polling",
            rate_per_s=200.0,
            slice_s=OPEN_SLICE_S,
        ),
        Scenario(
            "polling",
            "closed",
            {"mode": "closed", "connections": 100, "payload_bytes": 64, "workers": 2},
            connections=100,
            transport="polling",
            server_cores=2,
            workers=2,
            name="workers-2",
        ),
    ),
)

SSE = Workload(
    slug="sse",
    title="Server-sent events",
    question="How live is a dashboard that is only watched, over plain HTTP?",
    description=(
        "100 viewers read an event stream, into which the server writes a snapshot of all panels once per second."
        " Measured are how late each snapshot is against the server's own steady beat, and the CPU and memory it takes."
    ),
    exchange="events",
    path="/events",
    readiness=frozenset({"health", "events"}),
    recheck=frozenset({"health", "events"}),
    edition=1,
    scenarios=(
        Scenario(
            "sse",
            "open",
            {"viewers": 100, "snapshots_per_s": 1, "server_cores": 1},
            connections=100,
            transport="sse",
            push_period_s=1.0,
        ),
    ),
)

CONNECT = Workload(
    slug="connect",
    title="Connecting",
    question="How fast are clients let in, and what does it cost to have them?",
    description=(
        "Clients connect, join where the protocol asks for it, and then say nothing. In the ramp 1,000 of them come,"
        " eight at a time: after 250, 500 and all of them the memory of the server is read, and its slope is what one"
        " idle connection costs. In the storm 500 knock at the same moment, as after a network failure: how long it"
        " takes until each is in, and whether any is turned away."
    ),
    exchange="echo",
    path="/echo",
    readiness=_READINESS,
    recheck=_READINESS,
    scenarios=(
        Scenario(
            "connect",
            "closed",
            {"clients": 1000, "at_once": 8, "server_cores": 1},
            connections=1000,
            steps=(250, 500, 1000),
            at_once=8,
            name="ramp",
        ),
        Scenario(
            "connect",
            "closed",
            {"clients": 500, "at_once": 500, "server_cores": 1},
            connections=500,
            steps=(500,),
            at_once=500,
            name="storm",
        ),
    ),
)

RECOVERY = Workload(
    slug="recovery",
    title="Recovery",
    question="When the server dies and is started again, how long are its clients without it, and what is lost?",
    description=(
        "100 clients send one message per second each. The server is killed as by a crash and started again at once."
        " Every client knocks each tenth of a second until it is let in. Measured are the time until clients notice,"
        " the time until they are back, and the messages lost meanwhile."
    ),
    exchange="echo",
    path="/echo",
    readiness=_READINESS,
    recheck=_READINESS,
    scenarios=(
        Scenario(
            "recovery",
            "open",
            {"users": 100, "messages_per_user_per_s": 1, "server_cores": 1},
            connections=100,
            rate_per_s=100.0,
            outage_s=8.0,
        ),
    ),
)

SCALEOUT = Workload(
    slug="scaleout",
    title="Scaling out",
    question="What do more server processes bring when every message has to reach the clients of all of them?",
    description=(
        "100 members of one room are spread over 1, 2 and 4 server processes, which pass messages to each other through"
        " Redis. Ten messages are under way at any time, and another is said as soon as one has reached everybody, on"
        " whichever process. Measured are deliveries per second, the CPU of servers and broker, how evenly the clients"
        " are spread, and whether every message crosses over. Where the machine has fewer cores than processes, they"
        " share what there is."
    ),
    exchange="room",
    path="/room/load",
    readiness=_READINESS | {"room"},
    recheck=_READINESS | {"room"},
    scenarios=tuple(
        Scenario(
            "scaleout",
            "closed",
            {"mode": "closed", "members": 100, "workers": workers, "payload_bytes": 64, "under_way": UNDER_WAY},
            connections=100,
            payload_bytes=64,
            under_way=UNDER_WAY,
            server_cores=workers,
            workers=workers,
            name=f"workers-{workers}",
        )
        for workers in (1, 2, 4)
    ),
)

SLOW_CONSUMER = Workload(
    slug="slow-consumer",
    title="Slow consumer",
    question="One client in twenty stops reading. What do the others feel, and what does the server do?",
    description=(
        "20 members sit in a room, 50 messages of 16 KiB are said per second, and one member reads nothing any more, as"
        " a phone does that went out of reach. Measured are the deliveries to the other 19, the growth of the server's"
        " memory, and, when the silent member reads again, what became of its messages: kept for it, dropped, or its"
        " connection closed."
    ),
    exchange="room",
    path="/room/load",
    readiness=_READINESS | {"room"},
    recheck=_READINESS | {"room"},
    scenarios=(
        Scenario(
            "slow-consumer",
            "open",
            {"members": 20, "deaf": 1, "payload_bytes": 16384, "rate_per_s": 50, "server_cores": 1},
            connections=20,
            payload_bytes=16384,
            rate_per_s=50.0,
            deaf=1,
        ),
    ),
)

CAPACITY = Workload(
    slug="capacity",
    title="Capacity",
    question="How much can one core take before clients wait longer than 20 ms or messages are lost?",
    description=(
        "The load is raised and lowered, try by try, around the one that the server withstands in half of all tries."
        " To withstand means that 99 % of all messages are answered within 20 ms of when they were meant to be sent,"
        " none is lost and no error comes. Once for the echo, over 100 connections: the highest rate. Once for the live"
        " dashboard, where every user sends one update per second and receives all snapshots: the most users."
    ),
    # Of the echo, from which the users' search differs: see `CapacityTarget.asks`.
    exchange="echo",
    path="/echo",
    readiness=_READINESS,
    recheck=_READINESS,
    edition=1,
    scenarios=(
        Scenario(
            "capacity",
            "open",
            {"search": "rate", "connections": 100, "payload_bytes": 64, "p99_limit_ms": 20, "server_cores": 1},
            connections=100,
            search=CapacityTarget(
                "messages_per_s",
                asks="echo",
                # The closed-loop throughputs seen here lie between 3,300 and 171,000 per second.
                settings=capacity.Settings(start=8_000, lowest=250, highest=400_000),
            ),
        ),
        Scenario(
            "capacity",
            "open",
            {"search": "users", "updates_per_user_per_s": 1, "p99_limit_ms": 20, "server_cores": 1},
            connections=0,
            push_period_s=1.0,
            search=CapacityTarget(
                "users",
                asks="dashboard",
                # Below 25 a p99 takes minutes; above 20,000 the local ports of one address run out.
                settings=capacity.Settings(start=200, lowest=25, highest=20_000),
            ),
        ),
    ),
)

WORKLOADS: dict[str, Workload] = {
    workload.slug: workload
    for workload in (
        ECHO,
        DASHBOARD,
        CROWD,
        ROOM,
        POLLING,
        SSE,
        CONNECT,
        PAYLOAD,
        SCALEOUT,
        SLOW_CONSUMER,
        RECOVERY,
        CAPACITY,
    )
}

PROFILES: dict[str, Profile] = {
    profile.slug: profile
    for profile in (
        Profile(
            "quick",
            rounds=1,
            warmup_s=0.3,
            duration_s=1.0,
            leaves_out=frozenset(
                {
                    "capacity",
                    "connect/ramp",
                    "crowd",
                    "payload/binary-65536",
                    "payload/text-1048576",
                    "payload/text-4096",
                    "polling/workers-2",
                    "room/closed-10",
                    "room/closed-1000",
                    "room/open-10",
                    "room/open-1000",
                    "scaleout/workers-1",
                    "scaleout/workers-4",
                }
            ),
            overhead_s=0.5,
            rechecks=False,
            shares_servers=True,
        ),
        Profile("standard", rounds=10, warmup_s=5.0, duration_s=10.0, probe_s=4.0, spare=SPARE),
        Profile(
            "full",
            rounds=15,
            warmup_s=5.0,
            duration_s=20.0,
            probe_warmup_s=2.0,
            probe_s=8.0,
            capacity_rounds=3,
            spare=SPARE,
        ),
    )
}


def choose_workloads(wanted: Sequence[str], profile: Profile) -> list[Workload]:
    """The workloads named, all that the profile has if none is; raises `UsageError` for an unknown one.

    ``echo/closed`` is the closed loop of echo alone: a part of the question, and no other version of it.
    """
    wanted = wanted or [
        f"{slug}/{kind}"
        for slug, workload in WORKLOADS.items()
        for kind in workload.kinds
        if not profile.leaves_out & {slug, f"{slug}/{kind}"}
    ]
    only: dict[str, set[str]] = {}
    for name in wanted:
        slug, _, kind = name.partition("/")
        if slug not in WORKLOADS:
            raise catalog.unknown_name("workload", slug, WORKLOADS)
        kinds = WORKLOADS[slug].kinds
        if kind and kind not in kinds:
            raise catalog.unknown_name(f"part of {slug}", kind, sorted(kinds))
        only.setdefault(slug, set()).update({kind} if kind else kinds)
    return [
        replace(workload, only=frozenset(only[slug] if only[slug] != workload.kinds else ()))
        for slug, workload in WORKLOADS.items()
        if slug in only
    ]


def quickstart_workloads() -> list[Workload]:
    """The workloads for a first look."""
    return [ECHO, DASHBOARD]


def asked_by(workload: Workload, scenario: Scenario) -> Workload:
    """The workload whose exchange, endpoint and checks the scenario uses: its own, or the one it borrows them from."""
    slug = scenario.search.asks if scenario.search else workload.asks
    return WORKLOADS[slug] if slug else workload


def scenarios_for(workload: Workload, framework: Framework, variant: Variant) -> list[Scenario]:
    """The scenarios that a variant can be asked: what its folder says it implements, over the transports it has.

    Where it is the number of processes that is varied, only what scales is asked.
    """
    implemented = framework.workloads if variant.workloads is None else variant.workloads
    return [
        scenario
        for scenario in workload.scenarios
        if asked_by(workload, scenario).slug in implemented
        and scenario.transport in variant.transports
        and ("workers" not in scenario.parameters or variant.scales)
        and (not workload.only or scenario.kind in workload.only)
    ]


def choose_profile(name: str) -> Profile:
    """The profile of that name; raises `UsageError`."""
    if name not in PROFILES:
        raise catalog.unknown_name("profile", name, PROFILES)
    return PROFILES[name]


def with_rounds(profile: Profile, *, rounds: int | None = None) -> Profile:
    """The profile, with another number of rounds, if one is given."""
    return profile if rounds is None else replace(profile, rounds=rounds)
