"""Follows adaptive runs, and counts how often what they decide is right.

Run it as follows:

    uv run python -m benchmarks.adaptive                                        # a table
    uv run python -m benchmarks.adaptive --json > benchmarks/adaptive.json      # what the methodology page shows

Each run has the rounds of everything first. After each round, the adviser of real runs (`generator.comparison.advise`)
says of which cells more rounds would probably decide something. These and the reference have the next round, until
nothing is worth one, enough is decided, or the profile's rounds are used up. Then its table is judged as on the pages.
Each run is followed in three ways: with a number of rounds fixed before, with looks that share the level
(`generator.statistics.looks`), and with looks that have the whole level each time. The last one shows what sharing
prevents, and what it costs. All of it takes about ten minutes.

Simulated runs measure the tables of `benchmarks.simulation`: rows in equal pairs, some of them four times as noisy.
Replayed runs measure the twins (`benchmarks/power`): their recorded rounds, in an order drawn anew for each.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks import synthetic
from benchmarks.simulation import LATENCY, THROUGHPUT, Kind, Truth, covers
from generator.comparison import Judged, Row, Table, advise, compare_runs
from generator.comparison.metrics import LATENCY_MARGIN
from generator.dataset import Run, load_results, load_single
from generator.statistics.variances import Floats
from runners.campaign.next_round import is_target_reached
from runners.campaign.planning import Limits
from runners.record import (
    Adaptive,
    CellRecord,
    FrameworkDocument,
    Measurement,
    Messages,
    Percentiles,
    cell_key,
    scenario_of,
)
from runners.subjects.profiles import PROFILES

FIXED_ROUNDS = 10
"""Rounds of a run whose rounds are fixed before."""
FIRST_ROUNDS = PROFILES["standard"].rounds
MOST_ROUNDS = PROFILES["standard"].most_rounds or 0
AT_MARGIN = Kind(LATENCY.spread, LATENCY_MARGIN, LATENCY_MARGIN)
"""Neighbours differ by exactly the margin, where it is hardest not to call them practically equal."""
TWINS = Path(__file__).parent / "power" / "results"
FIRST_TWIN, EQUAL_TWIN = "a", "b"
RECORDED_PROFILES = ("standard", "full")

Plan = Literal["fixed", "shared", "whole"]
"""``fixed``: `FIXED_ROUNDS` rounds of everything, judged once. ``shared``: a look after each round, and all looks share
the level. ``whole``: the same, but each look has the whole level."""
PLANS: tuple[Plan, ...] = ("fixed", "shared", "whole")
_BASE = 100.0
"""Messages per second, or milliseconds, of the first simulated row: far above the floor of a latency."""
_REFERENCE = "reference"
_MEASURED = (_REFERENCE, "fastapi")
"""The synthetic frameworks whose documents simulated runs consist of."""
_LEDGER = Messages(sent=10_000, received=10_000, lost=0, in_flight=0, duplicated=0, reordered=0, corrupted=0)


def follow(whole: Run, plan: Plan) -> Run:
    """The run as it ends by this plan. ``whole``: has all rounds that it may measure, of every cell."""
    first, most = (FIXED_ROUNDS, FIXED_ROUNDS) if plan == "fixed" else (FIRST_ROUNDS, MOST_ROUNDS)
    limits = Limits(first, most, PROFILES["standard"].target_decided_percent)
    adaptive = Adaptive(first_rounds=first, most_rounds=most, target_decided_percent=limits.target_decided_percent)
    document = whole.document.model_copy(update={"adaptive": adaptive if plan == "shared" else None})
    measured = {key: set(range(1, first + 1)) for key in document.cells}
    references = {key for key in document.cells if key.startswith(f"{_REFERENCE}/")}

    whole = replace(whole, document=document)

    def cut(key: str, measurements: Sequence[Measurement]) -> list[Measurement]:
        return [one for one in measurements if one.round in measured[key]]

    run = _with_measurements(whole, cut)
    for number in range(first + 1, most + 1):
        advice = advise(run, most=most - number + 1)
        cells = {key for one in advice.undecided for key in one.cells}
        if not cells or is_target_reached(limits, advice):
            break
        for key in cells | references:
            measured[key].add(number)
        run = _with_measurements(whole, cut)
    return run


def _with_measurements(run: Run, change: Callable[[str, Sequence[Measurement]], list[Measurement]]) -> Run:
    """The run with other measurements; ``change``: returns those of a cell from its key and its own ones."""

    def changed(document: FrameworkDocument) -> FrameworkDocument:
        cells = [
            cell.model_copy(update={"measurements": change(_key(document, cell), cell.measurements)})
            for cell in document.cells
        ]
        return document.model_copy(update={"cells": cells})

    return replace(run, frameworks=tuple(replace(item, document=changed(item.document)) for item in run.frameworks))


def _key(document: FrameworkDocument, cell: CellRecord) -> str:
    return cell_key(document.framework.slug, cell.variant, cell.workload, cell.parameters)


@dataclass(frozen=True)
class Outcome:
    """The only table of a run, judged in its first deciding metric. ``rows``: without the reference, by key."""

    table: Table
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, run: Run) -> Outcome:
        (table,) = compare_runs([run]).tables
        rows = sorted((row for row in table.rows if not row.framework.is_reference), key=lambda row: row.key)
        return cls(table, tuple(rows))

    def judged(self, first: int, second: int) -> Judged:
        return self.table.judged(self.table.deciding[0], self.rows[first], self.rows[second])

    def is_below(self, first: int, second: int) -> bool:
        """Whether the first is surely less than the second, by however little."""
        judged = self.judged(first, second)
        return judged.direction is not None and judged.contrast is not None and judged.contrast.difference < 0

    @property
    def mean_rounds(self) -> float:
        """Measured rounds of a row."""
        return sum(row.rounds for row in self.rows) / len(self.rows)


def _is_different(judged: Judged) -> bool:
    return judged.outcome in ("better", "worse")


# Simulated runs


@dataclass(frozen=True)
class Setting:
    """One sort of table. ``noisy``: how many of the rows are noisy."""

    kind: Kind
    rows: int
    noisy: int


SETTINGS = (
    *(Setting(kind, rows, noisy) for kind in (THROUGHPUT, LATENCY) for rows, noisy in ((3, 1), (6, 2), (14, 4))),
    Setting(AT_MARGIN, 6, 0),
)


@dataclass(frozen=True)
class Simulated:
    """How often a plan is right about simulated tables.

    ``spread_percent``, ``step``, ``margin``: see `Kind`. ``rounds``: mean number of measured rounds of a row. Shares,
    each ``None`` if there is nothing of the sort: of equal pairs, ``not_different``: not called different,
    ``no_order``: neither called better. ``without_difference``: of tables, those in which no equal pair is called
    different. Of pairs of quiet rows, ``equal``: equal ones that are called practically equal, ``found``: those a step
    apart of which the lower is called lower. Of all pairs, ``decided``: differ or are practically equal, ``covered``:
    the 95 % interval contains the truth. ``not_equal``: of pairs that differ by the margin or more, those not called
    practically equal. ``covered_values``: of rows, those whose 95 % interval contains the truth.
    """

    plan: Plan
    rows: int
    noisy_rows: int
    spread_percent: float
    step: float
    margin: float
    tables: int
    rounds: float
    not_different: float | None
    no_order: float | None
    without_difference: float | None
    equal: float | None
    found: float | None
    decided: float | None
    not_equal: float | None
    covered: float | None
    covered_values: float | None


def simulate(setting: Setting, *, tables: int, seed: int) -> list[Simulated]:
    """Follow ``tables`` runs by each plan. The same setting and seed give the same counts."""
    kind = setting.kind
    chance = np.random.default_rng([seed, setting.rows, setting.noisy])
    truth = Truth.of(kind, setting.rows, setting.noisy)
    # The reference is one more row, which is in no pair.
    with_reference = replace(truth, means=np.append(truth.means, 0.0), spreads=np.append(truth.spreads, kind.spread))
    right: dict[Plan, Counter[str]] = {plan: Counter() for plan in PLANS}
    rounds: dict[Plan, float] = dict.fromkeys(PLANS, 0.0)
    for _ in range(tables):
        whole = run_of(_BASE * np.exp(with_reference.draw(MOST_ROUNDS, chance)), is_open=kind.margin == LATENCY_MARGIN)
        for plan in PLANS:
            found = Outcome.of(follow(whole, plan))
            right[plan].update(_right(found, truth, kind))
            rounds[plan] += found.mean_rounds
    possible = _possible(truth, kind)
    return [
        Simulated(
            plan=plan,
            rows=setting.rows,
            noisy_rows=setting.noisy,
            spread_percent=round(100 * kind.spread, 3),
            step=kind.step,
            margin=kind.margin,
            tables=tables,
            rounds=round(rounds[plan] / tables, 2),
            **{name: round(right[plan][name] / tables / of, 4) if of else None for name, of in possible.items()},
        )
        for plan in PLANS
    ]


def run_of(values: Floats, *, is_open: bool) -> Run:
    """A run of echo that measured these values: throughput in the closed loop, or the p50 in the open loop.

    ``values``: shape (rows, rounds), in messages per second or milliseconds. The last row is the reference.
    """
    template = _templates()["from_intended" if is_open else "service_time"]
    reference, other = sorted(template.frameworks, key=lambda item: not item.document.framework.is_reference)
    items = [reference]
    for number in range(len(values) - 1):
        facts = other.document.framework.model_copy(update={"slug": f"row-{number:02}"})
        items.append(replace(other, document=other.document.model_copy(update={"framework": facts})))
    keys = [_key(item.document, cell) for item in items for cell in item.document.cells]
    by_key = dict(zip(keys, (values[-1], *values[:-1]), strict=True))

    def measured(key: str, _: Sequence[Measurement]) -> list[Measurement]:
        return [_measurement(number, one, is_open=is_open) for number, one in enumerate(by_key[key].tolist(), start=1)]

    document = template.document.model_copy(update={"cells": keys})
    return _with_measurements(replace(template, document=document, frameworks=tuple(items)), measured)


def _measurement(number: int, value: float, *, is_open: bool) -> Measurement:
    return Measurement(
        round=number,
        position=0,
        started="2026-11-20T09:00:00Z",
        valid=True,
        messages_per_s=_BASE if is_open else value,
        messages=_LEDGER,
        latency_ms=Percentiles(count=10_000, p50=value) if is_open else None,
    )


@cache
def _templates() -> Mapping[str, Run]:
    """Runs of one variant and the reference, by kind of their only cell's latency."""
    variants = tuple(next(made for made in synthetic.VARIANTS if made.framework == name) for name in _MEASURED)
    with tempfile.TemporaryDirectory() as folder:
        written = synthetic.write(Path(folder), rounds=1, seconds=1, variants=variants, searches=False, only=("echo",))
        run = load_single(written)
    scenarios = {
        cell.latency_kind: scenario_of(_key(item.document, cell))
        for item in run.frameworks
        for cell in item.document.cells
    }
    return {kind: run.only({scenario}) for kind, scenario in scenarios.items()}


