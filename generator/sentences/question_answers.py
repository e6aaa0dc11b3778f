"""Answers what people ask in public, from values that count; without them it says what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from generator.charts.wording import significant
from generator.comparison import (
    CPU,
    METRICS,
    MIN_SEARCHES,
    ComparedValues,
    Conclusions,
    Metric,
    Outcome,
    Row,
    SettingChange,
    Table,
    compare_values,
    costs_with_broker,
    headline_finding,
    is_published,
    judge_all,
    needs_quiet,
)
from generator.dataset import (
    AmongVariants,
    OfEvidence,
    OnPage,
    PublicQuestion,
    PublicQuestions,
    SearchedCapacity,
    Spread,
    TwoFrameworks,
    TwoTables,
    UnderSetting,
)
from generator.sentences.pairs import answer_pair
from generator.statistics import Contrast
from runners.record import degree_of

AnswerState = Literal["answered", "few rounds", "not measured"]

_SHOWN_NAMES = 6
_FEW = "Measured with too few valid rounds."
_ALONE = "Only one has a value that counts, so there is nothing to compare it with."
_DOUBTS: Mapping[Outcome, str] = {
    "same": " They are practically equal.",
    "unknown": " Whether they differ by enough to matter is not decided.",
}
_NEXT = " The difference to the next one is not decided."
_ENDS = " Whether the first and the last differ is not decided."
_DECIDED: tuple[Outcome, ...] = ("better", "worse")
_NOT_YET = "Not measured yet."


@dataclass(frozen=True)
class AnsweredQuestion:
    """``sentence``: the answer, or why there is none. ``page``: path and anchor of its evidence; ``None`` without."""

    asked: PublicQuestion
    sentence: str
    state: AnswerState
    page: str | None = None


@dataclass(frozen=True)
class _Named:
    name: str
    value: float


def answer_questions(
    asked: PublicQuestions, conclusions: Conclusions, settings: Sequence[SettingChange], titles: Mapping[str, str]
) -> tuple[AnsweredQuestion, ...]:
    """One answer each, by the first of its sources that has values that count."""
    known = _Known(conclusions, settings, titles)
    return tuple(known.answer(one) for one in asked.questions)


@dataclass(frozen=True)
class _Known:
    conclusions: Conclusions
    settings: Sequence[SettingChange]
    titles: Mapping[str, str]

    def answer(self, asked: PublicQuestion) -> AnsweredQuestion:
        found = [self._by(asked, source) for source in asked.answers]
        order: tuple[AnswerState, ...] = ("answered", "few rounds", "not measured")
        return min(found, key=lambda one: order.index(one.state))

    def _by(self, asked: PublicQuestion, source: object) -> AnsweredQuestion:
        match source:
            case Spread():
                table = self._table(source.workload, source.where)
                return self._of_rows(asked, source.says, table, self._headlines(table), METRICS.get(source.metric))
            case AmongVariants():
                table = self._table(source.workload, source.where)
                rows = self._variants(table, source.framework)
                return self._of_rows(asked, source.says, table, rows, METRICS.get(source.metric), names_variants=True)
            case TwoTables():
                return self._of_two(asked, source)
            case UnderSetting():
                return self._of_setting(asked, source)
            case SearchedCapacity():
                return self._of_search(asked, source)
            case OfEvidence():
                return self._of_evidence(asked, source)
            case TwoFrameworks():
                return self._of_pair(asked, source)
            case OnPage():
                return AnsweredQuestion(asked, source.says, "answered", source.page)
            case _:
                return AnsweredQuestion(asked, f"Not measured. {getattr(source, 'why', '')}", "not measured")

    # Where values are

    def _table(self, workload: str, where: Mapping[str, object]) -> Table | None:
        return next(
            (
                one
                for one in self.conclusions.basis.comparison.of_workload(workload)
                if where.items() <= one.parameters.items()
            ),
            None,
        )

    def _headlines(self, table: Table | None) -> list[Row]:
        """The rows of the headline variants of all that take part in verdicts and have no hard flag."""
        basis = self.conclusions.basis
        able = [slug for slug in basis.competing if slug not in basis.barred]
        rows = [basis.row_of(table, slug) for slug in able] if table else []
        return [row for row in rows if row is not None]

    @staticmethod
    def _variants(table: Table | None, framework: str) -> list[Row]:
        """The rows of a framework's variants that its makers do not advise against."""
        return [
            row
            for row in (table.rows if table else ())
            if row.framework.slug == framework and row.variant.not_for_production is None
        ]

    # Kinds

    def _of_rows(
        self,
        asked: PublicQuestion,
        says: str,
        table: Table | None,
        rows: Iterable[Row],
        metric: Metric | None,
        *,
        names_variants: bool = False,
    ) -> AnsweredQuestion:
        if table is None or metric is None:
            return AnsweredQuestion(asked, _NOT_YET, "not measured")
        page = f"tests/{table.workload.slug}.md#{table.slug}"
        counting = [(row, value) for row in rows if (value := _counting(table, row, metric)) is not None]
        values = [
            _Named(row.variant.slug if names_variants else self.titles[row.framework.slug], value)
            for row, value in counting
        ]
        found = _stated(asked, says, values, metric.unit, page)
        if found.state != "answered":
            return found
        return replace(found, sentence=f"{found.sentence}{_doubt(table, metric, counting)}")

    def _of_two(self, asked: PublicQuestion, source: TwoTables) -> AnsweredQuestion:
        table, other = self._table(source.workload, source.where), self._table(source.workload, source.over)
        metric = METRICS.get(source.metric)
        if table is None or other is None or metric is None:
            return AnsweredQuestion(asked, _NOT_YET, "not measured")
        values: list[_Named] = []
        compared: dict[str, ComparedValues] = {}
        for row in self._headlines(table):
            base = self.conclusions.basis.row_of(other, row.framework.slug)
            mine = _counting(table, row, metric)
            theirs = _counting(other, base, metric) if base else None
            if base is not None and mine is not None and theirs:
                name = self.titles[row.framework.slug]
                values.append(_Named(name, mine / theirs))
                compared[name], _ = compare_values(metric, base, row, None, None)
        found = _stated(asked, source.says, values, "×", f"tests/{source.workload}.md#{table.slug}")
        if found.state != "answered":
            return found
        doubt = _doubt_of([one.outcome for one in judge_all(compared).values()])
        if not doubt and source.shown & {"lowest", "highest"}:
            least, *_, most = sorted(values, key=lambda one: one.value)
            doubt = "" if _are_apart(compared[least.name].contrast, compared[most.name].contrast) else _ENDS
        return replace(found, sentence=f"{found.sentence}{doubt}")

    def _of_setting(self, asked: PublicQuestion, source: UnderSetting) -> AnsweredQuestion:
        values, page = [], None
        outcomes: list[Outcome] = []
        for change in self.settings:
            table = change.table
            fits = table.workload.slug == source.workload and source.where.items() <= table.parameters.items()
            if not fits or change.other.topology != source.topology:
                continue
            page = f"tests/{source.workload}.md#settings"
            for row in self._headlines(table):
                judged = change.judged.get((row.key, source.metric))
                ratio = _times(judged.contrast, row.values[source.metric].estimate.mean) if judged else None
                if judged is None or ratio is None or judged.reason in _UNDECIDING or not is_published(table):
                    continue
                values.append(_Named(self.titles[row.framework.slug], ratio))
                outcomes.append(judged.outcome)
        if page is None:
            return AnsweredQuestion(asked, _NOT_YET, "not measured")
        found = _stated(asked, source.says, values, "×", page)
        if found.state != "answered":
            return found
        return replace(found, sentence=f"{found.sentence}{_doubt_of(outcomes)}")

    def _of_search(self, asked: PublicQuestion, source: SearchedCapacity) -> AnsweredQuestion:
        basis = self.conclusions.basis
        tables = [one for one in basis.searched if one.parameters["search"] == source.search]
        if not tables:
            return AnsweredQuestion(asked, _NOT_YET, "not measured")
        table = max(tables, key=lambda one: float(one.parameters.get("p99_limit_ms", 0)))
        able = [slug for slug in basis.competing if slug not in basis.barred]
        values = [
            _Named(self.titles[row.framework.slug], float(row.bracket.low))
            for row in table.rows
            if row.framework.slug in able
            and row.variant.slug == basis.headline.get(row.framework.slug)
            and row.bracket is not None
            and row.bracket.low is not None
            and row.bracket.searches >= MIN_SEARCHES
            and is_published(table)
        ]
        return _stated(asked, source.says, values, table.unit, f"tests/{table.workload.slug}.md#{table.slug}")

    def _of_evidence(self, asked: PublicQuestion, source: OfEvidence) -> AnsweredQuestion:
        basis = self.conclusions.basis
        degrees = {
            slug: degree_of(finding.value)
            for slug in basis.competing
            if slug in basis.evidence
            and slug not in basis.barred
            and (finding := headline_finding(basis.evidence[slug], source.item, basis.headline.get(slug))) is not None
        }
        known = {slug: degree for slug, degree in degrees.items() if degree is not None}
        if not known:
            return AnsweredQuestion(asked, _NOT_YET, "not measured")
        able = [self.titles[slug] for slug, degree in known.items() if degree == 1]
        shown = ", ".join(able[:_SHOWN_NAMES]) + (
            f" and {len(able) - _SHOWN_NAMES} more" if len(able) > _SHOWN_NAMES else ""
        )
        sentence = source.says.format(yes=len(able), count=len(known), names=shown or "none")
        return AnsweredQuestion(asked, sentence, "answered", "frameworks/index.md#glance")

    def _of_pair(self, asked: PublicQuestion, source: TwoFrameworks) -> AnsweredQuestion:
        first, second = sorted((source.first, source.second))
        if (first, second) not in self.conclusions.pairs:
            return AnsweredQuestion(asked, _NOT_YET, "not measured")
        page = f"compare/{first}-vs-{second}.md"
        found = answer_pair(self.conclusions, self.titles, first, second)
        if all(one.sureness == "can't say yet" for one in found):
            return AnsweredQuestion(asked, _FEW, "few rounds", page)
        known = [one for one in found if one.sureness != "can't say yet"]
        return AnsweredQuestion(asked, " ".join(f"{one.title}: {one.sentence}" for one in known), "answered", page)


