"""Every kind of page under axe, in both palettes; a path by keyboard alone; and on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.generator.test_browser import PAGES
from tests.generator.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    visit = Visit(context, address)
    found = {}
    for path in PAGES:
        page = visit.open(path)
        visit.draw_all()
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        violations = Axe().run(page).response["violations"]
        if violations:
            found[path] = [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in violations]
    context.close()
    assert found == {}


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
