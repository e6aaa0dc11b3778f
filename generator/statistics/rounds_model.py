"""One model for all rows of a table: value = round + row + error, on logarithms where values are above zero.

A round shifts all rows alike: the machine was slower, or warmer. The model removes these shifts for all rows together,
so a row that lacks a round is compared with the others as if it had been measured in it. The noise of each row is its
own, moderated by that of the others (`moderate`).

Rejected: only the rounds in which every row is valid. If each of 34 rows loses a tenth of its rounds, a round is
complete with a probability of 3 %. On complete rounds both give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from generator.statistics.contrasts import Contrast
from generator.statistics.looks import Stage, latest
from generator.statistics.variances import Floats, Moderated, moderate

Key = TypeVar("Key", bound=Hashable)

_ROUNDING = 1e-12
"""Differences of logarithms, and relative differences of values, below this are rounding errors."""


@dataclass(frozen=True)
class RoundsModel(Generic[Key]):
    """The fitted model, made by `fit_rounds`. Arrays are in the order of ``keys``."""

    keys: tuple[Key, ...]
    counts: tuple[int, ...]
    """Rounds of each row."""
    means: Floats
    """Shape (rows,): the least-squares mean of each row, which it would have over all rounds of its group."""
    squares: Floats
    """Shape (rows,): the sum of squared residuals of each row."""
    design: Design
    between: float
    is_ratio: bool
    stages: Mapping[Key, Stage]
    """How far each row has come that was looked at repeatedly."""

    @cached_property
    def _noise(self) -> Moderated:
        # Not computed with the means: most of the time is spent here, and exports of years of runs need means only.
        return moderate(*self.design.noise(self.squares))

    @property
    def variances(self) -> Floats:
        """Shape (rows,): the variance of one value of each row, after moderation."""
        return self._noise.variances

    @property
    def freedoms(self) -> Floats:
        """Shape (rows,): the degrees of freedom of these variances."""
        return self._noise.freedoms

    @cached_property
    def index(self) -> dict[Key, int]:
        return {key: number for number, key in enumerate(self.keys)}

    def mean(self, key: Key) -> float | None:
        """The mean of a row in the unit of its values; ``None`` if the model lacks the row."""
        place = self.index.get(key)
        if place is None:
            return None
        return float(np.exp(self.means[place]) if self.is_ratio else self.means[place])

    def ratio(self, first: Key, second: Key) -> float | None:
        """The value of `contrast`, if it is a ratio."""
        if not self.is_ratio or not self._share_rounds(first, second):
            return None
        difference = float(self.means[self.index[first]] - self.means[self.index[second]])
        return math.exp(difference) if abs(difference) > _ROUNDING * self._scale else 1.0

    def contrast(self, first: Key, second: Key) -> Contrast | None:
        """The first row against the second; ``None`` if the model lacks one of them, or if they share no round."""
        return self.contrasts([(first, second)])[first, second]

    def contrasts(self, pairs: Sequence[tuple[Key, Key]] | None = None) -> dict[tuple[Key, Key], Contrast | None]:
        """The contrasts of these pairs, or of all.

        The degrees of freedom are Satterthwaite's: "An approximate distribution of estimates of variance components",
        Biometrics Bulletin 2(6), 1946.
        """
        wanted = list(combinations(self.keys, 2)) if pairs is None else list(pairs)
        found: dict[tuple[Key, Key], Contrast | None] = dict.fromkeys(wanted)
        known = [pair for pair in wanted if self._share_rounds(*pair)]
        if not known:
            return found
        one, other = (np.array([self.index[pair[side]] for pair in known]) for side in (0, 1))
        products = self.design.products
        spreads = products[:, one, one] + products[:, other, other] - 2 * products[:, one, other]
        shares = self.variances[:, None] * np.maximum(spreads, 0.0)
        within, whole = shares.sum(axis=0), shares.sum(axis=0) + 2 * self.between
        # The variance between runs is known from many of them, so it adds no uncertainty of its own.
        with np.errstate(divide="ignore", invalid="ignore"):
            freedoms = np.where(within > 0, whole**2 / np.sum(shares**2 / self.freedoms[:, None], axis=0), np.inf)
        differences, errors = self.means[one] - self.means[other], np.sqrt(whole)
        differences = np.where(np.abs(differences) <= _ROUNDING * self._scale, 0.0, differences)
        errors = np.where(errors <= _ROUNDING * self._scale, 0.0, errors)
        for number, pair in enumerate(known):
            rounds = min(self.counts[one[number]], self.counts[other[number]])
            # Where the model fits every value exactly, the noise is unknown, not zero.
            has_error = (rounds > 1 and self.freedoms[one[number]] > _ROUNDING) or self.between > 0
            found[pair] = Contrast(
                float(differences[number]),
                float(errors[number]) if has_error else None,
                float(freedoms[number]),
                rounds,
                self.is_ratio,
                latest([self.stages.get(key) for key in pair]),
            )
        return found

    def _share_rounds(self, first: Key, second: Key) -> bool:
        a, b = self.index.get(first), self.index.get(second)
        return a is not None and b is not None and self.design.groups[a] == self.design.groups[b]

    @cached_property
    def _scale(self) -> float:
        return 1.0 if self.is_ratio else max(1e-300, float(np.max(np.abs(self.means), initial=0.0)))


def fit_rounds(
    values: Mapping[Key, Mapping[int, float]],
    *,
    is_ratio: bool = True,
    between: float = 0.0,
    stages: Mapping[Key, Stage] = MappingProxyType({}),
) -> RoundsModel[Key]:
    """Fit the model by least squares, every value with the same weight.

    ``values``: by row, then by round. ``is_ratio``: whether to use logarithms; a row with a value that has none is left
    out. ``between``: variance of a row's mean, on the model's scale, that its rounds cannot show, because they share a
    run. It is added to each row. ``stages``: of the rows that were looked at repeatedly; a contrast has the later one
    of its two rows.
    """
    rows = {key: of_row for key, of_row in values.items() if of_row and (not is_ratio or min(of_row.values()) > 0)}
    numbers = sorted({number for of_row in rows.values() for number in of_row})
    column = {number: place for place, number in enumerate(numbers)}
    table, known = np.zeros((len(rows), len(numbers))), np.zeros((len(rows), len(numbers)), dtype=bool)
    for place, of_row in enumerate(rows.values()):
        at = [column[number] for number in of_row]
        table[place, at] = np.log(list(of_row.values())) if is_ratio else list(of_row.values())
        known[place, at] = True
    level = table.sum() / max(known.sum(), 1)
    table = np.where(known, table - level, 0.0)
    design = _design(known.shape, known.tobytes())
    effects = design.weights.reshape(len(rows), table.size) @ table.ravel()
    shifts = (table.sum(axis=0) - effects @ known) / design.sizes
    squares = np.sum(((table - effects[:, None] - shifts) * known) ** 2, axis=1)
    return RoundsModel(
        keys=tuple(rows),
        counts=tuple(int(count) for count in known.sum(axis=1)),
        means=level + effects + design.averages @ shifts,
        squares=squares,
        design=design,
        between=between,
        is_ratio=is_ratio,
        stages=stages,
    )


@dataclass(frozen=True)
class Design:
    """What follows from which rows have which rounds, without their values."""

    sizes: Floats
    """Shape (rounds,): rows of each round."""
    weights: Floats
    """Shape (rows, rows, rounds): how much a value of a row in a round adds to the effect of another row."""
    products: Floats
    """Shape (rows, rows, rows): per noisy row the covariance of two means, if its noise had a variance of one."""
    gains: Floats
    """Shape (rows, rows): the expected sum of squared residuals of a row for a variance of one of another."""
    groups: tuple[int, ...]
    """Rows of different groups share no round, also not through other rows."""
    averages: Floats
    """Shape (rows, rounds): the rounds of each row's group, with equal weights."""

    def noise(self, squares: Floats) -> tuple[Floats, Floats]:
        """The variance of one value of each row from its squared residuals, and its degrees of freedom.

        The residuals of a row contain noise of the other rows, through the means of the rounds. Grubbs (1948), "On
        estimating precision of measuring instruments and product variability", JASA 43(242), solves for the own noise
        of each row; this does the same for incomplete tables. Where a quiet row would have less than half the mean
        square of its residuals, that half is taken. Two rows cannot be separated: each has half the variance of their
        difference.
        """
        expected = np.maximum(self.gains.sum(axis=1), _ROUNDING)
        mean_squares = np.where(expected > _ROUNDING, squares / expected, 0.0)
        rows = len(squares)
        if rows < 3:
            return mean_squares, expected
        # A row that is fitted exactly has only rounding errors as gains, which must not be taken for a system to solve.
        gains = np.where(self.gains > _ROUNDING, self.gains, 0.0)
        solved = np.linalg.lstsq(gains, squares, rcond=1e-9)[0]
        # Separating costs freedom: of three rows, a pair keeps that of its own difference.
        return np.maximum(solved, mean_squares / 2), expected * rows * (rows - 2) / (rows - 1) ** 2


