"""All thresholds and their reasons, in one table.

To change a threshold, change its row in `THRESHOLDS`. Every command uses these rows, and the methodology page is
generated from them. The functions below select rows by the fields of the rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from runners.loadgen.engine_io import NOT_STICKY
from runners.record import (
    P99_DISTURBANCE_LIMIT,
    TIMER_UNUSED_PERCENT,
    Measurement,
    Percentiles,
    SecondLoadRecord,
    closed_loop_cpu_percent,
    supports,
    timer_limited_percent,
    used_percent,
)

Cause = Literal["loadgen", "machine", "server", "unknown"]
"""The usual cause of a value beyond its limit. A measurement disturbed by the machine is repeated."""

Subject = Literal[
    "measurement", "window", "p99 that decides", "search try", "search", "warm-up", "waiting server", "calibration"
]

InSearch = Literal["no effect", "try is unusable", "try is unusable if the lag decides", "try fails"]
"""The effect of a value beyond the limit on a try of a capacity search. An unusable try does not show what the server
can do. A lag decides if the p99 fails with it and passes without it."""


SMALL_LAG_SHARE = 0.05
"""A lag changes no value visibly if its p99 is at most this share of the median of what it may be part of. The margin
of comparisons of latencies is 25 %."""


@dataclass(frozen=True)
class Threshold:
    """One limit. A measurement, try or search that breaks it is invalid, failed or inconclusive.

    ``value_of`` reads the value from a measurement. If it returns ``None``, the value was not measured, and the
    threshold does not apply. If a row has no ``value_of``, the code that checks the threshold has the value.
    """

    name: str
    limit: float
    unit: str
    why: str
    cause: Cause
    applies_to: Subject = "measurement"
    breaks: Literal["above", "at or above", "below"] = "above"
    """The values that break the threshold, relative to the limit."""
    in_search: InSearch = "no effect"
    exempts_reference: bool = False
    exempts_refused_clients: bool = False
    """In a search: whether the threshold has no effect if the server refused clients or closed their connections."""
    lasts: bool = False
    """Whether it is the same in every measurement on this machine, so that repeating one is useless."""
    is_fact: bool = False
    """Whether the name alone is the reason, without the value 1 and the limit 0."""
    value_of: Callable[[Measurement], float | None] = lambda _: None
    detail_of: Callable[[Measurement], str | None] = lambda _: None
    """What is known about the cause, as the end of the sentence."""

    def is_broken_by(self, value: float | None) -> bool:
        """Whether a value is beyond the limit; false for ``None``."""
        if value is None:
            return False
        match self.breaks:
            case "above":
                return value > self.limit
            case "at or above":
                return value >= self.limit
            case "below":
                return value < self.limit

    def reason_against(self, measurement: Measurement) -> str | None:
        """The reason why a measurement breaks the threshold, as one sentence, or ``None`` if it does not."""
        value = self.value_of(measurement)
        if value is None or not self.is_broken_by(value):
            return None
        if self.is_fact:
            return self.name
        unit = f" {self.unit}" if self.unit else ""
        shown = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
        detail = f", {found}" if (found := self.detail_of(measurement)) else ""
        return f"{self.name} {shown}{unit}, limit {self.limit:g}{unit}{detail}"


# How values are read


def _send_lag_p99_ms(load: Measurement | SecondLoadRecord) -> float | None:
    health = load.generator
    return None if health is None else _p99_of_lag(load, health.send_lag_p99_ms, health.send_lag_p90_ms)


def _read_lag_p99_ms(load: Measurement | SecondLoadRecord) -> float | None:
    health = load.generator
    return None if health is None else _p99_of_lag(load, health.read_lag_p99_ms, health.read_lag_p90_ms)


def _send_lag_p90_ms(measurement: Measurement) -> float | None:
    health = measurement.generator
    return None if health is None else _p90_of_lag(measurement, health.send_lag_p90_ms)


def _read_lag_p90_ms(measurement: Measurement) -> float | None:
    health = measurement.generator
    return None if health is None else _p90_of_lag(measurement, health.read_lag_p90_ms)


def _p99_of_lag(load: Measurement | SecondLoadRecord, p99_ms: float | None, p90_ms: float | None) -> float | None:
    """The 99th percentile, unless the 90th is judged instead; older results do not have that."""
    return _counting_lag(load, p99_ms) if p90_ms is None or _has_tail(load) else None


def _p90_of_lag(measurement: Measurement, p90_ms: float | None) -> float | None:
    return None if _has_tail(measurement) else _counting_lag(measurement, p90_ms)


def _has_tail(load: Measurement | SecondLoadRecord) -> bool:
    """Whether some time has a percentile above its median, which a late tenth of the messages could change. Of 60
    messages the 99th percentile of their lag is that of one.
    """
    if isinstance(load, SecondLoadRecord):
        return True
    times = [found for found in _times_of(load) if found is not None]
    return not times or any(supports(load, found, "p90") for found in times)


def _counting_lag(load: Measurement | SecondLoadRecord, lag_ms: float | None) -> float | None:
    """The lag, unless it is a small part of all the times that it may be part of: an overloaded server causes lag."""
    if lag_ms is None or not _is_about_latency(load):
        return None
    typical = [times.p50 for times in _times_of(load) if times is not None and times.p50 is not None]
    return None if typical and lag_ms <= SMALL_LAG_SHARE * min(typical) else lag_ms


def _times_of(load: Measurement | SecondLoadRecord) -> list[Percentiles | None]:
    """The times that are counted from when a message, push or stream was due."""
    if isinstance(load, SecondLoadRecord):
        return [load.latency_ms]
    streams, deliveries = load.streams, load.counted_deliveries
    return [
        load.latency_ms,
        load.last_delivery_ms,
        load.push_lateness_ms,
        *([streams.first_chunk_ms, streams.chunk_lateness_ms] if streams else []),
        *([deliveries.delivery_ms] if deliveries else []),
    ]


def _is_about_latency(load: Measurement | SecondLoadRecord) -> bool:
    """False for members whose network fails, of whose messages only counts who have them within a second."""
    return isinstance(load, SecondLoadRecord) or load.deliveries is None


def _working_percent(measurement: Measurement) -> float | None:
    """Of the load generator, and of the process that publishes on its CPUs."""
    health, publisher = measurement.generator, measurement.publisher
    if health is None or health.working_percent is None or _used_up_its_core(measurement):
        return None
    return health.working_percent + (publisher.cpu_percent if publisher is not None else 0.0)


def _used_up_its_core(measurement: Measurement) -> bool:
    """Closed loop: whether the server used its whole core, so that nothing else limited it.

    False for a server that is busy even when idle, and for one whose processes share several cores.
    """
    server = measurement.server
    if measurement.offered_per_s is not None or server is None or server.connections_per_process:
        return False
    return (
        not IDLE_SERVER_CPU.is_broken_by(server.idle_cpu_percent)
        and used_percent(measurement) >= 100 - UNUSED_CORE.limit
    )


def _is_open(measurement: Measurement) -> bool:
    return measurement.offered_per_s is not None


def _neighbours_percent(measurement: Measurement) -> float | None:
    return measurement.generator.neighbours_cpu_percent if measurement.generator else None


def _unused_percent(measurement: Measurement) -> float | None:
    """Percent of the server's core that was not used, in a closed loop without a room."""
    used = closed_loop_cpu_percent(measurement)
    return None if used is None or measurement.last_delivery_ms is not None else max(0.0, 100 - used)


