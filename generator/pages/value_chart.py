"""The chart of one facet of a use case: one dot per framework, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from generator.charts import ChartTable, TableCell, TableHead
from generator.charts.wording import LONGEST_TITLE, parameters_in_words, plain, significant
from generator.comparison import (
    CONNECTION_RATE,
    CPU,
    CapacityRow,
    FacetValues,
    Outcome,
    ScoreCell,
    Table,
)
from generator.drawing import DotRow, draw_dots
from generator.pages.drawn_chart import DrawnChart, made_of
from generator.pages.view import View
from generator.statistics import Interval

_TITLES = {"memory per connection": "memory per client"}


def value_chart(view: View, case: str, found: FacetValues) -> DrawnChart:
    """The chart of the values that count in the scores, the best first."""
    table, is_higher = found.table, found.is_higher_better
    unit = {"/s": "messages/s"}.get(found.unit, found.unit)
    name = found.metric.title if found.metric else "capacity"
    cells = dict(sorted(found.cells.items(), key=lambda item: (item[1].value or 0) * (-1 if is_higher else 1)))
    judging = _Judging(view, found, tuple(cells))
    rows = []
    for slug, cell in cells.items():
        interval = _interval(view, found, slug, cell)
        value = cell.value or 0.0
        rows.append(
            DotRow(
                view.titles[slug],
                value,
                interval.low if interval else None,
                interval.high if interval else None,
                f"{significant(value)} {unit}",
                "flagged" if slug in judging.flagged else "leading" if slug in judging.leading else "usual",
            )
        )
    axis = f"{name}, {unit}; {'more' if is_higher else 'less'} is better"
    label = f"{plain(name)} of {len(rows)} frameworks. The table below lists the values."
    wide, narrow = (draw_dots(rows, axis, label, is_narrow=one) for one in (False, True))
    limited = [view.titles[slug] for slug, cell in cells.items() if cell.state != "counts"]
    return DrawnChart(
        slug=f"{case}-{found.facet.lower().replace(' ', '-')}",
        title=_title(view, found, judging),
        subtitle=f"{table.workload.title}: {parameters_in_words(table.parameters)}. {axis[:1].upper()}{axis[1:]}.",
        wide=wide,
        narrow=narrow,
        table=_table(rows, f"{name} ({unit})"),
        frameworks=tuple(cells),
        notes=(
            "Lines are 95 % intervals. Bold: no other is surely better. Grey: it has a flag.",
            *([f"Limited by the server itself, so it decides nothing: {', '.join(limited)}."] if limited else []),
        ),
        made_of=made_of(table),
    )


class _Judging:
    """Who leads among the frameworks that have values that decide, the best first."""

    def __init__(self, view: View, found: FacetValues, slugs: Sequence[str]) -> None:
        barred = view.conclusions.basis.barred
        self.flagged = [slug for slug in slugs if slug in barred]
        self.able = [slug for slug in slugs if slug not in barred and found.cells[slug].state == "counts"]
        outcomes = {pair: _outcome(view, found, *pair) for pair in combinations(self.able, 2)}
        beaten = {pair[1] for pair, outcome in outcomes.items() if outcome == "better"}
        beaten |= {pair[0] for pair, outcome in outcomes.items() if outcome == "worse"}
        self.leading = [slug for slug in self.able if slug not in beaten] if len(self.able) > 1 else []
        self.are_equal = all(outcomes[pair] == "same" for pair in combinations(self.leading, 2))


def _outcome(view: View, found: FacetValues, first: str, second: str) -> Outcome:
    """The outcome for the first, each by its headline variant."""
    table, metric = found.table, found.metric
    keys = [(slug, view.headlines.get(slug, "")) for slug in (first, second)]
    if metric is None or not isinstance(table, Table):
        brackets = {row.key: row.bracket for row in table.rows if isinstance(row, CapacityRow)}
        one, other = brackets.get(keys[0]), brackets.get(keys[1])
        return one.against(other) if one and other else "unknown"
    compared = table.compared.costs if metric is CPU else table.compared.of(metric)
    return compared.judged(keys[0], keys[1]).outcome


def _interval(view: View, found: FacetValues, slug: str, cell: ScoreCell) -> Interval | None:
    """Its interval as in the tables; of a value that is in none, that of its rounds."""
    if cell.ends is not None:
        return Interval(*cell.ends)
    if found.metric is None or not isinstance(found.table, Table):
        return None
    key = (slug, view.headlines.get(slug, ""))
    if cell.state == "counts":
        compared = found.table.compared
        estimate = (compared.costs if found.metric is CPU else compared.of(found.metric)).estimate(key)
    else:
        estimate = found.metric.estimate(list(cell.rounds.values()))
    return estimate.interval if estimate else None


def _title(view: View, found: FacetValues, judging: _Judging) -> str:
    """Who is best, if that is decided, and what is not."""
    facet = "rate of letting clients in" if found.metric is CONNECTION_RATE else _TITLES.get(found.facet, found.facet)
    what = f"{'highest' if found.is_higher_better else 'lowest'} {facet}"
    among = " of those without a flag" if judging.flagged else ""
    names = [view.titles[slug] for slug in judging.leading]
    if not names:
        title = f"Who has the {what} is not decided"
    elif len(names) == 1:
        title = f"{names[0]} has the {what}{among}"
    elif judging.are_equal and len(names) == len(judging.able):
        title = f"{facet[:1].upper()}{facet[1:]}: practically equal for all {len(names)}"
    elif judging.are_equal:
        title = f"{_all_of(names)} have the {what}{among}"
        if len(title) > LONGEST_TITLE:
            return f"{len(names)} have the {what}{among}"
    else:
        title = f"Who of {len(names)} has the {what} is not decided"
    return title if len(title) <= LONGEST_TITLE else f"One has the {what}{among}"


def _all_of(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) == 2 else f"{names[0]} and {len(names) - 1} more"


def _table(rows: list[DotRow], title: str) -> ChartTable:
    heads = (TableHead.of("Framework"), TableHead.of(title), TableHead("95 % interval", ("low", "high")))
    return ChartTable(
        heads,
        tuple(
            (
                TableCell.of_text(row.name),
                TableCell.of_number(row.value),
                TableCell.of_interval(
                    Interval(row.low, row.high) if row.low is not None and row.high is not None else None
                ),
            )
            for row in rows
        ),
    )
