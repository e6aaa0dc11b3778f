"""When a measurement may be published as a number: the thresholds, each with its reason, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runners.load import MAX_BUSY_PERCENT, MAX_LAG_MS
from runners.record import Measurement


@dataclass(frozen=True)
class Threshold:
    """A measurement is invalid where ``figure`` is above ``limit``; where there is no figure it does not apply."""

    name: str
    limit: float
    unit: str
    why: str
    figure: Callable[[Measurement], float | None]
    exempts_reference: bool = False

    def broken_by(self, measurement: Measurement) -> str | None:
        """The reason as one sentence, or ``None``."""
        found = self.figure(measurement)
        if found is None or found <= self.limit:
            return None
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} {found:.3g}{unit}, limit {self.limit:g}{unit}"


def _shortfall(measurement: Measurement) -> float | None:
    """Percent of the messages due that were not even sent."""
    if measurement.offered_per_s is None or measurement.messages is None or not measurement.duration_s:
        return None
    due = measurement.offered_per_s * measurement.duration_s
    return 100 * (due - measurement.messages.sent) / due if due else None


def _unestablished(measurement: Measurement) -> float | None:
    found = measurement.connections
    return None if found is None else found.planned - found.established


def _generator_busy(measurement: Measurement) -> float | None:
    health = measurement.generator
    return None if health is None else health.working_percent


def _server_idle(measurement: Measurement) -> float | None:
    """Closed loop: percent of its core that the server and its broker left unused."""
    if measurement.offered_per_s is not None or measurement.server is None:
        return None
    used = measurement.server.cpu_percent + (measurement.broker.cpu_percent if measurement.broker else 0.0)
    return max(0.0, 100 - used)


THRESHOLDS = (
    Threshold(
        "send lag p99",
        MAX_LAG_MS,
        "ms",
        "Above it the generator's own lateness is a visible part of the latencies of fast servers.",
        lambda m: m.generator.send_lag_p99_ms if m.generator else None,
    ),
    Threshold(
        "generator working time",
        MAX_BUSY_PERCENT,
        "%",
        "A generator near its own limit limits the server: with a fifth of its time idle it still keeps every"
        " connection of a closed loop waiting for the server, not for itself. The reference is exempt: it is"
        " there to show that limit.",
        _generator_busy,
        exempts_reference=True,
    ),
    Threshold(
        "server core left unused in the closed loop",
        10.0,
        "%",
        "With a hundred clients waiting, a server that does not use its core was held up by something else, so the"
        " throughput is not its own.",
        _server_idle,
        exempts_reference=True,
    ),
    Threshold(
        "CPU used by other processes",
        5.0,
        "% of a core",
        "The machine was not quiet: what other processes used was taken from the server or the generator. A quiet"
        " machine shows about one percent.",
        lambda m: m.generator.foreign_cpu_percent if m.generator else None,
    ),
    Threshold(
        "messages not offered",
        0.5,
        "%",
        "A load that was not applied cannot have been withstood.",
        _shortfall,
    ),
    Threshold(
        "CPU steal",
        1.0,
        "%",
        "Time the hypervisor gave to others is in every latency and in no CPU account.",
        lambda m: m.generator.steal_percent if m.generator else None,
    ),
    Threshold(
        "connections not established",
        0,
        "",
        "Fewer clients than planned are an easier question.",
        _unestablished,
    ),
    Threshold(
        "connections closed by the server",
        0,
        "",
        "Clients that were thrown out no longer load the server.",
        lambda m: m.connections.closed_early if m.connections else None,
    ),
)


def reasons_against(measurement: Measurement, *, of_reference: bool = False) -> list[str]:
    """Why a measurement is not valid, one sentence each; empty: it is. The ledger's balance is the schema's."""
    applying = (rule for rule in THRESHOLDS if not (of_reference and rule.exempts_reference))
    return [reason for rule in applying if (reason := rule.broken_by(measurement))]
