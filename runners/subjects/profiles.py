"""Profiles: how long and how often cells are measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from runners.judging import capacity
from runners.judging.thresholds import EVENTS
from runners.record import UsageError, unknown_name
from runners.subjects.scenarios import Scenario

STEP_PAUSE_S = 1.0
"""Seconds between the last client of a step and the reading of memory. Memory for handshakes is freed by then."""
SPARE = 1 / 3
"""Share of the planned time for repeating measurements. A machine that disturbs more than every third one is
unsuitable."""
FIRST_ROUNDS = 5
"""Rounds of everything at the begin of an adaptive run. With fewer a table decides nothing
(`generator.statistics.MIN_ROUNDS`), so a look would see nothing."""
LONGEST_CLOSED_S = 30.0
"""Maximum window of a closed loop. The slowest of our servers passes three messages per second to 1,000 members."""
LONG_LOAD_S = 30.0
"""Seconds of load from which a measurement is long. The same time measures other scenarios five times."""
_USUAL_CONNECTIONS_PER_S = 1000.0
_USUAL_RECOVERY_S = 4.0
"""One second before the crash, one or two for the server to start, and one after the last client has reconnected."""
_USUAL_DEPLOY_S = 9.0
"""The same, and a second or two until the old process has ended, waits of the clients, and more time afterwards."""


_USUAL_RETURN_S = 5.0
"""Seconds until the last members are back in their rooms (`runners.loadgen.room_members`)."""
_CANCELLED_STREAMS_S = 14.0
"""Seconds in which long streams begin and are cancelled, and the server is watched (`runners.measurement.streams`)."""


@dataclass(frozen=True)
class Profile:
    """The length and number of measurements. Seconds are per measurement. A scenario names the profiles that
    include it.
    """

    slug: str
    rounds: int
    """Number of rounds of everything."""
    warmup_s: float
    duration_s: float
    most_rounds: int | None = None
    """Maximum number of rounds of an adaptive run: each round after those of everything measures what is undecided
    (`runners.campaign.next_round`). ``None``: there are no such rounds."""
    target_decided_percent: float = 95.0
    """An adaptive run ends when this share of its comparisons is decided. The rest differ by about the margin or are
    noisy, and would take as long as all others."""
    usual_share: float = 0.4
    """Share of the time of all further rounds that an adaptive run usually takes, for estimates."""
    probe_warmup_s: float = 1.0
    """Warm-up of each probe of a search."""
    probe_s: float = 3.0
    """Minimum window of each probe of a search. It is longer if a p99 needs more messages."""
    long_rounds: int | None = None
    """Number of rounds of everything that measure scenarios with at least `LONG_LOAD_S` of load; ``None``: all do. An
    adaptive run measures them again where that decides most."""
    long_windows: bool = False
    """Whether windows become longer until they hold enough events (`EVENTS`) and enough withheld data
    (`WITHHELD`)."""
    overhead_s: float = 2.0
    """Expected time of a measurement without the load: start, readiness, drain, checks, stop."""
    start_s: float = 0.0
    """Expected additional time where a server must be new although the profile reuses servers."""
    rechecks: bool = True
    """Whether the server is checked again after each load."""
    shares_servers: bool = False
    """Whether a variant's server is kept for further measurements of the round, except those of memory. Then it is
    some percent slower than a new one."""
    spare: float = 0.0
    """Time for repeating disturbed measurements, as a share of the planned time."""

    def rounds_of(self, scenario: Scenario) -> int:
        """Number of rounds of everything that measure the scenario, counted from the first."""
        is_long = self.load_s(scenario) >= LONG_LOAD_S
        return min(self.rounds, self.long_rounds) if is_long and self.long_rounds is not None else self.rounds

    def window_s(self, scenario: Scenario) -> float:
        """Seconds of the scenario's window: the profile's or, with `long_windows`, as many as its events need.

        A distribution of few events needs more time, not more samples of each event.
        """
        least_s = scenario.least_window_s(self.slug) if self.long_windows else scenario.shortest_window_s
        return max(self.duration_s, least_s)

    def window_at_s(self, scenario: Scenario, messages_per_s: float) -> float:
        """Seconds of the window, if the server answered this many messages per second in the warm-up.

        The rate of a closed loop is not known before, so its window becomes longer then, up to `LONGEST_CLOSED_S`.
        """
        window_s = self.window_s(scenario)
        if scenario.mode == "open" or not self.long_windows or messages_per_s <= 0:
            return window_s
        return max(window_s, math.ceil(min(EVENTS.limit / messages_per_s, LONGEST_CLOSED_S)))

    def of_probe(self, scenario: Scenario) -> Profile:
        """The profile of one probe under this scenario (`Scenario.at`). Its server is neither reused nor checked
        again.
        """
        duration_s = capacity.window_s(self.probe_s, scenario.rate_per_s)
        return replace(self, warmup_s=self.probe_warmup_s, duration_s=duration_s, rechecks=False, long_windows=False)

    def load_s(self, scenario: Scenario) -> float:
        """Expected seconds of load in one measurement. For a search, the estimate assumes that it ends near its
        starting load.
        """
        match scenario.procedure:
            case "window":
                return self.warmup_s * (2 if scenario.second else 1) + self.window_s(scenario)
            case "search":
                assert scenario.target is not None
                probe = self.of_probe(scenario.at(scenario.target.settings.start))
                return scenario.target.settings.usual_probes * (probe.warmup_s + probe.duration_s)
            case "connect":
                return scenario.connections / _USUAL_CONNECTIONS_PER_S + scenario.hold_s
            case "stream":
                assert scenario.stream is not None
                streams_s = self.warmup_s + self.window_s(scenario) + 2 * scenario.stream.seconds
                return streams_s + _CANCELLED_STREAMS_S
            case "publish":
                return self.warmup_s + self.window_s(scenario)
            case "depart":
                return self.window_s(scenario) + _USUAL_RETURN_S
            case "recover":
                return _USUAL_DEPLOY_S if scenario.is_deploy else _USUAL_RECOVERY_S

    def expected_s(self, scenario: Scenario) -> float:
        """Expected seconds of one measurement."""
        besides_s = self.overhead_s + len(scenario.steps) * STEP_PAUSE_S
        if scenario.procedure == "window" and not scenario.slice_s:
            besides_s += self.start_s
        return self.load_s(scenario) + (scenario.target.settings.usual_probes if scenario.target else 1) * besides_s


PROFILES: dict[str, Profile] = {
    profile.slug: profile
    for profile in (
        Profile(
            "quick",
            rounds=1,
            warmup_s=0.3,
            duration_s=1.0,
            overhead_s=0.5,
            start_s=0.7,
            rechecks=False,
            shares_servers=True,
        ),
        Profile(
            "standard",
            rounds=FIRST_ROUNDS,
            most_rounds=20,
            # Windows of 2 to 4 s decide closed loops soonest, and of 3 s open loops (``benchmarks/windows.py``).
            # Longer ones leave time for fewer rounds, and have hardly less spread.
            warmup_s=2.0,
            duration_s=3.0,
            long_rounds=2,
            probe_s=4.0,
            long_windows=True,
            spare=SPARE,
        ),
        Profile(
            "full",
            rounds=FIRST_ROUNDS,
            most_rounds=30,
            warmup_s=5.0,
            duration_s=20.0,
            probe_warmup_s=2.0,
            probe_s=8.0,
            long_windows=True,
            spare=SPARE,
        ),
    )
}


def choose_profile(name: str) -> Profile:
    """The profile with this name; raises `UsageError`."""
    if name not in PROFILES:
        raise unknown_name("profile", name, PROFILES)
    return PROFILES[name]


MOST_ROUNDS = 1000


def with_rounds(profile: Profile, *, rounds: int | None = None) -> Profile:
    """The profile, with exactly this number of rounds of everything if one is given; raises `UsageError` if it is not
    1 to `MOST_ROUNDS`.
    """
    if rounds is not None and not 1 <= rounds <= MOST_ROUNDS:
        raise UsageError(f"{rounds} rounds cannot be measured; choose 1 to {MOST_ROUNDS}")
    return profile if rounds is None else replace(profile, rounds=rounds, long_rounds=None, most_rounds=None)
