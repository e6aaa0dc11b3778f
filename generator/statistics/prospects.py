"""What further rounds would show: the chance that they decide a comparison, and how narrow they make an interval.

Preposterior analysis: Raiffa and Schlaifer (1961), "Applied Statistical Decision Theory", chapter 5. Given the rounds
so far, the true difference is normal around the estimate, with its standard error (flat prior). These are estimates for
planning. No outcome rests on them.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, stdtrit

from generator.statistics.contrasts import Contrast, errors_to_end
from generator.statistics.estimates import Estimate
from generator.statistics.looks import level_at
from generator.statistics.outcomes import EQUIVALENCE_LEVEL
from generator.statistics.variances import Floats


def decision_chances(
    contrast: Contrast,
    margin: float,
    most: int,
    *,
    level: float,
    rounds: int | None = None,
    fixed: float = 0.0,
) -> Floats:
    """The chance that a contrast is decided after 1, 2, … ``most`` further rounds of both rows; shape (most,).

    The standard error after R rounds is e. After n more, its square is v(n) = fixed + (e² − fixed) · R / (R + n). By
    then the estimate has moved by a normal deviate with the variance e² − v(n). It is decided by the rules of
    `generator.statistics.judge`: beyond the margin and certain, or practically equal.

    ``margin``: on the scale of the contrast. ``level``: the p-value that makes the difference certain; if the contrast
    has a stage, by all looks together, like `EQUIVALENCE_LEVEL`. ``rounds``: R (default: those of the contrast).
    ``fixed``: the part of e² that no further round reduces. Without an error, all chances are 0.
    """
    if contrast.error is None or most < 1:
        return np.zeros(max(most, 0))
    before = float(contrast.rounds if rounds is None else rounds)
    after = before + np.arange(1, most + 1)
    variance = contrast.error**2
    reduced = max(variance - fixed, 0.0)
    errors = np.sqrt(variance - reduced + reduced * before / after)
    freedoms = contrast.freedom * after / before
    moves = np.sqrt(np.maximum(variance - errors**2, 0.0))
    stages = [contrast.stage and contrast.stage.after(further) for further in range(1, most + 1)]
    levels = np.array([level_at(level, stage) for stage in stages])
    equality_levels = np.array([level_at(EQUIVALENCE_LEVEL, stage, sides=1) for stage in stages])
    far = np.maximum(margin, stdtrit(freedoms, 1 - levels / 2) * errors)
    near = margin - stdtrit(freedoms, 1 - equality_levels) * errors
    return _share_beyond(contrast.difference, moves, far) + np.where(
        near > 0, 1 - _share_beyond(contrast.difference, moves, near), 0.0
    )


def _share_beyond(center: float, spreads: Floats, limits: Floats) -> Floats:
    """The probability that a normal variable is at least this far from zero; arrays of one shape."""
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = ndtr((center - limits) / spreads) + ndtr((-center - limits) / spreads)
    return np.where(spreads > 0, beyond, np.where(abs(center) >= limits, 1.0, 0.0))


def half_width(estimate: Estimate) -> float:
    """How far the 95 % interval of a geometric mean reaches, as the logarithm of the ratio; infinite without one."""
    if estimate.interval is None or estimate.interval.low <= 0:
        return math.inf
    return math.log(estimate.interval.high / estimate.interval.low) / 2


def rounds_until(estimate: Estimate, width: float, most: int) -> int | None:
    """The number of further rounds until the half-width of a geometric mean's interval is at most ``width``.

    ``width``: a logarithm. The half-width is t(n−1) · s / √n, with the s of the rounds so far. ``None`` if that needs
    more than ``most`` rounds, or if s is not known.
    """
    reach = half_width(estimate)
    if math.isinf(reach):
        return None
    noise = reach * math.sqrt(estimate.rounds) / errors_to_end(estimate.rounds - 1.0, estimate.stage)
    for further in range(1, most + 1):
        count = estimate.rounds + further
        if errors_to_end(count - 1.0, estimate.stage) * noise / math.sqrt(count) <= width:
            return further
    return None
