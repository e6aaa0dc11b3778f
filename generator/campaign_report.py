"""A campaign as Markdown, for the job summary and for the issue about regressions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from generator.charts.wording import between, parameters_in_words, significant, times
from generator.comparison import Absence, ChangePoint, Comparison, History, compare_runs, leaders
from generator.dataset import Dataset, Run, headline_variants
from runners.record import NothingToDoError

ISSUE_TITLE = "A campaign found regressions"
_MOST_UPDATES = 5
"""Updated packages listed per change."""
_MOST_ROWS = 100
"""Rows of a list; the number of the others follows."""
_MOST_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Regressions:
    """What got worse in a campaign, the greatest changes first, and the cells that worked before and do not now."""

    changes: tuple[ChangePoint, ...]
    absences: tuple[Absence, ...]

    def __bool__(self) -> bool:
        return bool(self.changes or self.absences)

    @property
    def in_words(self) -> str:
        """Both numbers, and the names of what fails or is missing."""
        names = ", ".join(dict.fromkeys(f"{one.framework}/{one.variant}" for one in self.absences[:_MOST_ROWS]))
        missing = f" ({names})" if names else ""
        return f"{len(self.changes)} value(s) worse, {len(self.absences)} cell(s) failed or missing{missing}"


def campaign_summary(dataset: Dataset, campaign: str) -> str:
    """What a campaign measured on each machine class; raises `NothingToDoError` if it has no run."""
    runs = [run for run in dataset.runs if run.document.campaign == campaign]
    if not runs:
        raise NothingToDoError(f"campaign {campaign} has no run")
    lines = [f"## Campaign {_text(campaign)}", ""]
    for machine in dict.fromkeys(run.machine_class for run in runs):
        own = [run for run in runs if run.machine_class == machine]
        lines += [f"### {_text(str(machine))}, {len(own)} run(s)", "", *_of_class(own), ""]
    lines += ["### Changes against the last comparable campaign", "", *_changes(dataset, campaign)]
    return "\n".join(lines) + "\n"


def regressions(dataset: Dataset, campaign: str) -> Regressions:
    """Where the campaign is clearly worse than the previous one on the same machine class, and what it lacks."""
    history = History(dataset.runs)
    worse = [one for one in history.changes if one.outcome == "worse" and _is_of(one.after.run, campaign)]
    worse.sort(key=lambda point: abs(math.log(point.ratio.value)), reverse=True)
    return Regressions(tuple(worse), tuple(one for one in history.absences if _is_of(one.run, campaign)))


def issue_body(found: Regressions, campaign: str) -> str:
    """The body of the issue, as Markdown."""
    lines = [f"Campaign {_text(campaign)} is worse than the last comparable one.", ""]
    lines += _missing(found.absences)
    if found.changes:
        lines += [
            f"{len(found.changes)} value(s) are worse. A change counts by the rule that also decides between"
            " frameworks, corrected for all values compared.",
            "",
            *_table(found.changes),
        ]
    return "\n".join(lines) + "\n"


def _is_of(run: Run, campaign: str) -> bool:
    return run.document.campaign == campaign


def _missing(found: Sequence[Absence]) -> Iterator[str]:
    if not found:
        return
    yield f"{len(found)} cell(s) that worked before fail or are missing:"
    yield ""
    for one in found[:_MOST_ROWS]:
        where = f"{one.workload} ({parameters_in_words(one.parameters)})"
        yield f"- {_text(f'{one.framework}/{one.variant}, {where}')}: {_reason(one.reason)}"
    yield from _further(len(found), "cells")
    yield ""


def _further(number: int, what: str) -> Iterator[str]:
    if number > _MOST_ROWS:
        yield ""
        yield f"{number - _MOST_ROWS} more {what} are not listed."


def _reason(reason: str) -> str:
    short = reason if len(reason) <= _MOST_REASON_CHARACTERS else reason[:_MOST_REASON_CHARACTERS] + " …"
    return _text(short)


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
    yield from _leaders(comparison, headline_variants(runs, {}))
    yield from _excluded(comparison)


def _leaders(comparison: Comparison, headlines: Mapping[str, str]) -> Iterator[str]:
    """The best of the headline variants, as on the site; runs that recorded none have no leaders."""
    setups = set(headlines.items())
    competing = [facts.slug for facts in comparison.frameworks]
    yield "| Metric | Best | Value | Not surely better than |"
    yield "|---|---|---|---|"
    for leader in leaders([table.of_setups(setups) for table in comparison.tables], competing):
        if not leader.rows:
            continue
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
        f" {row.valid_rounds} of {row.rounds} rounds count; {_reason(reason)} ({count}×)"
        for table in comparison.tables
        for row in table.rows
        for reason, count in row.reasons
    ]
    if lines:
        yield f"<details><summary>What does not count ({len(lines)})</summary>"
        yield ""
        yield from lines[:_MOST_ROWS]
        yield from _further(len(lines), "reasons")
        yield ""
        yield "</details>"


def _changes(dataset: Dataset, campaign: str) -> Iterator[str]:
    history = History(dataset.runs)
    found = [point for point in history.changes if _is_of(point.after.run, campaign)]
    missing = [one for one in history.absences if _is_of(one.run, campaign)]
    yield from _missing(missing)
    if not found and not missing:
        yield "No significant changes."
    if found:
        yield from _table(found)


def _table(found: Sequence[ChangePoint]) -> Iterator[str]:
    yield "| Metric | Change | Ratio | Package updates |"
    yield "|---|---|---|---|"
    for point in found[:_MOST_ROWS]:
        table = point.trend.table
        subject = f"{table.workload.title}: {parameters_in_words(table.parameters)}, {point.trend.metric.title}"
        ratio = times(point.ratio.value) + (f" ({between(point.ratio.interval)})" if point.ratio.interval else "")
        new = [f"{name} {old or '–'} → {now or '–'}" for name, old, now in point.updates[:_MOST_UPDATES]]
        if len(point.updates) > _MOST_UPDATES:
            new.append(f"{len(point.updates) - _MOST_UPDATES} more")
        updates = _text(", ".join(new) or "none")
        yield f"| {_text(point.series.row.name)}, {_text(subject)} | {point.outcome} | {ratio} | {updates} |"
    yield from _further(len(found), "changes")


def _text(text: str) -> str:
    """Replace each character that Markdown or HTML could read as markup by a character reference."""
    return re.sub(r"[^\w .,:()/·%→–-]|_", lambda match: f"&#{ord(match.group())};", " ".join(text.split()))
