"""The highest load that a server withstands, as a bracket: a search over loads, each tried by a probe.

Pure: what a probe does, and how long it takes, is the caller's. A load is a whole number of whatever the search
counts: messages per second, or users. The search

1. moves from the starting load by a factor, up or down, until one load passed and a higher one did not;
2. halves the way between the two, in logarithms, until they are as close as the resolution asks;
3. tries both ends again. The low end has to pass and the high end to fail in *every* one of its tries; an end that
   did both is in the grey zone around the capacity, so it moves outward and is tried anew.

The result is a bracket, or inconclusive with a reason in one sentence. Whatever the outcome, an end is only told if
as many tries as the settings ask confirmed it, so that even an inconclusive search may say "at least".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from runners import record
from runners.record import Failure, Measurement, RtsiteError

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
TRIES_IF_UNUSABLE = 3
"""A probe that the machine or the generator spoilt is made again: a burst of other work is over in seconds, while a
generator at its limit is there again."""
EXPECTED_PROBES = 16
"""Of a search that meets no contradiction: four or five to find a bracket, four to halve it, four to confirm it."""

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
    """Between the loads that look for a bracket."""
    resolution: float = 1.05
    """High over low at which a bracket is narrow enough; neighbouring whole numbers always are."""
    widest: float = 1.25
    """High over low above which ends that had to move outward leave nothing worth publishing."""
    confirmations: int = 3
    """Tries that an end of the bracket needs, its first included."""
    max_probes: int = 45
    p99_limit_ms: float = P99_LIMIT_MS
    judged_by: int = 2
    """Which rule says what a try means (`judge`). Raised with the rule, so that a search judged by an older one is no
    answer to the same question; 1 called every try with a late generator unusable."""

    def __post_init__(self) -> None:
        if not 1 <= self.lowest <= self.start <= self.highest:
            raise ValueError(
                f"a search starts between its lowest and highest load, but {self.start} is not between"
                f" {self.lowest} and {self.highest}"
            )
        if not (self.factor > 1 and 1 < self.resolution <= self.widest):
            raise ValueError("factor and resolution are above 1, and widest is no less than the resolution")
        if self.confirmations < 1 or self.max_probes < 1:
            raise ValueError("a search makes at least one probe and confirms with at least one")

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
    server_cpu_percent: float | None = None
    """Of one core, its broker included."""

    @property
    def outcome(self) -> Outcome:
        return "unusable" if not self.valid else "passed" if self.passed else "failed"


@dataclass(frozen=True)
class Result:
    """What a search came to.

    ``low`` passed in all of its tries, ``high`` failed in all of its tries; either is ``None`` where no load is
    confirmed so. Conclusive: both are there, and close enough. Otherwise ``reason`` says why not.
    """

    low: int | None
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
    load: int, measurement: Measurement, disturbances: Sequence[str] = (), *, p99_limit_ms: float = P99_LIMIT_MS
) -> Probe:
    """Whether the server withstood the load that one open-loop measurement applied.

    ``disturbances``: why the generator or the machine was not good enough, if it was not. Raises `ProbeError` where
    the measurement failed before there was any load.

    How late the generator sent decides nothing where the p99 passes, since its lateness is part of that, nor where the
    p99 from the actual send fails too. Between the two it alone brought the failure about, and the try says nothing.
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
    from_send = measurement.latency_from_send_ms.p99 if measurement.latency_from_send_ms is not None else None
    is_slow = p99_ms is not None and p99_ms >= p99_limit_ms
    was_sent_late = is_slow and from_send is not None and from_send < p99_limit_ms
    reasons, unusable = [], list(disturbances)
    if is_slow and not was_sent_late:
        reasons.append(f"p99 {p99_ms:.3g} ms, limit {p99_limit_ms:g} ms")
    if lost > MAX_LOST:
        reasons.append(f"{lost:,} messages lost")
    if errors > MAX_ERRORS:
        reasons.append(f"{errors:,} errors")
    if was_sent_late and not reasons:
        unusable.append(f"sent too late: p99 {p99_ms:.3g} ms, from the actual send {from_send:.3g} ms")
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
        server_cpu_percent=_server_cpu_percent(measurement),
    )


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


def search(settings: Settings, probe: Callable[[int], Probe]) -> Result:
    """Find the bracket around the highest load that passes. ``probe`` is called at most ``max_probes`` times.

    Whatever ``probe`` raises ends the search.
    """
    book = _Book(settings, probe)
    try:
        low, high = _bracket(book)
        if low is not None and high is not None:
            low, high = _halve(book, low, high)
        reason = _confirm(book, low, high)
    except _SpentError:
        reason = f"not settled after {settings.max_probes} probes"
    low, high = book.ends()
    if reason is None and (low is None or high is None):
        reason = "a load fails every time although a higher one passes every time"
    elif reason is None and low is not None and high is not None and high > max(low * settings.widest, low + 2):
        reason = f"loads between {low:,} and {high:,} do not pass every time and do not fail every time"
    return Result(low, high, reason, tuple(book.probes), settings)


