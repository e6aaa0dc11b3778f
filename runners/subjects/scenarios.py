"""The parts of a workload: its scenarios, what each scenario needs, and its published parameters."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple, TypeVar

from runners.judging import capacity
from runners.judging.thresholds import EVENTS, PAUSED_TIME, WITHHELD
from runners.loadgen.job import (
    NO_OPTIONS,
    SESSION_NAMESPACE,
    SESSION_TOKEN,
    USUAL_PUSH_PERIOD_S,
    USUAL_WORK_S,
    ClientOptions,
    Departures,
    Exchange,
    PayloadKind,
    PublisherKind,
    Retries,
    StreamRequest,
    Transport,
    Visits,
)
from runners.loadgen.pace import CLOSED_LOOP_RATE, Closed, Open, Pace, to_mapping
from runners.record import WorkloadFacts, setting_parameters
from runners.record.schema import USUAL_TOPOLOGY, LatencyKind, LoadUnit, Parameter, Parameters, Topology
from runners.subjects import versions

Procedure = Literal["window", "search", "connect", "recover", "stream", "depart", "publish"]
WorkHandler = Literal["echo", "work", "work-inline"]
Part = TypeVar("Part")
Narrowing = Literal["connecting", "several-processes"]
"""Kinds of scenarios. A variant that differs from another one in a single respect is measured where that matters."""

OPEN_LOOP_TOGETHER = 4
"""Maximum number of servers measured in turns in an open loop, the reference included. Thirty waiting servers used 5 %
of the server's core, and the p99 of some was 10 to 70 % longer than alone."""
CLOSED_LOOP_TOGETHER = 24
"""Maximum number of servers measured in turns in a closed loop, the reference included. Fifty-four waiting servers used
11 % of the server's core, and at 10 % a measurement is invalid."""
POLLING_TOGETHER = 8
"""The same over long-polling, where a server that waits answers a hundred polls again and again: thirteen used 10 %."""
EVERY_PROFILE = frozenset({"quick", "standard", "full"})
LONG_PROFILES = frozenset({"standard", "full"})
"""The profiles of scenarios that are too long for a quick run."""
FULL_PROFILE = frozenset({"full"})
"""The profile of scenarios that would make a standard run too long."""


@dataclass(frozen=True)
class Endpoint:
    """The endpoint of an exchange, and the contract checks that apply to it."""

    path: str
    """Path of the endpoint; Socket.IO has one address for all."""
    readiness: frozenset[str]
    """Contract checks that a server must pass before the load. They leave no state in the server."""
    recheck: frozenset[str]
    """Contract checks that it must pass after the load."""
    spoken: Exchange | None = None
    """The exchange that clients use there, if not that of the application's contract."""
    client: ClientOptions = NO_OPTIONS
    """What it requires of clients besides the protocol."""


_UP = frozenset({"health", "echo-text"})

ENDPOINTS: dict[Exchange, Endpoint] = {
    "echo": Endpoint("/echo", readiness=_UP, recheck=_UP),
    "room": Endpoint("/room/load", readiness=_UP | {"room"}, recheck=_UP | {"room"}),
    "publish": Endpoint("/room/load", readiness=_UP | {"publish"}, recheck=_UP | {"publish"}, spoken="room"),
    "dashboard": Endpoint(
        "/dashboard", readiness=_UP, recheck=frozenset({"health", "dashboard-answer", "dashboard-push"})
    ),
    "events": Endpoint("/events", readiness=frozenset({"health", "events"}), recheck=frozenset({"health", "events"})),
    "stream": Endpoint("/stream", readiness=frozenset({"health", "stream"}), recheck=frozenset({"health", "stream"})),
    "stream-events": Endpoint(
        "/stream/events",
        readiness=frozenset({"health", "stream-events"}),
        recheck=frozenset({"health", "stream-events"}),
    ),
    # The load echoes beside messages that need work.
    "work": Endpoint("/echo", readiness=_UP | {"work"}, recheck=_UP | {"work"}, spoken="echo"),
    # Clients only connect.
    "session": Endpoint(
        "/session",
        readiness=frozenset({"health", "session"}),
        recheck=frozenset({"health", "session"}),
        spoken="echo",
        client=ClientOptions(headers=(("Cookie", f"session={SESSION_TOKEN}"),), namespace=SESSION_NAMESPACE),
    ),
}


