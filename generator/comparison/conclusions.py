"""All conclusions of the site from one set of results: flags, scores, verdicts on pairs, and labels.

Everything rests on one setup per framework, its headline variant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Literal

from generator.comparison.application_stacks import stacks_of
from generator.comparison.capacities import CapacityDecision, CapacityTable, decide_capacity
from generator.comparison.flags import Flag, find_flags, flagged
from generator.comparison.scored_values import (
    USE_CASES,
    ScoringBasis,
    evidence_sheets,
    is_published,
    performance_sheet,
    use_case_sheets,
)
from generator.comparison.scoring import (
    FAR_FACTOR,
    BestLabelled,
    Labelled,
    Obstacle,
    PairStanding,
    Sheet,
    best_labelled,
    compare_pair,
    label_frameworks,
)
from generator.comparison.tables import Comparison, Table
from generator.comparison.verdicts import DIMENSIONS, Decision, PairVerdict, pair_verdict
from generator.dataset import Evidence

PERFORMANCE = "performance"
Side = Literal["first", "second"]

STARTING_POINTS: Mapping[str, str] = {"new": "A new project", "django": "On Django", "flask": "On Flask"}
"""Where readers start: title by stack. ``new``: without an application that it must be part of."""


@dataclass(frozen=True)
class Conclusions:
    """The conclusions from results and evidence.

    ``stacks_by_setup``: by framework and variant, the stacks that the variant can be part of.
    """

    basis: ScoringBasis
    flags: Mapping[str, tuple[Flag, ...]]
    stacks_by_setup: Mapping[str, Mapping[str, Sequence[str]]]

    # Sheets

    @cached_property
    def dimensions(self) -> dict[str, Sheet]:
        """The sheet of each dimension that has any values, by slug of the dimension."""
        performance = performance_sheet(self.basis)
        found = {PERFORMANCE: performance} if len(performance.unknown) < len(performance.criteria) else {}
        return found | evidence_sheets(self.basis, {one.slug: one.title for one in DIMENSIONS})

    @cached_property
    def use_cases(self) -> dict[str, Sheet]:
        """The sheet of each use case, by slug."""
        return use_case_sheets(self.basis)

    # Pairs

    def of_headlines(self, tables: Iterable[Table]) -> tuple[Table, ...]:
        """The tables with only the headline variant of each framework and the reference, ranked anew.

        Tables of profiles that are not published decide nothing and are left out.
        """
        setups = set(self.basis.headline.items())
        return tuple(table.of_setups(setups) for table in tables if is_published(table))

    def decide_capacity(self, table: CapacityTable, first: str, second: str) -> CapacityDecision:
        """Compare the capacities of two frameworks by their headline variants."""
        setups = set(self.basis.headline.items())
        rows = tuple(row for row in table.rows if row.key in setups)
        return decide_capacity(replace(table, rows=rows), first, second)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The tables that decide pairs."""
        return self.of_headlines(self.basis.comparison.headline)

    @cached_property
    def further_tables(self) -> tuple[Table, ...]:
        """The other tables."""
        return self.of_headlines(self.basis.comparison.further)

    @cached_property
    def pairs(self) -> dict[tuple[str, str], PairVerdict]:
        """The performance verdict on every two measured frameworks."""
        slugs = [facts.slug for facts in self.basis.comparison.frameworks]
        return {pair: self._verdict(*pair) for pair in combinations(slugs, 2)}

    def _verdict(self, first: str, second: str) -> PairVerdict:
        found = pair_verdict(self.tables, first, second)
        return replace(found, outcome=self._performance(found).outcome)

    def _performance(self, verdict: PairVerdict) -> PairStanding:
        sheet = self.dimensions.get(PERFORMANCE)
        return PairStanding("unknown") if sheet is None else self._by_decisions(sheet, verdict)

    def _by_decisions(self, sheet: Sheet, verdict: PairVerdict) -> PairStanding:
        """The outcome by scores, with what the decisions in tables speak against."""
        decisions = [one for one in verdict.decisions if not self._is_unsupported(one, verdict)]
        against = {
            (verdict.first, verdict.second): obstacles_to(decisions, "first"),
            (verdict.second, verdict.first): obstacles_to(decisions, "second"),
        }
        return compare_pair(sheet, verdict.first, verdict.second, lambda one, other: against[one, other])

    def _is_unsupported(self, decision: Decision, verdict: PairVerdict) -> bool:
        slug = decision.table.workload.slug
        return any(slug in self.basis.cannot(one) for one in (verdict.first, verdict.second))

    def standing(self, dimension: str, first: str, second: str) -> PairStanding:
        """The outcome for the first of two in a dimension, and why."""
        if dimension == PERFORMANCE:
            swapped = (first, second) not in self.pairs
            verdict = self.pairs.get((second, first) if swapped else (first, second))
            found = PairStanding("unknown") if verdict is None else self._performance(verdict)
            return found.swapped if swapped else found
        sheet = self.dimensions.get(dimension)
        return compare_pair(sheet, first, second) if sheet else PairStanding("unknown")

    def _in_sheet(self, sheet: Sheet, first: str, second: str) -> PairStanding:
        """The outcome for the first of two in the sheet of a dimension or of a use case."""
        if sheet is self.dimensions.get(sheet.slug):
            return self.standing(sheet.slug, first, second)
        if sheet is not self.use_cases.get(sheet.slug):
            return compare_pair(sheet, first, second)
        return self._by_decisions(sheet, self._verdict_in(sheet, first, second))

    def _verdict_in(self, sheet: Sheet, first: str, second: str) -> PairVerdict:
        """The outcomes in the tables that a sheet is made of."""
        sources = {one.source for one in sheet.criteria}
        tables = [table for table in (*self.tables, *self.further_tables) if table.slug in sources]
        return pair_verdict(tables, first, second)

    def standing_for(self, case: str, first: str, second: str) -> PairStanding:
        """The outcome for the first of two in a use case, and why."""
        return self._in_sheet(self.use_cases[case], first, second)

    def decisions_for(self, case: str, first: str, second: str) -> tuple[Decision, ...]:
        """The outcomes for the first of two in the metrics that count in a use case, without capacity searches."""
        sheet = self.use_cases[case]
        counting = {criterion.key for criterion in sheet.criteria}
        found = self._verdict_in(sheet, first, second).decisions
        return tuple(one for one in found if f"{one.table.slug}/{one.metric.key}" in counting)

    def is_robust(self, case: str, first: str, second: str) -> bool:
        """Whether the outcome of two in a use case stays the same without any single facet, criterion or round, and
        rests on values that neither lacks.
        """
        sheet = self.use_cases[case]
        if sheet.lacking_facets or sheet.gaps(first) or sheet.gaps(second):
            return False
        outcome = compare_pair(sheet, first, second).outcome
        rest = [after for *_, after in sheet.parts_left_out] + list(sheet.rounds_left_out)
        return all(compare_pair(one, first, second).outcome == outcome for one in rest)

    # Labels

    @cached_property
    def labels(self) -> dict[str, dict[str, Labelled]]:
        """By use case, the label of each framework that supports it."""
        return {
            case.slug: label_frameworks(
                self._with_evidence(self.use_cases[case.slug]), able, self._hard_flags, self._in_sheet
            )
            for case in USE_CASES
            if (able := [slug for slug in self.use_cases[case.slug].frameworks if slug in self.basis.competing])
        }

    @cached_property
    def starting_points(self) -> dict[str, dict[str, Labelled]]:
        """By starting point, the label of each framework that can be part of such an application."""
        sheets = self._with_evidence(self.dimensions.get(PERFORMANCE) or performance_sheet(self.basis))
        return {
            stack: label_frameworks(sheets, able, self._hard_flags, self._in_sheet)
            for stack in STARTING_POINTS
            if (able := [one for one in self.basis.competing if stack == "new" or self._is_in(one, stack)])
        }

    def best_of_case(self, case: str) -> BestLabelled | None:
        """The frameworks with the best label that follows from scores in a use case; ``None`` if no label does."""
        return self.best_labels.get(case)

    def best_of_stack(self, stack: str) -> BestLabelled | None:
        """The same for a starting point."""
        return self.best_labels.get(stack)

    @cached_property
    def best_labels(self) -> dict[str, BestLabelled]:
        """The frameworks with the best label that follows from scores, by starting point and by use case."""
        overall = self.dimensions.get(PERFORMANCE) or performance_sheet(self.basis)
        sheets = dict.fromkeys(STARTING_POINTS, overall) | self.use_cases
        found = {
            key: self._best(self._with_evidence(sheet), self.labels_by_aim.get(key, {}))
            for key, sheet in sheets.items()
        }
        return {key: best for key, best in found.items() if best is not None}

    @property
    def labels_by_aim(self) -> dict[str, dict[str, Labelled]]:
        """The labels by starting point and by use case."""
        return self.starting_points | self.labels

    def _best(self, sheets: Sequence[Sheet], labelled: Mapping[str, Labelled]) -> BestLabelled | None:
        found = best_labelled(labelled)
        if found is None:
            return None
        able = {slug: one for slug, one in labelled.items() if not one.by_flags}
        if any(one.left_out or one.lacking for one in able.values()) or any(sheet.lacking_facets for sheet in sheets):
            return found
        plain = best_labelled(label_frameworks(sheets, list(labelled), self._hard_flags, _never_equal))
        varied = (
            [*sheets[:index], after, *sheets[index + 1 :]]
            for index, sheet in enumerate(sheets)
            for after in (*(part for *_, part in sheet.parts_left_out), *sheet.rounds_left_out)
        )
        is_robust = all(
            _same_frameworks(
                best_labelled(label_frameworks(one, list(labelled), self._hard_flags, _never_equal)), plain
            )
            for one in varied
        )
        return replace(found, is_robust=is_robust)

    def _is_in(self, framework: str, stack: str) -> bool:
        """Whether the headline variant can be part of such an application: the one that the label judges."""
        return stack in self.stacks_by_setup.get(framework, {}).get(self.basis.headline.get(framework, ""), ())

    @property
    def _hard_flags(self) -> dict[str, int]:
        return {slug: sum(flag.is_hard for flag in found) for slug, found in self.flags.items()}

    def _with_evidence(self, performance: Sheet) -> list[Sheet]:
        """One sheet per dimension; a dimension without evidence has one that nobody has values in."""
        empty = {one.slug: Sheet(one.slug, one.title, (), (), {}) for one in DIMENSIONS if one.slug != PERFORMANCE}
        return [performance, *(empty | {slug: one for slug, one in self.dimensions.items() if slug in empty}).values()]

    @cached_property
    def unjudged(self) -> dict[str, str]:
        """By framework without any value of a headline variant, the reason as a sentence."""
        measured = {row.key for table in self.basis.comparison.tables for row in table.rows}
        found = {}
        for slug in self.basis.frameworks:
            variant = self.basis.headline.get(slug)
            if variant is None:
                found[slug] = "Its folder declares no headline variant, so it takes no part in verdicts on performance."
            elif (slug, variant) not in measured:
                found[slug] = (
                    f"Its headline variant {variant} is not measured yet, so it has no verdicts on performance."
                )
        return found