def _possible(truth: Truth, kind: Kind) -> dict[str, int]:
    """Of how many in a table each share is."""
    return {
        "not_different": len(truth.equals),
        "no_order": len(truth.equals),
        "without_difference": 1,
        "equal": len(truth.quiet_equals),
        "found": len(truth.steps),
        "decided": len(truth.pairs),
        "not_equal": len(_apart(truth, kind)),
        "covered": len(truth.pairs),
        "covered_values": len(truth.means),
    }


def _right(found: Outcome, truth: Truth, kind: Kind) -> dict[str, int]:
    """How many of `_possible` are right."""
    judged = {pair: found.judged(*pair) for pair in truth.pairs}
    different = sum(_is_different(judged[pair]) for pair in truth.equals)
    metric = found.table.deciding[0].key
    intervals = [row.values[metric].estimate.interval for row in found.rows]
    contrasts = {pair: one.contrast for pair, one in judged.items()}
    return {
        "not_different": len(truth.equals) - different,
        "no_order": sum(judged[pair].direction is None for pair in truth.equals),
        "without_difference": int(different == 0),
        "equal": sum(judged[pair].outcome == "same" for pair in truth.quiet_equals),
        "found": sum(found.is_below(*pair) for pair in truth.steps),
        "decided": sum(one.outcome != "unknown" for one in judged.values()),
        "not_equal": sum(judged[pair].outcome != "same" for pair in _apart(truth, kind)),
        "covered": sum(
            covers(contrast.interval if contrast else None, truth.difference(pair))
            for pair, contrast in contrasts.items()
        ),
        "covered_values": sum(
            covers(interval, float(mean) + math.log(_BASE))
            for interval, mean in zip(intervals, truth.means, strict=True)
        ),
    }