LEAST_DEPARTURES = 4
"""Departures of each member in a window that is long enough."""
LEAST_SECOND_MESSAGES = 500
"""Messages of a second load in a window that is long enough for their p90 (`runners.record.events`). The first load
has five times as many, enough for a p99."""
LEAST_PUSHES = 12
"""Pushes in a window that is too short for their percentiles. Of twelve, one more or less changes the load by 8 %."""


class WorkPlace(NamedTuple):
    """Where a handler is: the path of its endpoint, and its event of Socket.IO."""

    path: str
    event: str


WORK_PLACES: dict[WorkHandler, WorkPlace] = {
    "echo": WorkPlace("/echo", "echo"),
    "work": WorkPlace("/work", "work"),
    "work-inline": WorkPlace("/work-inline", "work_inline"),
}


@dataclass(frozen=True)
class SecondLoad:
    """A small load beside the first one, in an open loop over clients of its own. Its messages come at random times, as
    from independent users.
    """

    handler: WorkHandler
    """What answers its messages: the echo, work in a thread, or work in the handler."""
    connections: int
    rate_per_s: float
    work_s: float = USUAL_WORK_S
    """Seconds that the work of a message takes."""

    @property
    def path(self) -> str:
        return WORK_PLACES[self.handler].path

    @property
    def event(self) -> str:
        """The event of Socket.IO."""
        return WORK_PLACES[self.handler].event


@dataclass(frozen=True)
class CapacityTarget:
    """The target of a search for the highest load that a server sustains, and the unit of the load."""

    unit: LoadUnit
    settings: capacity.Settings


@dataclass(frozen=True)
class Share:
    """A load in percent of what the same variant sustains, which a search of the same run has found.

    ``of``: the kind of the scenario that searches, in the same workload.
    """

    percent: int
    of: str

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= 100:
            raise ValueError(f"a load is 1 to 100 % of a capacity, not {self.percent} %")


