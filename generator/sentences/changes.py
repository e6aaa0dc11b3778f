"""What changed from one campaign to the next, as a sentence and as the title of a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from generator.charts.wording import fit_title, significant, spoken_date
from generator.comparison import ChangePoint, TrendStep

_MOST_UPDATES = 2
"""New versions that a sentence names."""


def change_sentence(change: ChangePoint) -> str:
    """Who, which metric, the value before and after, by how many percent, and with which new versions."""
    trend = change.trend
    before, after = (significant(point.value.estimate.mean) for point in (change.before, change.after))
    where = trend.table.workload.title.lower()
    unit = "" if trend.metric.unit == "/s" else f"\u00a0{trend.metric.unit}"  # its title says so
    return (
        f"{change.series.row.name}: {trend.metric.title} in {where} went from {before} to"
        f" {after}{unit} ({_percent(change)}{_updates(change)})."
    )


def largest_changes(changes: Sequence[ChangePoint]) -> list[ChangePoint]:
    """The newest first, and of one campaign the largest first."""
    return sorted(changes, key=lambda one: (one.after.started, abs(one.share)), reverse=True)


def trend_finding(steps: Sequence[TrendStep], changes: Sequence[ChangePoint]) -> str:
    """The title of the chart of one trend: its newest changes; without any, how far it is decided that there is none.

    ``steps``, ``changes``: those of the trend. Each variant is compared with itself alone.
    """
    if changes:
        newest = max(one.after.started for one in changes)
        return _newest([one for one in changes if one.after.started == newest], f"since {spoken_date(newest)}")
    rows = {step.series.row.key: step.series.row for step in steps}
    undecided = {step.series.row.key for step in steps if step.judged.outcome != "same"}
    count, equal = len(rows), len(rows) - len(undecided)
    if not count:
        return "Only the reference has values of several campaigns"
    who = next(iter(rows.values())).name if count == 1 else f"any of {count} variants"
    if not equal:
        return fit_title(f"Whether {who} changed is not decided", "Whether it changed is not decided")
    stayed = "practically equal from campaign to campaign"
    if equal < count:
        return f"{equal} of {count} variants stayed practically equal, for {count - equal} that is not decided"
    return fit_title(f"{who if count == 1 else f'Each of {count} variants'} stayed {stayed}", f"It stayed {stayed}")


def _newest(changes: Sequence[ChangePoint], since: str) -> str:
    """The changes of one campaign."""
    largest = max(changes, key=lambda one: abs(one.share))
    name, by = largest.series.row.name, f" by {significant(100 * abs(largest.share), 2)} %"
    if not math.isfinite(largest.share):
        by = ""
    if len(changes) == 1:
        return fit_title(f"{name} is {largest.outcome}{by} {since}", f"One variant is {largest.outcome}{by} {since}")
    better = sum(one.outcome == "better" for one in changes)
    worse = len(changes) - better
    if better and worse:
        return f"{better} variant{' is' if better == 1 else 's are'} better and {worse} worse {since}"
    short = f"{len(changes)} variants are {largest.outcome} {since}"
    return fit_title(f"{short}, {name}{by}" if by else short, short)


def _percent(change: ChangePoint) -> str:
    sign = "+" if change.share > 0 else "\N{MINUS SIGN}"
    relative = " relative to the reference" if change.is_relative else ""
    return f"{sign}{significant(100 * abs(change.share), 2)}\u00a0%{relative}, {change.outcome}"


def _updates(change: ChangePoint) -> str:
    found = [f"{name} {before or 'new'} → {after or 'gone'}" for name, before, after in change.updates[:_MOST_UPDATES]]
    return f"; {', '.join(found)}" if found else ""