def _unused_by_a_room_percent(measurement: Measurement) -> float | None:
    """Percent of the server's core that was not used, in a room's closed loop."""
    used = closed_loop_cpu_percent(measurement)
    return None if used is None or measurement.last_delivery_ms is None else max(0.0, 100 - used)


def _timer(measurement: Measurement) -> str | None:
    used = timer_limited_percent(measurement)
    return None if used is None else f"so it was limited by a timer: {used:.0f} % of the core used"


def _foreign_process(measurement: Measurement) -> str | None:
    name = measurement.generator.foreign_process if measurement.generator else None
    return f"most of it by {name}" if name else None


def _trend_size(measurement: Measurement) -> float | None:
    if measurement.trend_percent is None or measurement.slow_consumer is not None:
        return None
    return abs(measurement.trend_percent)


def _pushes_missed(measurement: Measurement) -> float | None:
    return measurement.pushes_missed


def _turned_away(measurement: Measurement) -> float | None:
    """Connection attempts that found the listen queue full."""
    return measurement.connecting.listen_drops if measurement.connecting else None


def _backlog(measurement: Measurement) -> str | None:
    backlog = measurement.connecting.listen_backlog if measurement.connecting else None
    return None if backlog is None else f"so it needs a backlog above {backlog}"


def _seen_percent(measurement: Measurement) -> float | None:
    """Percent of the data withheld from paused readers that the server held, or 100 if it stopped to send them all.

    It stops by closing, by dropping messages, or by waiting, in which case the other clients wait as well.
    """
    found = measurement.slow_consumer
    if found is None or not found.withheld_mb or not found.memory_mb:
        return None
    if found.closed or found.heard < found.said * found.consumers or found.stalled_s:
        return 100.0
    return 100 * (max(found.memory_mb) - found.memory_mb[0]) / found.withheld_mb


