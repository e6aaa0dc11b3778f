"""What changed from one campaign to the next, as a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from generator.charts.wording import significant
from generator.comparison import ChangePoint

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


def _percent(change: ChangePoint) -> str:
    sign = "+" if change.share > 0 else "\N{MINUS SIGN}"
    relative = " relative to the reference" if change.is_relative else ""
    return f"{sign}{significant(100 * abs(change.share), 2)}\u00a0%{relative}, {change.outcome}"


def _updates(change: ChangePoint) -> str:
    found = [f"{name} {before or 'new'} → {after or 'gone'}" for name, before, after in change.updates[:_MOST_UPDATES]]
    return f"; {', '.join(found)}" if found else ""
