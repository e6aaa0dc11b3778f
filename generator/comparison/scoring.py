"""Scoring 2: how values become scores, scores become facets and totals, and totals become labels.

Everything here is pure. `generator.comparison.scored_values` reads the values from tables and evidence, and
`generator.comparison.flags` finds the facts that bar a framework from any "best" sentence. The page *Scoring* prints
the tables of this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from statistics import correlation
from typing import Literal

from generator.statistics.ratio_of_intervals import ratio_interval

SCORING_VERSION = 2

WORST_FACTOR = 4.0
"""A value this many times as bad as the best scores 0. A reader who pays four times as much looks elsewhere; beyond
that, how much worse it is changes no choice."""

CLOSE_FACTOR = 1.25
"""Frameworks whose total is at most this many times behind the best are its leading group."""

GOOD_FACTOR = 3.0
"""A good choice is at most this many times behind in each dimension. Scores end at `WORST_FACTOR`, so a mean of them
never reaches it."""

FAR_FACTOR = 2.0
"""A difference of this factor in one criterion is one that a total must not hide."""

SIMILAR_FACTOR = 1.1
"""Totals that differ by less are practically equal: the margin of throughput, CPU and memory."""

LEAST_SHARE = 0.5
"""A facet needs values in this share of its criteria, and a total in more than this share of the facets."""

LARGEST_CORRELATION = 0.7
"""Two facets of a dimension with a higher rank correlation count the same property twice."""

_LEAST_FOR_CORRELATION = 5
_EQUAL = 1e-9

Better = Literal["lower", "higher", "yes"]
CellState = Literal[
    "counts",
    "failed",
    "undelivered",
    "timer",
    "listen-queue",
    "trend",
    "unsettled",
    "few-rounds",
    "open-ended",
    "quick",
    "disturbed",
    "unsupported",
    "unmeasured",
]
SCORING_NOTHING: frozenset[CellState] = frozenset({"failed", "undelivered"})
"""The server did not do the work, so there is no value to compare."""
SELF_LIMITED: frozenset[CellState] = frozenset({"timer", "listen-queue", "trend", "unsettled"})
"""The server itself made its rounds invalid. What they measured counts in the scores and decides no pair."""
Standing = Literal["better", "worse", "same", "mixed", "unknown"]
Label = Literal["recommended", "good choice", "special case", "not for new projects"]

LABELS: tuple[Label, ...] = ("recommended", "good choice", "special case", "not for new projects")
"""The best first."""


def gap_of(factor: float) -> float:
    """The difference of scores that belongs to a factor between values: 1 for `WORST_FACTOR`, 0.5 for 2."""
    return math.log(factor) / math.log(WORST_FACTOR)


@dataclass(frozen=True)
class Criterion:
    """A quantity that counts.

    ``group``: criteria of a facet that describe one use case. A facet is the mean of its groups, so a use case with
    many parameters does not outweigh another. ``floor``: below it nobody notices a difference, in the
    unit of the value. ``source``: the table whose rounds the values are from. ``page``: where the values are.
    """

    key: str
    title: str
    facet: str
    better: Better
    floor: float = 0.0
    unit: str = ""
    group: str = ""
    source: str = ""
    page: str = ""

    @property
    def formula(self) -> str:
        """How the score is computed, as text."""
        if self.better == "yes":
            return "yes 1, with a documented recipe 0.5, no 0"
        ratio = "best / value" if self.better == "higher" else "value / best"
        floor = f", both at least {self.floor:g} {self.unit}".rstrip() if self.floor else ""
        return f"1 − ln({ratio}) / ln {WORST_FACTOR:g}{floor}"


@dataclass(frozen=True)
class ScoreCell:
    """The value of one framework under one criterion, or the reason for having none that counts.

    ``rounds``: the values of single rounds, if it is the mean of rounds. ``ends``: those of the interval of a
    value that is not: of a capacity the 95 % interval, of timed evidence the smallest and the largest sample.
    """

    state: CellState
    value: float | None = None
    rounds: Mapping[int, float] = field(default_factory=dict)
    ends: tuple[float, float] | None = None


def score(value: float, best: float, better: Better, floor: float = 0.0) -> float:
    """The score of a value, between 0 and 1.

    s = clip(1 − ln(max(x, f) / max(best, f)) / ln 4, 0, 1), with the inverse ratio where more is better. The best
    scores 1, twice as much 0.5, four times as much 0. The logarithm makes the step from 1 to 2 as large as that from
    2 to 4, as readers judge costs. Values that are not above zero score 1 where less is better, 0 where more is.
    """
    if better == "yes":
        return min(1.0, max(0.0, value))
    mine, reference = max(value, floor), max(best, floor)
    if better == "higher":
        mine, reference = reference, mine
    if mine <= 0:
        return 1.0
    if reference <= 0 or math.isinf(mine):
        return 0.0
    return min(1.0, max(0.0, 1 - math.log(mine / reference) / math.log(WORST_FACTOR)))


@dataclass(frozen=True)
class Sheet:
    """All criteria of a dimension or a use case, with the cells of every framework.

    ``cells``: by key of the criterion, then by framework; a framework without a cell is not determined.
    ``barred``: frameworks with a hard flag, and libraries, which are no answer. They lead nowhere. Being barred changes
    no number, neither of the framework nor of others.
    """

    slug: str
    title: str
    frameworks: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    cells: Mapping[str, Mapping[str, ScoreCell]]
    barred: frozenset[str] = frozenset()

    # Which criteria count

    @cached_property
    def _all_scores(self) -> dict[str, dict[str, float]]:
        """By criterion, then framework."""
        return {criterion.key: self._scores_of(criterion) for criterion in self.criteria}

    def _scores_of(self, criterion: Criterion) -> dict[str, float]:
        cells = {slug: cell for slug, cell in self.cells.get(criterion.key, {}).items() if slug in self.frameworks}
        values = {slug: cell.value for slug, cell in cells.items() if cell.value is not None}
        best = (min if criterion.better == "lower" else max)(values.values(), default=0.0)
        found = {slug: score(value, best, criterion.better, criterion.floor) for slug, value in values.items()}
        return found | {slug: 0.0 for slug, cell in cells.items() if cell.state in SCORING_NOTHING}

    @cached_property
    def counting(self) -> tuple[Criterion, ...]:
        """The criteria in which at least two frameworks have different scores."""
        return tuple(one for one in self.criteria if len(_distinct(self._all_scores[one.key].values())) > 1)

    @cached_property
    def same_for_all(self) -> tuple[Criterion, ...]:
        """The criteria with one score for all who have a value. They count nothing."""
        return tuple(one for one in self.criteria if len(_distinct(self._all_scores[one.key].values())) == 1)

    @cached_property
    def with_one_value(self) -> tuple[Criterion, ...]:
        """Those of them in which only one framework has a score, which says nothing about the others."""
        return tuple(one for one in self.same_for_all if len(self._all_scores[one.key]) == 1)

    @cached_property
    def unknown(self) -> tuple[Criterion, ...]:
        """The criteria in which nobody has a value that counts."""
        return tuple(one for one in self.criteria if not self._all_scores[one.key])

    @cached_property
    def _declared(self) -> dict[str, tuple[Criterion, ...]]:
        """All criteria of each facet, in the order of the criteria."""
        found: dict[str, tuple[Criterion, ...]] = {}
        for criterion in self.criteria:
            found[criterion.facet] = (*found.get(criterion.facet, ()), criterion)
        return found

    def _is_covered(self, framework: str, facet: str) -> bool:
        """Whether the framework has values in half of the declared criteria of a facet, or more."""
        criteria = self._declared[facet]
        known = sum(framework in self._all_scores[one.key] for one in criteria)
        return known >= LEAST_SHARE * len(criteria) and known > 0

    @cached_property
    def lacking_facets(self) -> tuple[str, ...]:
        """Facets in which no framework has values in half of the criteria."""
        return tuple(
            facet for facet in self._declared if not any(self._is_covered(slug, facet) for slug in self.frameworks)
        )

    @cached_property
    def facets(self) -> dict[str, tuple[Criterion, ...]]:
        """The facets that count, each with its counting criteria.

        A facet in which all are the same counts nothing. Where nothing differs at all, every facet counts: everybody
        is equal then.
        """
        counting = self.counting or self.same_for_all
        found = {
            facet: tuple(one for one in criteria if one in counting)
            for facet, criteria in self._declared.items()
            if facet not in self.lacking_facets
        }
        return {facet: criteria for facet, criteria in found.items() if criteria}

    # Scores

    def score_of(self, framework: str, criterion: Criterion) -> float | None:
        """The score, or ``None`` without a value that counts."""
        return self._all_scores[criterion.key].get(framework)

    def facet_score(self, framework: str, facet: str) -> float | None:
        """The mean of a facet's groups; ``None`` if the framework lacks values in most criteria of the facet."""
        if not self._is_covered(framework, facet):
            return None
        known: dict[str, list[float]] = {}
        for criterion in self.facets[facet]:
            one = self.score_of(framework, criterion)
            if one is not None:
                known.setdefault(criterion.group, []).append(one)
        return _mean([_mean(group) for group in known.values()]) if known else None

    @cached_property
    def totals(self) -> dict[str, float]:
        """The mean of the facets, by framework; only frameworks that have all facets.

        Empty where half of the declared facets or more lack values: the others are no verdict on all.
        """
        if len(self.lacking_facets) >= LEAST_SHARE * len(self._declared):
            return {}
        found = {}
        for slug in self.frameworks:
            scores = [self.facet_score(slug, facet) for facet in self.facets]
            known = [one for one in scores if one is not None]
            if scores and len(known) == len(scores):
                found[slug] = _mean(known)
        return found

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All frameworks, the highest total first, those without a total last."""
        return tuple(sorted(self.frameworks, key=lambda slug: (-self.totals.get(slug, -1.0), slug)))

    @cached_property
    def leading(self) -> tuple[str, ...]:
        """The frameworks close to the best total, the best first, without barred ones; empty if fewer than two are
        not barred, since nobody leads by default.
        """
        eligible = {slug: self.totals[slug] for slug in self.order if slug in self.totals and slug not in self.barred}
        if len(eligible) < 2:
            return ()
        best = max(eligible.values())
        return tuple(slug for slug, total in eligible.items() if best - total <= gap_of(CLOSE_FACTOR) + _EQUAL)

    def gaps(self, framework: str) -> tuple[Criterion, ...]:
        """The criteria that others are judged by and that this framework's total leaves out."""
        if framework not in self.totals:
            return ()
        criteria = [one for criteria in self.facets.values() for one in criteria]
        return tuple(one for one in criteria if self.score_of(framework, one) is None)

    @cached_property
    def _narrowed(self) -> dict[frozenset[str], Sheet]:
        return {}

    def shared_by(self, first: str, second: str) -> Sheet | None:
        """The sheet with only the criteria in which both have a score; ``None`` if a facet has none."""
        if not self.gaps(first) and not self.gaps(second):
            return self
        dropped = frozenset(
            one.key for one in self.criteria if None in (self.score_of(first, one), self.score_of(second, one))
        )
        if dropped not in self._narrowed:
            self._narrowed[dropped] = self.without(dropped)
        found = self._narrowed[dropped]
        return found if found.facets.keys() == self.facets.keys() else None

    def times_behind(self, framework: str, among: Collection[str]) -> float | None:
        """How many times behind the best total of these frameworks, on average over the facets; 1 or more."""
        eligible = [total for slug, total in self.totals.items() if slug in among]
        if framework not in self.totals or not eligible:
            return None
        return max(1.0, float(WORST_FACTOR ** (max(eligible) - self.totals[framework])))

    @cached_property
    def sensitivities(self) -> tuple[Sensitivity, ...]:
        """What changes the leading group when it is left out: each facet, each criterion, each round."""
        return _sensitivities(self)

    @cached_property
    def parts_left_out(self) -> tuple[tuple[Literal["facet", "criterion"], str, Sheet], ...]:
        """The sheet without each facet, and without each criterion that is not alone in its facet, with their names."""
        facets: list[tuple[Literal["facet", "criterion"], str, Sheet]] = [
            ("facet", facet, self.without({one.key for one in self._declared[facet]}))
            for facet in self.facets
            if len(self.facets) > 1
        ]
        single = [one for criteria in self.facets.values() if len(criteria) > 1 for one in criteria]
        return (*facets, *(("criterion", one.title, self.without({one.key})) for one in single))

    @cached_property
    def rounds_left_out(self) -> tuple[Sheet, ...]:
        """The sheet without each round of each table."""
        return tuple(self.without_round(source, number) for source, number in self.round_numbers)

    # Variations

    def without(self, dropped: Collection[str]) -> Sheet:
        """The sheet without the criteria with these keys."""
        return replace(self, criteria=tuple(one for one in self.criteria if one.key not in dropped))

    def without_round(self, source: str, number: int) -> Sheet:
        """The sheet without one round of one table. Where that is the only one, the cell stays as it is."""
        sources = {one.key for one in self.criteria if one.source == source}
        cells = {
            key: {slug: _without_round(cell, number) if key in sources else cell for slug, cell in row.items()}
            for key, row in self.cells.items()
        }
        return replace(self, cells=cells)

    @cached_property
    def round_numbers(self) -> tuple[tuple[str, int], ...]:
        """Every table and round behind the counting criteria."""
        found = {
            (criterion.source, number)
            for criterion in self.counting
            for cell in self.cells.get(criterion.key, {}).values()
            for number in cell.rounds
        }
        return tuple(sorted(found))