def _not_offered_percent(measurement: Measurement) -> float | None:
    """Percent of the due messages that were not sent."""
    if measurement.offered_per_s is None or measurement.messages is None or not measurement.duration_s:
        return None
    due = measurement.offered_per_s * measurement.duration_s
    return 100 * (due - measurement.messages.sent) / due if due else None


def _received(measurement: Measurement) -> float | None:
    """Messages received; ``None`` if the clients of the load send nothing."""
    if (deliveries := measurement.counted_deliveries) is not None:
        return deliveries.in_time + deliveries.late
    if measurement.messages is None or measurement.offered_per_s == 0:
        return None
    return measurement.messages.received


def _differing(load: Measurement | SecondLoadRecord) -> float | None:
    return None if load.messages is None else load.messages.corrupted


def _foreign_percent(measurement: Measurement) -> float | None:
    """Messages that nobody waited for, foreign ones and repeated answers, in percent of the answers."""
    if (deliveries := measurement.counted_deliveries) is not None:
        received = deliveries.in_time + deliveries.late
        # A server may repeat what it sent before a network failed. That is a result.
        return 100 * deliveries.foreign / received if received else None
    return _no_answers_percent(measurement)


def _no_answers_percent(load: Measurement | SecondLoadRecord) -> float | None:
    messages = load.messages
    if messages is None or messages.foreign is None or not messages.received:
        return None
    return 100 * (messages.foreign + messages.duplicated) / messages.received


def _lost_by_an_echo(measurement: Measurement) -> float | None:
    """Messages lost on connections that stayed open, in a closed loop or by an echo server.

    A room or a dashboard may drop what it cannot deliver at a fixed rate. That is a result.
    """
    found = measurement.connections
    if measurement.messages is None or (found is not None and found.closed_early):
        return None
    is_echo = measurement.last_delivery_ms is None and measurement.pushes_per_s is None
    return measurement.messages.lost if measurement.offered_per_s is None or is_echo else None


def _not_established(measurement: Measurement) -> float | None:
    found = measurement.connections
    return None if found is None else found.planned - found.established


def _closed_early(measurement: Measurement) -> float | None:
    found = measurement.connections
    return None if found is None or measurement.slow_consumer is not None else found.closed_early


def _lost_by(measurement: Measurement) -> str | None:
    """What else is known about refused and closed connections: missing sticky sessions, or a proxy's own words."""
    if any(NOT_STICKY in cause.example for cause in measurement.causes):
        return NOT_STICKY
    complaint = next(iter(measurement.proxy_complaints), None)
    if complaint is None:
        return None
    return f"by the proxy: {complaint}" if _IS_OF_PROXY.search(complaint) else f"the proxy reports: {complaint}"


_IS_OF_PROXY = re.compile(r"timed out|timeout|the proxy (?:refused|lacked)")
"""Words of complaints about what a proxy itself did; in others it reports what the server did."""


def _of_second_load(value_of: Callable[[SecondLoadRecord], float | None]) -> Callable[[Measurement], float | None]:
    """What reads a value of the second load, if there is one."""
    return lambda measurement: None if measurement.second_load is None else value_of(measurement.second_load)


def _unserved(second: SecondLoadRecord) -> dict[str, int]:
    """Messages without an answer, and clients that were refused or disconnected, in words."""
    found, messages = second.connections, second.messages
    return {
        "connections not established": found.planned - found.established,
        "connections closed by the server": found.closed_early,
        "messages lost": messages.lost,
        "messages unanswered at the end": messages.in_flight,
    }


def _why_unserved(measurement: Measurement) -> str | None:
    """What it was that the second load did not get, and what its clients saw."""
    if (second := measurement.second_load) is None:
        return None
    kinds = [f"{count:,} {kind}" for kind, count in _unserved(second).items() if count]
    return ", ".join([*kinds, *(f"{cause.error}, such as: {cause.example}" for cause in second.causes[:1])]) or None


def lost_messages(measurement: Measurement) -> int:
    """Messages and pushes that had not arrived when the load generator stopped waiting for answers."""
    messages = measurement.messages
    unanswered = 0 if messages is None else messages.lost + messages.in_flight
    return unanswered + (measurement.pushes_missed or 0)


