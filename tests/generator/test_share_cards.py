"""The pictures of shared links: of one size, small, drawn once, and never of letters that the font lacks."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from generator.share_cards import MOST_BYTES, SIZE_PX, Card, CardCache, draw_card
from tests.support.pages import HOSTILE, MOVED

FOOT = "rtsite · measured 2026-11-20 on AMD EPYC 7B13"


@given(st.text(max_size=200), st.text(max_size=600))
def test_a_card_has_the_size_that_is_announced_whatever_it_says(title: str, answer: str) -> None:
    drawn = draw_card(Card(title, answer, FOOT))
    assert Image.open(io.BytesIO(drawn)).size == SIZE_PX
    assert len(drawn) <= MOST_BYTES


def test_a_full_card_is_light_enough() -> None:
    drawn = draw_card(Card("Wide words everywhere " * 6, "it needs 8.7× less CPU, as measured; " * 12, FOOT))
    assert 5_000 < len(drawn) <= MOST_BYTES


def test_long_words_and_hostile_text_are_only_drawn() -> None:
    assert Image.open(io.BytesIO(draw_card(Card("x" * 500, HOSTILE, HOSTILE)))).size == SIZE_PX


def test_a_card_is_drawn_once_and_forgotten_when_no_page_has_it(tmp_path: Path) -> None:
    cards = CardCache(tmp_path / "cards")
    first, second = Card("A", "one", FOOT), Card("B", "two", FOOT)
    drawn = cards.get(first)
    (file,) = (tmp_path / "cards").iterdir()
    before = file.stat().st_mtime_ns
    assert cards.get(first) == drawn
    assert file.stat().st_mtime_ns == before
    file.write_bytes(drawn[:100])  # as after a machine that stopped while it was written
    assert cards.get(first) == drawn
    cards.get(second)
    cards.keep_only([second])
    assert len(list((tmp_path / "cards").iterdir())) == 1


def test_every_page_has_tags_and_the_picture_that_they_name(site: Path, address: str) -> None:
    pages = {
        path: html
        for path in site.rglob("*.html")
        if path.name != "404.html" and path.parent.name != "embed" and MOVED not in (html := path.read_text())
    }
    assert len(pages) > 40
    for path, html in pages.items():
        tags = dict(re.findall(r'<meta (?:property|name)="(og:\w+|twitter:card)" content="([^"]*)">', html))
        assert tags.keys() >= {"og:title", "og:description", "og:type", "og:url", "og:image", "twitter:card"}, path
        assert tags["og:image"].startswith(f"{address}cards/"), path
        assert (site / tags["og:image"].removeprefix(address)).is_file(), path


def test_the_font_has_every_character_of_the_cards(site: Path) -> None:
    font = ImageFont.load_default(38)
    missing = bytes(font.getmask("\uffff"))
    words = "".join(
        words
        for path in site.rglob("*.html")
        for words in re.findall(r'<meta property="og:(?:title|description)" content="([^"]*)">', path.read_text())
    )
    lacking = {one for one in set(words) - set(" ×’‑–…\u00a0") if bytes(font.getmask(one)) == missing}
    assert lacking == set()


@pytest.mark.parametrize("path", ["index.html", "methodology.html"])
def test_the_home_page_and_written_pages_say_something(site: Path, path: str) -> None:
    found = re.search(r'<meta property="og:description" content="([^"]*)">', (site / path).read_text())
    assert found is not None
    assert len(found[1]) > 20
