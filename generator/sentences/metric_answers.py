"""Who leads in one metric of one test, or in one search for a capacity."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from generator.charts.chart import unit_of
from generator.charts.wording import bracket, fit_title, significant
from generator.comparison import CapacityRow, CapacityTable, Leader, Metric, Row, Table, highest_end, is_published
from generator.sentences.sureness import Sureness

_MOST_NAMES = 3
_EQUAL = "practically equal"


@dataclass(frozen=True)
class MetricAnswer:
    """``frameworks``: slugs of those that the sentence is about, the best first; empty without an answer.
    ``finding``: the same as the title of a chart, with at most 80 characters.
    """

    frameworks: tuple[str, ...]
    sentence: str
    sureness: Sureness
    finding: str


def answer_metric(leader: Leader, *, has_flagged: bool) -> MetricAnswer:
    """The frameworks that no other surely beats, each by its headline variant.

    ``has_flagged``: whether the table has others, which a hard flag keeps from leading.
    """
    table, metric, rows = leader.table, leader.metric, leader.rows
    equally = _equally(table, metric, rows)
    value = f"{significant(rows[0].values[metric.key].estimate.mean)} {unit_of(metric)}" if rows else ""
    what = f"{_extreme(metric)} {_name_of(table, metric)}"
    return _answer(what, rows, value, equally, has_flagged=has_flagged)


def answer_search(
    table: CapacityTable, headlines: Mapping[str, str], able: Collection[str], *, has_flagged: bool
) -> MetricAnswer:
    """The same for capacities. ``headlines``: the headline variant by framework, ``able``: who can be called best."""
    rows = [row for row in _headline_rows(table, headlines) if row.framework.slug in able]
    found = {row.key: row.bracket for row in rows if row.bracket is not None and row.bracket.conclusive}
    known = [row for row in rows if row.key in found]
    leading: list[CapacityRow] = []
    if len(known) > 1 and is_published(table):
        leading = [row for row in known if all(found[other.key].against(found[row.key]) != "better" for other in known)]
    are_equal = all(found[one.key].against(found[other.key]) == "same" for one, other in combinations(leading, 2))
    value = ""
    if leading:
        best = found[leading[0].key]
        value = f"{bracket(best.low, best.high, conclusive=True)} {table.unit}"
    equally = _EQUAL if are_equal else ""
    return _answer("highest capacity", leading, value, equally, has_flagged=has_flagged)


def _headline_rows(table: CapacityTable, headlines: Mapping[str, str]) -> list[CapacityRow]:
    return [
        row
        for row in table.rows
        if headlines.get(row.framework.slug) == row.variant.slug and not row.framework.is_reference
    ]


def _extreme(metric: Metric) -> str:
    """Metrics of which more is better are counts."""
    return "most" if metric.direction == "higher" else "lowest"


def _equally(table: Table, metric: Metric, rows: Sequence[Row]) -> str:
    """What all of the rows are: below the metric's floor, or equal; empty unless all are equal."""
    judged = [table.judged(metric, *pair) for pair in combinations(rows, 2)]
    if any(one.outcome != "same" for one in judged):
        return ""
    highest = highest_end(row.values[metric.key].estimate for row in rows)
    is_low = highest is not None and metric.is_negligible(highest, highest)
    if is_low and any(one.reason == "floor" for one in judged):
        return f"below {metric.floor:g} {unit_of(metric)}, where no difference counts"
    return _EQUAL


def _name_of(table: Table, metric: Metric) -> str:
    family = metric.family
    special = family.special_name(is_open=table.is_open, is_beside_work=table.is_beside_work) if family else None
    return metric.title if special is None else f"{special} {metric.quantile_title}"


def _answer(what: str, rows: Sequence[Row], value: str, equally: str, *, has_flagged: bool) -> MetricAnswer:
    """``rows``: those that lead, the best first. ``value``: that of the first. ``equally``: what all of them are, if
    they are equal.
    """
    without_flag = " without a flag" if has_flagged else ""
    among = f" of those{without_flag}" if has_flagged else ""
    slugs = tuple(row.framework.slug for row in rows)
    names = [row.framework.title for row in rows]
    if not rows:
        finding = fit_title(f"Who has the {what} is not decided", "Who is best is not decided")
        return MetricAnswer((), f"{finding}.", "can't say yet", finding)
    if len(rows) == 1:
        return MetricAnswer(
            slugs,
            f"the {what}{among}, {value}.",
            "clearly",
            fit_title(f"{names[0]} has the {what}{among}", f"One has the {what}"),
        )
    if equally:
        most = f"{names[0]} and {names[1] if len(names) == 2 else f'{len(names) - 1} more'}"
        return MetricAnswer(
            slugs[:_MOST_NAMES],
            f"the {what}, {value}. In all, {len(rows)}{without_flag} are {equally}.",
            "clearly",
            fit_title(f"{most} have the {what}{among}", f"{len(names)} have the {what}"),
        )
    finding = fit_title(
        f"Who of {len(names)} has the {what} is not decided", f"Who of {len(names)} is best is not decided"
    )
    if len(rows) > _MOST_NAMES:
        return MetricAnswer((), f"{finding}.", "can't say yet", finding)
    return MetricAnswer(
        slugs, f"one of them has the {what}{among}, about {value}. Which one is not decided.", "likely", finding
    )
