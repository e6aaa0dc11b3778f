"""What a contrast means: it differs, it is practically equal, or it is inconclusive."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy.special import stdtr, stdtrit

from generator.statistics.contrasts import Contrast
from generator.statistics.looks import level_at, overall_p_values
from generator.statistics.variances import Floats

Key = TypeVar("Key", bound=Hashable)

DECISION_LEVEL = 0.01
"""The significance level: a difference counts only if its adjusted p-value is below this.

It is stricter than the intervals, because it decides: of 100 comparisons of a subject with itself, at least 99 must not
differ. ``benchmarks/power`` shows it with twins, and by simulation for tables whose rows are not equally noisy.
"""

EQUIVALENCE_LEVEL = 0.05
"""The level of each of the two one-sided tests for practical equality: the 90 % interval lies within the margin.

Schuirmann (1987), "A comparison of the two one-sided tests procedure and the power approach for assessing the
equivalence of average bioavailability", J. Pharmacokinet. Biopharm. 15(6).
"""

MIN_ROUNDS = 5
"""Valid rounds below which a value has no rank, does not lead, and decides nothing."""

MANY_ROUNDS = 10
"""Twice `MIN_ROUNDS`. With fewer, an inconclusive comparison needs more rounds; else it is too
noisy."""

SMALLEST_RELEVANT_RATIO = 1.01
"""The smallest ratio that is called a difference at all, however certain it is.

With enough rounds a test finds any difference, also one caused by a process's memory layout. Such differences can reach
several percent (Mytkowicz et al. 2009, "Producing wrong data without doing anything obviously wrong!", ASPLOS).
"""

Side = Literal["above", "below"]
Reason = Literal["not enough data", "disturbed", "size", "few rounds", "noise"]
"""Why a comparison is inconclusive.

``not enough data``: fewer than `MIN_ROUNDS` valid rounds. ``disturbed``: the machine was too disturbed for this metric.
``size``: it is sure which one is larger, but not whether by more than the margin. ``few rounds``, ``noise``: the
interval is too wide.
"""


@dataclass(frozen=True)
class Judgement:
    """``outcome``: ``above`` or ``below`` if the first differs by more than the margin, ``same`` if both are
    practically equal, else ``unknown`` with a ``reason``. ``side``: which side the first is on, if that is certain,
    whatever the outcome.
    """

    outcome: Side | Literal["same", "unknown"]
    side: Side | None = None
    reason: Reason | None = None


def judge(contrasts: Mapping[Key, Contrast], margin: Callable[[Key], float]) -> dict[Key, Judgement]:
    """Judge all contrasts of a family together. ``margin``: of a contrast, on its scale (logarithm or unit), above
    zero.

    *Differs*: the adjusted p-value (`false_discovery_adjusted`) of the two-sided t-test is below `DECISION_LEVEL`, and
    the estimate is beyond the margin. *Practically equal*: the 90 % interval is within the margin; then the side may
    still be certain. Else inconclusive. A contrast without an error is inconclusive.

    A contrast with a `Stage` was looked at repeatedly. Over all looks it may be wrong as rarely as another one at its
    only look, so it needs more at each (`generator.statistics.looks`). Its p-value is replaced by the level at which it
    is exactly at its limit. That is a p-value too, so the correction holds. Each of its two one-sided tests for
    equality has the level that `EQUIVALENCE_LEVEL` has at this stage.

    Rejected: to demand that the whole interval is beyond the margin (McCarthy and Smyth 2009, "Testing significance
    relative to a fold-change threshold is a TREAT", Bioinformatics 25(6)). Then a row that is surely slower, by 1.15 to
    1.7 times, would be inconclusive at a margin of 1.25. And to let every significant difference differ: then more
    rounds would turn what differs into what is practically equal.
    """
    known = [key for key, contrast in contrasts.items() if contrast.error is not None]
    found: dict[Key, Judgement] = {key: Judgement("unknown", reason="not enough data") for key in contrasts}
    if not known:
        return found
    columns = [(contrasts[key].difference, contrasts[key].error, contrasts[key].freedom) for key in known]
    differences, errors, freedoms = np.array(columns, dtype=float).T
    margins = np.array([margin(key) for key in known])
    smallest = np.array([np.log(SMALLEST_RELEVANT_RATIO) if contrasts[key].is_ratio else 0.0 for key in known])
    stages = [contrasts[key].stage for key in known]
    overall = overall_p_values(p_values(differences, errors, freedoms), stages)
    certain = (false_discovery_adjusted(overall) < DECISION_LEVEL) & (
        np.abs(differences) > np.minimum(smallest, margins)
    )
    levels = np.array([level_at(EQUIVALENCE_LEVEL, stage, sides=1) for stage in stages])
    half = stdtrit(freedoms, 1 - levels) * errors
    is_same = np.abs(differences) + half < margins
    is_far = np.abs(differences) >= margins
    for place, key in enumerate(known):
        side: Side | None = None
        if certain[place]:
            side = "above" if differences[place] > 0 else "below"
        if is_same[place]:
            found[key] = Judgement("same", side)
        elif side and is_far[place]:
            found[key] = Judgement(side, side)
        elif side:
            found[key] = Judgement("unknown", side, "size")
        else:
            found[key] = Judgement("unknown", reason="few rounds" if contrasts[key].rounds < MANY_ROUNDS else "noise")
    return found


def p_values(differences: Floats, errors: Floats, freedoms: Floats) -> Floats:
    """Two-sided p-values of Student's t-test that a difference is 0; arrays of one shape.

    Without any noise, the p-value of a difference is 0, and that of none is 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(errors > 0, 2 * stdtr(freedoms, -np.abs(differences) / errors), 0.0)
    return np.where(differences == 0, 1.0, found)


def false_discovery_adjusted(p_values: Floats) -> Floats:
    """Adjust p-values for multiple comparisons: the least p(j) · m / j of all j ≥ i, for the i-th smallest of m.

    Benjamini and Hochberg (1995), "Controlling the false discovery rate", J. R. Statist. Soc. B 57(1). Among
    differences with an adjusted value below a level, the expected share of false ones is at most that level. If nothing
    differs, this is the probability of any false difference, as with Holm's method. Recommended for all
    pairs of a table by Williams, Jones and Tukey (1999), "Controlling error in multiple comparisons", J. Educ. Behav.
    Statist. 24(1). It holds for statistics that depend on each other positively (Benjamini and Yekutieli 2001,
    Ann. Statist. 29(4)); pairs that share a row do, and a simulation in the tests shows it for such tables.
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    # Not below the value itself, which rounding could cause for the largest.
    scaled = np.maximum(p_values[order], p_values[order] * count / np.arange(1, count + 1))
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
