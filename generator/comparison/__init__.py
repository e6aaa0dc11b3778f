"""From results to answers: tables of figures with their uncertainty, and verdicts by a stated rule."""

from generator.comparison.capacities import (
    Bracket,
    CapacityDecision,
    CapacityRow,
    CapacityTable,
    capacities,
    decide,
)
from generator.comparison.changes import Change, changes, unlike
from generator.comparison.extras import Column, columns_of
from generator.comparison.metrics import METRICS, Metric, tail_of
from generator.comparison.tables import Comparison, Figure, Row, Table, compare
from generator.comparison.verdicts import (
    DIMENSIONS,
    Decision,
    Dimension,
    Leader,
    PairVerdict,
    judge,
    leaders,
    overall,
    pair_verdict,
    undominated,
)

__all__ = [
    "DIMENSIONS",
    "METRICS",
    "Bracket",
    "CapacityDecision",
    "CapacityRow",
    "CapacityTable",
    "Change",
    "Column",
    "Comparison",
    "Decision",
    "Dimension",
    "Figure",
    "Leader",
    "Metric",
    "PairVerdict",
    "Row",
    "Table",
    "capacities",
    "changes",
    "columns_of",
    "compare",
    "decide",
    "judge",
    "leaders",
    "overall",
    "pair_verdict",
    "tail_of",
    "undominated",
    "unlike",
]