def _never_equal(_sheet: Sheet, _first: str, _second: str) -> PairStanding:
    return PairStanding("unknown")


def _same_frameworks(one: BestLabelled | None, other: BestLabelled | None) -> bool:
    return (set(one.frameworks) if one else None) == (set(other.frameworks) if other else None)


def conclude(
    comparison: Comparison,
    searched: Sequence[CapacityTable],
    evidence: Mapping[str, Evidence],
    headline: Mapping[str, str],
    competing: Sequence[str],
) -> Conclusions:
    """Compute the flags, on which everything else rests."""
    measured = {facts.slug for facts in comparison.frameworks}
    frameworks = tuple(sorted(measured | evidence.keys()))
    able = tuple(slug for slug in frameworks if slug in set(competing))
    basis = ScoringBasis(comparison, searched, evidence, headline, frameworks, able)
    flags = find_flags(basis)
    return Conclusions(replace(basis, flagged=flagged(flags)), flags, stacks_of(comparison, evidence, frameworks))


def obstacles_to(decisions: Sequence[Decision], who: Side) -> list[Obstacle]:
    """The decisions that speak against "the first (or the second) is better overall".

    A metric that cannot decide because the machine was disturbed is no obstacle: other percentiles decide instead.
    """
    found = []
    for one in decisions:
        title = f"{one.metric.title} ({one.table.workload.title.lower()})"
        estimate, *ends = _times_worse(one, who) or (math.inf,)
        is_against = one.outcome == ("worse" if who == "first" else "better")
        is_open = one.outcome == "unknown" and one.reason != "disturbed"
        if (is_against and estimate >= FAR_FACTOR) or (is_open and max(ends, default=math.inf) >= FAR_FACTOR):
            found.append(Obstacle(title, is_open))
    return found


def _times_worse(decision: Decision, who: Side) -> list[float]:
    """How many times as bad one value is as the other: the estimate, then both ends of its interval; empty without.

    ``who``: whose value. A difference is turned into a ratio to the second's mean.
    """
    contrast = decision.ratio
    if contrast is None:
        return []
    interval = contrast.interval
    values = [contrast.value, *((interval.low, interval.high) if interval else ())]
    if not contrast.is_ratio:
        base = decision.second.values[decision.metric.key].estimate.mean if decision.second else 0.0
        values = [(base + value) / base if base > 0 else math.inf for value in values]
    is_first_over_second = (decision.metric.direction == "lower") == (who == "first")
    return [value if is_first_over_second else 1 / value if value > 0 else math.inf for value in values]