def _distinct(scores: Iterable[float]) -> list[float]:
    """Scores that differ by more than rounding."""
    found: list[float] = []
    for one in sorted(scores):
        if not found or one - found[-1] > _EQUAL:
            found.append(one)
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _without_round(cell: ScoreCell, number: int) -> ScoreCell:
    """The cell without one of its rounds: its value moves as the mean of its rounds does."""
    rest = [value for key, value in cell.rounds.items() if key != number]
    if cell.value is None or not rest or len(rest) == len(cell.rounds):
        return cell
    every = list(cell.rounds.values())
    rounds = {key: value for key, value in cell.rounds.items() if key != number}
    if min(every) > 0 and cell.value > 0:
        shift = _mean([math.log(value) for value in rest]) - _mean([math.log(value) for value in every])
        return replace(cell, value=cell.value * math.exp(shift), rounds=rounds)
    return replace(cell, value=cell.value + _mean(rest) - _mean(every), rounds=rounds)


# Robustness


@dataclass(frozen=True)
class Sensitivity:
    """A change of the leading group when something is left out."""

    kind: Literal["facet", "criterion", "round"]
    left_out: str
    """Name of the facet or title of the criterion; of rounds, how many of them change the group."""
    leading: tuple[str, ...]
    joins: tuple[str, ...]
    leaves: tuple[str, ...]


