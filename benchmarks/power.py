"""Determines how often the method detects a known difference, and how often it reports a false one.

Run it as follows:

    uv run rtsite run --framework benchmarks/power/twins --workload echo/closed --profile standard --rounds 30 \
        --results benchmarks/power/results                                                       # and --profile full
    uv run python -m benchmarks.power benchmarks/power/results                                  # a table
    uv run python -m benchmarks.power --json benchmarks/power/results > benchmarks/power/rates.json

The twins are four copies of FastAPI's app: a and b are identical; plus-2 and plus-3 use about 2 and 3 % more CPU time
per echo. Every comparison draws rounds without replacement from all rounds recorded for a profile, as many as the
profile has. The four twins are then one table, judged by the functions that the site uses. b is right if neither of a
and b is called better, and if they are practically equal. plus-2 and plus-3 are right if they are called worse than a,
even if that is by less than the metric's margin. Simulated tables (`benchmarks.simulation`) show the same for more
rows, unequal noise, and fewer rounds.

Comparisons drawn from the same rounds are not independent: thousands of them contain no more information than the
rounds that they share. Their rate is a U-statistic of degree n (rounds of a comparison) over N (recorded rounds). Its
variance is at most n/N of the variance of one comparison (Hoeffding 1948, Ann. Math. Statist. 19(3), theorem 5.2). So
the interval printed is Wilson's (1927, JASA 22) for N/n comparisons, independent of the number drawn. It is wide if few
rounds were recorded. It assumes independent rounds; on a machine that drifts, adjacent rounds are not fully
independent. The variance from the drawing itself is far smaller. All results apply to the noise of this machine and
this cell.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.special import ndtri

from benchmarks.simulation import SETTINGS, simulate
from generator.comparison import METRICS, Judged, MetricComparison, Table, compare_runs
from generator.dataset import Difference, Rate, Rates, Recorded, Run, load_results, load_single
from generator.statistics import CONFIDENCE, DECISION_LEVEL, SMALLEST_RELEVANT_RATIO, fit_rounds
from runners.record import NothingToDoError, RtsiteError

Expected = Literal["not different", "no order", "equal", "worse"]
ROUNDS: Mapping[str, int] = {"standard": 10, "full": 15}
"""Rounds of one comparison, by profile. Adaptive runs have more where a comparison is close."""
FIRST = "a"
EXPECTED: Mapping[str, tuple[Expected, ...]] = {
    "b": ("not different", "no order", "equal"),
    "plus-2": ("worse",),
    "plus-3": ("worse",),
}
TARGETS: Mapping[tuple[Expected, str, str], float] = {
    ("not different", "b", "standard"): 0.99,
    ("not different", "b", "full"): 0.99,
    ("no order", "b", "standard"): 0.99,
    ("no order", "b", "full"): 0.99,
    ("equal", "b", "standard"): 0.90,
    ("equal", "b", "full"): 0.90,
    ("worse", "plus-3", "standard"): 0.95,
    ("worse", "plus-2", "full"): 0.95,
}
"""Promised rates by outcome, twin and profile."""
PROFILE_NAMES = ("standard", "full")
BOTH = ("messages_per_s", "cpu_us_per_message")

RoundKey = tuple[str, int]
Series = Mapping[str, Mapping[str, Mapping[RoundKey, float]]]
"""Values by twin, metric and round."""


@dataclass(frozen=True)
class Plan:
    """The number and the seed of the comparisons drawn, and the number of tables simulated for each setting."""

    comparisons: int
    seed: int
    tables: int = 200


def main() -> int:
    """Read the runs and print the table or the document."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.power", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", type=Path, help="folders that `rtsite run --results` filled, or runs")
    parser.add_argument("--comparisons", type=int, default=1000, help="number of comparisons drawn for each rate")
    parser.add_argument("--tables", type=int, default=200, help="number of tables simulated for each setting")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the document that the methodology page shows")
    options = parser.parse_args()
    try:
        rates = prove(options.results, Plan(options.comparisons, options.seed, options.tables))
    except RtsiteError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    sys.stdout.write(rates.model_dump_json(indent=2) + "\n" if options.json else _table(rates))
    return 0


