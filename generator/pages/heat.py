"""The heat table: frameworks by use case and dimension, on one scale from the best to four times behind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from generator.charts.wording import significant
from generator.comparison import DIMENSIONS, LABELS, PERFORMANCE, USE_CASES, Flag, Label, Labelled, Sheet
from generator.pages.view import View

STEPS = (1.1, 1.25, 2.0, 3.0, math.inf)
"""The upper ends of the steps of the scale, in times behind the best: practically equal, the leading group, twice,
three times, more. They are the limits of `generator.comparison.scoring`."""


@dataclass(frozen=True)
class HeatCell:
    """``times``: how many times behind the best; ``None`` without a total. ``step``: 1 is the best step of the scale.
    ``lacks``: why there is no total.
    """

    times: float | None
    step: int | None
    lacks: str = ""
    may_lead: bool = True
    """Whether it can be called the best: it has no hard flag, and somebody else has a total."""

    @property
    def text(self) -> str:
        if self.times is None:
            return self.lacks
        return (
            "best"
            if self.times < 1.005 and self.may_lead
            else f"{significant(self.times, 3 if self.times >= 10 else 2)}×"
        )


@dataclass(frozen=True)
class HeatColumn:
    """``short``: a title that a narrow column has room for. ``page``: the page on what it shows."""

    title: str
    short: str
    page: str
    is_use_case: bool


@dataclass(frozen=True)
class HeatRow:
    slug: str
    title: str
    label: Label | None
    flags: tuple[Flag, ...]
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class HeatTable:
    """``rows``: those without a hard flag first, of these the best label first, then by total."""

    columns: tuple[HeatColumn, ...]
    rows: tuple[HeatRow, ...]

    @property
    def has_values(self) -> bool:
        return any(cell.times is not None for row in self.rows for cell in row.cells)


_SHORT = {
    "request-reply": "Echo",
    "dashboard": "Dashboard",
    "chat": "Chat",
    "streaming": "Stream",
    "notifications": "Notify",
    "ease-of-use": "Ease",
    "architecture": "Arch",
    "development-experience": "Dev",
}
_LABEL_ORDER: tuple[Label | None, ...] = (*LABELS, None)


def heat_table(view: View) -> HeatTable:
    """The table of all frameworks that take part in verdicts."""
    found = view.conclusions
    sheets: list[tuple[HeatColumn, Sheet | None]] = [
        (
            HeatColumn(case.title, _SHORT.get(case.slug, case.title), f"for/{case.slug}.md", is_use_case=True),
            found.use_cases.get(case.slug),
        )
        for case in USE_CASES
    ]
    sheets += [
        (
            HeatColumn(one.title, _SHORT.get(one.slug, one.title), f"dimensions/{one.slug}.md", is_use_case=False),
            view.sheet(one),
        )
        for one in DIMENSIONS
        if one.slug != PERFORMANCE
    ]
    labels = found.starting_points.get("new", {})
    rows = []
    for slug in found.basis.competing:
        label = labels[slug].label if slug in labels else None
        cells = tuple(
            _cell(slug, sheet, "unsupported" if column.is_use_case else "not measured") for column, sheet in sheets
        )
        rows.append(HeatRow(slug, view.titles[slug], label, view.flags.get(slug, ()), cells))
    rows.sort(
        key=lambda row: (
            row.slug in found.basis.barred,
            _LABEL_ORDER.index(row.label),
            -_total(labels.get(row.slug)),
            _mean_behind(row.cells),
        )
    )
    return HeatTable(tuple(column for column, _ in sheets), tuple(rows))


def _total(labelled: Labelled | None) -> float:
    return -1.0 if labelled is None or labelled.total is None else labelled.total


def _cell(slug: str, sheet: Sheet | None, why_absent: str) -> HeatCell:
    """``why_absent``: why a framework is not in the sheet."""
    if sheet is None:
        return HeatCell(None, None, "not measured")
    if slug not in sheet.frameworks:
        return HeatCell(None, None, why_absent)
    able = [one for one in sheet.frameworks if one not in sheet.barred and one in sheet.totals]
    times = sheet.times_behind(slug, able or sheet.frameworks)
    if times is None:
        return HeatCell(None, None, "not enough data")
    step = 1 + next(index for index, limit in enumerate(STEPS) if times <= limit + 1e-9)
    return HeatCell(times, step, may_lead=slug in able and len(able) > 1)


def _mean_behind(cells: Sequence[HeatCell]) -> float:
    """The geometric mean of a row, for rows without a label; infinite without a value."""
    known = [cell.times for cell in cells if cell.times is not None]
    return math.exp(math.fsum(map(math.log, known)) / len(known)) if known else math.inf