def _sensitivities(sheet: Sheet) -> tuple[Sensitivity, ...]:
    """Facets come first. A criterion that is alone in its facet is reported as that facet only. All rounds that change
    the group in the same way are one entry.
    """
    if not sheet.leading:
        return ()
    found = [_compared(sheet, after, kind, title) for kind, title, after in sheet.parts_left_out]
    by_rounds: dict[tuple[str, ...], list[Sensitivity]] = {}
    for after in sheet.rounds_left_out:
        changed = _compared(sheet, after, "round", "")
        by_rounds.setdefault(changed.leading, []).append(changed)
    count = len(sheet.round_numbers)
    found += [replace(same[0], left_out=f"{len(same)} of {count} rounds") for same in by_rounds.values()]
    return tuple(one for one in found if one.leading and (one.joins or one.leaves))


def _compared(before: Sheet, after: Sheet, kind: Literal["facet", "criterion", "round"], left_out: str) -> Sensitivity:
    leading = after.leading
    joins = tuple(slug for slug in leading if slug not in before.leading)
    return Sensitivity(kind, left_out, leading, joins, tuple(slug for slug in before.leading if slug not in leading))


# Two frameworks


@dataclass(frozen=True)
class Obstacle:
    """A criterion in which the second is, or may be, at least `FAR_FACTOR` times better than the first."""

    title: str
    is_open: bool
    """Whether it is not decided: too few rounds or an interval that reaches that far."""


