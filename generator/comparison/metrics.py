"""The registry of metrics: their names, how they are read from measurements, and where they are shown.

To add a metric of an existing field, add a row to `_ROWS`. All other modules select metrics by the properties of these
rows, never by the spelling of a key.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, get_args

from pydantic import BaseModel

from generator.statistics import Estimate, Stage, estimate_mean
from runners.record import CellRecord, Distribution, Measurement, Percentiles, supports

Direction = Literal["higher", "lower"]
Quantile = Literal["p50", "p90", "p99", "p999"]
TableKind = Literal["loop", "rate", "share", "push", "connecting", "recovery", "stream", "outages", "rooms", "outside"]
"""How the servers of a table were loaded.

``loop``: closed loop. ``rate``: fixed rate. ``share``: each at a share of its own capacity. ``push``: fixed rate, and
the server pushes.
``connecting``: clients connect. ``recovery``: the server is killed and started again. ``stream``: clients request
streams of chunks. ``outages``: clients lose their network. ``rooms``: clients move between rooms.
``outside``: clients get messages that none of them sent.
"""

WITHOUT_LEDGER: tuple[TableKind, ...] = ("connecting", "recovery", "stream", "outages", "rooms", "outside")
"""Kinds whose loads have counts of their own instead of a ledger of messages. A metric distinguishes each."""
QUANTILES: dict[Quantile, float] = {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9}
"""Percentiles in percent, ascending."""

COST_MARGIN = 1.10
"""Throughput, CPU and memory: a tenth is less than what one more feature of an application costs."""
LATENCY_MARGIN = 1.25
"""Latencies, of which a quarter is hard to notice and is no reason to choose."""

COST_TARGET = 1.05
LATENCY_TARGET = 1.10
"""Half of what is relevant, so that a value alone is about as certain as the comparisons that it is in. Memory and p99
have no target: more rounds of one run do not show how memory differs from run to run, and a p99 varies most."""

LATENCY_FLOORS_MS: Mapping[Quantile, float] = {"p50": 2, "p90": 2, "p99": 10, "p999": 10}
"""Latencies that nobody notices, far below one frame of a 60 Hz screen; now and then, half a frame is not noticed
either."""
PUSH_FLOORS_MS: Mapping[Quantile, float] = dict.fromkeys(QUANTILES, 50)
"""Half of what seems immediate to people (Nielsen 1993, Usability Engineering, chapter 5). It holds for every period:
no viewer knows when the next snapshot is due."""
MEMORY_FLOOR_MB = 5
MEMORY_BETWEEN_RUNS = 0.01
"""The same code in another run differs by 0.65 % (95 % interval: 0.53 to 0.84, ``benchmarks/between_runs.json``). The
rounds of a run differ by 0.2 % only. Which pages processes share changes with each start of the machine. The value is
rounded up, because few runs of the same code are behind it."""
IDLE_FLOOR_KB = 5.0
"""Memory per connection: `MEMORY_FLOOR_MB` at 1,000 clients."""
GROWTH_FLOOR_MB_PER_H = 1.0
"""A server that is started anew each week grows by less than 170 MB."""
IDLE_CPU_FLOOR_PERCENT = 1.0
"""A core has room for a hundred times as much."""
START_FLOOR_S = 1.0
"""A start or a reload that takes less is no reason to choose."""
CANCEL_FLOOR_S = 1.0
"""A server that writes every 20 to 50 ms notices within some writes that nobody reads, which is nothing to save."""
RETURN_FLOORS_MS: Mapping[Quantile, float] = dict.fromkeys(QUANTILES, 1000 * START_FLOOR_S)
"""The time until clients are back contains a start."""
DELIVERED_MARGIN = 1.02
"""Two messages of a hundred are a line of a chat."""
COMPLETE_FLOOR_PERCENT = 1.0
"""A room in which 99 of 100 messages miss somebody is of no use."""
RETURN_AFTER_LISTENING_FLOORS_MS: Mapping[Quantile, float] = dict.fromkeys(QUANTILES, 100)
"""Clients try again after 100 ms on average, so less is the luck of an attempt."""

_ALL_KINDS: frozenset[TableKind] = frozenset(get_args(TableKind))
_SAME_LOAD = _ALL_KINDS - {"share"}
"""Kinds of tables in which all servers have the same load or as much as they can do, so that their cost compares."""
_STEADY = _ALL_KINDS - {"stream", "outages", "rooms"}
"""Kinds of tables in which servers are loaded alike all the time. The last streams end, and the last members come back,
one after the other. So CPU time per chunk or delivery is comparable there, and the share of a core is not."""
_NO_KIND: frozenset[TableKind] = frozenset()


@dataclass(frozen=True)
class Family:
    """Metrics that are percentiles of one distribution.

    ``closed_loop_name``: name of the distribution in a closed loop. ``beside_work_name``: name where a second load is
    beside the first, whose distribution it is.
    ``distribution``: returns the whole distribution of a cell, if results contain it and pages draw it.
    """

    slug: str
    name: str
    short: str
    chart_name: str
    closed_loop_name: str | None = None
    beside_work_name: str | None = None
    distribution: Callable[[CellRecord], Distribution | None] | None = None

    def special_name(self, *, is_open: bool, is_beside_work: bool) -> str | None:
        """Its name in such tables, if it is not the usual one."""
        return self.beside_work_name if is_beside_work else None if is_open else self.closed_loop_name

    def name_in_charts(self, *, is_open: bool, is_beside_work: bool = False) -> str:
        return self.special_name(is_open=is_open, is_beside_work=is_beside_work) or self.chart_name

    @property
    def address(self) -> str:
        """The slug in the form used by anchors."""
        return self.slug.replace("_", "-")


@dataclass(frozen=True)
class Metric:
    """A named quantity of a measurement.

    ``key`` is published. ``title`` is for sentences, ``short`` for column headings. ``part`` returns a part of a
    measurement; the value is its field ``field``. A measurement without that part or field has no value.

    ``margin``: two values whose ratio is surely nearer to 1 are practically equal. ``floor``: so are two values below
    it, because nobody notices the difference. ``is_ratio``: values are above zero, so means are geometric and
    differences are ratios. Otherwise means are arithmetic, differences have the unit of the metric, and the margin is
    the share of the larger value. ``target``: how narrow an adaptive run makes the 95 % interval of a value: its ends
    are the mean times and divided by this. ``between_runs``: standard deviation, in logarithms, of a value from run to
    run that the rounds of one run cannot show. ``columns_in``: the kinds of tables that have it as a column.
    ``chart``: how it is drawn when it decides. ``further_chart_in``: the kinds of tables that draw it when it does not
    decide. ``marks``: the kind of every table that has this metric. ``is_always_compared``: compared between two runs
    even if it does not decide.
    """

    key: str
    title: str
    short: str
    unit: str
    direction: Direction
    part: Callable[[Measurement], BaseModel | None]
    field: str
    family: Family | None = None
    quantile: Quantile | None = None
    margin: float = COST_MARGIN
    floor: float = 0.0
    target: float | None = None
    is_ratio: bool = True
    between_runs: float = 0.0
    columns_in: frozenset[TableKind] = _ALL_KINDS
    chart: Literal["bar", "median_and_tail"] = "bar"
    further_chart_in: frozenset[TableKind] = _NO_KIND
    marks: TableKind | None = None
    is_always_compared: bool = False

    @property
    def slug(self) -> str:
        """The key in the form used by anchors."""
        return self.key.replace("_", "-")

    @property
    def quantile_title(self) -> str:
        """``p50`` … ``p99.9``; empty if the metric is not a percentile."""
        return f"p{QUANTILES[self.quantile]:g}" if self.quantile else ""

    def is_better(self, first: float, second: float) -> bool:
        return self.best_first(first) < self.best_first(second)

    def best_first(self, value: float) -> float:
        """Sort key that puts the best value first."""
        return -value if self.direction == "higher" else value

    def estimate(
        self, values: Sequence[float], *, is_of_runs: bool = False, stage: Stage | None = None
    ) -> Estimate | None:
        """The mean of these values, of rounds or of whole runs. That of rounds includes what runs differ by.

        ``stage``: of the rounds, if they were looked at repeatedly.
        """
        between = 0.0 if is_of_runs else self.between_runs**2
        return estimate_mean(values, is_ratio=self.is_ratio, between=between, stage=stage)

    def width(self, first: float, second: float) -> float:
        """The margin between two values on the scale of their contrast: a logarithm, or a difference in the unit."""
        return math.log(self.margin) if self.is_ratio else (1 - 1 / self.margin) * max(abs(first), abs(second))

    def is_negligible(self, first: float, second: float) -> bool:
        """Whether both values are below the floor."""
        return first < self.floor and second < self.floor

    def heading(self, *, is_open: bool, is_beside_work: bool = False) -> str:
        """Column heading in a table of the open or the closed loop, or of a load beside another one."""
        name = self.family.special_name(is_open=is_open, is_beside_work=is_beside_work) if self.family else None
        return self.short if name is None else f"{name.capitalize()} {self.quantile_title}"


LATENCY = Family(
    "latency",
    name="latency",
    short="Latency",
    chart_name="latency from the intended send",
    closed_loop_name="service time",
    beside_work_name="latency of the others",
    distribution=attrgetter("latency"),
)
WORK_LATENCY = Family(
    "work_latency", name="time until work is answered", short="Work", chart_name="time until work is answered"
)
LAST_DELIVERY = Family(
    "last_delivery", name="time to the last member", short="Last member", chart_name="time to the last member"
)
PUSH_LATENESS = Family(
    "push_lateness",
    name="push lateness",
    short="Push lateness",
    chart_name="lateness of pushed messages",
    distribution=attrgetter("push_lateness"),
)
CONNECT_TIME = Family("connect", name="time to connect", short="Connect", chart_name="time to connect")
RETURN_TIME = Family("back", name="time until clients are back", short="Back", chart_name="time until clients are back")
FIRST_CHUNK = Family(
    "first_chunk", name="time to the first chunk", short="First chunk", chart_name="time to the first chunk"
)
REJOIN_TIME = Family("rejoin", name="time to join again", short="Join again", chart_name="time to join again")
ROOM_DELIVERY = Family(
    "room_delivery",
    name="time to members of small rooms",
    short="Delivery",
    chart_name="time to members of small rooms",
)
OUTSIDE_LAST = Family(
    "outside_last",
    name="published message to the last member",
    short="Last member",
    chart_name="time until the last member has a published message",
)
OUTSIDE_DELIVERY = Family(
    "outside_delivery",
    name="published message to a member",
    short="Delivery",
    chart_name="time until a member has a published message",
)
CHUNK_LATENESS = Family(
    "chunk_lateness", name="lateness of chunks", short="Chunk lateness", chart_name="lateness of chunks"
)
RETURN_AFTER_LISTENING = Family(
    "back_after_listening",
    name="time from listening until clients are back",
    short="Back after listening",
    chart_name="time from listening until clients are back",
)


def _answered(measurement: Measurement) -> Measurement | None:
    """The measurement, if messages were answered; ``None`` for one of connections only."""
    return measurement if measurement.messages_per_s else None


def _pushing(measurement: Measurement) -> Measurement | None:
    """The measurement, if the server pushed."""
    return measurement if measurement.pushes_per_s else None


def _connect_times(measurement: Measurement) -> BaseModel | None:
    """The connect times, if connecting was the workload."""
    return measurement.connect_ms if measurement.connecting else None


def _idle(measurement: Measurement) -> BaseModel | None:
    """What idle clients cost, if they were kept."""
    return measurement.connecting.idle if measurement.connecting else None


def _return_times(measurement: Measurement) -> BaseModel | None:
    return measurement.recovery.back_ms if measurement.recovery else None


def _return_times_after_listening(measurement: Measurement) -> BaseModel | None:
    return measurement.recovery.back_after_listening_ms if measurement.recovery else None


def _first_chunks(measurement: Measurement) -> BaseModel | None:
    return measurement.streams.first_chunk_ms if measurement.streams else None


def _chunks(measurement: Measurement) -> BaseModel | None:
    return measurement.streams.chunk_lateness_ms if measurement.streams else None


def _rejoin_times(measurement: Measurement) -> BaseModel | None:
    """Of moves alone: how long a client is away from a bad network is its own doing."""
    return measurement.rooms.rejoin_ms if measurement.rooms else None


def _work_times(measurement: Measurement) -> BaseModel | None:
    """The latencies of messages that need work. A second load that only echoes has none."""
    second = measurement.second_load
    return None if second is None or second.work_ms is None else second.latency_ms


def _room_deliveries(measurement: Measurement) -> BaseModel | None:
    return measurement.rooms.delivery_ms if measurement.rooms else None


def _outside_last(measurement: Measurement) -> BaseModel | None:
    return measurement.published.last_delivery_ms if measurement.published else None


def _outside_deliveries(measurement: Measurement) -> BaseModel | None:
    return measurement.published.delivery_ms if measurement.published else None


_CONNECTING = attrgetter("connecting")
_RECOVERY = attrgetter("recovery")
_STREAMS = attrgetter("streams")
_DELIVERIES = attrgetter("deliveries")
_PUBLISHED = attrgetter("published")
_LOAD_SHARE = attrgetter("load_share")
_SERVER = attrgetter("server")
_SOAK = attrgetter("soak")
_BROKER = attrgetter("broker")
_PROXY = attrgetter("proxy")
_PUBLISHER = attrgetter("publisher")


def _percentiles(
    family: Family,
    part: Callable[[Measurement], BaseModel | None],
    *,
    columns: tuple[Quantile, ...],
    chart: Literal["bar", "median_and_tail"] = "bar",
    marks: TableKind | None = None,
    floors: Mapping[Quantile, float] = LATENCY_FLOORS_MS,
) -> Iterator[Metric]:
    """The metrics of one family, in milliseconds. ``columns``: those shown as columns of every table."""
    for quantile, percent in QUANTILES.items():
        yield Metric(
            key=f"{family.slug}_{quantile}",
            title=f"{family.name} p{percent:g}",
            short=f"{family.short} p{percent:g}",
            unit="ms",
            direction="lower",
            part=part,
            field=quantile,
            family=family,
            quantile=quantile,
            margin=LATENCY_MARGIN,
            floor=floors[quantile],
            target=LATENCY_TARGET if quantile in ("p50", "p90") else None,
            columns_in=_ALL_KINDS if quantile in columns else _NO_KIND,
            chart=chart,
            marks=marks,
        )


_ROWS: tuple[Metric, ...] = (
    Metric(
        key="messages_per_s",
        title="messages answered per second",
        short="Messages",
        unit="/s",
        direction="higher",
        part=_answered,
        field="messages_per_s",
        target=COST_TARGET,
        # At a fixed rate, all servers that keep up have the same throughput.
        columns_in=frozenset({"loop", "connecting"}),
    ),
    Metric(
        key="applied_per_s",
        title="messages applied per second",
        short="Applied",
        unit="/s",
        direction="higher",
        part=_LOAD_SHARE,
        field="rate_per_s",
        # A share of what the server sustains, so it shows what the latencies beside it are of.
        columns_in=frozenset({"share"}),
        marks="share",
    ),
    *_percentiles(LATENCY, attrgetter("latency_ms"), columns=("p50", "p99", "p999"), chart="median_and_tail"),
    *_percentiles(WORK_LATENCY, _work_times, columns=("p50", "p90")),
    *_percentiles(LAST_DELIVERY, attrgetter("last_delivery_ms"), columns=("p50", "p99"), chart="median_and_tail"),
    *_percentiles(
        PUSH_LATENESS,
        attrgetter("push_lateness_ms"),
        columns=("p50", "p99"),
        chart="median_and_tail",
        marks="push",
        floors=PUSH_FLOORS_MS,
    ),
    Metric(
        key="pushes_per_s",
        title="pushes received per second",
        short="Pushes",
        unit="/s",
        direction="higher",
        part=_pushing,
        field="pushes_per_s",
        # The server's own clock sets it, so it is the same for all that keep up.
        columns_in=_NO_KIND,
        # Short windows have too few pushes for a percentile of their lateness.
        marks="push",
    ),
    Metric(
        key="connections_per_s",
        title="clients let in per second",
        short="Clients let in",
        unit="clients/s",
        direction="higher",
        part=_CONNECTING,
        field="connections_per_s",
        marks="connecting",
    ),
    *_percentiles(CONNECT_TIME, _connect_times, columns=("p50", "p99")),
    Metric(
        key="memory_per_connection_kb",
        title="memory per idle connection",
        short="Memory per client",
        unit="kB",
        direction="lower",
        part=_CONNECTING,
        field="memory_per_connection_kb",
        floor=IDLE_FLOOR_KB,
        # A slope; one below 0 is noise.
        is_ratio=False,
    ),
    Metric(
        key="idle_cpu_percent",
        title="server CPU while all clients are idle",
        short="CPU while idle",
        unit="% of a core",
        direction="lower",
        part=_idle,
        field="cpu_percent",
        floor=IDLE_CPU_FLOOR_PERCENT,
        # A server that sends no pings may use none.
        is_ratio=False,
    ),
    Metric(
        key="memory_mb_per_hour",
        title="growth of the server's memory",
        short="Memory growth",
        unit="MB per hour",
        direction="lower",
        part=_SOAK,
        field="memory_mb_per_hour",
        floor=GROWTH_FLOOR_MB_PER_H,
        # A slope; memory may also shrink.
        is_ratio=False,
    ),
    *_percentiles(RETURN_TIME, _return_times, columns=("p50",), floors=RETURN_FLOORS_MS),
    *_percentiles(
        RETURN_AFTER_LISTENING,
        _return_times_after_listening,
        columns=("p50",),
        floors=RETURN_AFTER_LISTENING_FLOORS_MS,
    ),
    Metric(
        key="back_max",
        title="time until the last client is back",
        short="Last one back",
        unit="ms",
        direction="lower",
        part=_return_times,
        field="max",
        margin=LATENCY_MARGIN,
        floor=1000 * START_FLOOR_S,
    ),
    Metric(
        key="restart_s",
        title="time until the new server listens",
        short="Restart",
        unit="s",
        direction="lower",
        part=_RECOVERY,
        field="restart_s",
        margin=LATENCY_MARGIN,
        floor=START_FLOOR_S,
        marks="recovery",
    ),
    Metric(
        key="delivered_percent",
        title="messages delivered over a bad network",
        short="Delivered",
        unit="% of all",
        direction="higher",
        part=_DELIVERIES,
        field="delivered_percent",
        margin=DELIVERED_MARGIN,
        marks="outages",
    ),
    Metric(
        key="in_time_percent",
        title="messages delivered within a second over a bad network",
        short="In time",
        unit="% of all",
        direction="higher",
        part=_DELIVERIES,
        field="in_time_percent",
        margin=DELIVERED_MARGIN,
    ),
    *_percentiles(ROOM_DELIVERY, _room_deliveries, columns=("p50", "p99"), chart="median_and_tail", marks="rooms"),
    *_percentiles(REJOIN_TIME, _rejoin_times, columns=("p50", "p99"), floors=RETURN_AFTER_LISTENING_FLOORS_MS),
    *_percentiles(OUTSIDE_LAST, _outside_last, columns=("p50", "p90", "p99"), chart="median_and_tail"),
    Metric(
        key="outside_complete_percent",
        title="published messages that all members got",
        short="Complete",
        unit="% of all",
        direction="higher",
        part=_PUBLISHED,
        field="complete_percent",
        margin=DELIVERED_MARGIN,
        floor=COMPLETE_FLOOR_PERCENT,
        # A server that loses a delivery of each message completes none.
        is_ratio=False,
        # Short windows have too few messages for a percentile.
        marks="outside",
    ),
    Metric(
        key="outside_delivered_percent",
        title="deliveries of published messages",
        short="Delivered",
        unit="% of all",
        direction="higher",
        part=_PUBLISHED,
        field="delivered_percent",
        margin=DELIVERED_MARGIN,
    ),
    *_percentiles(OUTSIDE_DELIVERY, _outside_deliveries, columns=("p50", "p99")),
    *_percentiles(CHUNK_LATENESS, _chunks, columns=("p50", "p99"), chart="median_and_tail", marks="stream"),
    *_percentiles(FIRST_CHUNK, _first_chunks, columns=("p50", "p99")),
    Metric(
        key="cancel_cost_s",
        title="CPU time after streams are cancelled",
        short="Cost after cancelling",
        unit="s of streaming",
        direction="lower",
        part=_STREAMS,
        field="cancel_cost_s",
        floor=CANCEL_FLOOR_S,
        # A server that stops at once uses none.
        is_ratio=False,
    ),
    Metric(
        key="cpu_us_per_message",
        title="server CPU time per message",
        short="CPU per message",
        unit="µs",
        direction="lower",
        part=_SERVER,
        field="cpu_us_per_message",
        columns_in=_SAME_LOAD,
        further_chart_in=_SAME_LOAD,
        # The metric with the least variation.
        is_always_compared=True,
    ),
    Metric(
        key="cpu_percent",
        title="server CPU",
        short="Server CPU",
        unit="% of a core",
        direction="lower",
        part=_SERVER,
        field="cpu_percent",
        target=COST_TARGET,
        columns_in=_SAME_LOAD & _STEADY,
    ),
    Metric(
        key="pss_mean_mb",
        title="server memory (PSS)",
        short="Memory (PSS)",
        unit="MB",
        direction="lower",
        part=_SERVER,
        field="pss_mean_mb",
        floor=MEMORY_FLOOR_MB,
        between_runs=MEMORY_BETWEEN_RUNS,
        further_chart_in=frozenset({"loop", "push", "connecting"}),
    ),
    Metric(
        key="broker_cpu_percent",
        title="broker CPU",
        short="Broker CPU",
        unit="% of a core",
        direction="lower",
        part=_BROKER,
        field="cpu_percent",
        columns_in=_STEADY,
    ),
    Metric(
        key="proxy_cpu_percent",
        title="proxy CPU",
        short="Proxy CPU",
        unit="% of a core",
        direction="lower",
        part=_PROXY,
        field="cpu_percent",
        columns_in=_STEADY,
    ),
    Metric(
        key="publisher_cpu_percent",
        title="CPU of the process that publishes",
        short="Publisher CPU",
        unit="% of a core",
        direction="lower",
        part=_PUBLISHER,
        field="cpu_percent",
    ),
)

METRICS: dict[str, Metric] = {metric.key: metric for metric in _ROWS}
"""All metrics by key, in the order of columns and exports."""

THROUGHPUT = METRICS["messages_per_s"]
DELIVERED = METRICS["delivered_percent"]
OUTSIDE_COMPLETE = METRICS["outside_complete_percent"]
CONNECTION_RATE = METRICS["connections_per_s"]
MEMORY_PER_CONNECTION = METRICS["memory_per_connection_kb"]
CPU = METRICS["cpu_percent"]
CPU_PER_MESSAGE = METRICS["cpu_us_per_message"]
MEMORY = METRICS["pss_mean_mb"]
BROKER_CPU = METRICS["broker_cpu_percent"]
PROXY_CPU = METRICS["proxy_cpu_percent"]
ALWAYS_COMPARED = tuple(metric for metric in _ROWS if metric.is_always_compared)

_PERCENTILES: dict[tuple[Family, Quantile], Metric] = {
    (metric.family, metric.quantile): metric for metric in _ROWS if metric.family and metric.quantile
}
_MARKS: dict[str, TableKind] = {metric.key: metric.marks for metric in _ROWS if metric.marks is not None}
_TAILS: tuple[Quantile, ...] = ("p99", "p90", "p50")


def percentile(family: Family, quantile: Quantile) -> Metric:
    """The metric of a family at one quantile."""
    return _PERCENTILES[family, quantile]


def tail_of(family: Family, present: Collection[str]) -> Metric | None:
    """The highest of p99, p90 and p50 whose key is in ``present``; short runs have too few samples for p99."""
    found = (percentile(family, quantile) for quantile in _TAILS)
    return next((metric for metric in found if metric.key in present), None)


def kind_of_table(present: Collection[str], *, is_open: bool) -> TableKind:
    """The kind of a table that has metrics with these keys."""
    marked = {kind for key, kind in _MARKS.items() if key in present}
    for kind in WITHOUT_LEDGER:
        if kind in marked:
            return kind
    if not is_open:
        return "loop"
    if "share" in marked:
        return "share"
    return "push" if "push" in marked else "rate"


_FIELDS_BY_PART = {
    part: [(metric.key, metric.field, metric.quantile) for metric in _ROWS if metric.part is part]
    for part in dict.fromkeys(metric.part for metric in _ROWS)
}
"""Metrics by part. Years of runs have millions of values, so each part of a measurement is looked up once."""


def read_values(measurements: Iterable[Measurement]) -> dict[str, dict[int, float]]:
    """The values of these measurements by key of the metric, then by round. Percentiles that too few events support
    have none. A percentile that lies among what never came is beyond any value, and so is a mean over rounds with it:
    such a metric has no values at all.
    """
    found: dict[str, dict[int, float]] = {}
    endless: set[str] = set()
    for measurement in measurements:
        for part_of, fields in _FIELDS_BY_PART.items():
            part = part_of(measurement)
            if part is None:
                continue
            for key, field, quantile in fields:
                value = getattr(part, field)
                if quantile and isinstance(part, Percentiles) and not supports(measurement, part, quantile):
                    continue
                if value is not None:
                    found.setdefault(key, {})[measurement.round] = value
                elif quantile:
                    endless.add(key)
    return {key: values for key, values in found.items() if key not in endless}
