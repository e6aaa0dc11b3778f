"""Determines how much a value differs from run to run of the same code, beyond what the rounds of one run show.

    uv run python -m benchmarks.between_runs > benchmarks/between_runs.json

It compares each two runs that follow each other and measured the same variants with the same application, packages,
Python and command, under a workload with the same parameters. From each difference of two logarithmic means, it removes
the median over all variants: what the machine did to all of them. The variance that remains is twice that between runs,
plus what the rounds explain. The 95 % interval is that of a variance with as many degrees of freedom as there are
differences, less one for each two runs. Few pairs of runs make it rough: they share machine and days.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scipy.special import chdtri

from generator.comparison import Row, Table, compare_runs
from generator.dataset import Run, load_single
from runners.record import NothingToDoError, RtsiteError

RESULTS = Path(__file__).parents[1] / "results"
RUNS = (
    "2026-11-21-first/20261121T043756Z",
    "2026-11-21-second/20261121T094728Z",
    "2026-11-21-third/20261121T200351Z",
    "2026-11-22/20261122T122235Z",
)
"""The runs behind the committed document. The first two and the last two measured the same code, on different starts of
the machine."""
METRIC = "pss_mean_mb"
FEWEST_VARIANTS = 5
"""Variants that two runs must share: their median is removed."""


@dataclass(frozen=True)
class Pair:
    """Two runs of the same code in one table. ``differences``: of logarithms, without their median, by variant."""

    table: str
    runs: tuple[str, str]
    differences: dict[str, float]
    within: float
    """Mean variance of a difference that the rounds explain."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.between_runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="*", type=Path, default=[RESULTS / run for run in RUNS], help="folders of runs")
    try:
        document = estimate(parser.parse_args().runs)
    except RtsiteError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0


def estimate(folders: Sequence[Path], metric: str = METRIC) -> dict[str, object]:
    """The document: the standard deviation between runs, in percent. Raises `RtsiteError` if no two runs have the same
    code.
    """
    runs = sorted((load_single(folder) for folder in folders), key=lambda run: run.document.started)
    pairs = list(_pairs(runs, metric))
    freedom = sum(len(pair.differences) - 1 for pair in pairs)
    if freedom < 1:
        raise NothingToDoError(f"no two of these runs measured {FEWEST_VARIANTS} variants with the same code")
    squares = math.fsum(value**2 for pair in pairs for value in pair.differences.values())
    within = math.fsum(pair.within * (len(pair.differences) - 1) for pair in pairs) / freedom
    found, low, high = (
        _spread(squares / of, within) for of in (freedom, chdtri(freedom, 0.025), chdtri(freedom, 0.975))
    )
    return {
        "metric": metric,
        "between_runs_percent": found,
        "low": low,
        "high": high,
        "rounds_percent": round(100 * math.sqrt(within / 2), 3),
        "differences": freedom + len(pairs),
        "pairs": [
            {
                "table": pair.table,
                "runs": list(pair.runs),
                "difference_percent": {name: round(100 * value, 2) for name, value in pair.differences.items()},
            }
            for pair in pairs
        ],
    }


def _spread(variance: float, within: float) -> float:
    """Standard deviation between runs in percent, from the variance of a difference and what the rounds explain of
    it.
    """
    return round(100 * math.sqrt(max(0.0, variance - within) / 2), 3)


def _pairs(runs: Sequence[Run], metric: str) -> Iterator[Pair]:
    tables: dict[str, list[Table]] = {}
    for run in runs:
        for table in compare_runs([run], ranked=False).tables:
            tables.setdefault(table.slug, []).append(table)
    for slug, found in tables.items():
        for before, after in pairwise(found):
            common = [
                (row, other)
                for row in before.valid_rows
                for other in after.valid_rows
                if row.key == other.key and _is_same_code(row, other) and not row.framework.is_reference
                if all(metric in one.values and len(one.values[metric].rounds) > 1 for one in (row, other))
            ]
            if len(common) < FEWEST_VARIANTS:
                continue
            moments = [[_moments(one, metric) for one in pair] for pair in common]
            differences = [later[0] - earlier[0] for earlier, later in moments]
            median = statistics.median(differences)
            yield Pair(
                table=slug,
                runs=(before.run.raw, after.run.raw),
                differences={
                    "/".join(row.key): difference - median
                    for (row, _), difference in zip(common, differences, strict=True)
                },
                within=statistics.fmean(earlier[1] + later[1] for earlier, later in moments),
            )


def _moments(row: Row, metric: str) -> tuple[float, float]:
    """Mean of the logarithms, and the variance of this mean."""
    logs = [math.log(value) for value in row.values[metric].rounds.values()]
    return statistics.fmean(logs), statistics.variance(logs) / len(logs)


def _is_same_code(first: Row, second: Row) -> bool:
    return (
        first.framework.app_sha256 == second.framework.app_sha256
        and first.variant.packages == second.variant.packages
        and first.variant.python == second.variant.python
        and first.variant.command == second.variant.command
    )


if __name__ == "__main__":
    sys.exit(main())
