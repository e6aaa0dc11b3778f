"""A forest plot: by how much one of two is better, metric by metric, with intervals and the zone of equality.

The form is that of meta-analyses: Lewis and Clarke (2001), "Forest plots: trying to see the wood and the trees",
BMJ 322, page 1479. The axis is logarithmic, so that twice as good and half as good are equally far from the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from generator.drawing.scales import LogScale, power_of_two_above
from generator.drawing.shapes import NARROW_PX, WIDE_PX, Canvas, Picture, fitted

RatioOutcome = Literal["first", "second", "same", "open"]
"""Which of two is better, practically equal, or inconclusive."""

_HEAD_PX = 44
_HEADING_PX, _NARROW_HEADING_PX = 30, 44
_ROW_PX, _NARROW_ROW_PX = 24, 38
_FOOT_PX = 8


@dataclass(frozen=True)
class RatioRow:
    """One metric. ``times``: how many times better the second is than the first, so the second is on the right;
    ``low`` and ``high``: its interval, ``None`` without. ``margin``: up to this factor two are practically equal.
    ``values``: the values of both as text.
    """

    label: str
    times: float
    low: float | None
    high: float | None
    margin: float
    outcome: RatioOutcome
    values: str


@dataclass(frozen=True)
class RatioGroup:
    """Metrics of one test, with its title."""

    title: str
    rows: tuple[RatioRow, ...]


@dataclass(frozen=True)
class _Layout:
    width: int
    plot: tuple[float, float]
    row_px: int
    heading_px: int
    is_narrow: bool


_WIDE = _Layout(WIDE_PX, (232, 520), _ROW_PX, _HEADING_PX, is_narrow=False)
_NARROW = _Layout(NARROW_PX, (14, NARROW_PX - 14), _NARROW_ROW_PX, _NARROW_HEADING_PX, is_narrow=True)


def draw_ratios(groups: Sequence[RatioGroup], first: str, second: str, label: str, *, is_narrow: bool) -> Picture:
    """Draw the groups one below the other. Values beyond the axis are arrows at its end."""
    layout = _NARROW if is_narrow else _WIDE
    most = power_of_two_above(row.times for group in groups for row in group.rows)
    scale = LogScale(1 / most, most, *layout.plot)
    canvas = Canvas(layout.width)
    height = _HEAD_PX + sum(layout.heading_px + layout.row_px * len(group.rows) for group in groups) + _FOOT_PX
    _draw_axis(canvas, scale, most, height - _FOOT_PX)
    _draw_sides(canvas, layout, first, second)
    top = float(_HEAD_PX)
    for group in groups:
        _draw_heading(canvas, layout, group.title, top)
        top += layout.heading_px
        for row in group.rows:
            _draw_row(canvas, layout, scale, row, top)
            top += layout.row_px
    return canvas.finished(height, label)


def _draw_axis(canvas: Canvas, scale: LogScale, most: int, bottom: float) -> None:
    for power in range(-int(math.log2(most)), int(math.log2(most)) + 1):
        x = scale.at(2.0**power)
        canvas.line((x, _HEAD_PX - 4), (x, bottom), "grid" if power else "middle")
        canvas.text((x, _HEAD_PX - 9), f"{2 ** abs(power)}×" if power else "equal", "tick", "middle")


def _draw_sides(canvas: Canvas, layout: _Layout, first: str, second: str) -> None:
    """Whose side is which, on both sides of the middle."""
    middle = sum(layout.plot) / 2
    room = min(middle, layout.width - middle) - 16
    better = "" if layout.is_narrow else " better"
    canvas.text((middle - 14, 14), f"← {fitted(first, room - 66, is_bold=True)}{better}", "first-name", "end")
    canvas.text((middle + 14, 14), f"{fitted(second, room - 66, is_bold=True)}{better} →", "second-name")


def _draw_heading(canvas: Canvas, layout: _Layout, title: str, top: float) -> None:
    """The title of a group; on a phone its parameters, which are after the colon, have a line of their own."""
    name, _, parameters = title.partition(": ") if layout.is_narrow else (title, "", "")
    canvas.text((0, top + 20), fitted(name, layout.width, 12.5, is_bold=True), "heading")
    if parameters:
        canvas.text((0, top + 35), fitted(parameters, layout.width, 11), "value")


def _draw_row(canvas: Canvas, layout: _Layout, scale: LogScale, row: RatioRow, top: float) -> None:
    y = top + (layout.row_px - 10 if layout.is_narrow else layout.row_px / 2)
    if layout.is_narrow:
        canvas.text((0, top + 14), fitted(row.label, layout.width * 0.52))
        canvas.text((layout.width, top + 14), fitted(row.values, layout.width * 0.45, 11), "value", "end")
    else:
        canvas.text((12, y + 4), fitted(row.label, layout.plot[0] - 22))
        canvas.text((layout.width, y + 4), fitted(row.values, layout.width - layout.plot[1] - 12, 11), "value", "end")
    left, right = scale.at(1 / row.margin), scale.at(row.margin)
    canvas.box((left, y - 8), (right - left, 16), "zone")
    if row.low is not None and row.high is not None:
        canvas.line((scale.at(row.low), y), (scale.at(row.high), y), f"span {row.outcome}")
        for end, side in ((row.low, -1), (row.high, 1)):
            if not scale.holds(end):
                _draw_arrow(canvas, scale.at(end), y, side, row.outcome)
    if scale.holds(row.times):
        canvas.dot((scale.at(row.times), y), 4.5, row.outcome)
    else:
        _draw_arrow(canvas, scale.at(row.times), y, 1 if row.times > 1 else -1, row.outcome)


def _draw_arrow(canvas: Canvas, x: float, y: float, side: int, outcome: RatioOutcome) -> None:
    canvas.polygon([(x + side * 6, y), (x - side, y - 5), (x - side, y + 5)], outcome)
