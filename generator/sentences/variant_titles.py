"""What the distributions of one framework's variants show, as the title of their chart."""

from __future__ import annotations

from itertools import combinations

from generator.charts.wording import fit_title, significant
from generator.comparison import Family, Metric, Row, Table, percentile, tail_of


def variants_finding(table: Table, family: Family) -> str:
    """The title of the chart of a family's distributions in a table of one framework.

    It is about the highest percentile that decides, else the highest that results have. No framework is compared with
    another, so it may name one that has a flag. ``family``: of times, of which less is better.
    """
    metric = _chosen(table, family)
    if metric is None:
        return fit_title(
            f"No round has enough messages for a percentile of {family.name}", "No round has enough messages"
        )
    name = table.heading(metric)
    rows = sorted((row for row in table.valid_rows if metric.key in row.values), key=lambda row: _mean(row, metric))
    if len(rows) == 1:
        return _alone(table, family, metric, rows[0])
    ends = f"{significant(_mean(rows[0], metric))} to {significant(_mean(rows[-1], metric))} ms"
    if not table.is_open:
        long = f"{name} of {len(rows)} variants is {ends} and decides nothing"
        return fit_title(long, f"It is {ends} and decides nothing")
    judged = [(pair, table.judged(metric, *pair).outcome) for pair in combinations(rows, 2)]
    apart = [pair for pair, outcome in judged if outcome == "better"]
    if apart:
        low, high = max(apart, key=lambda pair: _mean(pair[1], metric) / max(_mean(pair[0], metric), 1e-9))
        values = f"{significant(_mean(low, metric))} and {significant(_mean(high, metric))} ms"
        which = f"{name} is lower with {low.variant.slug} than with {high.variant.slug}"
        return fit_title(
            f"{which}: {values}", fit_title(which, f"{name} is lower with one than with another: {values}")
        )
    if {outcome for _, outcome in judged} == {"same"}:
        both = "both" if len(rows) == 2 else f"all {len(rows)}"
        return fit_title(f"{name} is practically equal for {both} variants: {ends}", f"{name} is practically equal")
    long = f"Whether {name[:1].lower()}{name[1:]} differs between {len(rows)} variants is not decided: {ends}"
    return fit_title(long, f"Whether it differs between {len(rows)} variants is not decided: {ends}")


def _chosen(table: Table, family: Family) -> Metric | None:
    """The percentile that the title is about. Of a lone variant, none decides."""
    rows = table.valid_rows
    deciding = [metric for metric in table.deciding if metric.family == family] if len(rows) > 1 else []
    if deciding:
        return deciding[0]
    shared = set.intersection(*(set(row.values) for row in rows)) if rows else set()
    return tail_of(family, shared) or tail_of(family, {key for row in rows for key in row.values})


def _alone(table: Table, family: Family, metric: Metric, row: Row) -> str:
    """Of one variant: its value, how certain that is, and the median."""
    name, estimate, median = table.heading(metric), row.values[metric.key].estimate, percentile(family, "p50")
    interval = estimate.interval
    spread = f"95 %: {significant(interval.low)} to {significant(interval.high)}" if interval else "in one round"
    found = f"is {significant(estimate.mean)} ms ({spread})"
    if not table.is_open:
        return fit_title(f"{name} {found} and decides nothing", f"It {found} and decides nothing")
    if metric == median or median.key not in row.values:
        return fit_title(f"{name} {found}", f"It {found}")
    return fit_title(f"{name} {found} and the median {significant(_mean(row, median))} ms", f"{name} {found}")


def _mean(row: Row, metric: Metric) -> float:
    return row.values[metric.key].estimate.mean