_UNDECIDING = ("not enough data", "disturbed")


def _times(contrast: Contrast | None, base: float) -> float | None:
    """How many times the value under another setting is the usual one, whose mean is ``base``."""
    if contrast is None:
        return None
    if contrast.is_ratio:
        return contrast.value
    return (base + contrast.value) / base if base > 0 else None


def _counting(table: Table, row: Row, metric: Metric) -> float | None:
    """The mean of a value that counts in verdicts; CPU is that of the server and its broker."""
    value = row.values.get(metric.key)
    if not is_published(table) or row.status != "valid" or value is None or not value.is_enough:
        return None
    if needs_quiet(metric) and not row.is_quiet:
        return None
    cost = costs_with_broker(table).estimate(row.key) if metric is CPU else None
    return cost.mean if cost else value.estimate.mean


def _doubt(table: Table, metric: Metric, counting: Sequence[tuple[Row, float]]) -> str:
    """What the sentence on the lowest and the highest must add: whether they differ, and whether each is alone."""
    compared = costs_with_broker(table) if metric is CPU else table.compared.of(metric)
    ordered = [row.key for row, _ in sorted(counting, key=lambda pair: pair[1])]
    outcome = compared.judged(ordered[0], ordered[-1]).outcome
    if outcome in _DOUBTS:
        return _DOUBTS[outcome]
    neighbours = ((ordered[0], ordered[1]), (ordered[-2], ordered[-1])) if len(ordered) > 2 else ()
    decided = [compared.judged(*pair).outcome in _DECIDED for pair in neighbours]
    return "" if all(decided) else _NEXT


