"""When a measurement may be published as a number: the thresholds, each with its reason, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runners.record import Measurement
from runners.resources import RESTLESS_PERCENT

MAX_BUSY_PERCENT = 85.0
"""A generator that works more than this of its time limits a fast server: see the table below."""
MAX_LAG_MS = 1.0
"""Above it the generator's own lateness is a visible part of the latencies of fast servers."""
MAX_FOREIGN_PERCENT = 5.0
"""Of a core: above it a machine is not quiet enough to measure on."""


@dataclass(frozen=True)
class Threshold:
    """A measurement is invalid where ``figure`` is above ``limit``; where there is no figure it does not apply."""

    name: str
    limit: float
    unit: str
    why: str
    figure: Callable[[Measurement], float | None]
    exempts_reference: bool = False
    blames: Literal["server", "machine"] | None = None
    """Whose doing it is, where that is sure: the server's, while generator and machine may have been good enough; or
    the machine's alone, which may do better at another moment."""
    comes_with_load: bool = False
    """It tells that the load generator was at its limit, as it would be again under the same load."""
    culprit: Callable[[Measurement], str | None] = lambda _: None
    """Who did it, where that is known."""

    def broken_by(self, measurement: Measurement) -> str | None:
        """The reason as one sentence, or ``None``."""
        found = self.figure(measurement)
        if found is None or found <= self.limit:
            return None
        unit = f" {self.unit}" if self.unit else ""
        told = f"{found:.3g}" if found < 1000 else f"{found:,.0f}"
        by = f", most of it by {culprit}" if (culprit := self.culprit(measurement)) else ""
        return f"{self.name} {told}{unit}, limit {self.limit:g}{unit}{by}"


def _shortfall(measurement: Measurement) -> float | None:
    """Percent of the messages due that were not even sent."""
    if measurement.offered_per_s is None or measurement.messages is None or not measurement.duration_s:
        return None
    due = measurement.offered_per_s * measurement.duration_s
    return 100 * (due - measurement.messages.sent) / due if due else None


def _lag(measurement: Measurement) -> float | None:
    return measurement.generator.send_lag_p99_ms if measurement.generator else None


def _read_lag(measurement: Measurement) -> float | None:
    return measurement.generator.read_lag_p99_ms if measurement.generator else None


def _unestablished(measurement: Measurement) -> float | None:
    found = measurement.connections
    return None if found is None else found.planned - found.established


def _generator_busy(measurement: Measurement) -> float | None:
    health = measurement.generator
    return None if health is None or _is_used_up(measurement) else health.working_percent


def _is_used_up(measurement: Measurement) -> bool:
    """Closed loop: whether the server's core was, so that nothing else can have been the limit.

    Not told of a server that is busy even when idle, nor of several that share cores.
    """
    server = measurement.server
    if measurement.offered_per_s is not None or server is None or server.connections_per_process:
        return False
    is_calm = (server.idle_cpu_percent or 0.0) <= RESTLESS_PERCENT
    return is_calm and _used_percent(measurement) >= 100 - MAX_UNUSED_PERCENT


def _used_percent(measurement: Measurement) -> float:
    """Percent of a core that the server, its broker and those that waited beside it used."""
    parties = (measurement.server, measurement.broker)
    beside = measurement.generator.neighbours_cpu_percent if measurement.generator else None
    return sum(party.cpu_percent for party in parties if party) + (beside or 0.0)


def _server_idle(measurement: Measurement) -> float | None:
    """Closed loop in which every client asks for itself: percent of the server's core that was left unused."""
    if measurement.offered_per_s is not None or measurement.messages is None or measurement.server is None:
        return None
    if measurement.last_delivery_ms is not None:
        return None
    return max(0.0, 100 - _used_percent(measurement))


MAX_UNUSED_PERCENT = 10.0
"""Of the server's core, in the closed loop."""