def client_errors(measurement: Measurement) -> int:
    """Number of errors, or of refused and disconnected clients if these are more, plus wrong answers."""
    found = measurement.connections
    unserved = 0 if found is None else found.planned - found.established + found.closed_early
    messages = measurement.messages
    wrong = 0 if messages is None else messages.duplicated + messages.reordered + messages.corrupted
    return max(sum(measurement.errors.values()), unserved) + wrong


# The rows

SEND_LAG = Threshold(
    "send lag p99",
    1.0,
    "ms",
    "Above it the load generator's own delay is a visible part of the latency of fast servers. An overloaded server"
    f" causes lag: up to {SMALL_LAG_SHARE:.0%} of the median of what is measured does not count. In a bad network only"
    " seconds count, so neither this lag nor the next matters there.",
    cause="loadgen",
    in_search="try is unusable if the lag decides",  # an overloaded server causes lag too
    value_of=_send_lag_p99_ms,
)
SEND_LAG_OF_FEW = Threshold(
    "send lag p90",
    1.0,
    "ms",
    "Judged instead of p99 where so few messages were sent that only their median is shown. A median hardly moves when"
    " one in ten messages is late.",
    cause="loadgen",
    in_search="try is unusable if the lag decides",
    value_of=_send_lag_p90_ms,
)
READ_LAG = Threshold(
    "read lag p99",
    1.0,
    "ms",
    "An answer may have waited that long because the load generator was busy with others. Its delay would be part of"
    " the latency. Where the system says when an answer arrived, this delay is no part of it, and the lag is 0.",
    cause="loadgen",
    in_search="try is unusable if the lag decides",
    value_of=_read_lag_p99_ms,
)
READ_LAG_OF_FEW = Threshold(
    "read lag p90",
    1.0,
    "ms",
    "Judged instead of p99 where only a median is shown, as for sending.",
    cause="loadgen",
    in_search="try is unusable if the lag decides",
    value_of=_read_lag_p90_ms,
)
SECOND_SEND_LAG = Threshold(
    "send lag p99 of the second load",
    2.0,
    "ms",
    "It sleeps between its messages, so that the first load has the core of the load generator. What its messages need"
    " takes 5 ms and more, of which this is a small part.",
    cause="loadgen",
    in_search="try is unusable",
    value_of=_of_second_load(_send_lag_p99_ms),
)
SECOND_READ_LAG = Threshold(
    "read lag p99 of the second load",
    2.0,
    "ms",
    "An answer may have waited that long because the first load had the core. The limit is that of sending.",
    cause="loadgen",
    in_search="try is unusable",
    value_of=_of_second_load(_read_lag_p99_ms),
)
WORKING_TIME = Threshold(
    "load generator working time",
    85.0,
    "%",
    "A load generator near its own limit limits the server. With 15 % of its time idle, the clients of a closed loop"
    " still wait for the server. A server that used its whole core was its own limit. The reference is exempt, because"
    " it is there to show the load generator's limit. A process that publishes on the same CPUs is counted too.",
    cause="loadgen",
    in_search="try is unusable",
    exempts_reference=True,
    value_of=_working_percent,
)
UNUSED_CORE = Threshold(
    "server core left unused in the closed loop",
    10.0,
    "%",
    "A hundred clients wait, so a server that does not use its core was limited by something else. The reference is"
    " exempt. Rooms have a limit of their own.",
    cause="unknown",
    in_search="try is unusable",
    exempts_reference=True,
    value_of=_unused_percent,
    detail_of=_timer,
)
UNUSED_IN_A_ROOM = Threshold(
    "server core left unused in the closed loop of a room",
    TIMER_UNUSED_PERCENT,
    "%",
    "The next message waits for the slowest member, so a little time is unused between two messages. A server that"
    " leaves a third of its core unused waits for a timer, usually the 40 ms of a delayed acknowledgement. See Nagle's"
    " algorithm, RFC 896 and RFC 1122. Its throughput is that of the timer. The reference is exempt.",
    cause="server",
    exempts_reference=True,
    value_of=_unused_by_a_room_percent,
    detail_of=_timer,
)
FOREIGN_CPU = Threshold(
    "CPU used by other processes",
    5.0,
    "% of a core",
    "The machine was not quiet: other processes took CPU time from the server or the load generator. On a quiet machine"
    " it is about 1 %.",
    cause="machine",
    in_search="try is unusable",
    value_of=lambda measurement: measurement.generator.foreign_cpu_percent if measurement.generator else None,
    detail_of=_foreign_process,
)
NOT_OFFERED = Threshold(
    "messages not offered",
    0.5,
    "%",
    "A server cannot be judged by a load that was not applied.",
    cause="loadgen",
    in_search="try is unusable",
    exempts_refused_clients=True,
    value_of=_not_offered_percent,
)
STEAL = Threshold(
    "CPU steal",
    1.0,
    "%",
    "CPU time that the hypervisor gave to others increases latencies, but no CPU total contains it.",
    cause="machine",
    in_search="try is unusable",
    value_of=lambda measurement: measurement.generator.steal_percent if measurement.generator else None,
)
WAITING_SERVERS_CPU = Threshold(
    "idle CPU of the servers measured beside it, closed loop",
    10.0,
    "% of a core",
    "Servers that wait for their turn keep their clients connected. The server under load loses the CPU time"
    " for that. It is the same for each of them, so ratios hold, but only within limits.",
    cause="unknown",
    in_search="try is unusable",
    value_of=lambda measurement: None if _is_open(measurement) else _neighbours_percent(measurement),
)
WAITING_SERVERS_CPU_OPEN = Threshold(
    "idle CPU of the servers measured beside it, open loop",
    1.0,
    "% of a core",
    "At a fixed rate at most four servers take turns, and those that wait are paused. What remains is a broker's."
    " More would be a part of the latency.",
    cause="unknown",
    in_search="try is unusable",
    value_of=lambda measurement: _neighbours_percent(measurement) if _is_open(measurement) else None,
)
CLOCK_JUMP = Threshold(
    "jump of a clock",
    1.0,
    "ms",
    "The wall clock was set, or the machine was suspended, so times across that moment are wrong, also those of answers"
    " that the system stamps. Gradual adjustment does not count. Reading three clocks takes microseconds.",
    cause="machine",
    in_search="try is unusable",
    value_of=lambda measurement: measurement.generator.clock_jump_ms if measurement.generator else None,
)
SHARED_CORE = Threshold(
    "one core only for server and load generator",
    0,
    "",
    "They take CPU time from each other, so every value depends on the load generator. Two logical CPUs of one core"
    " count as one.",
    cause="machine",
    in_search="try is unusable",
    lasts=True,
    is_fact=True,
    value_of=lambda measurement: measurement.generator.shared_core if measurement.generator else None,
)
THROTTLED = Threshold(
    "periods in which a CPU quota stopped all processes",
    0,
    "",
    "A container may have a CPU quota (control group). When it is used up, the kernel stops the server and the load"
    " generator until the next tenth of a second.",
    cause="machine",
    in_search="try is unusable",
    lasts=True,
    value_of=lambda measurement: measurement.generator.throttled_periods if measurement.generator else None,
)
NOTHING_RECEIVED = Threshold(
    "messages received",
    1,
    "",
    "Without an answer nothing was measured. The throughput of a server that never answers is not 0: it is unknown.",
    cause="server",
    in_search="try fails",
    breaks="below",
    value_of=_received,
)
DIFFERING = Threshold(
    "answers that differ from the expected ones",
    0,
    "",
    "A server that answers something else does other work than the workload requests.",
    cause="server",
    in_search="try fails",
    value_of=_differing,
)
FOREIGN = Threshold(
    "messages that are no answers",
    10.0,
    "% of the answers",
    "A server that sends each message to others as well, or twice, does more work than the messages per second show. A"
    " greeting or a push now and then has no effect.",
    cause="server",
    value_of=_foreign_percent,
)
LOST = Threshold(
    "messages lost on open connections",
    0,
    "",
    "A client of a closed loop that waits for a lost message sends nothing meanwhile. An echo server that drops"
    " messages has less to do. Rooms and dashboards at a fixed rate are exempt: there, losses are a result.",
    cause="server",
    in_search="try fails",
    value_of=_lost_by_an_echo,
)
UNSERVED_WORK = Threshold(
    "messages and clients of the second load that were not served",
    0,
    "",
    "A server that drops work has time for everybody else.",
    cause="server",
    value_of=_of_second_load(lambda second: sum(_unserved(second).values())),
    detail_of=_why_unserved,
)
SECOND_DIFFERING = Threshold(
    "answers to the second load that differ from the expected ones",
    DIFFERING.limit,
    "",
    "The same holds for it as for the first load.",
    cause="server",
    value_of=_of_second_load(_differing),
)
SECOND_FOREIGN = Threshold(
    "messages to the second load that are no answers",
    FOREIGN.limit,
    FOREIGN.unit,
    "The same holds for it as for the first load.",
    cause="server",
    value_of=_of_second_load(_no_answers_percent),
)
MISSED_PUSHES = Threshold(
    "pushes that clients missed",
    0,
    "",
    "A client without a push has an old snapshot, and a server that leaves clients out has less to do. How late the"
    " other pushes were does not show that.",
    cause="server",
    in_search="try fails",
    value_of=_pushes_missed,
)
MISSING_CHUNKS = Threshold(
    "chunks of streams that did not arrive",
    0,
    "",
    "A server that refuses or cuts streams has less to do, and how late the other chunks were does not show that.",
    cause="server",
    value_of=lambda measurement: measurement.streams.missing if measurement.streams else None,
    detail_of=_lost_by,
)
WRONG_CHUNKS = Threshold(
    "messages that are not the next chunk",
    0,
    "",
    "A server that sends something else does other work than the workload requests.",
    cause="server",
    value_of=lambda measurement: measurement.streams.wrong if measurement.streams else None,
)
STREAMS_NOT_BEGUN = Threshold(
    "streams that could not begin",
    0,
    "",
    "A client requests the next stream when the one before it has ended. If streams are so late that some never begin,"
    " the server had less to do than planned, and the lateness of these is not known.",
    cause="server",
    value_of=lambda measurement: measurement.streams.due - measurement.streams.begun if measurement.streams else None,
)
LISTEN_DROPS = Threshold(
    "connection attempts that found the listen queue full",
    0,
    "",
    "The kernel drops such an attempt, and the client repeats it after 1 s (RFC 6298). The time to connect is then that"
    " of this timer, and not of the server. A server with a larger backlog can accept all of them.",
    cause="server",
    value_of=_turned_away,
    detail_of=_backlog,
)
BACK_PRESSURE = Threshold(
    "withheld data that the server held",
    50.0,
    "% of all",
    "A few megabytes fit into buffers of the kernel. Only beyond them does a server have to keep messages, drop them,"
    " close the connection, or let others wait. If it did one of the last three, this counts as 100 %. Otherwise its"
    " memory must have grown by half of what the paused clients did not read.",
    cause="server",
    breaks="below",
    value_of=_seen_percent,
)
EVENTS = Threshold(
    "messages or pushes in a window",
    60,
    "",
    "A median needs 20 events on each side. A message to a room is one event, and so is a push to all viewers, whatever"
    " their number. 60 events leave a third for those that are lost or fall on an edge of the window. The windows of"
    " *quick* are shorter, so they have no such percentiles. Pushes to 1,000 users come once per second, and only"
    " *full* waits for 60 of them.",
    cause="unknown",
    applies_to="window",
    breaks="below",
)
PAUSED_TIME = Threshold(
    "time for which a client stops reading",
    60,
    "s",
    "Servers ping their clients every 20 to 25 seconds, and close a connection that does not answer in 20 seconds more."
    " A shorter pause does not show this.",
    cause="unknown",
    applies_to="window",
    breaks="below",
)
WITHHELD = Threshold(
    "data that a paused client does not read",
    50,
    "MB",
    "The kernel buffers up to 4 MB per connection for the server (`tcp_wmem`). Of ten times as much, a server has to"
    " keep most itself.",
    cause="unknown",
    applies_to="window",
    breaks="below",
)
WARMUP_DIFFERENCE = Threshold(
    "difference between the last two seconds of a warm-up",
    10.0,
    "%",
    "A warm-up goes on until they agree: in throughput in the closed loop, in median latency in the open loop. A noisy"
    " machine varies by a tenth from second to second.",
    cause="server",
    applies_to="warm-up",
)
WARMUP_MESSAGES = Threshold(
    "messages in each of these seconds",
    20,
    "",
    "Two seconds with fewer messages differ by chance, so they do not show whether the server has settled.",
    cause="unknown",
    applies_to="warm-up",
    breaks="below",
)
WARMUP_LENGTH = Threshold(
    "length of a warm-up",
    3,
    "times the planned one",
    "A server that has not settled by then is measured all the same, and its measurement is invalid.",
    cause="server",
    applies_to="warm-up",
)
UNSETTLED = Threshold(
    "warm-up that did not settle",
    0,
    "",
    f"After {WARMUP_LENGTH.limit:g} times the planned warm-up, its last two seconds still differed by more than"
    f" {WARMUP_DIFFERENCE.limit:g} %. Seconds with fewer than {WARMUP_MESSAGES.limit:g} messages do not count.",
    cause="server",
    value_of=lambda measurement: None if measurement.warmup_settled is None else float(not measurement.warmup_settled),
)
TREND = Threshold(
    "trend of the median latency over the window",
    25.0,
    "%",
    "A server that becomes slower or faster during the measurement has no single result. A tenth is common on a shared"
    " machine. A trend that chance explains (above 1 %) counts as none. Slow consumers are exempt: what becomes of the"
    " others over time is the result.",
    cause="server",
    value_of=_trend_size,
)
NOT_ESTABLISHED = Threshold(
    "connections not established",
    0,
    "",
    "Fewer clients than planned are a lighter load.",
    cause="server",
    in_search="try fails",
    value_of=_not_established,
    detail_of=_lost_by,
)
CLOSED_EARLY = Threshold(
    "connections closed by the server",
    0,
    "",
    "Disconnected clients no longer load the server. Slow consumers are exempt: whom the server disconnects is the"
    " result.",
    cause="server",
    in_search="try fails",
    value_of=_closed_early,
    detail_of=_lost_by,
)
TRY_P99 = Threshold(
    "p99",
    100.0,
    "ms",
    "About the longest time that people do not notice (Nielsen 1993, Usability Engineering, chapter 5). Latency counts"
    " from the intended send, so a server that falls behind cannot hide it. A workload may state another limit.",
    cause="server",
    applies_to="search try",
    breaks="at or above",
    in_search="try fails",
    value_of=lambda measurement: measurement.latency_ms.p99 if measurement.latency_ms else None,
)
STRICT_P99 = Threshold(
    "p99 of the strict line",
    20.0,
    "ms",
    "About one frame of a 60 Hz screen, for games and cursors; articles that compare these frameworks use it. The"
    " attempts of a search answer both limits.",
    cause="server",
    applies_to="search",
    breaks="at or above",
)
TRY_LOST = Threshold(
    "messages lost",
    0,
    "",
    "A server that drops messages answers the others quickly. A message unanswered two seconds after the load is lost,"
    " and so is a push that did not arrive.",
    cause="server",
    applies_to="search try",
    in_search="try fails",
    value_of=lost_messages,
)
TRY_ERRORS = Threshold(
    "errors",
    0,
    "",
    "A client that was refused, disconnected or answered wrongly was not served. Latency does not show it.",
    cause="server",
    applies_to="search try",
    in_search="try fails",
    value_of=client_errors,
)
P99_DISTURBANCE = Threshold(
    "disturbance",
    P99_DISTURBANCE_LIMIT,
    "% of a core",
    "What others took from the server's core: other processes, waiting servers and CPU steal. The p99 is one message in"
    " a hundred, so what takes the core for 1 % of the time can be all of it. Above the limit a p99 is shown but takes"
    " no part in a verdict.",
    cause="machine",
    applies_to="p99 that decides",
    breaks="at or above",
)
IDLE_SERVER_CPU = Threshold(
    "CPU of a server without load",
    3.0,
    "% of a core",
    "A server that polls would take CPU time from the one under load, so it is stopped while it waits for its turn. One"
    " that waits in the kernel uses a few tenths of a percent, or 2 % while it pings its clients.",
    cause="server",
    applies_to="waiting server",
)
SHOWN_DELAY_EXCESS = Threshold(
    "excess of the median latency over a known delay",
    10.0,
    "%",
    "A server that delays every answer by 20 ms must show a median latency of that delay and little more.",
    cause="loadgen",
    applies_to="calibration",
)
SHOWN_STALL = Threshold(
    "share of a known stall in the latency that counts from the intended send",
    80.0,
    "%",
    "The open loop must show the stall of a server, or of the load generator, in its latency.",
    cause="loadgen",
    applies_to="calibration",
    breaks="below",
)
HIDDEN_STALL = Threshold(
    "share of a known stall in a latency that cannot show it",
    20.0,
    "%",
    "The service time of the closed loop hides most of a server's stall. The p99 from the actual send hides a stall of"
    " the load generator. Otherwise the proof does not test what it should.",
    cause="loadgen",
    applies_to="calibration",
)