def _doubt_of(outcomes: Collection[Outcome]) -> str:
    """What a sentence must add on how many times two values of each framework are apart, from their outcomes."""
    if not set(_DECIDED).intersection(outcomes):
        return _DOUBTS["same" if set(outcomes) == {"same"} else "unknown"]
    undecided = list(outcomes).count("unknown")
    return f" For {undecided} of {len(outcomes)} the difference is not decided." if undecided else ""


def _are_apart(first: Contrast | None, second: Contrast | None) -> bool:
    """Whether the 95 % intervals of two ratios do not overlap. So the two differ at a stricter level than 5 %
    (Schenker and Gentleman 2001, "On judging the significance of differences by examining the overlap").
    """
    if first is None or second is None or first.interval is None or second.interval is None:
        return False
    return first.interval.high < second.interval.low or second.interval.high < first.interval.low


def _stated(asked: PublicQuestion, says: str, values: Sequence[_Named], unit: str, page: str) -> AnsweredQuestion:
    if not values:
        return AnsweredQuestion(asked, _FEW, "few rounds", page)
    if len(values) == 1:
        return AnsweredQuestion(asked, _ALONE, "few rounds", page)
    least, most = min(values, key=lambda one: one.value), max(values, key=lambda one: one.value)
    sentence = says.format(
        low=_amount(least.value, unit),
        high=_amount(most.value, unit),
        median=_amount(median(one.value for one in values), unit),
        count=len(values),
        lowest=least.name,
        highest=most.name,
    )
    return AnsweredQuestion(asked, sentence, "answered", page)


def _amount(value: float, unit: str) -> str:
    if unit == "×":
        return f"{significant(value, 2)}×"
    if unit == "% of all":
        return f"{99.9 if 99.95 <= value < 100 else value:.1f}\u00a0%"
    return f"{significant(value)}\u00a0{'messages/s' if unit == '/s' else unit}"