@dataclass(frozen=True)
class Scenario:
    """A workload with one set of parameters. Rates are per second over all connections."""

    exchange: Exchange
    connections: int
    pace: Pace
    publishes: tuple[str, ...]
    """Names of its published parameters, in order. Each is a key of `PUBLISHED_PARAMETERS`."""
    payload_bytes: int = 64
    payload_kind: PayloadKind = "text"
    transport: Transport = "websocket"
    """Transport of the messages. Only variants that offer it run the scenario."""
    push_period_s: float = 0.0
    """Seconds between the server's own pushes; 0 if it pushes nothing."""
    push_percentiles_in: frozenset[str] = EVERY_PROFILE
    """Profiles whose windows hold enough pushes for percentiles of their lateness. In others a window is as long as the
    messages need. Missed pushes count in all."""
    server_cores: int = 1
    workers: int = 1
    """Number of server processes."""
    varies_workers: bool = False
    """Whether the scenario varies the number of processes. Only variants that scale then run it."""
    slice_s: float = 0.0
    """Seconds of load per turn, if cells of this scenario are measured together, see `most_together`. 0: they are
    measured one by one."""
    steps: tuple[int, ...] = ()
    """Numbers of clients to connect, step by step. The clients then send nothing."""
    at_once: int = 32
    """Number of connections that are opened at the same time."""
    hold_s: float = 0.0
    """Seconds in which all connected clients only answer pings, while the server's CPU time is measured."""
    outage_s: float = 0.0
    """Seconds that clients have to reconnect after the server is killed. 0: it is not killed."""
    is_deploy: bool = False
    """Whether the server is not killed but ended with SIGTERM, as in a deploy."""
    retries: Retries = "quick"
    """When clients that lost their server try again."""
    stream: StreamRequest | None = None
    """What clients request, one stream after the other. The rate of `pace` is then in streams."""
    rooms: int = 1
    """Number of rooms that the members are spread over evenly."""
    departures: Departures | None = None
    """How all members of rooms leave again and again, but the first of each room, which sends."""
    publisher: PublisherKind | None = None
    """From where the messages to a room come, if no member sends."""
    visits: Visits | None = None
    """Clients that come and go beside the load."""
    second: SecondLoad | None = None
    """A second load beside the first one."""
    soak_s: float = 0.0
    """Length of a long window in which memory and latency are followed; 0: they are not."""
    paused_readers: int = 0
    """Number of connections that stop reading."""
    target: CapacityTarget | None = None
    """The target of a search for the load. The other fields then describe a load of one unit, see `at`."""
    share: Share | None = None
    """The share of a capacity that sets the rate of its open loop, see `at_rate`. The rate of `pace` is then only for
    estimates of time."""
    further_checks: frozenset[str] = frozenset()
    """Additional contract checks besides those of the exchange, before and after the load."""
    python: str = ""
    """Version of Python that runs the server, such as ``3.13``; empty: the one that runs the harness."""
    topology: Topology = USUAL_TOPOLOGY
    """What is between the clients and the server."""
    name: str = ""
    """Name that distinguishes it from the other scenarios of its workload, if `kind` would not."""
    profiles: frozenset[str] = EVERY_PROFILE
    """Profiles that include it. In others it runs only if the user names it."""

    def __post_init__(self) -> None:
        for name in self.publishes:
            if name not in PUBLISHED_PARAMETERS:
                near = difflib.get_close_matches(name, PUBLISHED_PARAMETERS, n=1)
                offer = f"did you mean {near[0]!r}?" if near else "add a row to `PUBLISHED_PARAMETERS`."
                raise ValueError(f"a scenario publishes the unknown parameter {name!r}: {offer}")

    @property
    def mode(self) -> Literal["closed", "open"]:
        """Whether answers or a clock set the pace of the load."""
        return "closed" if isinstance(self.pace, Closed) else "open"

    @property
    def rate_per_s(self) -> float:
        """Messages that are due per second; raises `ValueError` if the load generator's clock does not set the pace."""
        match self.pace:
            case Open(rate_per_s=rate_per_s):
                return rate_per_s
            case _:
                raise ValueError("only an open loop has a rate")

    @property
    def spoken(self) -> Exchange:
        """The exchange that its clients use."""
        return ENDPOINTS[self.exchange].spoken or self.exchange

    @property
    def receivers(self) -> int:
        """Clients that receive each message: in a room all members that read, otherwise the sender."""
        return self.connections - self.paused_readers if self.spoken == "room" else 1

    @property
    def server_push_period_s(self) -> float:
        """Seconds between two pushes of its server, which pushes also where nobody is there to receive it."""
        return self.push_period_s or USUAL_PUSH_PERIOD_S

    @property
    def server_work_s(self) -> float:
        """Seconds that its server's work takes, whether or not anybody requests it."""
        return self.second.work_s if self.second is not None else USUAL_WORK_S

    @property
    def needs_load_beside_server(self) -> bool:
        """Whether the load generator has to be on the machine of the server: it makes another process there
        publish.
        """
        return self.publisher == "process"

    def rarest_events_per_s(self, profile: str) -> float | None:
        """Events per second of the distribution that has the fewest, of those that need percentiles in this profile:
        messages, or pushes of the server. ``None`` in a closed loop, whose rate is not known before.
        """
        rates = [self.pace.rate_per_s] if isinstance(self.pace, Open) else []
        if self.second is not None:
            rates.append(self.second.rate_per_s)
        if self.push_period_s and profile in self.push_percentiles_in:
            rates.append(1 / self.push_period_s)
        return min(rates, default=None)

    def least_window_s(self, profile: str) -> float:
        """Seconds in which a window of this profile holds enough events and, for a paused reader, enough withheld data;
        0 if any window does.
        """
        rate = self.rarest_events_per_s(profile)
        least = [EVENTS.limit / rate] if rate else []
        least.append(LEAST_PUSHES * self.push_period_s)
        if self.second is not None:
            least.append(LEAST_SECOND_MESSAGES / self.second.rate_per_s)
        least.append(self.soak_s)
        if self.departures is not None:
            least.append((LEAST_DEPARTURES if self.departures.away_s else 1) * self.departures.every_s)
        if self.paused_readers:
            least += [PAUSED_TIME.limit, WITHHELD.limit * 1e6 / (self.rate_per_s * self.payload_bytes)]
        return float(math.ceil(max(least)))

    @property
    def shortest_window_s(self) -> float:
        """Seconds of the shortest window of any profile. In it a user sees that all works: each member leaves once,
        visitors come and go, and what is published has a median.
        """
        visits_s = 3 * self.visits.stay_s if self.visits is not None else 0.0
        publishing_s = EVENTS.limit / self.rate_per_s if self.publisher is not None else 0.0
        return max(visits_s, publishing_s, self.departures.every_s if self.departures is not None else 0.0)

    @property
    def in_flight(self) -> int:
        """Closed loop in a room: messages in flight at a time."""
        return self.pace.in_flight if isinstance(self.pace, Closed) else 1

    @property
    def most_together(self) -> int | None:
        """The maximum number of servers measured in turns, the reference included; ``None``: there is no maximum.

        In a closed loop the server under load is busy, and ratios of throughput need the same seconds for many. In an
        open loop it mostly waits, and others that wait beside it disturb its latency.
        """
        if not self.slice_s:
            return None
        if self.mode == "open":
            return OPEN_LOOP_TOGETHER
        return POLLING_TOGETHER if self.transport == "polling" else CLOSED_LOOP_TOGETHER

    @property
    def pauses_waiting(self) -> bool:
        """Whether all servers that wait for their turn are paused. Where few take turns, no pause is as long as a
        client's patience with a ping.
        """
        return bool(self.slice_s) and self.mode == "open"

    @property
    def procedure(self) -> Procedure:
        """The procedure that measures it."""
        if self.target is not None:
            return "search"
        if self.steps:
            return "connect"
        if self.stream is not None:
            return "stream"
        if self.departures is not None:
            return "depart"
        if self.publisher is not None:
            return "publish"
        return "recover" if self.outage_s else "window"

    def is_among(self, narrowing: Narrowing) -> bool:
        """Whether it is of this kind: connecting clients, or several processes. These are a varied number of servers,
        or a server and another process that publishes.
        """
        if narrowing == "connecting":
            return self.procedure == "connect"
        return self.varies_workers or self.needs_load_beside_server

    @property
    def kind(self) -> str:
        """Its name within the workload: its own name, the target of the search, or its mode."""
        return self.name or (_SEARCHES[self.target.unit] if self.target else self.mode)

    @property
    def latency_kind(self) -> LatencyKind:
        return "service_time" if self.mode == "closed" else "from_intended"

    @property
    def path(self) -> str:
        """Path of the raw endpoint."""
        return ENDPOINTS[self.exchange].path

    @property
    def readiness(self) -> frozenset[str]:
        """Contract checks that a server must pass before the load."""
        return ENDPOINTS[self.exchange].readiness | self.further_checks

    @property
    def recheck(self) -> frozenset[str]:
        """Contract checks that a server must pass after the load."""
        return ENDPOINTS[self.exchange].recheck | self.further_checks

    @property
    def parameters(self) -> Parameters:
        """The published parameters. Those that a run varies for all its workloads are last, if they are not usual."""
        return {**self._own_parameters, **self.setting}

    @property
    def setting(self) -> Parameters:
        """What a run varies for all its workloads, as parameters: only what is not usual."""
        return setting_parameters(self.python, self.topology)

    @property
    def _own_parameters(self) -> Parameters:
        return {name: PUBLISHED_PARAMETERS[name](self) for name in self.publishes}

    def at(self, load: int) -> Scenario:
        """The open-loop scenario that applies this load; raises `ValueError` if the scenario has no target."""
        if self.target is None:
            raise ValueError("this scenario has a fixed load, so no other load can be applied")
        connections = self.connections * (load if self.target.unit == "users" else 1)
        return replace(self, target=None, connections=connections, pace=Open(self.rate_per_s * load))

    def at_rate(self, rate_per_s: float) -> Scenario:
        """The scenario with this rate instead of the estimated one; raises `ValueError` if it has no share."""
        if self.share is None:
            raise ValueError("this scenario has a fixed rate, so no other rate can be applied")
        return replace(self, pace=Open(rate_per_s))

    def definition(self) -> dict[str, object]:
        """All fields that determine what is measured, for the workload's version.

        Fields with their default value are omitted, so that a new field does not change the versions of older
        workloads.
        """
        always = {
            "exchange": self.exchange,
            "path": self.path,
            "connections": self.connections,
            "pace": to_mapping(self.pace) if self.share is None else asdict(self.share),
            "parameters": {name: value for name, value in self._own_parameters.items() if name not in _VARIED},
        }
        sometimes = {name: getattr(self, name) for name in _DEFINING if getattr(self, name) != getattr(Scenario, name)}
        parts = {name: asdict(part) for name in _PARTS if (part := getattr(self, name)) is not None}
        # How many take turns in a closed loop changes what is beside a server, but not its load.
        together = {"together": self.most_together} if self.pauses_waiting else {}
        rate = {"rate": CLOSED_LOOP_RATE} if self.mode == "closed" and self.procedure == "window" else {}
        return {**always, **sometimes, **parts, **together, **rate}