THRESHOLDS = (
    Threshold(
        "send lag p99",
        MAX_LAG_MS,
        "ms",
        "Above it the generator's own lateness is a visible part of the latencies of fast servers.",
        _lag,
    ),
    Threshold(
        "read lag p99",
        MAX_LAG_MS,
        "ms",
        "So long an answer may have lain there because the generator was busy with others: the same, at the other end.",
        _read_lag,
    ),
    Threshold(
        "generator working time",
        MAX_BUSY_PERCENT,
        "%",
        "A generator near its own limit limits the server: with a fifth of its time idle it still keeps every"
        " connection of a closed loop waiting for the server, not for itself. A server that used up its core was its"
        " own limit. The reference is exempt: it is there to show the generator's.",
        _generator_busy,
        exempts_reference=True,
        comes_with_load=True,
    ),
    Threshold(
        "server core left unused in the closed loop",
        MAX_UNUSED_PERCENT,
        "%",
        "With a hundred clients waiting, a server that does not use its core was held up by something else, so the"
        " throughput is not its own. A room is exempt: there the next message waits for the slowest member of all, and"
        " a server that holds deliveries back leaves its core unused by its own doing.",
        _server_idle,
        exempts_reference=True,
    ),
    Threshold(
        "CPU used by other processes",
        MAX_FOREIGN_PERCENT,
        "% of a core",
        "The machine was not quiet: what other processes used was taken from the server or the generator. A quiet"
        " machine shows about one percent.",
        lambda m: m.generator.foreign_cpu_percent if m.generator else None,
        blames="machine",
        culprit=lambda m: m.generator.foreign_process if m.generator else None,
    ),
    Threshold(
        "messages not offered",
        0.5,
        "%",
        "A load that was not applied cannot have been withstood.",
        _shortfall,
        comes_with_load=True,
    ),
    Threshold(
        "CPU steal",
        1.0,
        "%",
        "Time the hypervisor gave to others is in every latency and in no CPU account.",
        lambda m: m.generator.steal_percent if m.generator else None,
        blames="machine",
    ),
    Threshold(
        "idle CPU of the servers measured beside it",
        10.0,
        "% of a core",
        "Servers that wait for their turn keep their clients connected. What that costs is taken from the one that is"
        " being loaded: from each the same, so that ratios stay, but not without bounds.",
        lambda m: m.generator.neighbours_cpu_percent if m.generator else None,
    ),
    Threshold(
        "jump of a clock",
        10.0,
        "ms",
        "The wall clock was set, or the machine stood still: what was timed across it was not timed. Slewing does not"
        " count, reading three clocks one after the other takes microseconds.",
        lambda m: m.generator.clock_jump_ms if m.generator else None,
        blames="machine",
    ),
    Threshold(
        "warm-up that did not settle",
        0,
        "",
        "After three times the planned warm-up its last two seconds still differed by more than a tenth. Seconds with"
        " fewer than 20 messages tell nothing.",
        lambda m: None if m.warmup_settled is None else float(not m.warmup_settled),
        blames="server",
    ),
    Threshold(
        "trend of the median latency over the window",
        25.0,
        "%",
        "A server that grows slower or faster while it is measured has no one figure. A tenth is common on a shared"
        " machine; a trend that could be chance (above 1 %) counts as none.",
        lambda m: None if m.trend_percent is None else abs(m.trend_percent),
        blames="server",
    ),
    Threshold(
        "connections not established",
        0,
        "",
        "Fewer clients than planned are an easier question.",
        _unestablished,
        blames="server",
    ),
    Threshold(
        "connections closed by the server",
        0,
        "",
        "Clients that were thrown out no longer load the server.",
        lambda m: m.connections.closed_early if m.connections else None,
        blames="server",
    ),
)


def reasons_against(measurement: Measurement, *, of_reference: bool = False) -> list[str]:
    """Why a measurement is not valid, one sentence each; empty: it is. The ledger's balance is the schema's."""
    applying = (rule for rule in THRESHOLDS if not (of_reference and rule.exempts_reference))
    return [reason for rule in applying if (reason := rule.broken_by(measurement))]


def is_spoilt(measurement: Measurement) -> bool:
    """Whether the machine disturbed it, so that it is worth making again. Nothing the server did has a part in that."""
    return measurement.failure is None and any(
        rule.broken_by(measurement) for rule in THRESHOLDS if rule.blames == "machine"
    )


def disturbances(measurement: Measurement) -> list[str]:
    """Why a measurement tells nothing of the server, good or bad: the generator or the machine was at fault.

    Messages that could not be offered because the server had turned their clients away are its own doing.
    Nor do the lags count: an overloaded server causes them too, and whether they mattered shows beside the latencies
    (`capacity.judge`).
    """
    found = measurement.connections
    turned_away = found is not None and (found.established < found.planned or found.closed_early > 0)
    applying = (
        rule
        for rule in THRESHOLDS
        if rule.blames != "server"
        and rule.figure not in (_lag, _read_lag)
        and not (turned_away and rule.figure is _shortfall)
    )
    return [reason for rule in applying if (reason := rule.broken_by(measurement))]


def is_beyond_generator(measurement: Measurement) -> bool:
    """Whether the load was more than the load generator can apply, so that trying again is of no use."""
    return any(rule.broken_by(measurement) for rule in THRESHOLDS if rule.comes_with_load)