def prove(folders: Sequence[Path], plan: Plan) -> Rates:
    """The document on the twins' runs in these folders; raises `RtsiteError` if they contain none."""
    tables = [(run, _closed_echo(run)) for folder in folders for run in _runs(folder)]
    chance = np.random.default_rng(plan.seed)
    recorded: list[Recorded] = []
    differences: list[Difference] = []
    rates: list[Rate] = []
    for profile in PROFILE_NAMES:
        mine = [(run, table) for run, table in tables if run.document.profile == profile]
        series = merge([(run.raw, table) for run, table in mine])
        rounds = common_rounds(series)
        recorded += [
            Recorded(
                path=run.raw,
                profile=profile,
                started=run.document.started,
                cpu_model=run.document.machine.cpu_model,
                rounds=sum(key[0] == run.raw for key in rounds),
            )
            for run, _ in mine
        ]
        differences += [
            difference
            for twin in EXPECTED
            for figure in BOTH
            if (difference := _difference(series, twin, figure, profile, rounds)) is not None
        ]
        if len(rounds) >= ROUNDS[profile]:
            samples = _draw(rounds, ROUNDS[profile], plan.comparisons, chance)
            for figure in BOTH:
                rates += _rates(series, profile, figure, samples, len(rounds))
    if not sum(run.rounds for run in recorded):
        raise NothingToDoError("no round of these runs has valid values of all four twins; record more rounds")
    return Rates(
        seed=plan.seed,
        decision_level=DECISION_LEVEL,
        smallest_relevant_ratio=SMALLEST_RELEVANT_RATIO,
        workload=tables[0][1].workload.slug,
        rounds=sum(run.rounds for run in recorded),
        runs=recorded,
        differences=differences,
        rates=sorted(rates, key=lambda rate: list(EXPECTED).index(rate.twin)),
        simulated=[simulate(one, tables=plan.tables, seed=plan.seed) for one in SETTINGS] if plan.tables else [],
    )


def merge(tables: Sequence[tuple[str, Table]]) -> Series:
    """The valid rounds of several runs as one series, with the run as part of the key."""
    merged: dict[str, dict[str, dict[RoundKey, float]]] = {
        twin: {figure: {} for figure in BOTH} for twin in (FIRST, *EXPECTED)
    }
    for run, table in tables:
        for row in table.valid_rows:
            for figure in BOTH:
                if row.variant.slug in merged and figure in row.values:
                    values = row.values[figure].rounds
                    merged[row.variant.slug][figure] |= {(run, number): value for number, value in values.items()}
    return merged


def common_rounds(series: Series) -> list[RoundKey]:
    """The rounds in which every twin has every metric."""
    return sorted(set.intersection(*(set(values) for figures in series.values() for values in figures.values())))


def judged_twins(series: Series, figure: str, rounds: Sequence[RoundKey]) -> dict[str, Judged]:
    """The site's outcome of each twin against the first one, in a table of all twins over these rounds."""
    table = {
        twin: {number: figures[figure][key] for number, key in enumerate(rounds)} for twin, figures in series.items()
    }
    found = MetricComparison(METRICS[figure], table, barred={})
    return {twin: found.judged(twin, FIRST) for twin in table if twin != FIRST}


def is_right(judged: Judged, expected: Expected) -> bool:
    """Whether an outcome is the expected one."""
    match expected:
        case "not different":
            return judged.outcome in ("same", "unknown")
        case "no order":
            return judged.direction is None
        case "equal":
            return judged.outcome == "same"
        case "worse":
            return judged.direction == "worse"


