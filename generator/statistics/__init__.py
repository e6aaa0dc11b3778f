"""The statistics of repeated rounds: pure functions of numbers."""

from generator.statistics.contrasts import CONFIDENCE, Contrast, Interval
from generator.statistics.estimates import Estimate, estimate_mean, unpaired_contrast
from generator.statistics.looks import Stage, latest
from generator.statistics.outcomes import (
    DECISION_LEVEL,
    EQUIVALENCE_LEVEL,
    MANY_ROUNDS,
    MIN_ROUNDS,
    SMALLEST_RELEVANT_RATIO,
    Judgement,
    Reason,
    false_discovery_adjusted,
    judge,
)
from generator.statistics.prospects import decision_chances, half_width, rounds_until
from generator.statistics.ranks import RankRange, bracket_rank_ranges, rank_ranges
from generator.statistics.rounds_model import RoundsModel, fit_rounds

__all__ = [
    "CONFIDENCE",
    "DECISION_LEVEL",
    "EQUIVALENCE_LEVEL",
    "MANY_ROUNDS",
    "MIN_ROUNDS",
    "SMALLEST_RELEVANT_RATIO",
    "Contrast",
    "Estimate",
    "Interval",
    "Judgement",
    "RankRange",
    "Reason",
    "RoundsModel",
    "Stage",
    "bracket_rank_ranges",
    "decision_chances",
    "estimate_mean",
    "false_discovery_adjusted",
    "fit_rounds",
    "half_width",
    "judge",
    "latest",
    "rank_ranges",
    "rounds_until",
    "unpaired_contrast",
]
