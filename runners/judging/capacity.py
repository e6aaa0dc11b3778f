"""The search for the highest load that a server sustains: which load to try next, and what all tries show.

Pure: the caller makes each try, and decides how long it takes. A load is a whole number, in messages per second or in
users. The search

1. changes the starting load by a factor, up or down, until one load has passed and a higher one has failed;
2. then tries loads on both sides of the threshold that all tries so far suggest, until it has made its number of tries.

If the server was searched in earlier rounds, the search begins near what they found, so a few tries are enough. A try
counts only if the load generator and the machine were good enough. The result is an interval for the load that is
sustained in 50 % of tries, as far as the tries of this search show it. That of all rounds is
`record.estimate_over_searches`. A search is inconclusive, with the reason as one sentence, if its tries could not be
made at loads that may be tried. An end of its interval is then still a valid bound.

A search can have a second, stricter limit of the p99. Its tries alternate between the two limits, and each try counts
for both, since its p99 is known.

The caller requests one try at a time, so that several searches can take turns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from runners import record
from runners.judging.thresholds import (
    TRY_P99,
    client_errors,
    disturbances,
    is_beyond_loadgen,
    lost_messages,
    thresholds_of,
)
from runners.record import (
    Failure,
    Measurement,
    RtsiteError,
    SustainedLoad,
    estimate_sustained_load,
    sustained_load_quantiles,
    tidy,
    tries_at,
)
from runners.record.schema import LoadUnit
from runners.record.sustained_load import Try

PROBE_SAMPLES = 2_100
"""Minimum number of messages of a try. A p99 needs 20 samples above it, so 2,000 messages. The window's edges need 5 %
more."""
TRIES_AT_CEILING = 3
"""A try that the machine or the load generator made unusable is repeated, because a machine becomes quiet again. But
after this many tries in which the load generator was at its limit, no load as high is tried again."""
AT_THE_LIMIT = 3
"""The search ends when this many tries in a row were at its own limit, or at the load generator's, and had the same
outcome. No load beyond the limit can be tried."""
_CLOSE = 1.05
"""Loads within this factor of a limit count as at the limit."""

_TRIED_AT = (0.15, 0.85)
"""Quantiles of the posterior at which tries are made in turn. Tries at the middle would not show how wide the range is
in which a load sometimes passes. They would also not follow a machine that has become faster."""

_STAGES_UNDER_LOAD = frozenset({"connect", "load", "recheck"})
"""Stages in which a failure is caused by the load. In the other stages no load has been applied."""

TryVerdict = Literal["passed", "failed", "unusable"]


@dataclass(frozen=True)
class Settings:
    """Settings of a search. Loads are whole numbers; factors are ratios of loads."""

    start: int
    lowest: int
    highest: int
    factor: float = 2.0
    """Ratio between successive loads, until one has passed and another has failed."""
    tries: int = 3
    """Number of usable tries for each limit of the p99, once one has passed and another has failed at it."""
    most_probes: int = 24
    """Maximum number of tries, including unusable ones."""
    p99_limit_ms: float = TRY_P99.limit
    strict_p99_limit_ms: float | None = None
    """A lower limit that the search answers as well."""

    def __post_init__(self) -> None:
        if not 1 <= self.lowest <= self.start <= self.highest:
            raise ValueError(
                f"a search starts between its lowest and highest load, but {self.start} is not between"
                f" {self.lowest} and {self.highest}"
            )
        if self.factor <= 1:
            raise ValueError("the factor must be above 1")
        if not 1 <= self.usual_probes <= self.most_probes:
            raise ValueError("tries must be at least one for each limit, and no more than most_probes")
        if self.strict_p99_limit_ms is not None and not 0 < self.strict_p99_limit_ms < self.p99_limit_ms:
            raise ValueError("the strict limit of the p99 must be below the other one")

    @property
    def limits_ms(self) -> tuple[float, ...]:
        """The limits of the p99, the main one first."""
        return (self.p99_limit_ms, *([] if self.strict_p99_limit_ms is None else [self.strict_p99_limit_ms]))

    @property
    def usual_probes(self) -> int:
        """Number of tries if all are usable and the capacity is enclosed already."""
        return self.tries * len(self.limits_ms)

    def below(self, ceiling: int) -> Settings:
        """The same settings with no load above ``ceiling``, for example because of the limit of open files."""
        highest = max(self.lowest, min(self.highest, ceiling))
        return replace(self, highest=highest, start=min(self.start, highest))


@dataclass(frozen=True)
class Probe:
    """One load, tried once."""

    load: int
    passed: bool
    p99_ms: float | None
    """Latency p99 from the intended send."""
    lost: int
    errors: int
    achieved_per_s: float
    """Messages answered per second."""
    valid: bool = True
    """Whether the try is usable. If the load generator or the machine was not good enough, it does not show what the
    server can do."""
    reasons: tuple[str, ...] = ()
    """The reasons why it did not pass or is not valid, one sentence each."""
    beyond_loadgen: bool = False
    """Whether the load was too high for the load generator. Such a try is not valid, and repeating it is useless."""
    server_cpu_percent: float | None = None
    """CPU use in percent of one core, including the broker."""
    p99_without_lags_ms: float | None = None
    """Lower bound of the p99 without the load generator's own lags."""

    @property
    def verdict(self) -> TryVerdict:
        return "unusable" if not self.valid else "passed" if self.passed else "failed"


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: the ends of the interval and its middle, as in `record.SustainedLoad`.

    It is conclusive if all tries were made, in the range that the search may try. Otherwise ``reason`` explains why
    not.
    """

    low: int | None
    typical: int | None
    high: int | None
    reason: str | None
    probes: tuple[Probe, ...]
    settings: Settings
    strict: SustainedLoad | None = None
    """The same at the strict limit, if there is one."""

    @property
    def conclusive(self) -> bool:
        return self.reason is None


class ProbeError(RtsiteError):
    """A try failed for a cause other than the load, so the search has failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"no load could be tried: {failure.reason}")
        self.failure = failure


