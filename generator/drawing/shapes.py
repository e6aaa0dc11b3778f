"""The shapes that drawings are made of, and the picture that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

WIDE_PX, NARROW_PX = 720, 340
"""Widths of a drawing for wide screens and for phones, in CSS pixels. Text has its true size at these widths."""

Anchor = Literal["start", "middle", "end"]

_PX_PER_CHARACTER = 6.3
"""Mean width of a character of 12 px in the system fonts, measured on DejaVu Sans, which is the widest of them."""


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
        self._parts: list[Markup] = []

    def line(self, start: tuple[float, float], end: tuple[float, float], look: str) -> None:
        self._add(
            '<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', _classes(look), *map(_short, start), *map(_short, end)
        )

    def box(self, corner: tuple[float, float], size: tuple[float, float], look: str) -> None:
        self._add(
            '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
            _classes(look),
            *map(_short, corner),
            *map(_short, size),
        )

    def dot(self, centre: tuple[float, float], radius: float, look: str) -> None:
        self._add('<circle class="{}" cx="{}" cy="{}" r="{}"/>', _classes(look), *map(_short, centre), _short(radius))

    def polygon(self, corners: Iterable[tuple[float, float]], look: str) -> None:
        points = " ".join(f"{_short(x)},{_short(y)}" for x, y in corners)
        self._add('<polygon class="{}" points="{}"/>', _classes(look), points)

    def text(self, at: tuple[float, float], words: str, look: str = "text", anchor: Anchor = "start") -> None:
        """A line of text whose baseline begins, is centred or ends at this point."""
        self._add(
            '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', _classes(look), *map(_short, at), anchor, words
        )

    def _add(self, template: str, *values: object) -> None:
        self._parts.append(Markup(template).format(*values))  # noqa: S704 - format escapes every value

    def finished(self, height: float, label: str) -> Picture:
        """The picture. ``label``: what it shows, for those who do not see it; a table has the values."""
        head = Markup(
            '<svg class="rt-drawing" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        ).format(self.width, round(height), self.width, round(height), label)
        return Picture(self.width, round(height), head + Markup("").join(self._parts) + Markup("</svg>"))


def _classes(look: str) -> str:
    return " ".join(f"rt-d-{one}" for one in look.split())


def _short(number: float) -> str:
    """At most one decimal, which is finer than a screen shows."""
    return f"{number:.1f}".removesuffix(".0")


def text_px(words: str, size_px: float = 12) -> float:
    """About the width of a line of text, rather too wide than too narrow."""
    return len(words) * _PX_PER_CHARACTER * size_px / 12


def fitted(words: str, room_px: float, size_px: float = 12) -> str:
    """The words, shortened with an ellipsis where they would be wider than the room."""
    most = max(1, int(room_px / (_PX_PER_CHARACTER * size_px / 12)))
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