def _apart(truth: Truth, kind: Kind) -> list[tuple[int, int]]:
    """The pairs that differ by the margin or more."""
    return [pair for pair in truth.pairs if abs(truth.difference(pair)) > math.log(kind.margin) - 1e-9]


# Recorded rounds


@dataclass(frozen=True)
class Replayed:
    """How often a plan comes to the same outcome as all recorded rounds of the twins together, judged once.

    ``recorded``: these rounds. ``orders``: how often a run was followed, each time with the rounds in another order.
    ``rounds``: mean number of measured rounds of a twin. Shares: of all pairs of twins, ``same``: have the same
    outcome; of those of which one is surely better by all rounds, ``found``: that one is called better. Of the equal
    twins, ``not_different`` and ``no_order``: as in `Simulated`.
    """

    plan: Plan
    profile: str
    recorded: int
    orders: int
    rounds: float
    same: float
    found: float | None
    not_different: float
    no_order: float


def replay(folder: Path, *, orders: int, seed: int) -> list[Replayed]:
    """Follow runs of the twins that a folder has runs of."""
    runs = load_results(folder).runs
    found: list[Replayed] = []
    for profile in RECORDED_PROFILES:
        mine = sorted((run for run in runs if run.document.profile == profile), key=lambda run: run.raw)
        found += _replay(mine, profile, orders=orders, chance=np.random.default_rng(seed))
    return found