@lru_cache(maxsize=256)
def _design(shape: tuple[int, int], pattern: bytes) -> Design:
    """The design of a pattern: which of ``shape`` = (rows, rounds) are known, as bytes of booleans."""
    rows, rounds = shape
    known = np.frombuffer(pattern, dtype=bool).reshape(shape).astype(float)
    sizes = known.sum(axis=0)
    shared = known / sizes
    # The normal equations, after the rounds are eliminated.
    inverse = np.linalg.pinv(np.diag(known.sum(axis=1)) - shared @ known.T, rcond=1e-10, hermitian=True)
    weights = known[None] * (inverse[:, :, None] - (inverse @ shared)[:, None, :])
    by_row = weights.transpose(1, 0, 2)
    # How each value changes each residual: shape (rows, rounds, rows, rounds).
    of_rounds = np.eye(rounds)[:, None, :] * shared[None]
    of_rounds -= (shared.T @ weights.reshape(rows, rows * rounds)).reshape(rounds, rows, rounds)
    changes = -(weights[:, None] + of_rounds[None])
    changes.reshape(rows * rounds, rows * rounds)[np.diag_indices(rows * rounds)] += 1.0
    changes *= known[:, :, None, None] * known[None, None]
    groups = _groups(known)
    numbers = np.array(groups, dtype=int)
    members = ((numbers[:, None] == numbers[None]).astype(float) @ known > 0).astype(float)
    return Design(
        sizes=sizes,
        weights=weights,
        products=by_row @ by_row.transpose(0, 2, 1),
        gains=np.square(changes, out=changes).sum(axis=(1, 3)),
        groups=groups,
        averages=members / np.maximum(members.sum(axis=1, keepdims=True), 1),
    )


def _groups(known: Floats) -> tuple[int, ...]:
    """For each row the first row that it shares rounds with, also through others."""
    linked: NDArray[np.bool_] = known @ known.T > 0
    for _ in range(len(linked).bit_length()):
        linked = linked @ linked
    return tuple(int(np.argmax(row)) for row in linked)
