"""A dot plot: one value per row with its interval and its number beside it, the best row first.

Cleveland (1985), "The elements of graphing data": a position on a common scale is read more exactly than a length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from generator.drawing.scales import LinearScale, LogScale, decades, even_steps
from generator.drawing.shapes import NARROW_PX, WIDE_PX, Canvas, Picture, fitted

DotLook = Literal["leading", "usual", "flagged"]

_WIDEST_LINEAR = 20
"""Values that span a larger factor have a logarithmic axis: on a linear one, the small ones would be the same dot."""
_TOP, _FOOT_PX = 8, 30
_ROW_PX = 22


@dataclass(frozen=True)
class DotRow:
    """``value``: at least zero. ``low`` and ``high``: its interval, ``None`` without. ``text``: the value in words."""

    name: str
    value: float
    low: float | None
    high: float | None
    text: str
    look: DotLook = "usual"


def draw_dots(rows: Sequence[DotRow], axis: str, label: str, *, is_narrow: bool) -> Picture:
    """Draw the rows in their order; there must be at least one. ``axis``: title of the axis with its unit."""
    width = NARROW_PX if is_narrow else WIDE_PX
    names_px, values_px = (112, 84) if is_narrow else (190, 150)
    canvas = Canvas(width)
    scale = _scale(rows, names_px + 8, width - values_px - 8)
    bottom = _TOP + _ROW_PX * len(rows)
    ticks = decades(scale.low, scale.high) if isinstance(scale, LogScale) else even_steps(scale.high)
    shown: list[float] = []
    for tick in ticks:
        x = scale.at(tick)
        if shown and x - shown[-1] < 40:
            continue
        shown.append(x)
        canvas.line((x, _TOP - 4), (x, bottom), "grid")
        canvas.text((x, bottom + 14), f"{tick:,g}", "tick", "middle")
    canvas.text((width, bottom + 27), fitted(axis, width, 11), "axis", "end")
    for index, row in enumerate(rows):
        y = _TOP + _ROW_PX * (index + 0.5)
        canvas.text(
            (0, y + 4),
            fitted(row.name, names_px, is_bold=row.look == "leading"),
            "strong" if row.look == "leading" else "text",
        )
        if row.low is not None and row.high is not None:
            canvas.line((scale.at(row.low), y), (scale.at(row.high), y), f"span of-{row.look}")
        canvas.dot((scale.at(row.value), y), 4.5, f"is-{row.look}")
        canvas.text((width, y + 4), fitted(row.text, values_px, 11), "value", "end")
    return canvas.finished(bottom + _FOOT_PX, label)


def _scale(rows: Sequence[DotRow], start: float, end: float) -> LogScale | LinearScale:
    values = [row.value for row in rows]
    ends = [*values, *(one for row in rows for one in (row.low, row.high) if one is not None and math.isfinite(one))]
    if min(values) > 0 and max(values) / min(values) > _WIDEST_LINEAR:
        return LogScale(min(one for one in ends if one > 0) / 1.1, max(ends) * 1.1, start, end)
    return LinearScale(max(max(ends), 1e-12) * 1.05, start, end)
