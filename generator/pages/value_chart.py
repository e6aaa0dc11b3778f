"""The chart of one facet of a use case: one dot per framework, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

from generator.charts import ChartTable, TableCell, TableHead
from generator.charts.wording import parameters_in_words, plain, significant
from generator.comparison import CPU, FacetValues, Outcome, ScoreCell, Table, costs_with_broker
from generator.drawing import DotRow, draw_dots
from generator.pages.drawn_chart import LONGEST_TITLE, DrawnChart, made_of
from generator.pages.view import View
from generator.statistics import Interval

_TITLES = {
    "capacity": "capacity",
    "delay": "delay",
    "CPU cost": "CPU cost",
    "memory per connection": "memory per client",
}


def value_chart(view: View, case: str, found: FacetValues) -> DrawnChart:
    """The chart of the values that count in verdicts, the best first."""
    table, is_higher = found.table, found.is_higher_better
    unit = {"/s": "messages/s"}.get(found.unit, found.unit)
    name = found.metric.title if found.metric else "capacity"
    ordered = sorted(found.cells.items(), key=lambda item: (item[1].value or 0) * (-1 if is_higher else 1))
    leading = _leading(view, found)
    rows = []
    for slug, cell in ordered:
        interval = _interval(found, cell)
        value = cell.value or 0.0
        rows.append(
            DotRow(
                view.titles[slug],
                value,
                interval.low if interval else None,
                interval.high if interval else None,
                f"{significant(value)} {unit}",
                "flagged" if slug in view.conclusions.basis.barred else "leading" if slug in leading else "usual",
            )
        )
    axis = f"{name}, {unit}; {'more' if is_higher else 'less'} is better"
    label = f"{plain(name)} of {len(rows)} frameworks. The table below lists the values."
    wide, narrow = (draw_dots(rows, axis, label, is_narrow=one) for one in (False, True))
    return DrawnChart(
        slug=f"{case}-{found.facet.lower().replace(' ', '-')}",
        title=_title(view, found, leading, of=len(rows)),
        subtitle=f"{table.workload.title}: {parameters_in_words(table.parameters)}. {axis[:1].upper()}{axis[1:]}.",
        wide=wide,
        narrow=narrow,
        table=_table(rows, f"{name} ({unit})"),
        frameworks=tuple(slug for slug, _ in ordered),
        notes=("Lines are 95 % intervals. Bold: no other is surely better. Grey: it has a flag.",),
        made_of=made_of(table),
    )


def _leading(view: View, found: FacetValues) -> list[str]:
    """Those that no other is surely better than, among those without a flag; empty with fewer than two of them."""
    able = [slug for slug in found.cells if slug not in view.conclusions.basis.barred]
    if len(able) < 2:
        return []
    outcomes = {pair: _outcome(view, found, *pair) for pair in permutations(able, 2)}
    return [slug for slug in able if not any(outcomes[other, slug] == "better" for other in able if other != slug)]


def _are_equal(view: View, found: FacetValues, slugs: Sequence[str]) -> bool:
    """Whether all of them are practically equal."""
    return all(_outcome(view, found, *pair) == "same" for pair in combinations(slugs, 2))


def _outcome(view: View, found: FacetValues, first: str, second: str) -> Outcome:
    """The outcome for the first, each by its headline variant."""
    table, metric = found.table, found.metric
    if metric is None or not isinstance(table, Table):
        searched = [one for one in view.capacities if one.slug == table.slug]
        return view.conclusions.decide_capacity(searched[0], first, second).outcome if searched else "unknown"
    keys = [(slug, view.headlines.get(slug, "")) for slug in (first, second)]
    compared = costs_with_broker(table) if metric is CPU else table.compared.of(metric)
    return compared.judged(keys[0], keys[1]).outcome


def _interval(found: FacetValues, cell: ScoreCell) -> Interval | None:
    if cell.ends is not None:
        return Interval(*cell.ends)
    estimate = found.metric.estimate(list(cell.rounds.values())) if found.metric else None
    return estimate.interval if estimate else None


def _title(view: View, found: FacetValues, leading: list[str], *, of: int) -> str:
    facet = _TITLES.get(found.facet, found.facet)
    what = f"{'highest' if found.is_higher_better else 'lowest'} {facet}"
    if len(leading) > 1 and _are_equal(view, found, leading):
        if len(leading) == of:
            return f"{facet[:1].upper()}{facet[1:]}: practically equal for all {of}"
    elif len(leading) != 1 and len(leading) * 2 > of:
        return f"Who has the {what} is not decided"
    names = [view.titles[slug] for slug in leading]
    if not names:
        return f"Who has the {what} is not decided"
    if len(names) <= 2:
        title = f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} the {what}"
    else:
        title = f"{names[0]} and {len(names) - 1} more have the {what}"
    return title if len(title) <= LONGEST_TITLE else f"{len(names)} frameworks have the {what}"


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
