"""The level of a comparison that is looked at repeatedly: alpha spending over its rounds.

A comparison that is judged once, at a number of rounds fixed before, has the whole level. If it is judged again and
again, and measuring ends once it is decided, each look adds a chance to be wrong. Of equal rows that are judged after
5, 6, … and 15 rounds at the level 0.01, 3.7 in 100 are called different at some look.

**The rule.** When a comparison has r times the rounds of its first look, the share f(r) = 1 − (1 − `FIRST_SHARE`) / r
of the level x is spent. Lan and DeMets (1983), "Discrete sequential boundaries for clinical trials", Biometrika 70(3).
Half of the level belongs to the first look, because most comparisons are decided there. Each doubling of the rounds
spends half of the rest. Neither the number of looks nor the number of rounds has to be known before.

**The levels.** After n rounds, z(n) is the difference divided by its standard error; the first look is after n₁ rounds.
The limit of z after n rounds is exceeded, and none was before, with probability x · (f(n / n₁) − f((n − 1) / n₁)). From
round to round, z(n) · √n is a random walk with normal steps. So the probability is an integral over one more step:
Armitage, McPherson and Rowe (1969), "Repeated significance tests on accumulating data", J. R. Statist. Soc. A 132(2).

**Proof.** The events "exceeded after n rounds for the first time" exclude each other. So the probability that any look
exceeds its limit is the sum of theirs, which is x · f < x. Whatever rule ends the measuring after N rounds, the look
after N rounds is one of them. So the probability of a false difference at the end is below x. Looks that were not taken
only make it smaller. The limits fall as x grows. So the x at which a comparison is exactly at its limit is a p-value,
see `overall_p_values`. It is at most x with a probability of at most x, for every x. Therefore it can be corrected for
many comparisons, as any p-value. Johari, Koomen, Pekelis and Walsh (2022), "Always valid inference: continuous
monitoring of A/B tests", Oper. Res. 70(3), do the same.

**What the proof needs.** Rounds are independent and normal, as in each t-test. The limits apply to the p-values of
t-tests, as if the noise were known: Pocock (1977), "Group sequential methods in the design and analysis of clinical
trials", Biometrika 64(2). Both rows of a comparison are measured in the same rounds until it is decided. Which rounds
these are may depend on all that was seen before (Doob 1936, "Note on probability", Ann. Math. 37(2)). The proof leaves
out three effects. A row that is measured further for another comparison changes the decided ones as well. All rows
share their noise. In two runs, or two blocks, rows may end at different stages; the later stage counts.
``benchmarks/adaptive.py`` simulates the first two, with rows of unequal noise, and counts what is wrong.

**Rejected.** A share of the level for each look, such as 1 / (k (k + 1)) for the k-th. The sum is at most the level
whatever the looks have in common. But they are mostly the same rounds. After 15 rounds it leaves an eighth of the level
that this rule has, so it needs a third more rounds. Pocock's constant level: the number of looks must be known. O'Brien
and Fleming (1979), "A multiple testing procedure for clinical trials", Biometrics 35(3): at the first look, which
decides most, almost nothing counts. Confidence sequences hold for infinitely many looks: Howard, Ramdas, McAuliffe and
Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence sequences", Ann. Statist. 49(2). At the level 0.01
their normal mixture needs 3.6 standard errors after 5 and after 15 rounds, and this rule 2.8 and 3.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from generator.statistics.variances import Floats

Sides = Literal[1, 2]
"""Whether a test looks for a difference in one direction or in both."""

FIRST_SHARE = 0.5
"""The share of the level that the first look spends."""

MOST_EXACT_ROUNDS = 100
"""Rounds up to which limits are integrals. Later looks have what they spend as their level, which is stricter."""

_LOG_LEVELS: Floats = np.log(2 * ndtr(-np.linspace(5.5, 0, 23)))
"""Logarithms of the levels for which limits are computed; between them they are interpolated."""
_FARTHEST = 6.0
"""Standard errors beyond which a random walk has no probability worth counting."""
_BISECTIONS = 18
"""Steps until a limit is known to 0.0001 standard errors, so that two of Newton's reach the last digits."""


@dataclass(frozen=True)
class Stage:
    """How far a comparison, or a row, has come: ``rounds`` now, ``first_rounds`` when it was first looked at.

    Both count measured rounds, valid or not, and are at least 1. Fewer rounds than at the first look count as those.
    """

    first_rounds: int
    rounds: int

    def after(self, further: int) -> Stage:
        """The stage after so many more rounds."""
        return Stage(self.first_rounds, self.rounds + further)

    @property
    def growth(self) -> float:
        """By what factor the rounds grew since the first look, at least 1."""
        return max(self.rounds / self.first_rounds, 1.0)

    @property
    def spent_share(self) -> float:
        """The share of the level that is spent by now."""
        return 1.0 - (1.0 - FIRST_SHARE) / self.growth


def latest(stages: Sequence[Stage | None]) -> Stage | None:
    """The stage whose rounds grew most, which has the strictest level; ``None`` if nothing was looked at repeatedly.

    The stage of a comparison is the latest of its rows, and that of a row in several runs the latest of the runs.
    """
    known = [stage for stage in stages if stage is not None]
    return max(known, key=lambda stage: (stage.growth, stage.rounds), default=None)


@lru_cache(maxsize=4096)
def level_at(level: float, stage: Stage | None, *, sides: Sides = 2) -> float:
    """The level of a p-value at this stage, so that the comparison as a whole has the given level, in (0, 1].

    Without a stage, it is the whole level.
    """
    if stage is None:
        return level
    return float(np.exp(_interpolated(np.log(level), _LOG_LEVELS, _log_limits(stage, sides))))


