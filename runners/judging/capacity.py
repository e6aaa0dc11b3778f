"""The highest load that a server withstands, searched by trying loads: which is tried next, and what the tries say.

Pure: what a try does, and how long it takes, is the caller's. A load is a whole number of whatever the search counts:
messages per second, or users. The search

1. moves from the starting load by a factor, up or down, until one load passed and a higher one did not;
2. from then on tries loads on either side of the threshold that all tries so far make out, until it has made its
   number of tries.

Nothing of a try is taken for the server's where the load generator or the machine was not good enough. The result is
an interval for the load that is withstood in half of all tries, or inconclusive with a reason in one sentence. An end
that is told holds even then: at least so much, below so much.

Tries are asked for one at a time, so that several searches can take turns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from runners import record
from runners.record import Failure, Measurement, RtsiteError, ThresholdInterval, threshold, threshold_quantiles, tidy

P99_LIMIT_MS = 20.0
"""The target that the articles this project answers set themselves: about one frame of a 60 Hz screen. Latency counts
from the intended send, so a server that falls behind cannot hide it."""
MAX_LOST = 0
"""A server that drops messages is quick with the rest: a rate with losses is no rate it carries. Unanswered when
waiting for answers ended, two seconds after the load, counts as lost, and so does a push that did not come."""
MAX_ERRORS = 0
"""A client that was refused, thrown out or answered wrongly was not served. Latency does not tell of it."""
PROBE_SAMPLES = 2_100
"""A p99 rests on 20 samples beyond it, so on 2,000 messages; a twentieth more, for those at the window's edges."""
TRIES_AT_CEILING = 3
"""A probe that the machine or the generator spoilt is made again. A machine is quiet again some time; a generator that
was at its limit in so many tries of a load is at its limit with it, and no higher load is tried."""
AT_THE_LIMIT = 3
"""Tries at the limit of the search, or of the load generator, that all come out alike end it: nothing beyond it can be
tried."""
_CLOSE = 1.05
"""Loads within this factor of a limit are at the limit."""

_TRIED_AT = (0.15, 0.85)
"""Quantiles of the posterior at which tries are made in turn. At the middle they would not tell how wide the grey zone
is, nor follow a machine that has become faster."""

_BLAMES_LOAD = frozenset({"connect", "load", "recheck"})
"""Stages of a failure that the load brought about. In the others the server was not even asked."""

Outcome = Literal["passed", "failed", "unusable"]
Unit = Literal["messages_per_s", "users"]


@dataclass(frozen=True)
class Settings:
    """How a capacity is searched. Loads are whole numbers; factors are ratios of loads."""

    start: int
    lowest: int
    highest: int
    factor: float = 2.0
    """Between the loads that look for one that passes and one that does not."""
    tries: int = 18
    """That say something of the server."""
    most_probes: int = 30
    """Those that say nothing included."""
    widest: float = 2.0
    """High over low above which an interval is called inconclusive."""
    p99_limit_ms: float = P99_LIMIT_MS

    def __post_init__(self) -> None:
        if not 1 <= self.lowest <= self.start <= self.highest:
            raise ValueError(
                f"a search starts between its lowest and highest load, but {self.start} is not between"
                f" {self.lowest} and {self.highest}"
            )
        if not (self.factor > 1 and self.widest > 1):
            raise ValueError("factor and widest are above 1")
        if not 1 <= self.tries <= self.most_probes:
            raise ValueError("a search makes at least one try, and no more than its probes")

    def below(self, ceiling: int) -> Settings:
        """The same search with no load above ``ceiling``, e.g. what open files or local ports allow."""
        highest = max(self.lowest, min(self.highest, ceiling))
        return replace(self, highest=highest, start=min(self.start, highest))


@dataclass(frozen=True)
class Probe:
    """One load tried once."""

    load: int
    passed: bool
    p99_ms: float | None
    """From the intended send."""
    lost: int
    errors: int
    achieved_per_s: float
    """Messages answered per second."""
    valid: bool = True
    """False: the generator or the machine was not good enough, so the probe says nothing of the server."""
    reasons: tuple[str, ...] = ()
    """Why it did not pass or is not valid, one sentence each."""
    beyond_generator: bool = False
    """Not valid, and by the load: the generator would be at its limit again. Otherwise it was the machine."""
    server_cpu_percent: float | None = None
    """Of one core, its broker included."""

    @property
    def outcome(self) -> Outcome:
        return "unusable" if not self.valid else "passed" if self.passed else "failed"


@dataclass(frozen=True)
class Result:
    """What a search came to: the ends of the interval, and its middle, as of `record.ThresholdInterval`.

    Conclusive: both ends are there, and close enough. Otherwise ``reason`` says why not.
    """

    low: int | None
    typical: int | None
    high: int | None
    reason: str | None
    probes: tuple[Probe, ...]
    settings: Settings

    @property
    def conclusive(self) -> bool:
        return self.reason is None