THRESHOLDS: tuple[Threshold, ...] = (
    SEND_LAG,
    SEND_LAG_OF_FEW,
    READ_LAG,
    READ_LAG_OF_FEW,
    SECOND_SEND_LAG,
    SECOND_READ_LAG,
    WORKING_TIME,
    UNUSED_CORE,
    UNUSED_IN_A_ROOM,
    FOREIGN_CPU,
    NOT_OFFERED,
    STEAL,
    WAITING_SERVERS_CPU,
    WAITING_SERVERS_CPU_OPEN,
    CLOCK_JUMP,
    SHARED_CORE,
    THROTTLED,
    UNSETTLED,
    TREND,
    NOT_ESTABLISHED,
    CLOSED_EARLY,
    NOTHING_RECEIVED,
    DIFFERING,
    FOREIGN,
    LOST,
    UNSERVED_WORK,
    SECOND_DIFFERING,
    SECOND_FOREIGN,
    MISSED_PUSHES,
    MISSING_CHUNKS,
    WRONG_CHUNKS,
    STREAMS_NOT_BEGUN,
    LISTEN_DROPS,
    BACK_PRESSURE,
    EVENTS,
    PAUSED_TIME,
    WITHHELD,
    WARMUP_DIFFERENCE,
    WARMUP_MESSAGES,
    WARMUP_LENGTH,
    P99_DISTURBANCE,
    TRY_P99,
    TRY_LOST,
    TRY_ERRORS,
    STRICT_P99,
    IDLE_SERVER_CPU,
    SHOWN_DELAY_EXCESS,
    SHOWN_STALL,
    HIDDEN_STALL,
)


