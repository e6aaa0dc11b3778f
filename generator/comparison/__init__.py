"""From results to answers: tables of figures with their uncertainty, and verdicts by a stated rule."""

from generator.comparison.capacities import Bracket, CapacityDecision, CapacityRow, CapacityTable, capacities, decide
from generator.comparison.changes import CapacityChange, Change, capacity_changes, changes, unlike
from generator.comparison.claims import Judged, Known, judge_claim
from generator.comparison.evidence import (
    CRITERIA,
    LEADING_SHARE,
    SURE_SHARE,
    WEIGHTINGS,
    Criterion,
    Standing,
    Weighed,
    all_weighed,
    items_of,
)
from generator.comparison.evidence_changes import EvidenceChange, counted, evidence_changes, paces
from generator.comparison.extras import Column, columns_of
from generator.comparison.history import ChangePoint, History, Point, Series, Trend
from generator.comparison.metrics import METRICS, Metric, tail_of
from generator.comparison.picking import STACKS, Candidate, candidates
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
    "CRITERIA",
    "DIMENSIONS",
    "LEADING_SHARE",
    "METRICS",
    "STACKS",
    "SURE_SHARE",
    "WEIGHTINGS",
    "Bracket",
    "Candidate",
    "CapacityChange",
    "CapacityDecision",
    "CapacityRow",
    "CapacityTable",
    "Change",
    "ChangePoint",
    "Column",
    "Comparison",
    "Criterion",
    "Decision",
    "Dimension",
    "EvidenceChange",
    "Figure",
    "History",
    "Judged",
    "Known",
    "Leader",
    "Metric",
    "PairVerdict",
    "Point",
    "Row",
    "Series",
    "Standing",
    "Table",
    "Trend",
    "Weighed",
    "all_weighed",
    "candidates",
    "capacities",
    "capacity_changes",
    "changes",
    "columns_of",
    "compare",
    "counted",
    "decide",
    "evidence_changes",
    "items_of",
    "judge",
    "judge_claim",
    "leaders",
    "overall",
    "paces",
    "pair_verdict",
    "tail_of",
    "undominated",
    "unlike",
]