_DEFINING = (
    "payload_bytes",
    "payload_kind",
    "transport",
    "push_period_s",
    "server_cores",
    "workers",
    "slice_s",
    "steps",
    "at_once",
    "hold_s",
    "outage_s",
    "is_deploy",
    "retries",
    "paused_readers",
    "publisher",
    "rooms",
)
"""Fields with a default value that determine what is measured."""

_PARTS = ("target", "stream", "departures", "visits", "second")
"""Fields with a definition of their own, or ``None``."""
_VARIED = {"soak_s"}
"""Published parameters that a run may vary. They keep its tables apart, and do not define the workload."""

_SEARCHES: dict[LoadUnit, str] = {"messages_per_s": "rate", "users": "users"}
_ROOM_SEARCH = "room-rate"
"""Name of a search for a rate in a room."""


def _search(scenario: Scenario) -> str:
    """Name of the search, as it is published; it differs between the searches of a workload."""
    unit = _part(scenario.target, "a search").unit
    return _ROOM_SEARCH if scenario.exchange == "room" and unit == "messages_per_s" else _SEARCHES[unit]


def _part(part: Part | None, name: str) -> Part:
    """A part that not every scenario has; raises `ValueError` with its name if this one has none."""
    if part is None:
        raise ValueError(f"only a scenario with {name} has such a parameter")
    return part


