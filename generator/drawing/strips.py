"""Strips: where one of many is on several scales that all mean "times behind the best"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator.drawing.scales import LogScale
from generator.drawing.shapes import NARROW_PX, WIDE_PX, Canvas, Picture, fitted

_TOP_PX, _ROW_PX = 24, 26
_MOST = 4.0
"""The end of the scale: scores end there."""


@dataclass(frozen=True)
class Strip:
    """``own``: how many times behind the best it is; ``None`` without a value. ``others``: of all others that have one.
    ``text``: the value in words, or why there is none.
    """

    title: str
    own: float | None
    others: tuple[float, ...]
    text: str


def draw_strips(strips: Sequence[Strip], label: str, *, is_narrow: bool) -> Picture:
    """Draw the strips one below the other, the best on the left."""
    width = NARROW_PX if is_narrow else WIDE_PX
    names_px, values_px = (108, 78) if is_narrow else (180, 120)
    scale = LogScale(1.0, _MOST, names_px + 14, width - values_px - 14)
    canvas = Canvas(width)
    bottom = _TOP_PX + _ROW_PX * len(strips)
    for tick, words in ((1.0, "best"), (2.0, "2×"), (4.0, "4×")):
        canvas.line((scale.at(tick), _TOP_PX - 4), (scale.at(tick), bottom), "grid")
        canvas.text((scale.at(tick), _TOP_PX - 9), words, "tick", "middle")
    for index, strip in enumerate(strips):
        y = _TOP_PX + _ROW_PX * (index + 0.5)
        canvas.text((0, y + 4), fitted(strip.title, names_px))
        for other in strip.others:
            canvas.dot((scale.at(other), y), 3.5, "other")
        if strip.own is not None:
            canvas.dot((scale.at(strip.own), y), 5.5, "is-leading")
        canvas.text((width, y + 4), fitted(strip.text, values_px, 11), "value", "end")
    return canvas.finished(bottom + 6, label)