@dataclass(frozen=True)
class PairStanding:
    """The outcome for the first of two frameworks over a whole sheet, and why.

    ``gap``: the difference of the totals. ``for_second``: what speaks against "the first is better";
    ``for_first``: against the opposite. ``depends_on``: facets and criteria without which the sign of the gap changes.
    """

    outcome: Standing
    gap: float | None = None
    for_first: tuple[Obstacle, ...] = ()
    for_second: tuple[Obstacle, ...] = ()
    depends_on: tuple[str, ...] = ()

    @property
    def swapped(self) -> PairStanding:
        """The outcome for the second."""
        opposite: dict[Standing, Standing] = {"better": "worse", "worse": "better"}
        return PairStanding(
            opposite.get(self.outcome, self.outcome),
            None if self.gap is None else -self.gap,
            self.for_second,
            self.for_first,
            self.depends_on,
        )

    @property
    def open_in(self) -> tuple[str, ...]:
        """Titles of the criteria that are not decided and could outweigh the rest."""
        found = (*self.for_first, *self.for_second)
        return tuple(dict.fromkeys(one.title for one in found if one.is_open))


def compare_pair(
    sheet: Sheet,
    first: str,
    second: str,
    obstacles: Callable[[str, str], Sequence[Obstacle]] = lambda _first, _second: (),
) -> PairStanding:
    """The outcome for the first of two.

    ``better``: its total is higher by more than `SIMILAR_FACTOR`, also without any single facet or criterion, and there
    is no obstacle. ``same``: the totals are closer than that, and there is no obstacle on either side. ``unknown``: one
    of them has no total, or only what is not decided speaks against an outcome. ``mixed``: everything else.
    ``obstacles(a, b)``: those against "a is better than b" beyond the ones that the scores show. Only criteria count in
    which both have a score: what one of them lacks would move its total alone.
    """
    if first not in sheet.totals or second not in sheet.totals:
        return PairStanding("unknown")
    shared = sheet.shared_by(first, second)
    if shared is None or first not in shared.totals or second not in shared.totals:
        return PairStanding("unknown")
    sheet = shared
    gap = sheet.totals[first] - sheet.totals[second]
    for_second = (*_obstacles(sheet, first, second), *obstacles(first, second))
    for_first = (*_obstacles(sheet, second, first), *obstacles(second, first))
    depends = tuple(_flips(sheet, first, second)) if abs(gap) > gap_of(SIMILAR_FACTOR) else ()
    found = PairStanding("mixed", gap, for_first, for_second, depends)
    against = for_second if gap > 0 else for_first
    outcome: Standing = "better" if gap > 0 else "worse"
    if abs(gap) <= gap_of(SIMILAR_FACTOR) + _EQUAL:
        against, outcome = (*for_first, *for_second), "same"
    if depends or any(not one.is_open for one in against):
        return found
    return replace(found, outcome="unknown" if against else outcome)


