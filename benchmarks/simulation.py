"""Simulates tables of which the truth is known, and counts how often the site's rule is right about them.

The rows of a table come in twins: the rows of a pair are equal, and each pair is slower than the one before. A few rows
can be four times as noisy as the others. All rows share the shift of each round. Beside the rule of the site, each
table is judged by paired t-tests with each row's own noise (the rule until November 2026), to show what the model adds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from generator.comparison.metrics import COST_MARGIN, LATENCY_MARGIN
from generator.dataset import Simulated
from generator.statistics import Contrast, Interval, Judgement, fit_rounds, judge
from generator.statistics.variances import Floats

ROUND_SPREAD = 0.05
"""Standard deviation of the shift that a round gives to all rows, in logarithms."""
NOISY_FACTOR = 4.0
Pair = tuple[int, int]


@dataclass(frozen=True)
class Kind:
    """What is measured. ``spread``: standard deviation of the logarithm of a row's value in a round.

    ``step``: ratio of a pair of twins to the one before. ``margin``: of the metric.
    """

    spread: float
    step: float
    margin: float


THROUGHPUT = Kind(0.0085, 1.03, COST_MARGIN)
"""As steady as that of FastAPI's twins, whose ratios have a standard deviation of 1.2 %."""
LATENCY = Kind(0.085, 1.4, LATENCY_MARGIN)
"""Ten times as noisy, as percentiles of an open loop are."""


@dataclass(frozen=True)
class Setting:
    """One sort of table. ``noisy``: how many of the rows are `NOISY_FACTOR` times as noisy as the others."""

    kind: Kind
    rows: int
    rounds: int
    noisy: int


SETTINGS = tuple(
    Setting(kind, rows, rounds, noisy)
    for kind in (THROUGHPUT, LATENCY)
    for rows, noisy in ((6, 0), (14, 0), (14, 4), (32, 0), (32, 4))
    for rounds in (3, 5, 7, 10)
)


@dataclass(frozen=True)
class Truth:
    """What is true of the rows of a simulated table. ``means``: logarithms, shape (rows,). ``spreads``: of the noise.

    ``pairs``: all pairs; ``equals``: those of twins. ``quiet_equals``, ``steps``: twins, and rows a step apart, none of
    which is noisy.
    """

    means: Floats
    spreads: Floats
    pairs: tuple[Pair, ...]
    equals: tuple[Pair, ...]
    quiet_equals: tuple[Pair, ...]
    steps: tuple[Pair, ...]

    @classmethod
    def of(cls, kind: Kind, rows: int, noisy_rows: int) -> Truth:
        level = np.arange(rows, dtype=np.float64) // 2
        spreads = np.full(rows, kind.spread)
        # All over the table, and never both twins of a pair.
        noisy = set(np.linspace(1, rows - 2, noisy_rows, dtype=int).tolist()) if noisy_rows else set()
        spreads[list(noisy)] *= NOISY_FACTOR
        pairs = list(combinations(range(rows), 2))
        quiet = [pair for pair in pairs if not noisy.intersection(pair)]
        return cls(
            means=math.log(kind.step) * level,
            spreads=spreads,
            pairs=tuple(pairs),
            equals=tuple(pair for pair in pairs if level[pair[0]] == level[pair[1]]),
            quiet_equals=tuple(pair for pair in quiet if level[pair[0]] == level[pair[1]]),
            steps=tuple(pair for pair in quiet if level[pair[1]] - level[pair[0]] == 1),
        )

    def draw(self, rounds: int, chance: np.random.Generator) -> Floats:
        """A table: shape (rows, rounds), logarithms of values."""
        logs = self.means[:, None] + ROUND_SPREAD * chance.standard_normal(rounds)
        logs += self.spreads[:, None] * chance.standard_normal(logs.shape)
        return logs

    def difference(self, pair: Pair) -> float:
        """The first row of a pair minus the second, in logarithms."""
        return float(self.means[pair[0]] - self.means[pair[1]])


def simulate(setting: Setting, *, tables: int, seed: int) -> Simulated:
    """Simulate and judge ``tables`` tables. The same setting and seed give the same counts."""
    kind, counts = setting.kind, Counter[str]()
    chance = np.random.default_rng([seed, setting.rows, setting.rounds, setting.noisy])
    truth = Truth.of(kind, setting.rows, setting.noisy)
    pairs, equals, quiet_equals, steps = truth.pairs, truth.equals, truth.quiet_equals, truth.steps
    for _ in range(tables):
        logs = truth.draw(setting.rounds, chance)
        values = {row: dict(enumerate(np.exp(of_row).tolist())) for row, of_row in enumerate(logs)}
        contrasts = {pair: one for pair, one in fit_rounds(values).contrasts(pairs).items() if one is not None}
        judged, paired = (judge(one, lambda _: math.log(kind.margin)) for one in (contrasts, _paired(logs, pairs)))
        counts["not_different"] += sum(judged[pair].outcome in ("same", "unknown") for pair in equals)
        counts["no_order"] += sum(judged[pair].side is None for pair in equals)
        counts["equal"] += sum(judged[pair].outcome == "same" for pair in quiet_equals)
        counts["found"] += sum(judged[pair].side == "below" for pair in steps)
        counts["covered"] += sum(covers(contrasts[pair].interval, truth.difference(pair)) for pair in pairs)
        counts["called"] += sum(one.side is not None for one in judged.values())
        counts["false"] += sum(_is_false(judged[pair], truth.difference(pair)) for pair in pairs)
        counts["paired_no_order"] += sum(paired[pair].side is None for pair in equals)
        counts["paired_found"] += sum(paired[pair].side == "below" for pair in steps)

    def share(name: str, of: int) -> float:
        return round(counts[name] / of, 4)

    return Simulated(
        rows=setting.rows,
        rounds=setting.rounds,
        noisy_rows=setting.noisy,
        spread_percent=round(100 * kind.spread, 3),
        step=kind.step,
        margin=kind.margin,
        tables=tables,
        not_different=share("not_different", tables * len(equals)),
        no_order=share("no_order", tables * len(equals)),
        equal=share("equal", tables * len(quiet_equals)),
        found=share("found", tables * len(steps)),
        covered=share("covered", tables * len(pairs)),
        false_share=share("false", max(counts["called"], 1)),
        paired_no_order=share("paired_no_order", tables * len(equals)),
        paired_found=share("paired_found", tables * len(steps)),
    )


def _paired(logs: Floats, pairs: Sequence[Pair]) -> dict[Pair, Contrast]:
    """Paired t-tests: the mean log ratio of each pair, with its own standard error."""
    rounds = logs.shape[1]
    one, other = np.array(pairs).T
    ratios = logs[one] - logs[other]
    errors = ratios.std(axis=1, ddof=1) / math.sqrt(rounds)
    columns = zip(pairs, ratios.mean(axis=1).tolist(), errors.tolist(), strict=True)
    return {pair: Contrast(mean, error, rounds - 1, rounds) for pair, mean, error in columns}


def covers(interval: Interval | None, truth: float) -> bool:
    """Whether an interval contains a value of which ``truth`` is the logarithm."""
    return interval is not None and math.exp(truth) in interval


def _is_false(judgement: Judgement, truth: float) -> bool:
    """Whether a side is called that is not the true one."""
    return judgement.side is not None and judgement.side != ("below" if truth < 0 else "above" if truth > 0 else None)
