"""The colour and symbol of a framework, the same in every chart and table of a site.

Eight hues that stay distinct under the common colour-vision deficiencies (after Okabe and Ito 2008), each in a shade
with at least 3 : 1 contrast on its background. Colour is never the only mark: symbols differ too, and bars beyond the
first seven frameworks are hatched.

Looks are assigned to the frameworks of the site in the order of their slugs, so no list has to be maintained. A new
framework can therefore change the colours of those after it. The alternative is a colour from a hash of the slug. With
fifteen frameworks it nearly always gives two of them the same look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from generator.dataset import load_sources

_FRAMEWORKS = Path(__file__).parents[2] / "runners" / "frameworks"

_LIGHT = ("#0b6bb8", "#c8500a", "#007a5e", "#a8458c", "#8f6a00", "#2389b8", "#b01c45", "#5b6472")
_DARK = ("#5fb0f0", "#ff9155", "#35c9a3", "#e58fd0", "#e0b83c", "#97d8f7", "#f5829a", "#aab4c2")
DARK_OF = dict(zip(_LIGHT, _DARK, strict=True))
"""The dark palette's shade for each light one; the browser swaps them."""
DARK_PAPER = {"#ffffff": "#10161d"}
"""The dark background for the light one, for marks drawn in the background colour."""

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

    @property
    def dark_colour(self) -> str:
        """The colour of the dark palette."""
        return DARK_OF[self.colour]


_REFERENCE = Identity(_LIGHT[-1], "hourglass", "")
"""Grey marks a subject that is not compared."""
_HUES = _LIGHT[:-1]


@dataclass(frozen=True)
class Identities:
    """The look of each framework, by slug."""

    looks: Mapping[str, Identity]

    @classmethod
    def of_frameworks(cls, slugs: Collection[str], references: Collection[str] = ()) -> Identities:
        """Assign looks to ``slugs`` in alphabetical order; all ``references`` share one look."""
        frameworks = sorted(set(slugs) - set(references))
        looks = {slug: _look(number) for number, slug in enumerate(frameworks)}
        return cls(looks | dict.fromkeys(references, _REFERENCE))

    def of(self, slug: str) -> Identity:
        """The look of a framework; a slug that the site does not have gets a look that nobody on the site has."""
        return self.looks.get(slug) or _look(len(self.looks))


def identity(slug: str) -> Identity:
    """The look of a framework on a site of the frameworks in ``runners/frameworks``.

    Others get looks of their own, in the order of the calls.
    """
    looks = _of_folders()
    return looks.setdefault(slug, _look(len(looks)))


@cache
def _of_folders() -> dict[str, Identity]:
    sources = load_sources(_FRAMEWORKS)
    references = {slug for slug, source in sources.items() if source.is_reference}
    return dict(Identities.of_frameworks(sources, references).looks)


def _look(number: int) -> Identity:
    """The ``number``-th look. Hues repeat after 7 and symbols after 15, so the first 105 looks differ."""
    return Identity(
        _HUES[number % len(_HUES)],
        _SYMBOLS[number % len(_SYMBOLS)],
        _PATTERNS[number // len(_HUES) % len(_PATTERNS)],
    )


def dash(index: int) -> str:
    """The line style of the ``index``-th variant of a framework."""
    return _DASHES[index % len(_DASHES)]