def _obstacles(sheet: Sheet, first: str, second: str) -> list[Obstacle]:
    """By the values themselves: two scores of 0 may hide any difference.

    A half-step between degrees is none: how much a recipe or a few lines cost is our estimate, not a measured factor.
    """
    found = []
    for criterion in sheet.counting:
        cells = sheet.cells[criterion.key]
        if first in cells and second in cells:
            times = _times_worse(criterion, cells[first], cells[second])
            is_open = _is_open(cells[first], cells[second])
            if (max(times) if is_open else times[0]) >= FAR_FACTOR:
                found.append(Obstacle(criterion.title, is_open))
    return found


def _is_open(mine: ScoreCell, theirs: ScoreCell) -> bool:
    """Whether two values do not decide which one is better: the server made one invalid, or their ends overlap."""
    if not SELF_LIMITED.isdisjoint((mine.state, theirs.state)):
        return True
    if mine.ends is None or theirs.ends is None:
        return False
    return mine.ends[0] < theirs.ends[1] and theirs.ends[0] < mine.ends[1]


def _times_worse(criterion: Criterion, mine: ScoreCell, theirs: ScoreCell) -> tuple[float, ...]:
    """How many times as bad the first value is, then the same at both ends where the values have them; 1 where one of
    them does not count.
    """
    if mine.state in SCORING_NOTHING or theirs.state in SCORING_NOTHING:
        return (math.inf if mine.state in SCORING_NOTHING and theirs.value is not None else 1.0,)
    if mine.value is None or theirs.value is None:
        return (1.0,)
    if criterion.better == "yes":
        return (float(WORST_FACTOR ** int(theirs.value - mine.value)),)
    found = [_ratio(criterion, mine.value, theirs.value)]
    if mine.ends is not None and theirs.ends is not None:
        found += _ends_of_ratio(criterion, mine, theirs)
    return tuple(found)