def as_record(result: Result, unit: Unit) -> record.Capacity:
    """The result as the document holds it; reasons of a probe only where its figures do not tell them."""
    return record.Capacity(
        unit=unit,
        low=result.low,
        high=result.high,
        conclusive=result.conclusive,
        reason=result.reason,
        p99_limit_ms=result.settings.p99_limit_ms,
        confirmations=result.settings.confirmations,
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


class _SpentError(Exception):
    """All probes are made."""


class _Book:
    """The probes made so far, and the only way to make another."""

    def __init__(self, settings: Settings, probe: Callable[[int], Probe]) -> None:
        self.settings = settings
        self.probes: list[Probe] = []
        self._probe = probe

    def ask(self, load: int) -> Outcome:
        """Try a load once more; again where the probe is spoilt, up to `TRIES_IF_UNUSABLE` times."""
        outcome: Outcome = "unusable"
        for _ in range(TRIES_IF_UNUSABLE):
            if len(self.probes) >= self.settings.max_probes:
                raise _SpentError
            self.probes.append(self._probe(load))
            outcome = self.probes[-1].outcome
            if outcome != "unusable":
                break
        return outcome

    def confirm(self, load: int, wanted: Outcome) -> Outcome:
        """``wanted`` if that was the outcome of every usable try, and there were enough; else what came instead."""
        while True:
            found = self._usable(load)
            other = next((outcome for outcome in found if outcome != wanted), None)
            if other is not None:
                return other
            if len(found) >= self.settings.confirmations:
                return wanted
            if self.ask(load) == "unusable":
                return "unusable"

    def ends(self) -> tuple[int | None, int | None]:
        """The highest load that is confirmed to pass with none below it that is confirmed to fail, and its opposite."""
        passed, failed = self._confirmed("passed"), self._confirmed("failed")
        low = max((load for load in passed if not failed or load < min(failed)), default=None)
        high = min((load for load in failed if not passed or load > max(passed)), default=None)
        return low, high

    def why_spoilt(self, load: int) -> str | None:
        """What was wrong with the probes of a load, if the last of them said nothing of the server."""
        last = [one for one in self.probes if one.load == load][-1:]
        if not last or last[0].valid:
            return None
        why = f": {_short(last[0].reasons[0])}" if last[0].reasons else ""
        return f"the load generator or the machine was not good enough at {load:,}{why}"

    def _confirmed(self, wanted: Outcome) -> list[int]:
        """The loads of which enough usable tries had this outcome, and none another."""
        outcomes = {load: self._usable(load) for load in {one.load for one in self.probes}}
        enough = self.settings.confirmations
        return [load for load, found in outcomes.items() if len(found) >= enough and set(found) == {wanted}]

    def _usable(self, load: int) -> list[Outcome]:
        return [one.outcome for one in self.probes if one.load == load and one.valid]


def _bracket(book: _Book) -> tuple[int | None, int | None]:
    """A load that passed and a higher one that did not; one of them is ``None`` at the limits of the search."""
    settings = book.settings
    at = settings.start
    if book.ask(at) == "passed":
        while at < settings.highest:
            above = min(settings.highest, max(at + 1, round(at * settings.factor)))
            if book.ask(above) != "passed":
                return at, above
            at = above
        return at, None
    while at > settings.lowest:
        below = max(settings.lowest, min(at - 1, round(at / settings.factor)))
        if book.ask(below) == "passed":
            return below, at
        at = below
    return None, at


def _halve(book: _Book, low: int, high: int) -> tuple[int, int]:
    """Bisect in log(load), since capacities differ by factors, until the bracket is narrow."""
    while high - low > 1 and high > low * book.settings.resolution:
        middle = min(high - 1, max(low + 1, _tidy(math.sqrt(low * high))))
        if book.ask(middle) == "passed":
            low = middle
        else:
            high = middle
    return low, high


def _tidy(load: float) -> int:
    """Three digits, as a reader wants to see them: more would be far below any resolution."""
    return int(round(load, min(0, 2 - math.floor(math.log10(load))))) if load >= 1 else 1


def _confirm(book: _Book, low: int | None, high: int | None) -> str | None:
    """Try both ends again, moving them outward where tries contradict each other; why one is not there, if so.

    Each move of an end is twice as long, in log(load), as its last, so that a server without any steadiness does
    not use up all probes. An end that would leave the search's limits is given up.
    """
    settings = book.settings
    moves = 0
    while low is not None and book.confirm(low, "passed") != "passed":
        shorter = _tidy(low / settings.resolution ** (2**moves))
        low = None if low == settings.lowest else max(settings.lowest, min(low - 1, shorter))
        moves += 1
    moves = 0
    while high is not None and (found := book.confirm(high, "failed")) != "failed":
        if found == "unusable":
            return book.why_spoilt(high)
        longer = _tidy(high * settings.resolution ** (2**moves))
        high = None if high == settings.highest else min(settings.highest, max(high + 1, longer))
        moves += 1
    if low is None and high == settings.lowest:
        return f"even {settings.lowest:,} fails, and no lower load is tried"
    if low is None:
        return book.why_spoilt(settings.lowest) or f"no load down to {settings.lowest:,} passes every time"
    if high is None:
        return f"no load up to {settings.highest:,} fails every time, and no higher one is tried"
    return None