class ProbeError(RtsiteError):
    """A probe could not be made, for a cause that is not the load: there is no capacity, but a failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"a probe could not be made: {failure.reason}")
        self.failure = failure


def window_s(shortest_s: float, messages_per_s: float) -> float:
    """How long a probe's window has to be for a p99: at least ``shortest_s``."""
    return max(shortest_s, PROBE_SAMPLES / messages_per_s)


def judge(
    load: int,
    measurement: Measurement,
    disturbances: Sequence[str] = (),
    *,
    beyond_generator: bool = False,
    p99_limit_ms: float = P99_LIMIT_MS,
) -> Probe:
    """Whether the server withstood the load that one open-loop measurement applied.

    ``disturbances``: why the generator or the machine was not good enough, if it was not; ``beyond_generator``: because
    the load was too much for the generator. Raises `ProbeError` where the measurement failed before there was any load.

    How late the generator sent or read decides nothing where the p99 passes, since its lateness is part of that, nor
    where the p99 fails without it too. Between the two it alone brought the failure about, and the try says nothing.
    """
    failure = measurement.failure
    if failure is not None and failure.stage not in _BLAMES_LOAD:
        raise ProbeError(failure)
    if failure is not None or measurement.messages is None:
        told = failure.reason if failure is not None else "the measurement gave no figures"
        return Probe(load, passed=False, p99_ms=None, lost=0, errors=1, achieved_per_s=0.0, reasons=(told,))
    p99_ms = measurement.latency_ms.p99 if measurement.latency_ms is not None else None
    ledger = measurement.messages
    lost = ledger.lost + ledger.in_flight + (measurement.pushes_missed or 0)
    errors = _errors(measurement)
    is_slow = p99_ms is not None and p99_ms >= p99_limit_ms
    without_lags = _p99_without_lags_ms(measurement)
    was_late = is_slow and without_lags is not None and without_lags < p99_limit_ms
    reasons, unusable = [], list(disturbances)
    if is_slow and not was_late:
        reasons.append(f"p99 {p99_ms:.3g} ms, limit {p99_limit_ms:g} ms")
    if lost > MAX_LOST:
        reasons.append(f"{lost:,} messages lost")
    if errors > MAX_ERRORS:
        reasons.append(f"{errors:,} errors")
    if was_late and not reasons:
        unusable.append(
            f"sent or read too late: p99 {p99_ms:.3g} ms, without the generator's lags {without_lags:.3g} ms"
        )
    if p99_ms is None and not reasons:
        unusable.append(f"{ledger.received:,} answers are too few for a p99")
    return Probe(
        load,
        passed=not reasons and not unusable,
        p99_ms=p99_ms,
        lost=lost,
        errors=errors,
        achieved_per_s=measurement.messages_per_s or 0.0,
        valid=not unusable,
        reasons=tuple(unusable or reasons),
        beyond_generator=bool(unusable) and (beyond_generator or was_late),
        server_cpu_percent=_server_cpu_percent(measurement),
    )


def _p99_without_lags_ms(measurement: Measurement) -> float | None:
    """From the actual send, less what an answer may have lain unread; at the least, since a p99 of one thing less
    that of another is none of their difference.
    """
    sent = measurement.latency_from_send_ms or measurement.latency_ms
    health = measurement.generator
    if sent is None or sent.p99 is None:
        return None
    return max(0.0, sent.p99 - ((health.read_lag_p99_ms or 0.0) if health is not None else 0.0))


def _errors(measurement: Measurement) -> int:
    """Errors by kind, or clients turned away and thrown out where these are more, and answers that were wrong."""
    found = measurement.connections
    unserved = 0 if found is None else found.planned - found.established + found.closed_early
    ledger = measurement.messages
    wrong = 0 if ledger is None else ledger.duplicated + ledger.reordered + ledger.corrupted
    return max(sum(measurement.errors.values()), unserved) + wrong


def _server_cpu_percent(measurement: Measurement) -> float | None:
    if measurement.server is None:
        return None
    beside = measurement.broker.cpu_percent if measurement.broker is not None else 0.0
    return round(measurement.server.cpu_percent + beside, 2)