def window_s(shortest_s: float, messages_per_s: float) -> float:
    """The window length in seconds that a try needs for a p99; at least ``shortest_s``."""
    return max(shortest_s, PROBE_SAMPLES / messages_per_s)


def judge_try(load: int, measurement: Measurement, *, p99_limit_ms: float = TRY_P99.limit) -> Probe:
    """Whether the server sustained the load that one open-loop measurement applied.

    Raises `ProbeError` if the measurement failed before any load was applied.

    Send and read lag do not matter if the p99 passes with them or fails without them. If the p99 fails with them but
    passes without them, they caused the failure, and the try is unusable.
    """
    failure = measurement.failure
    if failure is not None and failure.stage not in _STAGES_UNDER_LOAD:
        raise ProbeError(failure)
    if failure is not None or measurement.messages is None:
        reason = failure.reason if failure is not None else "the measurement has no results"
        return Probe(load, passed=False, p99_ms=None, lost=0, errors=1, achieved_per_s=0.0, reasons=(reason,))
    p99_rule = replace(TRY_P99, limit=p99_limit_ms)
    p99_ms = TRY_P99.value_of(measurement)
    without_lags_ms = _p99_without_lags_ms(measurement)
    lags_decide = (
        p99_rule.is_broken_by(p99_ms) and without_lags_ms is not None and not p99_rule.is_broken_by(without_lags_ms)
    )
    rules = [p99_rule if rule is TRY_P99 else rule for rule in thresholds_of("search try")]
    reasons = [
        broken
        for rule in rules
        if not (rule is p99_rule and lags_decide) and (broken := rule.reason_against(measurement))
    ]
    unusable = disturbances(measurement)
    if lags_decide and not reasons:
        unusable.append(
            f"sent or read too late: p99 {p99_ms:.3g} ms, without the load generator's lags {without_lags_ms:.3g} ms"
        )
    if p99_ms is None and not reasons:
        unusable.append(f"{measurement.messages.received:,} answers are too few for a p99")
    return Probe(
        load,
        passed=not reasons and not unusable,
        p99_ms=p99_ms,
        lost=lost_messages(measurement),
        errors=client_errors(measurement),
        achieved_per_s=measurement.messages_per_s or 0.0,
        valid=not unusable,
        reasons=tuple(unusable or reasons),
        beyond_loadgen=bool(unusable) and (lags_decide or is_beyond_loadgen(measurement)),
        server_cpu_percent=_server_cpu_percent(measurement),
        p99_without_lags_ms=without_lags_ms,
    )


def _p99_without_lags_ms(measurement: Measurement) -> float | None:
    """The p99 from the actual send minus the p99 of the read lag, in milliseconds.

    This is a lower bound, because a difference of two percentiles is not a percentile of the differences.
    """
    sent = measurement.latency_from_send_ms or measurement.latency_ms
    health = measurement.generator
    if sent is None or sent.p99 is None:
        return None
    return max(0.0, sent.p99 - ((health.read_lag_p99_ms or 0.0) if health is not None else 0.0))


