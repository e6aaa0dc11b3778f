"""The pictures of shared links: of one size, small, drawn once, and never of letters that the font lacks."""

from __future__ import annotations

import io
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from generator.share_cards import MOST_BYTES, SIZE_PX, Card, CardCache, card_of_written, draw_card, with_card
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


WRITTEN = sorted(path.stem for path in (Path(__file__).parents[2] / "site").glob("*.md"))


def test_every_page_has_a_card_of_its_own(site: Path) -> None:
    """Also those that are written by hand, whose card has their title and description."""
    shown = {}
    for name in ("index", *WRITTEN):
        html = (site / f"{name}.html").read_text()
        picture, words = (
            re.search(rf'<meta property="og:{key}" content="([^"]*)">', html) for key in ("image", "description")
        )
        assert picture is not None
        assert words is not None
        assert len(words[1]) > 20
        shown[name] = (site / "cards" / picture[1].rpartition("/")[2]).read_bytes()
    assert len(WRITTEN) > 5
    assert len(set(shown.values())) == len(shown)


def test_a_written_page_says_what_its_card_shows() -> None:
    source = "---\ntitle: Data\ndescription: What keys mean.\n---\n\n# Data\n\n---\n"
    assert card_of_written(source, FOOT) == Card("Data", "What keys mean.", FOOT)
    after = with_card(source, "cards/data.png")
    assert after.splitlines()[:3] == ["---", 'card: "cards/data.png"', "title: Data"]
    assert card_of_written(after, FOOT) == Card("Data", "What keys mean.", FOOT)
    for without in ("# Data\n", "---\ntitle: Data\n---\n", "---\n: [\n---\n", "---\n- a\n---\n"):
        assert card_of_written(without, FOOT) is None
