"""Pages on paper, on the narrowest screens, and in the colours of the reader's own theme."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from generator.charts.identity import Identities
from tests.support.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
A4_PX = {"portrait": 718, "landscape": 1046}
"""Width of A4 at 96 pixels per inch, less margins of a centimetre."""

_BEYOND = """width => [...document.querySelectorAll(".md-content :is(table, pre, .rt-plot, .rt-flame, p, li)")]
    .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > width + 1)
    .map(one => `${one.tagName}.${one.className} ${one.getBoundingClientRect().right}`)"""

_LIGHT = """() => [...document.querySelectorAll(".md-content :is(p, td, th, h1, h2, .rt-plot text, .rt-flame span)")]
    .filter(one => one.checkVisibility())
    .map(one => getComputedStyle(one)[one.closest("svg") ? "fill" : "color"])"""


PRINTED = ["tests/dashboard.html", "dimensions/ease-of-use.html"]


@pytest.mark.parametrize("path", PRINTED)
def test_a_page_fits_on_paper(visit: Visit, path: str) -> None:
    page = visit.open(path)
    page.emulate_media(media="print")
    page.wait_for_function("() => [...document.querySelectorAll('.rt-plot')].every(one => one.dataset.drawn)")
    for width in A4_PX.values():
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(_BEYOND, width) == []


def test_a_dark_page_prints_dark_on_white_and_is_dark_again(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    visit = Visit(context, address)
    page = visit.open("frameworks/django-channels/results.html")
    visit.draw_all()
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_selector(".rt-plot[data-drawn=light]")
    colours = set(page.evaluate(_LIGHT))
    bright = {colour for colour in colours if sum(map(int, re.findall(r"\d+", colour)[:3])) > 400}
    page.emulate_media(media="screen", color_scheme="dark")
    page.wait_for_selector(".rt-plot[data-drawn=dark]")
    assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
    context.close()
    assert bright == set()
    assert not visit.complaints


def test_without_colours_boxes_have_edges_and_marks_keep_theirs(browser: Browser, address: str) -> None:
    context = browser.new_context(forced_colors="active")
    visit = Visit(context, address)
    page = visit.open("frameworks/django-channels/code.html")
    edges = page.locator(".rt-flame span, .rt-flame-key li").evaluate_all(
        "all => all.map(one => getComputedStyle(one)).map(one => [one.borderLeftWidth, one.borderRightWidth])"
    )
    assert edges
    assert all(width != "0px" for sides in edges for width in sides)
    kinds = page.locator(".rt-flame-key li").evaluate_all(
        "all => all.map(one => getComputedStyle(one).borderLeftStyle)"
    )
    assert len(set(kinds)) == len(kinds)
    page.goto(address + "frameworks/index.html")
    marks = page.locator("tbody .rt-mark").evaluate_all(
        "all => all.map(one => getComputedStyle(one)).map(one => `${one.backgroundColor} ${one.clipPath}`)"
    )
    assert len(set(marks)) > 3
    assert not any("rgba(0, 0, 0, 0)" in mark or "none" in mark for mark in marks)
    context.close()


def test_every_symbol_has_a_shape_of_its_own() -> None:
    css = (ROOT / "generator" / "assets" / "extra.css").read_text(encoding="utf-8")
    shapes = dict(re.findall(r'\[data-symbol="([\w-]+)"\] \{ --shape: (.+?); \}', css))
    looks = Identities.of_frameworks([f"framework-{number:03}" for number in range(105)] + ["bare"], ["bare"]).looks
    assert {look.symbol for look in looks.values()} <= shapes.keys()
    assert len({(look.colour, shapes[look.symbol]) for look in looks.values()}) == len(looks)
    assert len(set(shapes.values())) == len(shapes)