def thresholds_of(subject: Subject) -> Iterator[Threshold]:
    """The rows that apply to this subject."""
    return (rule for rule in THRESHOLDS if rule.applies_to == subject)


def reasons_against(measurement: Measurement, *, of_reference: bool = False) -> list[str]:
    """The reasons why a measurement is not valid, one sentence each; empty if it is valid. The schema checks the
    ledger's balance.
    """
    rules = [rule for rule in thresholds_of("measurement") if not (of_reference and rule.exempts_reference)]
    return list(_reasons(measurement, rules))


def _reasons(measurement: Measurement, rules: Sequence[Threshold]) -> Iterator[str]:
    """The reasons of these rules, first those of the whole load and then those of each host."""
    for rule in rules:
        if reason := rule.reason_against(measurement):
            yield reason
    for name, part in _parts_of_hosts(measurement):
        for rule in rules:
            if rule in _OF_A_HOST and (reason := rule.reason_against(part)):
                yield f"host {name}: {reason}"


def _parts_of_hosts(measurement: Measurement) -> Iterator[tuple[str, Measurement]]:
    """The measurement as each host saw it, by its name. In the values of all hosts together, one that lags is hidden
    by the others.
    """
    for host in measurement.generator.hosts if measurement.generator else ():
        yield host.name, measurement.model_copy(update={"generator": host.as_health()})


