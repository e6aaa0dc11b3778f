"""A campaign as Markdown, for the job summary and for the issue about regressions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from generator.charts.wording import between, parameters_in_words, significant, times
from generator.comparison import ChangePoint, Comparison, History, compare_runs, leaders
from generator.dataset import Dataset, Run
from runners.record import NothingToDoError

ISSUE_TITLE = "A campaign found regressions"


def campaign_summary(dataset: Dataset, campaign: str) -> str:
    """What a campaign measured on each machine class; raises `NothingToDoError` if it has no run."""
    runs = [run for run in dataset.runs if run.document.campaign == campaign]
    if not runs:
        raise NothingToDoError(f"campaign {campaign} has no run")
    lines = [f"## Campaign {_text(campaign)}", ""]
    for machine in dict.fromkeys(run.machine_class for run in runs):
        own = [run for run in runs if run.machine_class == machine]
        lines += [f"### {_text(machine[0])}, {machine[1]} logical CPUs, {len(own)} run(s)", "", *_of_class(own), ""]
    lines += ["### Changes against the last comparable campaign", "", *_changes(dataset, campaign)]
    return "\n".join(lines)


def regressions(dataset: Dataset, campaign: str) -> tuple[ChangePoint, ...]:
    """Where the campaign is clearly worse than the previous run on the same machine class."""
    return tuple(
        point
        for point in History(dataset.runs).changes
        if point.outcome == "worse" and point.after.run.document.campaign == campaign
    )


def issue_body(found: Sequence[ChangePoint], campaign: str) -> str:
    """The body of the issue, as Markdown."""
    lines = [
        f"Campaign {_text(campaign)} is worse than the last comparable one in {len(found)} value(s). A change counts"
        " by the rule that also decides between frameworks, corrected for all values compared.",
        "",
        *_table(found),
    ]
    return "\n".join(lines) + "\n"


def _of_class(runs: Sequence[Run]) -> Iterator[str]:
    comparison = compare_runs(runs)
    counts = Counter(
        "failed" if measurement.failure is not None else "valid" if measurement.valid else "invalid"
        for run in runs
        for item in run.frameworks
        for cell in item.document.cells
        for measurement in cell.decisive
    )
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in ("valid", "invalid", "failed"))
    yield f"{counts.total()} measurements: {kinds}."
    yield ""
    yield from _leaders(comparison)
    yield from _excluded(comparison)


def _leaders(comparison: Comparison) -> Iterator[str]:
    competing = [facts.slug for facts in comparison.frameworks]
    yield "| Metric | Best | Value | Not distinguishable from |"
    yield "|---|---|---|---|"
    for leader in leaders(comparison.tables, competing):
        best, *tied = leader.rows
        found = best.values[leader.metric.key].estimate
        value = f"{significant(found.mean)} {leader.metric.unit}"
        value += f" ({between(found.interval)})" if found.interval else ""
        subject = (
            f"{leader.table.workload.title}: {parameters_in_words(leader.table.parameters)}, {leader.metric.title}"
        )
        names = ", ".join(_text(row.name) for row in tied) or "–"
        yield f"| {_text(subject)} | {_text(best.name)} | {value} | {names} |"
    yield ""


def _excluded(comparison: Comparison) -> Iterator[str]:
    lines = [
        f"- {_text(row.name)}, {_text(table.workload.title)} ({_text(parameters_in_words(table.parameters))}):"
        f" {row.valid_rounds} of {row.rounds} rounds count; {_text(reason)} ({count}×)"
        for table in comparison.tables
        for row in table.rows
        for reason, count in row.reasons
    ]
    if lines:
        yield f"<details><summary>What does not count ({len(lines)})</summary>"
        yield ""
        yield from lines
        yield ""
        yield "</details>"


def _changes(dataset: Dataset, campaign: str) -> Iterator[str]:
    found = [point for point in History(dataset.runs).changes if point.after.run.document.campaign == campaign]
    if not found:
        yield "No significant changes."
        return
    yield from _table(found)


def _table(found: Sequence[ChangePoint]) -> Iterator[str]:
    yield "| Metric | Change | Ratio | Package updates |"
    yield "|---|---|---|---|"
    for point in found:
        table = point.trend.table
        subject = f"{table.workload.title}: {parameters_in_words(table.parameters)}, {point.trend.metric.title}"
        ratio = times(point.ratio.value) + (f" ({between(point.ratio.interval)})" if point.ratio.interval else "")
        new = ", ".join(f"{name} {old or '–'} → {now or '–'}" for name, old, now in point.updates) or "none"
        yield f"| {_text(point.series.row.name)}, {_text(subject)} | {point.outcome} | {ratio} | {_text(new)} |"


def _text(text: str) -> str:
    """Replace each character that Markdown or HTML could read as markup by a character reference."""
    return re.sub(r"[^\w .,:()/·%→–-]|_", lambda match: f"&#{ord(match.group())};", text.replace("\n", " "))
