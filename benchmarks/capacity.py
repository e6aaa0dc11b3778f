"""Simulates capacity searches, and counts how often the published interval contains the server's capacity.

Run it as follows:

    uv run python -m benchmarks.capacity                                          # a table
    uv run python -m benchmarks.capacity --json > benchmarks/capacity.json        # what the methodology page shows

The simulated machine wobbles. The load that a server sustains is its capacity times a log-normal factor, whose
logarithm is an autoregressive process of first order over the tries. ``lasting`` is its autocorrelation from one try to
the next: with 0 each try has a factor of its own, with 1 all tries of a search have the same. Searches are independent.
The p99 is a power of the load, so that the strict limit is reached at 60 % of the capacity. The search and the
intervals are those of a run and of the site. ``covered`` is how often the interval of all searches so far contains the
capacity. An adaptive run compares servers after each search. ``differ`` is how many pairs of equal servers were judged
different at any look.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from generator.comparison.capacities import MIN_SEARCHES, Bracket
from runners.judging.capacity import Probe, Search, SearchResult
from runners.judging.thresholds import STRICT_P99
from runners.record import MOST_SEARCHES, SustainedLoad, estimate_over_searches, tries_at
from runners.subjects.workloads import CAPACITY

(SETTINGS,) = (one.target.settings for one in CAPACITY.scenarios if one.target and one.target.unit == "messages_per_s")
STRICT_SHARE = 0.6
_POWER = math.log(SETTINGS.p99_limit_ms / STRICT_P99.limit) / -math.log(STRICT_SHARE)
WOBBLES = (0.0, 0.1)
LASTING = (0.0, 0.9, 1.0)
SEARCHES = (2, 5, 10)


@dataclass(frozen=True)
class Coverage:
    """How often intervals contain the capacity. ``wobble``: standard deviation of its logarithm over time.

    ``width``: median ratio of the upper to the lower end. ``strict``: the share at the strict limit.
    """

    wobble: float
    lasting: float
    searches: int
    simulated: int
    covered: float
    strict: float
    width: float


@dataclass(frozen=True)
class Looks:
    """How many of the pairs of equal servers differ at any look, after `MIN_SEARCHES` to `MOST_SEARCHES` searches."""

    wobble: float
    lasting: float
    pairs: int
    differ: int


def look_repeatedly(wobble: float, lasting: float, *, pairs: int, seed: int, ratio: float = 1.0) -> Looks:
    """Simulate pairs of servers, and compare them after each search as the site does. ``ratio``: that of their
    capacities.
    """
    chance = random.Random(seed)
    differ = 0
    for _ in range(pairs):
        capacity = _any_capacity(chance)
        made: tuple[list[SearchResult], list[SearchResult]] = ([], [])
        for number in range(1, MOST_SEARCHES + 1):
            for searches, own in zip(made, (capacity, ratio * capacity), strict=True):
                searches.append(_search(own, wobble, lasting, chance, searches))
            one, other = map(_bracket, made)
            if number >= MIN_SEARCHES and one.against(other) in ("better", "worse"):
                differ += 1
                break
    return Looks(wobble, lasting, pairs, differ)


def _bracket(made: Sequence[SearchResult]) -> Bracket:
    found = _over(made, SETTINGS.p99_limit_ms)
    return Bracket(found.low, found.high, None not in (found.low, found.high), found.typical, len(made))


def _any_capacity(chance: random.Random) -> float:
    return math.exp(chance.uniform(math.log(1_000), math.log(200_000)))


def simulate(
    wobble: float, lasting: float, *, times: int, seed: int, numbers: Sequence[int] = SEARCHES
) -> list[Coverage]:
    """Simulate ``times`` servers; the result has a row for each of these numbers of searches.

    The capacities are log-uniform from 1,000 to 200,000. With n searches, the first n of each server count.
    """
    chance = random.Random(seed)
    made: list[tuple[float, list[SearchResult]]] = []
    for _ in range(times):
        capacity = _any_capacity(chance)
        made.append((capacity, _searches(capacity, wobble, lasting, chance, max(numbers))))
    return [_coverage(wobble, lasting, searches, made) for searches in numbers]


def _coverage(
    wobble: float, lasting: float, searches: int, made: Sequence[tuple[float, list[SearchResult]]]
) -> Coverage:
    over = [(_over(found[:searches], SETTINGS.p99_limit_ms), capacity) for capacity, found in made]
    strict = [_contains(_over(found[:searches], STRICT_P99.limit), STRICT_SHARE * capacity) for capacity, found in made]
    widths = sorted(found.high / found.low for found, _ in over if found.low and found.high)
    return Coverage(
        wobble=wobble,
        lasting=lasting,
        searches=searches,
        simulated=len(made),
        covered=round(sum(_contains(found, capacity) for found, capacity in over) / len(made), 4),
        strict=round(sum(strict) / len(made), 4),
        width=round(widths[len(widths) // 2], 3),
    )


def _searches(capacity: float, wobble: float, lasting: float, chance: random.Random, number: int) -> list[SearchResult]:
    made: list[SearchResult] = []
    for _ in range(number):
        made.append(_search(capacity, wobble, lasting, chance, made))
    return made


def _search(
    capacity: float, wobble: float, lasting: float, chance: random.Random, earlier: Sequence[SearchResult]
) -> SearchResult:
    search = Search(SETTINGS, [one.probes for one in earlier])
    factor = chance.gauss(0, wobble)
    while (load := search.next_load) is not None:
        p99_ms = SETTINGS.p99_limit_ms * (load / (capacity * math.exp(factor))) ** _POWER
        passed = p99_ms < SETTINGS.p99_limit_ms
        search.enter(Probe(load, passed, p99_ms, lost=0, errors=0, achieved_per_s=float(load)))
        factor = lasting * factor + math.sqrt(1 - lasting**2) * chance.gauss(0, wobble)
    return search.result()


def _over(found: Sequence[SearchResult], p99_limit_ms: float) -> SustainedLoad:
    return estimate_over_searches([tries_at(one.probes, p99_limit_ms) for one in found])


def _contains(found: SustainedLoad, capacity: float) -> bool:
    """Whether the interval contains the capacity, which the ends as whole numbers round."""
    return found.low is not None and found.high is not None and found.low - 1 <= capacity <= found.high + 1


def main() -> int:
    """Simulate everything and print the table or the document."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=400, help="number of servers simulated for each row")
    parser.add_argument("--pairs", type=int, default=200, help="number of pairs of equal servers looked at repeatedly")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the document that the methodology page shows")
    options = parser.parse_args()
    settings = [(0.0, 0.0), *((wobble, lasting) for wobble in WOBBLES[1:] for lasting in LASTING)]
    rows = [
        row for wobble, lasting in settings for row in simulate(wobble, lasting, times=options.times, seed=options.seed)
    ]
    looks = [look_repeatedly(*setting, pairs=options.pairs, seed=options.seed) for setting in settings]
    if options.json:
        document = {
            "seed": options.seed,
            "tries": SETTINGS.usual_probes,
            "rows": [asdict(row) for row in rows],
            "looks": [asdict(look) for look in looks],
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        for row in (*rows, *looks):
            sys.stdout.write(f"{row}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