def _moves_per_s(scenario: Scenario) -> float:
    return (scenario.connections - scenario.rooms) / _part(scenario.departures, "departures").every_s


def _number(value: float) -> float:
    """Convert a whole number to an integer, so that 100.0 is published as 100."""
    return int(value) if value == int(value) else value


def _rate_per_connection(scenario: Scenario) -> float:
    return _number(scenario.rate_per_s / scenario.connections)


PUBLISHED_PARAMETERS: dict[str, Callable[[Scenario], Parameter]] = {
    "at_once": lambda scenario: scenario.at_once,
    "away_s": lambda scenario: _number(_part(scenario.departures, "departures").away_s),
    "chunks": lambda scenario: _part(scenario.stream, "streams").chunks,
    "chunks_per_stream_per_s": lambda scenario: _number(_part(scenario.stream, "streams").chunks_per_s),
    "clients": lambda scenario: scenario.connections,
    "connections": lambda scenario: scenario.connections,
    "cut": lambda scenario: _part(scenario.departures, "departures").kind,
    "cut_every_s": lambda scenario: _number(_part(scenario.departures, "departures").every_s),
    "deaf": lambda scenario: scenario.paused_readers,
    "deliveries_per_s": lambda scenario: _number(scenario.rate_per_s * scenario.connections),
    "idle_s": lambda scenario: _number(scenario.hold_s),
    "load_percent": lambda scenario: _part(scenario.share, "a share of a capacity").percent,
    "members": lambda scenario: scenario.connections,
    "messages_per_user_per_s": _rate_per_connection,
    "mode": lambda scenario: scenario.mode,
    "p99_limit_ms": lambda scenario: _number(_part(scenario.target, "a search").settings.p99_limit_ms),
    "payload_bytes": lambda scenario: scenario.payload_bytes,
    "payload_kind": lambda scenario: scenario.payload_kind,
    "publisher": lambda scenario: _part(scenario.publisher, "a publisher"),
    "rate_per_s": lambda scenario: _number(scenario.rate_per_s),
    "moves_per_s": lambda scenario: _number(_moves_per_s(scenario)),
    "retries": lambda scenario: scenario.retries,
    "search": _search,
    "rooms": lambda scenario: scenario.rooms,
    "server_cores": lambda scenario: scenario.server_cores,
    "streams": lambda scenario: scenario.connections,
    "streams_together": lambda scenario: _part(scenario.stream, "streams").together,
    "soak_s": lambda scenario: _number(scenario.soak_s),
    "session": lambda scenario: "looked-up" if scenario.exchange == "session" else "none",
    "snapshots_per_s": lambda scenario: _number(1 / scenario.push_period_s),
    "transport": lambda scenario: scenario.transport,
    "under_way": lambda scenario: scenario.in_flight,
    "updates_per_user_per_s": _rate_per_connection,
    "users": lambda scenario: scenario.connections,
    "viewers": lambda scenario: scenario.connections,
    "visit_s": lambda scenario: _number(_part(scenario.visits, "visits").stay_s),
    "visits_per_s": lambda scenario: _number(_part(scenario.visits, "visits").per_s),
    "work": lambda scenario: _part(scenario.second, "a second load").handler,
    "work_ms": lambda scenario: _number(1000 * _part(scenario.second, "a second load").work_s),
    "work_per_s": lambda scenario: _number(_part(scenario.second, "a second load").rate_per_s),
    "workers": lambda scenario: scenario.workers,
}
"""Published parameters: a function that returns the value, by name. `runners.record.parameters` has their wording."""