class Search:
    """A search under way: ask for the next load, try it, tell what came of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.probes: list[Probe] = []
        self._ceiling: int | None = None
        """The lowest load that proved to be too much for the generator."""
        self._end: str | None = None
        """Why no further load is tried, where the tries are not all made."""

    @property
    def next_load(self) -> int | None:
        """The load to be tried next; ``None``: the search is over."""
        if self._end is not None or len(self._tries) >= self.settings.tries:
            return None
        if not self.probes:
            return self.settings.start
        last = self.probes[-1]
        if last.outcome == "unusable" and last.load != self._ceiling:
            return last.load
        return self._below_ceiling(self._wanted())

    def enter(self, probe: Probe) -> None:
        """What came of trying the next load."""
        self.probes.append(probe)
        last = self.probes[-TRIES_AT_CEILING:]
        if len(last) == TRIES_AT_CEILING and all(one.beyond_generator and one.load == probe.load for one in last):
            self._ceiling = probe.load
        self._end = self._why_over()

    def result(self) -> Result:
        """What the tries made so far say."""
        found = threshold(self._tries)
        reason = self._end or self._why_vague(found)
        return Result(found.low, found.typical, found.high, reason, tuple(self.probes), self.settings)

    @property
    def _tries(self) -> list[tuple[int, bool]]:
        """Those that say something of the server."""
        return [(one.load, one.passed) for one in self.probes if one.valid]

    @property
    def _best(self) -> int:
        """The highest load that passed; the lowest there is, if none did."""
        return max((load for load, passed in self._tries if passed), default=self.settings.lowest)

    def _wanted(self) -> int:
        """Where a try tells most."""
        settings, tries = self.settings, self._tries
        if all(passed for _, passed in tries):
            highest = max((load for load, _ in tries), default=settings.start)
            return min(settings.highest, max(highest + 1, round(highest * settings.factor)))
        if not any(passed for _, passed in tries):
            lowest = min(load for load, _ in tries)
            return max(settings.lowest, min(lowest - 1, round(lowest / settings.factor)))
        (telling,) = threshold_quantiles(tries, (_TRIED_AT[len(tries) % 2],))
        return max(settings.lowest, min(settings.highest, tidy(telling)))

    def _below_ceiling(self, load: int) -> int:
        """The load, or one between the highest that passed and that which is too much for the generator."""
        if self._ceiling is None or load < self._ceiling:
            return load
        middle = tidy(math.sqrt(self._best * self._ceiling))
        return middle if self._best < middle < self._ceiling else self._best

    def _why_over(self) -> str | None:
        """Why the search ends here, if it does before its tries are made."""
        settings = self.settings
        if self._ceiling is not None and self._ceiling <= settings.lowest:
            return self._why_spoilt(self._ceiling)
        if self._ceiling is not None and self._all_alike(passed=True, beyond=self._ceiling / _CLOSE):
            return self._why_spoilt(self._ceiling)
        if self._all_alike(passed=True, beyond=settings.highest):
            return f"even {settings.highest:,} passes, and no higher load is tried"
        if self._all_alike(passed=False, beyond=settings.lowest):
            return f"even {settings.lowest:,} fails, and no lower load is tried"
        if len(self.probes) >= settings.most_probes and len(self._tries) < settings.tries:
            return f"of {len(self.probes)} tries {len(self.probes) - len(self._tries)} say nothing of the server"
        return None

    def _all_alike(self, *, passed: bool, beyond: float) -> bool:
        """Whether the last tries at a limit or beyond it all came out so, and nothing else was tried since."""
        last = self._tries[-AT_THE_LIMIT:]
        return len(last) == AT_THE_LIMIT and all(
            one == passed and (load >= beyond if passed else load <= beyond) for load, one in last
        )

    def _why_spoilt(self, load: int) -> str:
        reasons = next(one.reasons for one in reversed(self.probes) if one.load == load)
        why = f": {_short(reasons[0])}" if reasons else ""
        return f"the load generator or the machine was not good enough at {load:,}{why}"

    def _why_vague(self, found: ThresholdInterval) -> str | None:
        """Why the interval is none worth the name, if it is not."""
        if found.low is None or found.high is None:
            end = "lower" if found.low is None else "upper"
            return f"{len(self._tries)} tries do not show its {end} end"
        if found.high > max(found.low * self.settings.widest, found.low + 2):
            return f"{len(self._tries)} tries leave it between {found.low:,} and {found.high:,}"
        return None


def as_record(result: Result, unit: Unit) -> record.Capacity:
    """The result as the document holds it; reasons of a probe only where its figures do not tell them."""
    return record.Capacity(
        unit=unit,
        low=result.low,
        typical=result.typical,
        high=result.high,
        conclusive=result.conclusive,
        reason=result.reason,
        p99_limit_ms=result.settings.p99_limit_ms,
        probes=[
            record.CapacityProbe(
                load=one.load,
                passed=one.passed,
                p99_ms=one.p99_ms,
                lost=one.lost,
                errors=one.errors,
                achieved_per_s=round(one.achieved_per_s, 1),
                server_cpu_percent=one.server_cpu_percent,
                valid=one.valid,
                reasons=[_short(reason) for reason in one.reasons] if one.p99_ms is None or not one.valid else [],
            )
            for one in result.probes
        ],
    )


def describe(found: record.Capacity) -> str:
    """The outcome in one line: ``12,000 to 12,600 msg/s (17 probes)``."""
    unit = "users" if found.unit == "users" else "msg/s"
    tried = f"({len(found.probes)} probes)"
    if found.low is not None and found.high is not None:
        text = f"{found.low:,} to {found.high:,} {unit} {tried}"
    elif found.low is not None:
        text = f"at least {found.low:,} {unit} {tried}"
    elif found.high is not None:
        text = f"below {found.high:,} {unit} {tried}"
    else:
        text = f"no {unit} {tried}"
    return text if found.conclusive else f"{text}, INCONCLUSIVE: {found.reason}"


def _short(reason: str) -> str:
    return reason if len(reason) <= 300 else reason[:300] + " …"