def _ends_of_ratio(criterion: Criterion, mine: ScoreCell, theirs: ScoreCell) -> list[float]:
    """The ends of how many times as bad the first value is, of two cells with values and ends; none at or below 0."""
    spans = []
    for cell in (mine, theirs):
        assert cell.ends is not None
        assert cell.value is not None
        low, middle, high = sorted(max(one, criterion.floor) for one in (cell.ends[0], cell.value, cell.ends[1]))
        spans.append((low, middle, high))
    if min(spans[0][0], spans[1][0]) <= 0:
        return []
    found = ratio_interval(*(spans[::-1] if criterion.better == "higher" else spans))
    return [found.low, found.high]


def _ratio(criterion: Criterion, mine: float, theirs: float) -> float:
    """How many times as bad the first value is, both at least the floor."""
    worse, reference = max(mine, criterion.floor), max(theirs, criterion.floor)
    if criterion.better == "higher":
        worse, reference = reference, worse
    if worse <= 0:
        return 1.0
    return worse / reference + _EQUAL if reference > 0 else math.inf


def _flips(sheet: Sheet, first: str, second: str) -> Iterable[str]:
    """Titles of facets and criteria without which the other one has the higher total."""
    gap = sheet.totals[first] - sheet.totals[second]
    for _, title, after in sheet.parts_left_out:
        totals = after.totals
        if first in totals and second in totals and (totals[first] - totals[second]) * gap < -_EQUAL:
            yield title


# Facets that count the same


@dataclass(frozen=True)
class Correlation:
    """The rank correlation of two facets over the frameworks that have both."""

    first: str
    second: str
    value: float

    @property
    def is_too_high(self) -> bool:
        return self.value >= LARGEST_CORRELATION


def facet_correlations(sheet: Sheet) -> tuple[Correlation, ...]:
    """Spearman's rank correlation of each pair of facets; none below five frameworks, or without differences.

    Spearman (1904), Am. J. Psychol. 15(1), pages 72 to 101.
    """
    found = []
    for first, second in combinations(sheet.facets, 2):
        pairs = [(sheet.facet_score(slug, first), sheet.facet_score(slug, second)) for slug in sheet.frameworks]
        known = [(one, other) for one, other in pairs if one is not None and other is not None]
        columns = list(zip(*known, strict=True))
        if len(known) >= _LEAST_FOR_CORRELATION and all(len(_distinct(column)) > 1 for column in columns):
            found.append(Correlation(first, second, correlation(*map(_mean_ranks, columns))))
    return tuple(found)


