"""Determines how long a window must be: how much the ratio of two servers strays between rounds, by window length.

    uv run python -m benchmarks.windows --record benchmarks/windows_rounds.json     # on a quiet machine, 35 minutes
    uv run python -m benchmarks.windows                                             # a table
    uv run python -m benchmarks.windows --json > benchmarks/windows.json

Each round measures all servers of a scenario in a window of `LONGEST_S`, and records each second of it. The first
seconds of these windows stand for shorter windows: they have the same servers, connections and warm-up. Of each pair of
servers and each length, the ratio of a round is that of the messages (closed loop) or of the median latencies, a
geometric mean over the seconds (open loop). The standard deviation of its logarithm over the rounds contains what
changes within a round, which falls as the window grows, and what changes between rounds, which stays.

From it follow the rounds until a ratio's 95 % interval is within ± 5 % (messages) or ± 10 % (latency), at least
`MIN_ROUNDS`, and the time that these rounds take: windows, warm-up, and everything around them. The best length is
the one with the least time. Warm-up is one second. It is long enough if the first second of a window has the same
value as the last ones: the drift.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from generator.statistics import MIN_ROUNDS
from generator.statistics.contrasts import errors_to_end
from runners import machine, measurement, revision
from runners.campaign import planning
from runners.measurement import Cell, Conditions
from runners.record import NothingToDoError, RtsiteError
from runners.serving.deployment import Deployments
from runners.subjects.profiles import PROFILES, Profile
from runners.subjects.workloads import choose_workloads

RECORDED = Path(__file__).with_name("windows_rounds.json")
FRAMEWORKS = (
    "fastapi/uvicorn",
    "sanic/sanic",
    "django-channels/daphne-pubsub",
    "flask-socketio/gunicorn-threads",
)
"""Fast and slow servers, with and without threads, a broker and Socket.IO."""
SCENARIOS = ("echo/closed", "echo/open", "room/closed-100", "room/open-10")
ROUNDS = 10
LONGEST_S = 6
LENGTHS_S = (1, 2, 3, 4, 6)
WARMUP_S = 1.0
TARGETS = {"messages": 1.05, "p50": 1.10}
"""The ratio up to which the interval of each kind of value may reach."""


@dataclass(frozen=True)
class Length:
    """What is known of one length of windows under one scenario.

    ``spread_percent``: of a pair's ratio between rounds, the median over all pairs. ``rounds``: until the interval is
    within the target. ``seconds``: of these rounds, for one server.
    """

    scenario: str
    value: str
    window_s: int
    spread_percent: float
    rounds: int
    seconds: float


@dataclass(frozen=True)
class Surroundings:
    """What a measurement of a scenario has besides its window.

    ``around_s``: seconds besides load: start, readiness, connections, checks, stop; the mean over all.
    ``drift_percent``: by how much the value of a window's first second differs from that of its last half, the median
    over all. ``fewest_rounds``, ``most_rounds``: valid rounds of a server.
    """

    scenario: str
    value: str
    around_s: float
    drift_percent: float
    fewest_rounds: int
    most_rounds: int


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.windows",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rounds", nargs="?", type=Path, default=RECORDED, help="the recorded rounds")
    parser.add_argument("--record", action="store_true", help="measure rounds, and write them to that file")
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    options = parser.parse_args()
    try:
        if options.record:
            record(options.rounds)
            return 0
        document = json.loads(options.rounds.read_text(encoding="utf-8"))
        if options.json:
            sys.stdout.write(json.dumps(tables(document), indent=2) + "\n")
            return 0
        found, beside = lengths(document), surroundings(document)
    except (RtsiteError, OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code if isinstance(error, RtsiteError) else 1
    for one in found:
        sys.stdout.write(
            f"{one.scenario:16} {one.value:9} {one.window_s:3} s  ± {one.spread_percent:6.2f} %"
            f"  {one.rounds:4} rounds {one.seconds:7.0f} s\n"
        )
    for other in beside:
        sys.stdout.write(
            f"{other.scenario:16} {other.value:9} {other.around_s:.2f} s besides load,"
            f" drift {other.drift_percent:+.2f} %\n"
        )
    return 0


def tables(document: Any) -> dict[str, Any]:
    """The document that the methodology page shows."""
    return {
        "lengths": [asdict(one) for one in lengths(document)],
        "surroundings": [asdict(one) for one in surroundings(document)],
    }


def lengths(document: Any) -> list[Length]:
    """The spread and the cost of each length of windows, by scenario. Raises `NothingToDoError` without two servers."""
    around_s = {one.scenario: one.around_s for one in surroundings(document)}
    found = []
    for scenario, servers in document["scenarios"].items():
        value = _value_of(scenario)
        for window_s in LENGTHS_S:
            spreads = [
                spread
                for one, other in combinations(servers.values(), 2)
                if (spread := _spread(one, other, value, window_s)) is not None
            ]
            if not spreads:
                raise NothingToDoError(f"{scenario}: no two servers were measured in three rounds or more")
            found.append(_length(scenario, value, window_s, statistics.median(spreads), around_s[scenario]))
    return found


def _length(scenario: str, value: str, window_s: int, spread: float, around_s: float) -> Length:
    rounds = MIN_ROUNDS
    while errors_to_end(rounds - 1.0) * spread / math.sqrt(rounds) > math.log(TARGETS[value]):
        rounds += 1
    seconds = rounds * (around_s + WARMUP_S + window_s)
    return Length(scenario, value, window_s, round(100 * spread, 3), rounds, round(seconds, 1))


def surroundings(document: Any) -> list[Surroundings]:
    """What measurements have besides their window, by scenario."""
    found = []
    for scenario, servers in document["scenarios"].items():
        value = _value_of(scenario)
        measured = [seconds for rounds in servers.values() for seconds in rounds.values()]
        drifts = [
            math.log(first / last)
            for seconds in measured
            if (first := _value(seconds, value, 0, 1)) and (last := _value(seconds, value, LONGEST_S // 2, LONGEST_S))
        ]
        if value == "messages":
            drifts = [drift + math.log(LONGEST_S - LONGEST_S // 2) for drift in drifts]
        spent = document["spent"][scenario]
        around_s = spent["seconds"] / spent["measurements"] - WARMUP_S - LONGEST_S
        drift = round(100 * statistics.median(drifts), 2)
        counts = [len(rounds) for rounds in servers.values()]
        found.append(Surroundings(scenario, value, round(around_s, 2), drift, min(counts), max(counts)))
    return found


def _value_of(scenario: str) -> str:
    return "messages" if "closed" in scenario else "p50"


def _spread(one: dict[str, Any], other: dict[str, Any], value: str, window_s: int) -> float | None:
    """The standard deviation of the logarithm of the ratio between rounds; ``None`` below three common rounds."""
    ratios = [
        math.log(first / second)
        for number in one.keys() & other.keys()
        if (first := _value(one[number], value, 0, window_s)) and (second := _value(other[number], value, 0, window_s))
    ]
    return statistics.stdev(ratios) if len(ratios) >= 3 else None


def _value(seconds: dict[str, list[float | None]], value: str, start_s: int, end_s: int) -> float | None:
    """The value of these seconds of a window; ``None`` if one of them has none."""
    known = [one for one in seconds["messages" if value == "messages" else "p50_ms"][start_s:end_s] if one]
    if len(known) < end_s - start_s:
        return None
    return math.fsum(known) if value == "messages" else math.exp(statistics.fmean(map(math.log, known)))


def record(target: Path) -> None:
    """Measure all rounds and write them after each round. Raises `RtsiteError`."""
    profile = replace(
        PROFILES["full"],
        rounds=ROUNDS,
        most_rounds=None,
        warmup_s=WARMUP_S,
        duration_s=LONGEST_S,
        long_windows=False,
    )
    frameworks = planning.choose_with_reference(FRAMEWORKS)
    plan = planning.plan_run(frameworks, choose_workloads(SCENARIOS, profile), profile, seed=1)
    cores = machine.physical_cores()
    usable = machine.usable_cpus()
    scenarios: dict[str, dict[str, dict[str, Any]]] = {}
    spent: dict[str, dict[str, float]] = {}
    document = {
        "started": measurement.now(),
        "commit": revision.describe_revision().commit,
        "machine": machine.describe_machine().model_dump(exclude_none=True),
        "spent": spent,
        "scenarios": scenarios,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        for number, turn in enumerate(plan.order, start=1):
            sys.stderr.write(f"round {number} of {ROUNDS} …\n")
            for indexes in plan.groups(turn):
                cells = [plan.cells[index] for index in indexes]
                name = f"{cells[0].workload.slug}/{cells[0].scenario.kind}"
                began_s = time.monotonic()
                measured = _measured(plan.profile, cells, number, indexes, cores)
                of_scenario = spent.setdefault(name, {"seconds": 0.0, "measurements": 0})
                of_scenario["seconds"] = round(of_scenario["seconds"] + time.monotonic() - began_s, 3)
                of_scenario["measurements"] += len(cells)
                for server, seconds in measured.items():
                    scenarios.setdefault(name, {}).setdefault(server, {})[str(number)] = seconds
            target.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    finally:
        machine.confine(sorted(usable))


def _measured(
    profile: Profile, cells: Sequence[Cell], number: int, positions: Sequence[int], cores: list[list[int]]
) -> dict[str, dict[str, Any]]:
    """The values by second of each server whose measurement is valid; these cells are measured together."""
    share = measurement.cores_for(cells[0].scenario, cores)
    machine.confine(share.harness)
    conditions = [Conditions(profile, share, number, place, 1000 * number + place) for place in positions]
    with Deployments() as deployments:
        results = measurement.measure_cells(cells, conditions, deployments)
    found = {}
    for cell, result in zip(cells, results, strict=True):
        name = f"{cell.framework.slug}/{cell.variant.slug}"
        if result.measurement.valid and result.timeline is not None:
            found[name] = {"messages": result.timeline.messages, "p50_ms": result.timeline.p50_ms}
        else:
            sys.stderr.write(f"{name}: {result.measurement.failure or result.measurement.invalid_reasons}\n")
    return found


if __name__ == "__main__":
    sys.exit(main())