@dataclass(frozen=True)
class Workload:
    """A workload: one kind of use, in one or more scenarios, under which every framework is measured."""

    slug: str
    title: str
    question: str
    """The question that its results answer."""  # words: allow question, the name of the field
    description: str
    scenarios: tuple[Scenario, ...]
    only: frozenset[str] = frozenset()
    """Kinds of the chosen scenarios; empty if all are chosen."""
    edition: int = 0
    """Edition of the definition. It is increased if a bug in the harness made earlier results wrong."""

    def __post_init__(self) -> None:
        searches = {scenario.kind for scenario in self.scenarios if scenario.target is not None}
        for scenario in self.scenarios:
            if scenario.share is not None and scenario.share.of not in searches:
                raise ValueError(
                    f"{self.slug}/{scenario.kind} is a share of what {scenario.share.of!r} finds, which is no search of"
                    f" the workload; there are: {', '.join(sorted(searches)) or 'none'}"
                )

    def search_of(self, scenario: Scenario) -> Scenario | None:
        """The scenario that searches for the capacity of which this one is a share; ``None`` if it is no share."""
        share = scenario.share
        return None if share is None else next(one for one in self.scenarios if one.kind == share.of)

    @property
    def kinds(self) -> set[str]:
        """The kinds of its scenarios."""
        return {scenario.kind for scenario in self.scenarios}

    @property
    def chosen(self) -> tuple[Scenario, ...]:
        """The scenarios that were chosen."""
        return tuple(scenario for scenario in self.scenarios if not self.only or scenario.kind in self.only)

    @property
    def definition(self) -> dict[str, object]:
        """Everything that determines what is measured, without the wording."""
        edition = {"edition": self.edition} if self.edition else {}
        return {"slug": self.slug, **edition, "scenarios": [scenario.definition() for scenario in self.scenarios]}

    @property
    def version(self) -> str:
        """The version. Results of different versions are not compared."""
        return versions.version_of(self.slug, self.definition)

    def facts(self) -> WorkloadFacts:
        """The facts about it for a run's document."""
        return WorkloadFacts(
            slug=self.slug,
            title=self.title,
            question=self.question,
            description=self.description,
            version=self.version,
        )
