"""Sentences about scores, which several pages show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from generator.comparison import MIN_SEARCHES, PERFORMANCE, PairStanding, ScoreCell, Sensitivity, Sheet, Table
from generator.pages.markup import listed
from generator.statistics import MIN_ROUNDS
from runners.record import BROKER_TITLES

_MOST_OPEN = 2
"""Undecided criteria that a sentence names."""
_REASONS = {
    "failed": "failed",
    "undelivered": "messages did not arrive",
    "timer": "limited by a timer",
    "listen-queue": "listen queue full",
    "trend": "latency has a trend",
    "unsettled": "never settled",
    "few-rounds": "not enough data",
    "open-ended": "an end is missing",
    "quick": "not enough data",
    "disturbed": "too disturbed",
    "unsupported": "unsupported",
    "unmeasured": "not measured",
    "counts": "",
}
_WHY = {
    "failed": "It failed in every round, which scores 0.",
    "undelivered": "In most rounds messages or connections did not arrive as required, which scores 0.",
    "timer": "It waits for a timer. What was measured counts here and decides no pair.",
    "listen-queue": "Clients found its listen queue full. What was measured counts here and decides no pair.",
    "trend": "Its latency rose or fell all the time. What was measured counts here and decides no pair.",
    "unsettled": "Its warm-up never settled. What was measured counts here and decides no pair.",
    "few-rounds": f"Fewer than {MIN_ROUNDS} valid rounds, or fewer than {MIN_SEARCHES} searches.",
    "open-ended": "Its searches do not show both ends of the capacity.",
    "quick": "Measured with profile quick only, whose results never count.",
    "disturbed": "Other processes disturbed its rounds too much for this percentile.",
    "unsupported": "The framework does not support this workload.",
    "unmeasured": "No value was measured or determined.",
    "counts": "",
}


def reason(cell: ScoreCell | None) -> str:
    """Why a cell has no value that counts, in a word or two."""
    return _REASONS[cell.state if cell else "unmeasured"]


def why(cell: ScoreCell | None) -> str:
    """The same as a sentence."""
    return _WHY[cell.state if cell else "unmeasured"]


def why_nobody_leads(sheet: Sheet | None, titles: Mapping[str, str]) -> str:
    """Why a sheet has no leading group, as sentences; empty if it has one."""
    if sheet is None or sheet.leading:
        return ""
    complete = [slug for slug in sheet.order if slug in sheet.totals]
    eligible = [slug for slug in complete if slug not in sheet.barred]
    if len(sheet.frameworks) == 1:
        return f"Only {titles[sheet.frameworks[0]]} is here, so there is nothing to compare it with."
    if len(complete) == 1:
        return f"Only {titles[complete[0]]} has enough data, so there is nothing to compare it with."
    if len(eligible) == 1:
        name = titles[eligible[0]]
        return f"Of those with enough data only {name} has no flag and is no bare library, so it has no rival."
    if complete:
        return "Every framework with enough data has a flag or is no answer, so none leads."
    if sheet.lacking_facets and not sheet.totals:
        known = list(sheet.facets)
        alone = f"; {listed(known)} alone {'is' if len(known) == 1 else 'are'} no verdict" if known else ""
        return f"Not enough data: no framework has enough values in {listed(sheet.lacking_facets)}{alone}."
    return f"Not enough data: no framework has values that count in {listed(list(sheet.facets))}."


def ahead_of_leading(sheet: Sheet, titles: Mapping[str, str]) -> str:
    """Who has a higher total than the leading group and does not lead, as a sentence; empty if nobody has."""
    best = max((sheet.totals[slug] for slug in sheet.leading), default=math.inf)
    ahead = [titles[slug] for slug in sheet.order if sheet.totals.get(slug, 0.0) > best]
    if not ahead:
        return ""
    has, it = ("has", "it") if len(ahead) == 1 else ("have", "them")
    return f"{listed(ahead)} {has} a higher score; a hard flag, or being a bare library, keeps {it} from leading."


def gaps(sheet: Sheet, slug: str) -> str:
    """What a total leaves out, with the reasons, as a sentence; empty if it leaves out nothing."""
    found = [f"{one.title} ({reason(sheet.cells[one.key].get(slug))})" for one in sheet.gaps(slug)]
    return f"The total leaves out {listed(found)}." if found else ""


def left_out(sheet: Sheet) -> str:
    """Which facets do not count because nobody has values in them, as a sentence; empty if all count."""
    if not sheet.lacking_facets:
        return ""
    return f"No framework has enough values in {listed(sheet.lacking_facets)}, so the totals leave that out."


def through_broker(tables: Iterable[Table], headlines: Mapping[str, str]) -> str:
    """Which headline variants pass messages through a broker in chat and dashboards, as a sentence; empty if none does.

    ``headlines``: the slug of each framework's headline variant.
    """
    found = {
        (row.framework.title, BROKER_TITLES[row.variant.broker])
        for table in tables
        if table.workload.slug in _SHARED
        for row in table.rows
        if row.variant.broker != "none" and row.variant.slug == headlines.get(row.framework.slug)
    }
    if not found:
        return ""
    titles, brokers = (sorted(set(names)) for names in zip(*found, strict=True))
    passes, its = ("passes", "its") if len(titles) == 1 else ("pass", "their")
    through = " or ".join(brokers)
    return (
        f"In chat rooms and dashboards {listed(titles)} {passes} messages through {through}, as for several"
        f" processes. The CPU of {through} counts as {its} cost. All others stay within one process."
    )


_SHARED = ("dashboard", "crowd", "room")
"""Workloads in which a message goes to several clients."""


def changes_of_leading(found: Iterable[Sensitivity], titles: Mapping[str, str]) -> list[str]:
    """One sentence for each part whose weight changes the leading group."""
    return [_change(one, titles) for one in found]


def _change(one: Sensitivity, titles: Mapping[str, str]) -> str:
    names = listed([titles[slug] for slug in one.leading])
    if one.kind == "round":
        return f"Without one of {one.left_out}: {names}."
    name = one.left_out if one.kind == "facet" else f"“{one.left_out}”"
    return f"If {name} counts less: {names}."


def standing_words(standing: PairStanding, dimension: str, first: str, second: str) -> tuple[str, str]:
    """The outcome of a pair in one dimension: the title of the better one, or empty; and the rest of the sentence."""
    if standing.outcome in ("better", "worse"):
        return (first if standing.outcome == "better" else second), " is better"
    if standing.outcome == "same":
        return "", "practically equal"
    if standing.outcome == "mixed":
        return "", _why_mixed(standing, first, second)
    if standing.open_in:
        named, others = list(standing.open_in)[:_MOST_OPEN], len(standing.open_in) - _MOST_OPEN
        return "", f"inconclusive: not decided in {listed([*named, *([f'{others} more'] if others > 0 else [])])}"
    lack = "valid rounds" if dimension == PERFORMANCE else "evidence"
    return "", f"inconclusive: not enough {lack} of both"


def _why_mixed(standing: PairStanding, first: str, second: str) -> str:
    against = [
        (name, list(dict.fromkeys(one.title for one in obstacles if not one.is_open)))
        for name, obstacles in ((first, standing.for_first), (second, standing.for_second))
    ]
    parts = [
        f"{name} is far ahead in {titles[0]}{f' and {len(titles) - 1} more' if titles[1:] else ''}"
        for name, titles in against
        if titles
    ]
    if parts:
        return f"it depends. {'. '.join(parts)}"
    if standing.depends_on:
        return f"it depends on what counts: without {listed(list(standing.depends_on))} the order changes"
    return "it depends on what counts"