def _replay(runs: Sequence[Run], profile: str, *, orders: int, chance: np.random.Generator) -> list[Replayed]:
    recorded = _complete_rounds(runs)
    by_all = Outcome.of(_in_order(runs[0], recorded, range(len(recorded))))
    pairs = list(combinations(range(len(by_all.rows)), 2))
    equals = tuple([row.variant.slug for row in by_all.rows].index(twin) for twin in (FIRST_TWIN, EQUAL_TWIN))
    sided = [pair for pair in pairs if by_all.judged(*pair).direction is not None]
    counts: dict[Plan, Counter[str]] = {plan: Counter() for plan in PLANS}
    rounds: dict[Plan, float] = dict.fromkeys(PLANS, 0.0)
    for _ in range(orders):
        whole = _in_order(runs[0], recorded, chance.permutation(len(recorded))[:MOST_ROUNDS].tolist())
        for plan in PLANS:
            found = Outcome.of(follow(whole, plan))
            judged = {pair: found.judged(*pair) for pair in pairs}
            twins = found.judged(*equals)
            rounds[plan] += found.mean_rounds
            counts[plan].update(
                same=sum(one.outcome == by_all.judged(*pair).outcome for pair, one in judged.items()),
                found=sum(judged[pair].direction == by_all.judged(*pair).direction for pair in sided),
                not_different=int(not _is_different(twins)),
                no_order=int(twins.direction is None),
            )
    return [
        Replayed(
            plan=plan,
            profile=profile,
            recorded=len(recorded),
            orders=orders,
            rounds=round(rounds[plan] / orders, 2),
            same=round(counts[plan]["same"] / orders / len(pairs), 4),
            found=round(counts[plan]["found"] / orders / len(sided), 4) if sided else None,
            not_different=round(counts[plan]["not_different"] / orders, 4),
            no_order=round(counts[plan]["no_order"] / orders, 4),
        )
        for plan in PLANS
    ]


def _complete_rounds(runs: Sequence[Run]) -> list[Mapping[str, Measurement]]:
    """The measurements by cell, for each round of these runs in which every cell was valid."""
    found: list[Mapping[str, Measurement]] = []
    for run in runs:
        by_round: dict[int, dict[str, Measurement]] = {}
        for item in run.frameworks:
            for cell in item.document.cells:
                key = _key(item.document, cell)
                for one in cell.decisive:
                    if one.valid:
                        by_round.setdefault(one.round, {})[key] = one
        found += [of_round for of_round in by_round.values() if of_round.keys() == set(run.document.cells)]
    return found


def _in_order(run: Run, recorded: Sequence[Mapping[str, Measurement]], order: Collection[int]) -> Run:
    """The run with these of the recorded rounds, numbered from 1."""

    def chosen(key: str, _: Sequence[Measurement]) -> list[Measurement]:
        return [
            recorded[index][key].model_copy(update={"round": number}) for number, index in enumerate(order, start=1)
        ]

    return _with_measurements(run, chosen)


def main() -> int:
    """Follow everything and print the table or the document."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adaptive", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2100, help="number of rows simulated for each setting")
    parser.add_argument("--orders", type=int, default=300, help="number of orders in which rounds are replayed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the document that the methodology page shows")
    options = parser.parse_args()
    simulated = [row for one in SETTINGS for row in simulate(one, tables=options.rows // one.rows, seed=options.seed)]
    replayed = replay(TWINS, orders=options.orders, seed=options.seed)
    if options.json:
        document = {
            "seed": options.seed,
            "fixed_rounds": FIXED_ROUNDS,
            "first_rounds": FIRST_ROUNDS,
            "most_rounds": MOST_ROUNDS,
            "simulated": [asdict(row) for row in simulated],
            "replayed": [asdict(row) for row in replayed],
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        for row in (*simulated, *replayed):
            sys.stdout.write(f"{row}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