def _server_cpu_percent(measurement: Measurement) -> float | None:
    if measurement.server is None:
        return None
    parties = (measurement.server, measurement.broker, measurement.proxy)
    return round(sum(party.cpu_percent for party in parties if party is not None), 2)


class Search:
    """A search in progress. The caller tries `next_load` and enters the result, until `next_load` returns ``None``.

    ``earlier``: the tries of each earlier search of the same server, which show where to try.
    """

    def __init__(self, settings: Settings, earlier: Sequence[Sequence[Try]] = ()) -> None:
        self.settings = settings
        self.probes: list[Probe] = []
        self._earlier = {
            limit_ms: [found for tries in earlier if (found := tries_at(tries, limit_ms))]
            for limit_ms in settings.limits_ms
        }
        self._aims: list[float] = []
        """For each probe, the limit of the p99 that it was made for."""
        self._counting: list[bool] = []
        """For each probe, whether it counts as a try for that limit: usable, and made when one was known to pass and
        another to fail."""
        self._ceiling: int | None = None
        """The lowest load that was too high for the load generator."""
        self._ends: dict[float, str] = {}
        """The reason why no further load is tried for a limit, if that ends early."""

    @property
    def next_load(self) -> int | None:
        """The load to try next, or ``None`` if the search is over."""
        limit_ms = self._aim
        if limit_ms is None or len(self.probes) >= self.settings.most_probes:
            return None
        if not self.probes and not self._earlier[limit_ms]:
            return self.settings.start
        if self.probes and self.probes[-1].verdict == "unusable" and self.probes[-1].load != self._ceiling:
            return self.probes[-1].load
        return self._below_ceiling(self._wanted(limit_ms), limit_ms)

    def enter(self, probe: Probe) -> None:
        """Add the result of trying the next load."""
        limit_ms = self._aim
        assert limit_ms is not None
        self._counting.append(probe.valid and self._is_enclosed(limit_ms))
        self.probes.append(probe)
        self._aims.append(limit_ms)
        last = self.probes[-TRIES_AT_CEILING:]
        if len(last) == TRIES_AT_CEILING and all(one.beyond_loadgen and one.load == probe.load for one in last):
            self._ceiling = probe.load
        for one in self.settings.limits_ms:
            if reason := self._why_over(one):
                self._ends.setdefault(one, reason)

    def result(self) -> SearchResult:
        """The result of the tries so far."""
        main_ms, *strict_ms = self.settings.limits_ms
        found = estimate_sustained_load(self._tries(main_ms))
        reason = self._ends.get(main_ms) or self._why_unfinished()
        strict = [estimate_sustained_load(self._tries(limit_ms)) for limit_ms in strict_ms]
        return SearchResult(found.low, found.typical, found.high, reason, tuple(self.probes), self.settings, *strict)

    @property
    def _aim(self) -> float | None:
        """The limit with the fewest tries among those for which more are to be made, the main one first."""
        made = {limit_ms: self._count(limit_ms) for limit_ms in self.settings.limits_ms}
        left = [one for one in made if one not in self._ends and made[one] < self.settings.tries]
        return min(left, key=made.__getitem__, default=None)

    def _count(self, limit_ms: float) -> int:
        """The number of tries made for this limit that count."""
        return sum(aim == limit_ms and counts for counts, aim in zip(self._counting, self._aims, strict=True))

    def _is_enclosed(self, limit_ms: float) -> bool:
        """Whether one try is known to pass at this limit, and another to fail."""
        outcomes = {passed for tries in (*self._earlier[limit_ms], self._tries(limit_ms)) for _, passed in tries}
        return len(outcomes) == 2

    def _made_for(self, limit_ms: float) -> list[tuple[int, bool]]:
        """The tries made for this limit that show something: each load, and whether it passed."""
        own = [probe for probe, aim in zip(self.probes, self._aims, strict=True) if aim == limit_ms]
        return tries_at(own, limit_ms)

    def _tries(self, limit_ms: float) -> list[tuple[int, bool]]:
        """The tries that show something at this limit: each load, and whether it passed."""
        return tries_at(self.probes, limit_ms)

    def _best(self, limit_ms: float) -> int:
        """The highest load that passed, or the lowest allowed load if none passed."""
        return max((load for load, passed in self._tries(limit_ms) if passed), default=self.settings.lowest)

    def _wanted(self, limit_ms: float) -> int:
        """The load at which a try gives the most information."""
        settings, tries, earlier = self.settings, self._tries(limit_ms), self._earlier[limit_ms]
        known = [*chain.from_iterable(earlier), *tries]
        if all(passed for _, passed in known):
            highest = max((load for load, _ in known), default=settings.start)
            return min(settings.highest, max(highest + 1, round(highest * settings.factor)))
        if not any(passed for _, passed in known):
            lowest = min(load for load, _ in known)
            return max(settings.lowest, min(lowest - 1, round(lowest / settings.factor)))
        turn = (len(earlier) + self._count(limit_ms)) % len(_TRIED_AT)
        (wanted,) = sustained_load_quantiles(tries, (_TRIED_AT[turn],), earlier)
        return max(settings.lowest, min(settings.highest, tidy(wanted)))

    def _below_ceiling(self, load: int, limit_ms: float) -> int:
        """The load. If it is too high for the load generator, a load between the highest that passed and the lowest
        that is too high.
        """
        if self._ceiling is None or load < self._ceiling:
            return load
        best = self._best(limit_ms)
        middle = tidy(math.sqrt(best * self._ceiling))
        return middle if best < middle < self._ceiling else best

    def _why_over(self, limit_ms: float) -> str | None:
        """The reason why the search ends early at this limit, or ``None`` if it continues."""
        settings = self.settings
        if self._ceiling is not None and self._ceiling <= settings.lowest:
            return self._why_unusable(self._ceiling)
        if self._ceiling is not None and self._all_alike(limit_ms, passed=True, beyond=self._ceiling / _CLOSE):
            return self._why_unusable(self._ceiling)
        if self._all_alike(limit_ms, passed=True, beyond=settings.highest):
            return f"even {settings.highest:,} passes, and no higher load is tried"
        if self._all_alike(limit_ms, passed=False, beyond=settings.lowest):
            return f"even {settings.lowest:,} fails, and no lower load is tried"
        return None

    def _all_alike(self, limit_ms: float, *, passed: bool, beyond: float) -> bool:
        """Whether the last tries for this limit were all at or beyond a load, and all had this outcome."""
        last = self._made_for(limit_ms)[-AT_THE_LIMIT:]
        return len(last) == AT_THE_LIMIT and all(
            one == passed and (load >= beyond if passed else load <= beyond) for load, one in last
        )

    def _why_unusable(self, load: int) -> str:
        reasons = next(one.reasons for one in reversed(self.probes) if one.load == load)
        why = f": {_short(reasons[0])}" if reasons else ""
        return f"the load generator or the machine was not good enough at {load:,}{why}"

    def _why_unfinished(self) -> str | None:
        """The reason why not all tries for the main limit could be made, or ``None`` if they were."""
        made = self._count(self.settings.p99_limit_ms)
        if made >= self.settings.tries:
            return None
        unusable = sum(not one.valid for one in self.probes)
        return f"{made} of {self.settings.tries} tries near its limit were made; {unusable} others were unusable"


def as_record(result: SearchResult, unit: LoadUnit) -> record.Capacity:
    """The result for the result file. A probe has reasons only if its values do not show them."""
    return record.Capacity(
        unit=unit,
        low=result.low,
        typical=result.typical,
        high=result.high,
        conclusive=result.conclusive,
        reason=result.reason,
        p99_limit_ms=result.settings.p99_limit_ms,
        strict=None
        if result.strict is None
        else record.SustainedInterval(p99_limit_ms=result.settings.limits_ms[-1], **vars(result.strict)),
        probes=[
            record.CapacityProbe(
                load=one.load,
                passed=one.passed,
                p99_ms=one.p99_ms,
                lost=one.lost,
                errors=one.errors,
                achieved_per_s=round(one.achieved_per_s, 1),
                server_cpu_percent=one.server_cpu_percent,
                p99_without_lags_ms=one.p99_without_lags_ms,
                valid=one.valid,
                reasons=[_short(reason) for reason in one.reasons] if one.p99_ms is None or not one.valid else [],
            )
            for one in result.probes
        ],
    )


def describe_capacity(found: record.Capacity) -> str:
    """The result in one line, for example ``12,000 to 12,600 msg/s (17 probes)``."""
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
