"""Compares results: tables of values with their uncertainty, and verdicts by one rule."""

from generator.comparison.absences import Absence, find_absences, follow_absences
from generator.comparison.application_stacks import STACKS
from generator.comparison.candidates import Candidate, find_candidates
from generator.comparison.capacities import (
    EQUAL_FACTOR,
    MIN_SEARCHES,
    Bracket,
    CapacityDecision,
    CapacityRow,
    CapacityTable,
    capacity_tables,
    decide_capacity,
)
from generator.comparison.claim_verdicts import ClaimBasis, JudgedClaim, try_claim
from generator.comparison.conclusions import PERFORMANCE, STARTING_POINTS, Conclusions, conclude
from generator.comparison.deciding import needs_quiet
from generator.comparison.discarded import WithDiscarded, with_discarded
from generator.comparison.evidence_changes import EvidenceChange, compare_evidence, count_kinds, machine_factors
from generator.comparison.extra_columns import Column, columns_of
from generator.comparison.flags import FLAG_RULES, Flag
from generator.comparison.history import (
    ChangePoint,
    History,
    Point,
    Series,
    Trend,
    TrendStep,
    compare_alone,
    past_of,
)
from generator.comparison.load_models import (
    LOAD_MODELS,
    Growth,
    LoadCosts,
    LoadModel,
    UnitCost,
    estimate_load,
    growth_of,
    load_costs,
    model_facts,
)
from generator.comparison.metrics import (
    CONNECTION_RATE,
    CPU,
    LATENCY,
    METRICS,
    PUSH_LATENESS,
    THROUGHPUT,
    Family,
    Metric,
    percentile,
    tail_of,
)
from generator.comparison.pair_judging import (
    ComparedValues,
    Judged,
    MetricComparison,
    Outcome,
    Reason,
    highest_end,
    judge_all,
)
from generator.comparison.run_changes import (
    CapacityChange,
    Change,
    compare_capacities,
    compare_cells,
    compare_values,
    incomparable_reasons,
)
from generator.comparison.scored_values import (
    UNPUBLISHED_PROFILES,
    USE_CASES,
    FacetValues,
    UseCase,
    facet_values,
    headline_finding,
    is_published,
    items_of,
)
from generator.comparison.scoring import (
    CHANGES,
    CLOSE_FACTOR,
    LABEL_RULES,
    LABELS,
    LARGEST_CORRELATION,
    SCORING_RULES,
    SCORING_VERSION,
    BestLabelled,
    Criterion,
    Label,
    Labelled,
    PairStanding,
    ScoreCell,
    Sensitivity,
    Sheet,
    best_labelled,
    facet_correlations,
    gap_of,
)
from generator.comparison.setting_changes import SettingChange, compare_settings
from generator.comparison.setting_tables import SettingTables
from generator.comparison.tables import Comparison, Row, Table, Value, compare_runs, costs_with_broker
from generator.comparison.undecided import advise
from generator.comparison.verdicts import (
    DIMENSIONS,
    Decision,
    Dimension,
    Leader,
    PairVerdict,
    leaders,
    overall,
    pair_verdict,
)
