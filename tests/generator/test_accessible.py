"""Every kind of page passes axe in both palettes, works with the keyboard alone, and prints well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.pages import PAGES
from tests.support.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page


DEPENDS_ON_PALETTE = {"runOnly": ["color-contrast", "link-in-text-block"]}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_its_charts_fits_the_screen_and_is_accessible_in_both_palettes(visit: Visit, path: str) -> None:
    page = visit.open(path)
    count = visit.draw_all()
    assert page.locator(".rt-plot .main-svg").first.is_visible() if count else True
    visit.check_layout()
    visit.lay_out()
    # Thousands of coloured words are as good as those that are open anyway.
    page.evaluate("document.querySelectorAll('details:not(:has(.rt-code))').forEach(one => one.open = true)")
    assert violations(page) == []
    page.locator('label[for="__palette_1"]').click()
    page.wait_for_selector("body[data-md-color-scheme=slate]")
    if count:
        page.wait_for_selector(".rt-plot[data-drawn=dark]")
    assert violations(page, DEPENDS_ON_PALETTE) == []


def violations(page: Page, options: dict[str, list[str]] | None = None) -> list[tuple[str, list[str]]]:
    """The rules that the page breaks, and where."""
    # What is drawn is for the eye alone: its figures stand in a table beside it.
    everything = {"resultTypes": ["violations"], **(options or {})}  # no list of all nodes that are good
    found = Axe().run(page, context={"exclude": [".main-svg"]}, options=everything).response["violations"]
    return [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]


def test_the_keyboard_alone_leads_to_the_raw_file(visit: Visit) -> None:
    page = visit.open("performance.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Skip to content"
    page = visit.open("index.html")
    target = page.get_by_role("link", name="Pick for my case")
    for _ in range(40):
        page.keyboard.press("Tab")
        if target.evaluate("link => link === document.activeElement"):
            break
    assert target.evaluate("link => link === document.activeElement")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pick.html")


def test_paper_shows_charts_and_whole_tables(visit: Visit) -> None:
    page = visit.open("performance.html")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(
        "() => document.querySelectorAll('.rt-plot').length"
        " === document.querySelectorAll('.rt-plot[data-drawn]').length"
    )
    page.emulate_media(media="print")
    assert not page.locator(".rt-save").first.is_visible()
    assert not page.locator(".rt-choose").is_visible()
    cut = page.locator(".rt-scroll").evaluate_all(
        "boxes => boxes.filter(box => getComputedStyle(box).overflowY !== 'visible').length"
    )
    assert cut == 0
    assert page.pdf(format="A4", landscape=True).startswith(b"%PDF")


def test_paper_waits_for_no_timer(visit: Visit) -> None:
    """What is printed is what stands there when the event's handlers, and what they promised, are through."""
    page = visit.open("performance.html")
    page.locator(".rt-plot").first.scroll_into_view_if_needed()
    page.locator(".rt-plot[data-drawn]").first.wait_for()
    undrawn = page.evaluate(
        """async () => {
          const count = () => document.querySelectorAll(".rt-plot:not(:has(.main-svg))").length;
          const before = count();
          dispatchEvent(new Event("beforeprint"));
          for (let turn = 0; turn < 200; turn++) await Promise.resolve();
          return [before, count()];
        }"""
    )
    assert undrawn[0] > 0
    assert undrawn[1] == 0
