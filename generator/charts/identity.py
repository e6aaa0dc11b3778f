"""How a framework looks: the same colour and symbol in every chart of every page.

Eight hues that stay apart under the common colour-vision deficiencies (after Okabe and Ito 2008), each
in a shade with at least 3 : 1 contrast on its background; sixteen symbols, and hatched bars from the
ninth framework on, so that colour is never the only mark.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

_LIGHT = ("#0b6bb8", "#c8500a", "#007a5e", "#a8458c", "#8f6a00", "#2389b8", "#b01c45", "#5b6472")
_DARK = ("#5fb0f0", "#ff9155", "#35c9a3", "#e58fd0", "#e0b83c", "#97d8f7", "#f5829a", "#aab4c2")
DARK_OF = dict(zip(_LIGHT, _DARK, strict=True))
"""The shade for the dark palette; the browser swaps them."""
DARK_PAPER = {"#ffffff": "#10161d"}
"""The ground that all stands on, in both palettes: for what is cut out of a bar."""

_SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "x",
    "triangle-down",
    "hourglass",
    "pentagon",
    "star",
    "hexagon",
    "triangle-left",
    "triangle-right",
    "bowtie",
    "star-diamond",
    "hexagram",
)
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

_SLOTS = {
    "reference": 7,
    "fastapi": 0,
    "flask-socketio": 1,
    "django-channels": 2,
    "websockets": 3,
    "sanic": 4,
    "aiohttp": 5,
    "tornado": 6,
    "python-socketio": 9,
    "starlette": 8,
    "litestar": 10,
    "quart": 11,
    "blacksheep": 12,
    "robyn": 13,
    "socketify": 14,
    "flask-sock": 15,
}
"""Only looks: a framework that is not listed gets a slot from its name, and nothing else changes."""


@dataclass(frozen=True)
class Identity:
    """A Plotly colour (of the light palette), marker symbol and bar pattern."""

    colour: str
    symbol: str
    pattern: str


def identity(slug: str) -> Identity:
    """Depends on nothing but the slug, so that it never changes with what else is measured."""
    slot = _SLOTS.get(slug, zlib.crc32(slug.encode()) % len(_SYMBOLS))
    return Identity(_LIGHT[slot % len(_LIGHT)], _SYMBOLS[slot], "" if slot < len(_LIGHT) else "/")


def dash(index: int) -> str:
    """The line style of a framework's ``index``-th variant."""
    return _DASHES[index % len(_DASHES)]
