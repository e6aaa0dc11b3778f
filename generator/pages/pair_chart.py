"""The ratio chart of a pair: by how much one of two is better in every metric that decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from generator.charts import ChartTable, TableCell, TableHead
from generator.charts.wording import (
    LONGEST_TITLE,
    bracket,
    parameters_in_words,
    plain,
    reason_in_words,
    significant,
    times,
)
from generator.comparison import (
    CPU,
    EQUAL_FACTOR,
    CapacityDecision,
    CapacityRow,
    CapacityTable,
    Decision,
    Metric,
    PairVerdict,
    Row,
    Table,
    costs_with_broker,
    pair_verdict,
)
from generator.drawing import RatioGroup, RatioOutcome, RatioRow, draw_ratios
from generator.pages.drawn_chart import DrawnChart, made_of
from generator.pages.view import View
from generator.statistics import Interval

_OUTCOMES: dict[str, RatioOutcome] = {"better": "first", "worse": "second", "same": "same", "unknown": "open"}


@dataclass(frozen=True)
class _Entry:
    """A row of the chart, its group, and what its table has beyond it."""

    group: str
    row: RatioRow
    first: str
    second: str
    interval: Interval | None
    counts_overall: bool
    """Whether the verdict on performance overall rests on it."""
    doubt: str = ""
    """Why it is inconclusive or practically equal, where that is not obvious."""


def pair_chart(view: View, verdict: PairVerdict) -> DrawnChart | None:
    """The chart of all metrics that both have; ``None`` if there is none."""
    slugs = (verdict.first, verdict.second)
    titles = [plain(view.titles[slug]) for slug in slugs]
    further = pair_verdict(view.conclusions.further_tables, *slugs)
    known = [(one, True) for one in verdict.decisions] + [(one, False) for one in further.decisions]
    entries = [entry for one, counts in known if (entry := _of_decision(one, titles, counts_overall=counts))]
    searched = _searched(view.capacities, view, slugs)
    entries += [entry for one in searched if (entry := _of_capacity(one))]
    if not entries:
        return None
    groups = tuple(
        RatioGroup(title, tuple(one.row for one in entries if one.group == title)) for title in _titles(entries)
    )
    label = f"{titles[0]} against {titles[1]} in {len(entries)} metrics. The table below lists the values."
    wide, narrow = (draw_ratios(groups, titles[0], titles[1], label, is_narrow=one) for one in (False, True))
    tables = [one.table for one in (*verdict.decisions, *further.decisions)]
    return DrawnChart(
        slug="ratios",
        title=_finding(entries, titles),
        subtitle="Ratio of the two with its 95 % interval, on a logarithmic axis.",
        wide=wide,
        narrow=narrow,
        table=_table(entries, titles),
        frameworks=(f"{slugs[0]} {slugs[1]}",) * len(entries),
        notes=(
            "Coloured: decided. Grey: practically equal, by ratio (the shaded zone) or because nobody notices values so"
            " low. Hollow: inconclusive. Arrow: beyond the axis.",
            *_failures((*verdict.decisions, *further.decisions), titles),
            *_without_ratio((*verdict.decisions, *further.decisions), titles),
            *(_open_ended(one) for one in searched if one.outcome in ("better", "worse") and _of_capacity(one) is None),
        ),
        made_of=made_of(tables[0]) if tables else "",
    )


def _failures(decisions: Iterable[Decision], titles: Sequence[str]) -> list[str]:
    """One sentence for each test in which one of them has no value at all and loses for that."""
    found = {
        (titles[1] if one.outcome == "better" else titles[0], one.table.workload.title.lower())
        for one in decisions
        if one.ratio is None and one.outcome in ("better", "worse")
    }
    return [f"{name} failed in every round of {test}." for name, test in sorted(found)]


def _without_ratio(decisions: Iterable[Decision], titles: Sequence[str]) -> list[str]:
    """One sentence for each metric whose values have no ratio, because they may be zero."""
    better = {"better": f"{titles[0]} is better", "worse": f"{titles[1]} is better", "same": "practically equal"}
    return [
        f"Without a ratio: {one.metric.title} in {one.table.workload.title.lower()},"
        f" {better.get(one.outcome, 'not decided')}."
        for one in decisions
        if one.ratio is not None and not one.ratio.is_ratio
    ]


def _open_ended(decision: CapacityDecision) -> str:
    """Which capacity is higher, where an end of one was not found, so that there is no ratio."""
    rows = [row for row in (decision.first, decision.second) if row is not None and row.bracket is not None]
    if decision.outcome == "worse":
        rows.reverse()
    ends = [
        f"{row.framework.title} {bracket(row.bracket.low, row.bracket.high, conclusive=True)}"
        for row in rows
        if row.bracket is not None
    ]
    words = parameters_in_words({"search": decision.table.parameters["search"]})
    return f"Capacity, {words}: {' against '.join(ends)} {decision.table.unit}."


def _titles(entries: Iterable[_Entry]) -> list[str]:
    return list(dict.fromkeys(one.group for one in entries))


def _finding(entries: Sequence[_Entry], titles: Sequence[str]) -> str:
    count = len(entries)
    wins = [sum(one.row.outcome == side for one in entries) for side in ("first", "second")]
    if not any(wins):
        same = sum(one.row.outcome == "same" for one in entries)
        if same == count:
            return f"Practically equal in all {count} metrics"
        rest = f"Practically equal in {same} of {count} metrics, the rest is not decided"
        return rest if same else f"None of {count} metrics is decided between the two"
    ordered = sorted(zip(wins, titles, strict=True), key=lambda pair: -pair[0])
    (most, leader), (least, other) = ordered
    few = least or "none"
    long = f"{leader} is better in {most} of {count} metrics, {other} in {few}"
    return long if len(long) <= LONGEST_TITLE else f"One is better in {most} of {count} metrics, the other in {few}"


def _of_decision(decision: Decision, titles: Sequence[str], *, counts_overall: bool) -> _Entry | None:
    """The entry of a metric; ``None`` without a ratio of both."""
    ratio, metric = decision.ratio, decision.metric
    if ratio is None or not ratio.is_ratio or decision.first is None or decision.second is None:
        return None
    # How many times better the second is: as often as the first has more of what is better lower.
    is_lower = metric.direction == "lower"
    middle = ratio.value if is_lower else 1 / ratio.value
    interval = ratio.interval
    ends = None
    if interval is not None and interval.low > 0:
        ends = Interval(interval.low, interval.high) if is_lower else Interval(1 / interval.high, 1 / interval.low)
    values = [_value(decision.table, row, metric) for row in (decision.first, decision.second)]
    unit = {"/s": "messages/s", "% of a core": "%"}.get(metric.unit, metric.unit)
    row = RatioRow(
        label=metric.title,
        times=middle,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        margin=metric.margin,
        outcome=_OUTCOMES[decision.outcome],
        values=f"{values[0]} vs {values[1]} {unit}",
    )
    group = f"{decision.table.workload.title}: {parameters_in_words(decision.table.parameters)}"
    return _Entry(
        group, row, f"{values[0]} {unit}", f"{values[1]} {unit}", ends, counts_overall, _doubt(decision, titles)
    )


def _doubt(decision: Decision, titles: Sequence[str]) -> str:
    if decision.outcome not in ("same", "unknown"):
        return ""
    surely = {"better": titles[0], "worse": titles[1]}
    parts = [f"{surely[decision.direction]} is surely better"] if decision.direction else []
    parts += [reason_in_words(decision.reason)] if decision.reason else []
    return ", ".join(parts)


def _value(table: Table, row: Row, metric: Metric) -> str:
    """The mean; CPU is that of the server and its broker."""
    cost = costs_with_broker(table).estimate(row.key) if metric is CPU else None
    return significant((cost or row.values[metric.key].estimate).mean)


def _searched(tables: Iterable[CapacityTable], view: View, slugs: tuple[str, str]) -> list[CapacityDecision]:
    return [view.conclusions.decide_capacity(table, *slugs) for table in tables]


def _of_capacity(decision: CapacityDecision) -> _Entry | None:
    """The entry of a capacity; ``None`` without both ends of both."""
    first, second = decision.first, decision.second
    if first is None or second is None or first.bracket is None or second.bracket is None:
        return None
    ratio = second.bracket.times(first.bracket)
    middles = (first.bracket.middle, second.bracket.middle)
    if ratio is None or not middles[0] or not middles[1]:
        return None
    values = [_capacity(row) for row in (first, second)]
    row = RatioRow(
        label="capacity",
        times=middles[1] / middles[0],
        low=ratio.low,
        high=ratio.high,
        margin=EQUAL_FACTOR,
        outcome=_OUTCOMES[decision.outcome],
        values=f"{values[0]} vs {values[1]} {decision.table.unit}",
    )
    group = f"{decision.table.workload.title}: {parameters_in_words({'search': decision.table.parameters['search']})}"
    return _Entry(group, row, values[0], values[1], ratio, counts_overall=False)


def _capacity(row: CapacityRow) -> str:
    assert row.bracket is not None
    return f"{row.bracket.middle or 0:,.0f}"


def _table(entries: Sequence[_Entry], titles: Sequence[str]) -> ChartTable:
    heads = (
        TableHead.of("Metric"),
        TableHead.of(titles[0]),
        TableHead.of(titles[1]),
        TableHead.of(f"Times better {titles[1]} is"),
        TableHead.of_interval("times better", "×"),
        TableHead.of("Better"),
        TableHead.of("Counts overall"),
    )
    names = {"first": titles[0], "second": titles[1], "same": "practically equal", "open": "inconclusive"}
    return ChartTable(
        heads,
        tuple(
            (
                TableCell.of_text(f"{one.group}: {one.row.label}"),
                TableCell.of_text(one.first),
                TableCell.of_text(one.second),
                TableCell.of_number(one.row.times, times),
                TableCell.of_interval(one.interval),
                TableCell.of_text(f"{names[one.row.outcome]}{f': {one.doubt}' if one.doubt else ''}"),
                TableCell.of_text("yes" if one.counts_overall else "no"),
            )
            for one in entries
        ),
    )
