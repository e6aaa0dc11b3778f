"""How a framework looks: the same colour and symbol in every chart and table of a site.

Eight hues that stay distinct under the common colour-vision deficiencies (after Okabe and Ito 2008), each in a shade
with at least 3 : 1 contrast on its background. Colour is never the only mark: symbols differ too, and bars beyond the
first seven frameworks are hatched.

Looks follow from the frameworks of the site, in the order of their slugs, and from nothing else: no list has to know a
framework. So a new framework can change the colours of those after it, from one build to the next. The alternative, a
colour from a hash of the slug, gives two of fifteen frameworks the same look nearly always.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

_LIGHT = ("#0b6bb8", "#c8500a", "#007a5e", "#a8458c", "#8f6a00", "#2389b8", "#b01c45", "#5b6472")
_DARK = ("#5fb0f0", "#ff9155", "#35c9a3", "#e58fd0", "#e0b83c", "#97d8f7", "#f5829a", "#aab4c2")
DARK_OF = dict(zip(_LIGHT, _DARK, strict=True))
"""The shade for the dark palette; the browser swaps them."""
DARK_PAPER = {"#ffffff": "#10161d"}
"""The background in both palettes, for what is cut out of a bar."""

_SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "x",
    "triangle-down",
    "pentagon",
    "star",
    "hexagon",
    "triangle-left",
    "triangle-right",
    "bowtie",
    "star-diamond",
    "hexagram",
)
_PATTERNS = ("", "/", "\\", "x", "-", "|", "+", ".")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class Identity:
    """A Plotly colour (of the light palette), marker symbol and bar pattern."""

    colour: str
    symbol: str
    pattern: str


_REFERENCE = Identity(_LIGHT[-1], "hourglass", "")
"""Grey is for what takes no part in the comparison."""
_HUES = _LIGHT[:-1]


@dataclass(frozen=True)
class Identities:
    """The look of each framework, by slug."""

    looks: Mapping[str, Identity]

    @classmethod
    def of_frameworks(cls, slugs: Collection[str], references: Collection[str] = ()) -> Identities:
        """A look for each of ``slugs``, in alphabetical order; those that are references share one of their own."""
        frameworks = sorted(set(slugs) - set(references))
        looks = {slug: _look(number) for number, slug in enumerate(frameworks)}
        return cls(looks | dict.fromkeys(references, _REFERENCE))

    def of(self, slug: str) -> Identity:
        """The look of a framework; that of references for one that was not known when looks were assigned."""
        return self.looks.get(slug, _REFERENCE)


def _look(number: int) -> Identity:
    """Hues and symbols repeat after 7 and 15 frameworks, so that all of the first 105 differ."""
    return Identity(
        _HUES[number % len(_HUES)],
        _SYMBOLS[number % len(_SYMBOLS)],
        _PATTERNS[number // len(_HUES) % len(_PATTERNS)],
    )


def dash(index: int) -> str:
    """The line style of the ``index``-th variant of a framework."""
    return _DASHES[index % len(_DASHES)]