def wilson(rate: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate observed in ``count`` independent trials."""
    z = float(ndtri(0.5 + CONFIDENCE / 2))
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _runs(folder: Path) -> list[Run]:
    found = list(load_results(folder).runs) or [load_single(folder)]
    return sorted(found, key=lambda run: run.raw)


def _closed_echo(run: Run) -> Table:
    for table in compare_runs([run]).of_workload("echo"):
        if not table.is_open and {row.variant.slug for row in table.rows} >= {FIRST, *EXPECTED}:
            return table
    raise NothingToDoError(f"{run.path} has no closed loop of echo with all four twins; choose a run of the twins")


def _draw(rounds: Sequence[RoundKey], size: int, comparisons: int, chance: np.random.Generator) -> list[list[RoundKey]]:
    """Draw the rounds of each comparison, without replacement within a comparison."""
    picks = [chance.choice(len(rounds), size, replace=False) for _ in range(comparisons)]
    return [[rounds[index] for index in sorted(pick)] for pick in picks]


def _rates(series: Series, profile: str, figure: str, samples: list[list[RoundKey]], recorded: int) -> Iterator[Rate]:
    size = len(samples[0])
    judged = [judged_twins(series, figure, sample) for sample in samples]
    for twin, outcomes in EXPECTED.items():
        for expected in outcomes:
            right = sum(is_right(one[twin], expected) for one in judged)
            rate = right / len(samples)
            low, high = wilson(rate, recorded / size)
            yield Rate(
                twin=twin,
                expected=expected,
                profile=profile,
                rounds=size,
                figure=figure,
                comparisons=len(samples),
                disjoint=recorded // size,
                right=right,
                rate=rate,
                low=round(low, 4),
                high=round(high, 4),
                target=TARGETS.get((expected, twin, profile)),
            )


def _difference(series: Series, twin: str, figure: str, profile: str, rounds: Sequence[RoundKey]) -> Difference | None:
    of_twin, of_first = (_only(series[side][figure], rounds) for side in (twin, FIRST))
    keyed = [dict(enumerate(of_side.values())) for of_side in (of_twin, of_first)]
    ratio = fit_rounds(dict(enumerate(keyed))).contrast(0, 1)
    if ratio is None or ratio.interval is None:
        return None
    spread = np.std([math.log(of_twin[key] / of_first[key]) for key in rounds], ddof=1)
    return Difference(
        twin=twin,
        profile=profile,
        figure=figure,
        ratio=round(ratio.value, 5),
        low=round(ratio.interval.low, 5),
        high=round(ratio.interval.high, 5),
        spread_percent=round(100 * float(spread), 3),
    )


def _only(values: Mapping[RoundKey, float], rounds: Sequence[RoundKey]) -> dict[RoundKey, float]:
    return {key: values[key] for key in rounds}


def _table(rates: Rates) -> str:
    lines = [f"{rates.rounds} rounds of {len(rates.runs)} run(s) on {', '.join(rates.cpu_models)}", ""]
    lines.append(
        f"{'twin to a':10} {'profile':9} {'metric':20} {'ratio':>7}   {'95 % interval':17} {'sd of a round':>13}"
    )
    for one in rates.differences:
        interval = f"{one.low:.4f} – {one.high:.4f}"
        named = f"{one.twin:10} {one.profile:9} {one.figure:20}"
        lines.append(f"{named} {one.ratio:7.4f}   {interval:17} {one.spread_percent:11.2f} %")
    lines += [
        "",
        f"{'twin':8} {'is called':13} {'by':15} {'rate':>7}   {'interval':16} {'target':>7}  metric, ways to draw",
    ]
    for rate in rates.rates:
        interval = f"{rate.low:.1%} – {rate.high:.1%}"
        target = f"{rate.target:.0%}" if rate.target is not None else ""
        ways = math.comb(sum(run.rounds for run in rates.runs if run.profile == rate.profile), rate.rounds)
        lines.append(
            f"{rate.twin:8} {rate.expected:13} {f'{rate.profile} ({rate.rounds})':15} {rate.rate:7.1%}   {interval:16}"
            f" {target:>7}  {rate.figure}; {ways:,} subsets, {rate.disjoint} disjoint"
        )
    lines.append("")
    lines.append(
        "spread rows rounds noisy  not different no order   equal   found covered   false  paired: no order   found"
    )
    lines += [
        f"{one.spread_percent:4.2f} % {one.rows:4} {one.rounds:6} {one.noisy_rows:5} {one.not_different:14.2%}"
        f" {one.no_order:8.2%} {one.equal:7.1%} {one.found:7.1%} {one.covered:7.2%} {one.false_share:7.2%}"
        f" {one.paired_no_order:17.2%} {one.paired_found:7.1%}"
        for one in rates.simulated
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
