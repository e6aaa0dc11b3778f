"""The picture that a link to a page shows where it is shared: title, answer, when and on what it was measured.

Drawn while MkDocs renders, and kept by content, because a card takes 10 ms and most pages have the same in the next
build. The font is the one that Pillow contains, so that a card is the same on every machine.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import yaml
from PIL import Image, ImageDraw, ImageFont

SIZE_PX = (1200, 630)
"""The size that sites which show links expect."""
MOST_BYTES = 60_000

_MARGIN_PX = 72
_DARK, _LIGHT = (0x0F, 0x24, 0x38), (0xFF, 0xFF, 0xFF)
_TITLE_PX, _SMALL_TITLE_PX, _ANSWER_PX, _FOOT_PX = 68, 54, 38, 26
_TITLE_LINES, _ANSWER_LINES = 2, 4
_BRIGHT, _SOFT, _FAINT = 255, 205, 150
"""Shades of text, from 0 to 255."""
_WRITTEN_OUT = str.maketrans({"×": "x", "’": "'", "‑": "-", "–": "-", "…": "...", "\u00a0": " "})
"""Characters that the font lacks, or has in another width, and what is drawn for them."""
_BAR_PX = 16
_EDITION = "2"
"""Changes with the looks, so that cards of older code are not used."""


_FRONT_MATTER = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Card:
    title: str
    answer: str
    foot: str


def card_of_written(source: str, foot: str) -> Card | None:
    """The card of a hand-written page: title and description of its front matter; ``None`` without both."""
    found = _FRONT_MATTER.match(source)
    try:
        facts = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:  # MkDocs reports it
        return None
    if not isinstance(facts, dict) or not facts.get("title") or not facts.get("description"):
        return None
    return Card(str(facts["title"]), str(facts["description"]), foot)


def with_card(source: str, path: str) -> str:
    """The hand-written page with the path of its card in its front matter."""
    return source.replace("---\n", f'---\ncard: "{path}"\n', 1)


def draw_card(card: Card) -> bytes:
    """The card as a PNG of 256 shades between two colours."""
    picture = Image.new("L", SIZE_PX, 0)
    draw = ImageDraw.Draw(picture)
    room = SIZE_PX[0] - 2 * _MARGIN_PX
    size = _TITLE_PX if len(_wrapped(card.title, _TITLE_PX, room)) <= _TITLE_LINES else _SMALL_TITLE_PX
    draw.rectangle((0, 0, _BAR_PX, SIZE_PX[1]), fill=_FAINT)
    y = float(_MARGIN_PX)
    for line in _shortened(_wrapped(card.title, size, room), _TITLE_LINES):
        draw.text((_MARGIN_PX, y), line, font=_font(size), fill=_BRIGHT)
        y += size * 1.2
    y += 28
    for line in _shortened(_wrapped(card.answer, _ANSWER_PX, room), _ANSWER_LINES):
        draw.text((_MARGIN_PX, y), line, font=_font(_ANSWER_PX), fill=_SOFT)
        y += _ANSWER_PX * 1.35
    foot = _shortened(_wrapped(card.foot, _FOOT_PX, room), 1)
    for line in foot:
        draw.text((_MARGIN_PX, SIZE_PX[1] - _MARGIN_PX), line, font=_font(_FOOT_PX), fill=_FAINT)
    picture.putpalette(_shades())
    made = io.BytesIO()
    picture.save(made, "PNG", compress_level=2)  # 6 takes twice as long and saves a fifth
    return made.getvalue()


class CardCache:
    """Cards that were drawn before, as files named by what they show."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, card: Card) -> bytes:
        """The PNG of a card, drawn if it is not there."""
        path = self._path(card)
        if path.is_file() and (kept := path.read_bytes()).endswith(_END):
            return kept
        made = draw_card(card)
        self._folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made)
        return made

    def keep_only(self, cards: Iterable[Card]) -> None:
        """Delete all others."""
        kept = {self._path(card) for card in cards}
        for path in self._folder.glob("*.png"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _path(self, card: Card) -> Path:
        text = "\0".join((_EDITION, card.title, card.answer, card.foot))
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.png"


_END = b"IEND\xaeB`\x82"
"""The last bytes of a PNG; a file that was written in part lacks them."""


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found


@cache
def _shades() -> list[int]:
    """The palette: from the dark colour to the light one."""
    return [
        round(dark + (light - dark) * shade / 255)
        for shade in range(256)
        for dark, light in zip(_DARK, _LIGHT, strict=True)
    ]


def _wrapped(text: str, size: int, room_px: float) -> list[str]:
    """The text in lines that fit; a word that is wider than a line is cut."""
    lines: list[str] = []
    width_px = 0.0
    for word in text.translate(_WRITTEN_OUT).split():
        longer_px = width_px + _width_px(" ", size) + _width_px(word, size)
        if lines and longer_px <= room_px:
            lines[-1], width_px = f"{lines[-1]} {word}", longer_px
            continue
        while len(word) > 1 and _width_px(word, size) > room_px:
            word = word[:-1]
        lines.append(word)
        width_px = _width_px(word, size)
    return lines


@lru_cache(maxsize=16_384)  # cards of one site have the same few words
def _width_px(word: str, size: int) -> float:
    return float(_font(size).getlength(word))


def _shortened(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} ..."]
