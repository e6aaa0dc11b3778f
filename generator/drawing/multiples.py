"""Small multiples: one small panel per framework, all with the same axes.

Tufte (1983), "The visual display of quantitative information": the eye compares panels of one design at once, where
many lines in one frame cross and need a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from generator.drawing.scales import LogScale
from generator.drawing.shapes import NARROW_PX, WIDE_PX, Anchor, Canvas, Picture, fitted

_COLUMNS_WIDE, _COLUMNS_NARROW = 4, 2
_GAP_PX = 18
_NAME_PX, _PLOT_PX, _TICKS_PX, _BETWEEN_PX = 16, 66, 14, 14
_ABOVE_PX = 20
"""Room above the highest dot for its value."""
_FOOT_PX = 16


@dataclass(frozen=True)
class Panel:
    """``values``: above zero, one per place on the axis, ``None`` where there is none. ``texts``: each in words."""

    name: str
    values: tuple[float | None, ...]
    texts: tuple[str, ...]


def draw_multiples(
    panels: Sequence[Panel], places: Sequence[float], axis: str, label: str, *, is_narrow: bool
) -> Picture:
    """Draw the panels in their order; there must be at least one value. Both axes are logarithmic.

    ``places``: above zero, ascending, at least two. ``axis``: what they are. A grey line is the median of all panels.
    """
    width, columns = (NARROW_PX, _COLUMNS_NARROW) if is_narrow else (WIDE_PX, _COLUMNS_WIDE)
    panel_px = (width - _GAP_PX * (columns - 1)) / columns
    height = _NAME_PX + _PLOT_PX + _TICKS_PX + _BETWEEN_PX
    known = [value for panel in panels for value in panel.values if value is not None]
    medians = [_median([panel.values[index] for panel in panels]) for index in range(len(places))]
    canvas = Canvas(width)
    for index, panel in enumerate(panels):
        left, top = (index % columns) * (panel_px + _GAP_PX), (index // columns) * height
        across = LogScale(places[0], places[-1], left + 4, left + panel_px - 4)
        bottom = top + _NAME_PX + _PLOT_PX
        up = LogScale(min(known) / 1.05, max(known) * 1.05, bottom - 4, top + _NAME_PX + _ABOVE_PX)
        canvas.text((left, top + 11), fitted(panel.name, panel_px, is_bold=True), "strong")
        canvas.line((left, bottom), (left + panel_px, bottom), "grid")
        _line(canvas, across, up, places, medians, "middle")
        _line(canvas, across, up, places, panel.values, "span first")
        shown = [place for place, value in enumerate(panel.values) if value is not None]
        for place in shown:
            canvas.dot((across.at(places[place]), up.at(panel.values[place] or 0.0)), 3, "first")
        for place in {shown[0], shown[-1]} if shown else ():
            anchor: Anchor = "start" if place == 0 else "end" if place == len(places) - 1 else "middle"
            x = {"start": left, "end": left + panel_px, "middle": across.at(places[place])}[anchor]
            canvas.text((x, up.at(panel.values[place] or 0.0) - 7), panel.texts[place], "value", anchor)
        canvas.text((left, bottom + 12), f"{places[0]:,g}", "tick")
        canvas.text((left + panel_px, bottom + 12), f"{places[-1]:,g}", "tick", "end")
    rows = -(-len(panels) // columns)
    canvas.text((width, rows * height + 4), fitted(axis, width, 11), "axis", "end")
    return canvas.finished(rows * height + _FOOT_PX, label)


def _line(
    canvas: Canvas,
    across: LogScale,
    up: LogScale,
    places: Sequence[float],
    values: Sequence[float | None],
    look: str,
) -> None:
    """Straight lines between the values that there are."""
    points = [
        (across.at(place), up.at(value)) for place, value in zip(places, values, strict=True) if value is not None
    ]
    for start, end in pairwise(points):
        canvas.line(start, end, look)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
