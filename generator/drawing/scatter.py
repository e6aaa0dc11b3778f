"""Two costs against each other, each point named. Both axes are logarithmic, and less is better on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from generator.drawing.scales import LogScale, decades
from generator.drawing.shapes import NARROW_PX, WIDE_PX, Canvas, Picture, fitted, text_px

_HEIGHT, _NARROW_HEIGHT = 400, 380
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 14, 16, 46
_ROOM = 1.35
"""Factor by which the axes are longer than the values at each end, so that names fit."""


@dataclass(frozen=True)
class ScatterPoint:
    """``x`` and ``y``: values above zero. ``is_unbeaten``: whether nobody else is surely better on both axes."""

    name: str
    x: float
    y: float
    is_unbeaten: bool
    is_flagged: bool = False


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def is_within(self, width: int, height: int) -> bool:
        return self.left >= 0 and self.right <= width and self.top >= 0 and self.bottom <= height

    def overlaps(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def draw_scatter(points: Sequence[ScatterPoint], x_title: str, y_title: str, label: str, *, is_narrow: bool) -> Picture:
    """Draw the points with their names beside them, where there is room; there must be at least one."""
    width, height = (NARROW_PX, _NARROW_HEIGHT) if is_narrow else (WIDE_PX, _HEIGHT)
    across = _scale([one.x for one in points], _LEFT, width - _RIGHT)
    up = _scale([one.y for one in points], height - _BOTTOM, _TOP)
    canvas = Canvas(width)
    _draw_axes(canvas, across, up, x_title, y_title, height)
    spots = [(across.at(one.x), up.at(one.y)) for one in points]
    taken = [_Box(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    for one, (x, y) in zip(points, spots, strict=True):
        look = "flagged" if one.is_flagged else "unbeaten" if one.is_unbeaten else "beaten"
        canvas.dot((x, y), 5, look)
    # Those that nobody beats have their names first: they are what the reader looks for.
    for one, (x, y) in sorted(zip(points, spots, strict=True), key=lambda pair: not pair[0].is_unbeaten):
        name = fitted(one.name, width / 2)
        box, at, anchor = _free(name, x, y, taken, (width, height))
        taken.append(box)
        canvas.text(at, name, "strong" if one.is_unbeaten else "text", anchor)
    return canvas.finished(height, label)


def _scale(values: Sequence[float], start: float, end: float) -> LogScale:
    return LogScale(min(values) / _ROOM, max(values) * _ROOM, start, end)


def _draw_axes(canvas: Canvas, across: LogScale, up: LogScale, x_title: str, y_title: str, height: int) -> None:
    bottom = height - _BOTTOM
    for value in _thinned(decades(across.low, across.high), across, 44):
        canvas.line((across.at(value), _TOP), (across.at(value), bottom), "grid")
        canvas.text((across.at(value), bottom + 16), f"{value:,g}", "tick", "middle")
    for value in _thinned(decades(up.low, up.high), up, 24):
        canvas.line((_LEFT, up.at(value)), (canvas.width - _RIGHT, up.at(value)), "grid")
        canvas.text((_LEFT - 6, up.at(value) + 4), f"{value:,g}", "tick", "end")
    canvas.text((canvas.width - _RIGHT, height - 10), fitted(x_title, canvas.width - _RIGHT), "axis", "end")
    canvas.text((0, _TOP - 2), fitted(y_title, canvas.width), "axis")


def _thinned(values: Sequence[float], scale: LogScale, apart_px: float) -> list[float]:
    """The values that are far enough from the one before."""
    found: list[float] = []
    for value in values:
        if not found or abs(scale.at(value) - scale.at(found[-1])) >= apart_px:
            found.append(value)
    return found


def _free(
    name: str, x: float, y: float, taken: Sequence[_Box], size: tuple[int, int]
) -> tuple[_Box, tuple[float, float], Literal["start", "middle", "end"]]:
    """The first of ten positions beside a point where its name covers nothing; the first of all if there is none."""
    long = text_px(name)
    options: list[tuple[_Box, tuple[float, float], Literal["start", "middle", "end"]]] = []
    for lift in (0, -13, 13, -26, 26):
        middle = y + lift
        options.append((_Box(x + 8, middle - 7, x + 8 + long, middle + 6), (x + 8, middle + 4), "start"))
        options.append((_Box(x - 8 - long, middle - 7, x - 8, middle + 6), (x - 8, middle + 4), "end"))
    inside = [one for one in options if one[0].is_within(*size)] or options
    return next((one for one in inside if not any(one[0].overlaps(other) for other in taken)), inside[0])
