"""The shapes that drawings are made of, and the picture that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from markupsafe import Markup, escape

WIDE_PX, NARROW_PX = 720, 340
"""Widths of a drawing for wide screens and for phones, in CSS pixels. Text has its true size at these widths."""

Anchor = Literal["start", "middle", "end"]

_PX_PER_CHARACTER, _BOLD = 7.1, 1.13
"""Width of a character of 12 px in DejaVu Sans, the widest of the system fonts that we name, and how much wider a bold
one is. A test measures every text in a browser."""


@dataclass(frozen=True)
class Picture:
    """One drawing in one width. ``height`` and ``width`` in CSS pixels; ``svg``: a finished element."""

    width: int
    height: int
    svg: Markup


class Canvas:
    """Collects shapes. Coordinates are in CSS pixels from the top left. ``look``: classes of the style sheet without
    their prefix ``rt-d-``, separated by spaces; colours depend on the palette of the page.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._parts: list[str] = []

    def line(self, start: tuple[float, float], end: tuple[float, float], look: str) -> None:
        ends = f'x1="{_short(start[0])}" y1="{_short(start[1])}" x2="{_short(end[0])}" y2="{_short(end[1])}"'
        self._parts.append(f'<line class="{_classes(look)}" {ends}/>')

    def box(self, corner: tuple[float, float], size: tuple[float, float], look: str) -> None:
        where = f'x="{_short(corner[0])}" y="{_short(corner[1])}" width="{_short(size[0])}" height="{_short(size[1])}"'
        self._parts.append(f'<rect class="{_classes(look)}" {where}/>')

    def dot(self, centre: tuple[float, float], radius: float, look: str) -> None:
        where = f'cx="{_short(centre[0])}" cy="{_short(centre[1])}" r="{_short(radius)}"'
        self._parts.append(f'<circle class="{_classes(look)}" {where}/>')

    def polygon(self, corners: Iterable[tuple[float, float]], look: str) -> None:
        points = " ".join(f"{_short(x)},{_short(y)}" for x, y in corners)
        self._parts.append(f'<polygon class="{_classes(look)}" points="{points}"/>')

    def text(self, at: tuple[float, float], words: str, look: str = "text", anchor: Anchor = "start") -> None:
        """A line of text whose baseline begins, is centred or ends at this point."""
        where = f'x="{_short(at[0])}" y="{_short(at[1])}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="{_classes(look)}" {where}>{escape(words)}</text>')

    def finished(self, height: float, label: str) -> Picture:
        """The picture. ``label``: what it shows, for those who do not see it; a table has the values."""
        size = f'viewBox="0 0 {self.width} {round(height)}" width="{self.width}" height="{round(height)}"'
        head = f'<svg class="rt-drawing" {size} role="img" aria-label="{escape(label)}">'
        # Every text in it is escaped above; the rest is numbers and our own names.
        svg = Markup(f"{head}{''.join(self._parts)}</svg>")  # noqa: S704
        return Picture(self.width, round(height), svg)


@cache
def _classes(look: str) -> str:
    return " ".join(f"rt-d-{one}" for one in look.split())


def _short(number: float) -> str:
    """At most one decimal, which is finer than a screen shows."""
    return f"{number:.1f}".removesuffix(".0")


def text_px(words: str, size_px: float = 12) -> float:
    """About the width of a line of text, rather too wide than too narrow."""
    return len(words) * _PX_PER_CHARACTER * size_px / 12


def fitted(words: str, room_px: float, size_px: float = 12, *, is_bold: bool = False) -> str:
    """The words, shortened with an ellipsis where they would be wider than the room."""
    most = max(1, int(room_px / (_PX_PER_CHARACTER * size_px / 12 * (_BOLD if is_bold else 1))))
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
