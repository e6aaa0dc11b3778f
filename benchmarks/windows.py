"""Determines how long a window must be: how much the ratio of two servers strays between rounds, by window length.

    uv run python -m benchmarks.windows --record benchmarks/windows/rounds.json     # on a quiet machine, 50 minutes
    uv run python -m benchmarks.windows                                             # a table
    uv run python -m benchmarks.windows --json > benchmarks/windows/windows.json

Each round measures all servers of a scenario in a window of `LONGEST_S`, and records each second of it. The first
seconds of these windows stand for shorter windows: they have the same servers, connections and warm-up. Of each pair of
servers and each length, the ratio of a round is that of the messages (closed loop) or of the median latencies, a
geometric mean over the seconds (open loop). The standard deviation of its logarithm over the rounds contains what
changes within a round, which falls as the window grows, and what changes between rounds, which stays.

From it follow the rounds until a ratio's 95 % interval is within ± 5 % (messages) or ± 10 % (latency), at least
`MIN_ROUNDS`, and the time that these rounds take: windows, warm-up, and everything around them. The best length is
the one with the least time.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from generator.statistics import CONFIDENCE, MIN_ROUNDS
from generator.statistics.contrasts import t_quantile
from runners import machine, measurement, revision
from runners.campaign import planning
from runners.measurement import Conditions
from runners.record import NothingToDoError, RtsiteError
from runners.serving.deployment import Deployments
from runners.subjects.profiles import PROFILES
from runners.subjects.workloads import choose_workloads

HOME = Path(__file__).with_suffix("")
FRAMEWORKS = (
    "fastapi/uvicorn",
    "sanic/sanic",
    "django-channels/daphne-pubsub",
    "flask-socketio/gunicorn-threads",
)
"""Fast and slow servers, with and without threads, a broker and Socket.IO."""
SCENARIOS = ("echo/closed", "echo/open", "room/closed-100", "room/open-100")
ROUNDS = 12
LONGEST_S = 12
LENGTHS_S = (1, 2, 3, 4, 6, 8, 12)
WARMUP_S = 1.0
AROUND_S = 2.0
"""Seconds of a measurement besides its load, as in the profiles."""
TARGETS = {"messages": 1.05, "p50": 1.10}
"""The ratio up to which the interval of each kind of value may reach."""


@dataclass(frozen=True)
class Length:
    """What is known of one length of windows under one scenario. ``spread_percent``: of a pair, the median over all.

    ``rounds``: until the interval is within the target. ``seconds``: of these rounds, for one server.
    """

    scenario: str
    value: str
    window_s: int
    spread_percent: float
    rounds: int
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.windows",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rounds", nargs="?", type=Path, default=HOME / "rounds.json", help="the recorded rounds")
    parser.add_argument("--record", action="store_true", help="measure rounds, and write them to that file")
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    options = parser.parse_args()
    try:
        if options.record:
            record(options.rounds)
            return 0
        found = lengths(json.loads(options.rounds.read_text(encoding="utf-8")))
    except (RtsiteError, OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code if isinstance(error, RtsiteError) else 1
    if options.json:
        sys.stdout.write(json.dumps({"lengths": [asdict(one) for one in found]}, indent=2) + "\n")
        return 0
    for one in found:
        sys.stdout.write(
            f"{one.scenario:16} {one.value:9} {one.window_s:3} s  ± {one.spread_percent:6.2f} %"
            f"  {one.rounds:4} rounds {one.seconds:7.0f} s\n"
        )
    return 0


def lengths(document: Any) -> list[Length]:
    """The spread and the cost of each length of windows, by scenario. Raises `NothingToDoError` without two servers."""
    found = []
    for scenario, servers in document["scenarios"].items():
        value = "messages" if "closed" in scenario else "p50"
        for window_s in LENGTHS_S:
            spreads = [
                spread
                for one, other in combinations(servers.values(), 2)
                if (spread := _spread(one, other, value, window_s)) is not None
            ]
            if not spreads:
                raise NothingToDoError(f"{scenario}: no two servers were measured in three rounds or more")
            found.append(_length(scenario, value, window_s, statistics.median(spreads)))
    return found


def _length(scenario: str, value: str, window_s: int, spread: float) -> Length:
    rounds = MIN_ROUNDS
    while t_quantile(rounds - 1.0, 0.5 + CONFIDENCE / 2) * spread / math.sqrt(rounds) > math.log(TARGETS[value]):
        rounds += 1
    return Length(
        scenario, value, window_s, round(100 * spread, 3), rounds, rounds * (AROUND_S + WARMUP_S + window_s)
    )


def _spread(one: dict[str, Any], other: dict[str, Any], value: str, window_s: int) -> float | None:
    """The standard deviation of the logarithm of the ratio between rounds; ``None`` below three common rounds."""
    ratios = [
        math.log(first / second)
        for number in one.keys() & other.keys()
        if (first := _value(one[number], value, window_s)) and (second := _value(other[number], value, window_s))
    ]
    return statistics.stdev(ratios) if len(ratios) >= 3 else None


def _value(seconds: dict[str, list[float | None]], value: str, window_s: int) -> float | None:
    """The value of the first seconds of a window; ``None`` if one of them has none."""
    first = seconds["messages" if value == "messages" else "p50_ms"][:window_s]
    known = [one for one in first if one]
    if len(known) < window_s:
        return None
    return math.fsum(known) if value == "messages" else math.exp(statistics.fmean(map(math.log, known)))


def record(target: Path) -> None:
    """Measure all rounds and write them after each round. Raises `RtsiteError`."""
    profile = replace(PROFILES["full"], rounds=ROUNDS, warmup_s=WARMUP_S, duration_s=LONGEST_S, long_windows=False)
    frameworks = planning.choose_with_reference(FRAMEWORKS)
    plan = planning.plan_run(frameworks, choose_workloads(SCENARIOS, profile), profile, seed=1)
    cores = machine.physical_cores()
    usable = machine.usable_cpus()
    scenarios: dict[str, dict[str, dict[str, Any]]] = {}
    document = {
        "started": measurement.now(),
        "commit": revision.describe_revision().commit,
        "machine": machine.describe_machine().model_dump(exclude_none=True),
        "scenarios": scenarios,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        for number, turn in enumerate(plan.order, start=1):
            sys.stderr.write(f"round {number} of {ROUNDS} …\n")
            for indexes in plan.groups(turn):
                for name, server, seconds in _measured(plan, indexes, number, cores):
                    scenarios.setdefault(name, {}).setdefault(server, {})[str(number)] = seconds
            target.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    finally:
        machine.confine(sorted(usable))


def _measured(
    plan: planning.Plan, indexes: Sequence[int], number: int, cores: list[list[int]]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The valid measurements of cells together: scenario, server, and its values by second."""
    cells = [plan.cells[index] for index in indexes]
    share = measurement.cores_for(cells[0].scenario, cores)
    machine.confine(share.harness)
    conditions = [Conditions(plan.profile, share, number, place, 1000 * number + place) for place in indexes]
    with Deployments(shared=False) as deployments:
        results = measurement.measure_cells(cells, conditions, deployments)
    for cell, result in zip(cells, results, strict=True):
        name = f"{cell.framework.slug}/{cell.variant.slug}"
        if result.measurement.valid and result.timeline is not None:
            seconds = {"messages": result.timeline.messages, "p50_ms": result.timeline.p50_ms}
            yield f"{cell.workload.slug}/{cell.scenario.kind}", name, seconds
        else:
            sys.stderr.write(f"{name}: {result.measurement.failure or result.measurement.invalid_reasons}\n")


if __name__ == "__main__":
    sys.exit(main())