def overall_p_values(p_values: Floats, stages: Sequence[Stage | None]) -> Floats:
    """Two-sided p-values that hold however often was looked before: the levels at which each is exactly at its limit.

    ``p_values``: shape (comparisons,), each by itself. ``stages``: of each. Without a stage, a p-value stays as it is.
    """
    found = np.array(p_values, dtype=float)
    by_stage: dict[Stage, list[int]] = {}
    for place, stage in enumerate(stages):
        if stage is not None:
            by_stage.setdefault(stage, []).append(place)
    for stage, mine in by_stage.items():
        with np.errstate(divide="ignore"):
            logs = np.log(found[mine])
        found[mine] = np.exp(_interpolated(logs, _log_limits(stage, 2), _LOG_LEVELS))
    return found


def _interpolated(values: Floats, known: Floats, wanted: Floats) -> Floats:
    """What is wanted at these values. All are logarithms, and ``known`` ascends. Below its lowest the ratio of both
    stays what it is there.
    """
    found: Floats = np.interp(values, known, wanted) + np.minimum(values - known[0], 0.0)
    return found


def _log_limits(stage: Stage, sides: Sides) -> Floats:
    """Shape (levels,): logarithm of the limit of a p-value at this stage, for each of `_LOG_LEVELS`."""
    first, rounds = stage.first_rounds, max(stage.rounds, stage.first_rounds)
    if rounds > max(first, MOST_EXACT_ROUNDS):
        return _LOG_LEVELS + math.log(stage.spent_share - Stage(first, rounds - 1).spent_share)
    # Computed for twice, four times … the rounds at once, so that few are computed more than once.
    last = min(first * 2 ** math.ceil(math.log2(rounds / first)), max(first, MOST_EXACT_ROUNDS))
    found: Floats = _limits_by_round(first, last, sides)[rounds - first]
    return found


@lru_cache(maxsize=64)
def _limits_by_round(first: int, last: int, sides: Sides) -> Floats:
    """Shape (rounds, levels): logarithms of the limits after ``first`` to ``last`` rounds."""
    shares = np.diff([Stage(first, rounds).spent_share for rounds in range(first, last + 1)], prepend=0.0)
    levels = np.exp(_LOG_LEVELS)
    found = np.empty((len(shares), len(levels)))
    found[0] = _LOG_LEVELS + math.log(shares[0])
    # The distance of two nodes must be below about 1.5 steps of the walk.
    walk = _Walk.inside(-ndtri(levels * shares[0] / sides), first, sides, max(64, math.ceil(12 * math.sqrt(last))))
    for place in range(1, len(shares)):
        limits = walk.limits(levels * shares[place], first + place, sides)
        found[place] = np.log(sides * ndtr(-limits))
        walk = walk.stepped(limits, first + place, sides)
    return found


@dataclass(frozen=True)
class _Walk:
    """Random walks that stayed within their limits, one for each level: where they are, and how probable that is.

    ``points``, ``masses``: shape (levels, nodes). A step of a round is standard normal.
    """

    points: Floats
    masses: Floats

    @classmethod
    def inside(cls, limits: Floats, rounds: int, sides: Sides, nodes: int) -> _Walk:
        """After the first look; ``limits``: shape (levels,), in standard errors."""
        points, weights = _nodes(limits, rounds, sides, nodes)
        return cls(points, weights * np.exp(-(points**2) / (2 * rounds)) / math.sqrt(2 * math.pi * rounds))

    def stepped(self, limits: Floats, rounds: int, sides: Sides) -> _Walk:
        """After one more round, of those within ``limits``."""
        points, weights = _nodes(limits, rounds, sides, self.points.shape[1])
        steps = np.exp(-((points[:, :, None] - self.points[:, None, :]) ** 2) / 2) / math.sqrt(2 * math.pi)
        return _Walk(points, weights * np.einsum("lij,lj->li", steps, self.masses))

    def limits(self, probabilities: Floats, rounds: int, sides: Sides) -> Floats:
        """The limits, in standard errors, that one more round exceeds with these probabilities.

        Bisection, and Newton's method for the last digits. Walks between two limits are as often above as below.
        """
        scale = math.sqrt(rounds)

        def excess(limits: Floats) -> Floats:
            beyond = ndtr(self.points - (limits * scale)[:, None])
            rest: Floats = sides * np.sum(self.masses * beyond, axis=1) - probabilities
            return rest

        low, high = np.full(len(probabilities), -_FARTHEST), np.full(len(probabilities), 2 * _FARTHEST)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            is_too_low = excess(middle) > 0
            low, high = np.where(is_too_low, middle, low), np.where(is_too_low, high, middle)
        found: Floats = (low + high) / 2
        for _ in range(2):
            densities = np.exp(-((self.points - (found * scale)[:, None]) ** 2) / 2) / math.sqrt(2 * math.pi)
            found += excess(found) / (sides * scale * np.sum(self.masses * densities, axis=1))
        return found


@lru_cache(maxsize=64)
def _gauss_legendre(nodes: int) -> tuple[Floats, Floats]:
    """Points and weights between -1 and 1, each of shape (nodes,); computing them takes longer than a round."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return points, weights


def _nodes(limits: Floats, rounds: int, sides: Sides, nodes: int) -> tuple[Floats, Floats]:
    """Points and weights of Gauss-Legendre quadrature between the limits, each of shape (levels, nodes)."""
    points, weights = _gauss_legendre(nodes)
    high = limits * math.sqrt(rounds)
    low = -high if sides == 2 else np.minimum(-_FARTHEST * math.sqrt(rounds), high - 1)
    half = (high - low)[:, None] / 2
    return low[:, None] + half * (points + 1), half * weights