_OF_A_HOST = (SEND_LAG, SEND_LAG_OF_FEW, READ_LAG, READ_LAG_OF_FEW, WORKING_TIME, STEAL, THROTTLED)
"""What is judged for each host on its own. What is the server's cause is judged for the whole load only."""


def _breaks_any(measurement: Measurement, rules: Iterable[Threshold]) -> bool:
    """Whether the load, or a host's part of it, breaks one of these rules."""
    return next(_reasons(measurement, list(rules)), None) is not None


def is_disturbed(measurement: Measurement) -> bool:
    """Whether the machine disturbed a measurement, so that it is worth repeating."""
    return measurement.failure is None and _breaks_any(
        measurement, (rule for rule in THRESHOLDS if rule.cause == "machine" and not rule.lasts)
    )


def disturbances(measurement: Measurement) -> list[str]:
    """The reasons why a try of a search is unusable, one sentence each; empty if it is usable."""
    return list(_reasons(measurement, list(_making_unusable(measurement))))


def is_beyond_loadgen(measurement: Measurement) -> bool:
    """Whether the load of a try was too high for the load generator, so that repeating the try is useless."""
    return _breaks_any(measurement, (rule for rule in _making_unusable(measurement) if rule.cause == "loadgen"))


def _making_unusable(measurement: Measurement) -> Iterator[Threshold]:
    """The rows that make a try unusable. If the server refused clients, rows that such a server breaks itself are
    excluded.
    """
    found = measurement.connections
    refused = found is not None and (found.established < found.planned or found.closed_early > 0)
    return (
        rule
        for rule in THRESHOLDS
        if rule.in_search == "try is unusable" and not (refused and rule.exempts_refused_clients)
    )