def _mean_ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from one; equal values share the mean of their ranks."""
    return [sum(other < one for other in values) + (values.count(one) + 1) / 2 for one in values]


# Labels


@dataclass(frozen=True)
class Labelled:
    """The label of a framework for a use case or a starting point; ``None`` where there is too little data for one.

    ``total``: the mean of the sheets' totals. ``behind``: by sheet, how many times behind its best. ``lacking``: titles
    of the sheets without a total. ``left_out``: titles of the criteria that others are judged by and it is not.
    """

    label: Label | None
    total: float | None = None
    behind: Mapping[str, float] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    by_flags: bool = False
    """Whether flags, not scores, determine the label."""


def label_frameworks(
    sheets: Sequence[Sheet],
    candidates: Sequence[str],
    flags: Mapping[str, int],
    compare: Callable[[Sheet, str, str], PairStanding] = compare_pair,
) -> dict[str, Labelled]:
    """The labels of the candidates, by the rules in `LABEL_RULES`.

    ``sheets``: one per dimension, performance in the use case. ``flags``: the number of hard flags of each framework.
    Frameworks that are practically equal in every sheet, by ``compare``, to one with a better label share it. Nobody
    has a label by default: with scores of fewer than two candidates without a flag, none follows from scores.
    """
    totals = {}
    lacking = {}
    for slug in candidates:
        lacking[slug] = tuple(sheet.title for sheet in sheets if slug not in sheet.totals)
        if not lacking[slug] and sheets:
            totals[slug] = _mean([sheet.totals[slug] for sheet in sheets])
    flagged = {slug for slug in candidates if flags.get(slug)}
    able = [slug for slug in candidates if slug not in flagged]
    behind = {
        slug: {sheet.slug: times for sheet in sheets if (times := sheet.times_behind(slug, able)) is not None}
        for slug in candidates
    }
    eligible = [total for slug, total in totals.items() if slug not in flagged]
    found = {}
    for slug in candidates:
        by_flags = slug in flagged
        label: Label | None = None
        if by_flags:
            label = "special case" if flags[slug] == 1 else "not for new projects"
        elif len(eligible) > 1 and slug in totals:
            label = _label_by_score(max(eligible) - totals[slug], max(behind[slug].values(), default=math.inf))
        left_out = tuple(dict.fromkeys(one.title for sheet in sheets for one in sheet.gaps(slug)))
        found[slug] = Labelled(label, totals.get(slug), behind[slug], lacking[slug], left_out, by_flags)
    return {slug: _with_equals(slug, one, found, sheets, compare) for slug, one in found.items()}


def _label_by_score(gap: float, most_behind: float) -> Label:
    if gap <= gap_of(CLOSE_FACTOR) + _EQUAL and most_behind <= FAR_FACTOR + _EQUAL:
        return "recommended"
    if gap <= gap_of(FAR_FACTOR) + _EQUAL and most_behind <= GOOD_FACTOR + _EQUAL:
        return "good choice"
    return "special case"


def _with_equals(
    slug: str,
    own: Labelled,
    every: Mapping[str, Labelled],
    sheets: Sequence[Sheet],
    compare: Callable[[Sheet, str, str], PairStanding],
) -> Labelled:
    if own.label is None or own.by_flags:
        return own
    equal = [
        other.label
        for one, other in every.items()
        if other.label is not None
        and not other.by_flags
        and LABELS.index(other.label) < LABELS.index(own.label)
        and all(compare(sheet, slug, one).outcome == "same" for sheet in sheets)
    ]
    return replace(own, label=min((own.label, *equal), key=LABELS.index))


@dataclass(frozen=True)
class BestLabelled:
    """The frameworks with the best label, the highest total first.

    ``is_robust``: whether they stay the same without any single facet, criterion or round, and nobody lacks a value
    that others are judged by.
    """

    label: Label
    frameworks: tuple[str, ...]
    is_robust: bool = False


def best_labelled(labelled: Mapping[str, Labelled]) -> BestLabelled | None:
    """Those with the best label that follows from scores, not from flags; ``None`` if no label does."""
    known = {slug: one for slug, one in labelled.items() if not one.by_flags}
    labels = [one.label for one in known.values() if one.label is not None]
    if not labels:
        return None
    label = min(labels, key=LABELS.index)
    best = [slug for slug, one in known.items() if one.label == label]
    return BestLabelled(label, tuple(sorted(best, key=lambda slug: -(known[slug].total or 0.0))))


LABEL_RULES: tuple[tuple[Label, str], ...] = (
    (
        "recommended",
        f"No flag. The mean of the four dimensions is at most {CLOSE_FACTOR:g} times behind the best, and no single"
        f" dimension more than {FAR_FACTOR:g} times.",
    ),
    (
        "good choice",
        f"No flag. The mean of the four dimensions is at most {FAR_FACTOR:g} times behind the best, and no single"
        f" dimension more than {GOOD_FACTOR:g} times.",
    ),
    (
        "special case",
        "One flag, or further behind than that: there is a reason to look twice, and some applications that it fits.",
    ),
    ("not for new projects", "Two or more flags."),
)
"""The rules of the labels, as the page prints them. "Behind" is `Sheet.times_behind`, among the candidates without
hard flags."""


@dataclass(frozen=True)
class Rule:
    """A rule as the page prints it."""

    title: str
    text: str
    anchor: str = ""


SCORING_RULES: tuple[Rule, ...] = (
    Rule(
        "One setup per framework",
        "A framework is judged by its headline variant, the deployment that its own documentation recommends for"
        " production, or names first. Its other variants are rows of the detailed tables and decide nothing.",
    ),
    Rule(
        "What counts",
        "A value counts with enough valid rounds of a profile above quick. Otherwise its cell says what is missing. A"
        " workload that failed in every round scores 0, and so does one whose messages mostly did not arrive as"
        " required. An unsupported workload has no score.",
    ),
    Rule(
        "When the server is the cause",
        "A server can make a round invalid itself. It waits for a timer, its listen queue is full, or it becomes slower"
        " or faster all the time. Its score then rests on what was measured, and the cell says so. Left out, its"
        " worst workload would raise its total. Such a value decides no pair.",
    ),
    Rule(
        "Score of a value",
        f"1 − ln(max(value, floor) / max(best, floor)) / ln {WORST_FACTOR:g}, between 0 and 1, with the inverse ratio"
        f" where more is better. So the best has 1, twice as much 0.5, and {WORST_FACTOR:g} times as much 0. The best"
        " is that of all frameworks, also of those with a flag, whatever a page shows. So no flag and no filter changes"
        " a score. Yes is 1, no is 0, and what takes a documented recipe or lines of your own, or is"
        " not always so, is 0.5.",
    ),
    Rule(
        "Facets",
        "Criteria that describe one property form a facet, and the total is the mean of the facets. So a property that"
        " is measured three times counts once. Criteria with the same score for all count nothing. A facet needs"
        " values in half of its criteria, and a total needs every facet. A facet in which nobody has enough is left"
        " out; if that is half of the facets or more, there is no total.",
    ),
    Rule(
        "The leading group",
        f"It has the best total, and all totals that are at most {CLOSE_FACTOR:g} times behind it. On average over the"
        " facets, the values are worse by that factor. Frameworks with a hard flag and bare protocol libraries are"
        " never in it. Nobody leads by default: it takes two others with a total.",
        "leading",
    ),
    Rule(
        "How robust it is",
        "We leave out each facet, each criterion and each round of each table. Where the leading group changes, the"
        " verdict says how.",
    ),
    Rule(
        "Two frameworks",
        f"One is better in a dimension if its total is higher by a factor of more than {SIMILAR_FACTOR:g}, also without"
        f" any single facet or criterion. And in no criterion may the other be {FAR_FACTOR:g} times as good, which an"
        f" undecided difference leaves open. Yes is that much better than no, but not than what has 0.5. If the"
        f" totals are within {SIMILAR_FACTOR:g} and nothing differs that much, they are practically equal. If only"
        " undecided criteria speak against an outcome, it is inconclusive. Otherwise it depends on what counts. Only"
        " criteria count in which both have a score. Capacities and timed evidence whose intervals overlap are not"
        " decided.",
        "pairs",
    ),
)
"""The rules in words, in the order in which they apply."""

CHANGES: tuple[tuple[str, str], ...] = (
    (
        "A framework is judged by one setup, the one that its documentation recommends.",
        "Scoring 1 took the best variant for each metric, a deployment that nobody can run.",
    ),
    (
        "Scores are logarithms of the ratio to the best, with floors.",
        "Scoring 1 used the ratio itself, so 3 MB against 6 MB weighed as much as 3 s against 6 s.",
    ),
    (
        "Criteria form facets, and the mean of facets is the total.",
        "Scoring 1 drew ten thousand random weightings of all criteria. So a property with three criteria counted three"
        " times, and size of the installation decided ease of use.",
    ),
    (
        "Performance has scores in capacity, delay, CPU cost and memory per connection, for each use case.",
        "Scoring 1 named everyone who lost to nobody in every metric, also with one good metric and many unknown ones.",
    ),
    (
        "Facts that end a choice are flags.",
        "Scoring 1 did not consider a server that keeps a core busy when nothing happens.",
    ),
    (
        "Fewer than five valid rounds, or profile quick, give no vote.",
        "Scoring 1 compared two rounds like ten.",
    ),
    (
        "Streaming is judged by streams that each have their own pace and by events to all viewers. Notifications are"
        " also judged by messages that come from outside of the server.",
        "Before those were measured, streaming was judged by events to all viewers alone.",
    ),
    (
        "One is better than another only without an opposite difference of twice or more, decided or open.",
        "Scoring 1 called one better that was better in one metric and undecided in all others.",
    ),
)
"""What changed from scoring 1, and why: new rule, old rule."""
