"""Every kind of page passes axe in both palettes, works with the keyboard alone, and prints well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.marks import few_of
from tests.support.pages import PAGES
from tests.support.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page


AXE = Axe()
DEPENDS_ON_PALETTE = ["color-contrast", "link-in-text-block"]
"""Rules about colours, and the only slow ones: axe looks for what is behind each text."""

HIDE_REPEATED_LOOKS = """() => {
  const all = [...document.querySelectorAll("body *")], colours = new Map([[null, ""]]), seen = new Map();
  const coloursOf = (one) => {
    if (!colours.has(one)) {
      const style = getComputedStyle(one);
      const own = [style.color, style.backgroundColor, style.backgroundImage, style.opacity, style.textDecorationLine];
      colours.set(one, own + coloursOf(one.parentElement));
    }
    return colours.get(one);
  };
  const kept = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement, style = getComputedStyle(one);
    if (!walk.currentNode.data.trim()) continue;
    const look = [one.localName, style.fontSize, style.fontWeight, style.display] + coloursOf(one);
    seen.set(look, (seen.get(look) ?? 0) + 1);
    if (seen.get(look) > 3) continue;
    let block = one;
    if (!one.closest("pre")) {
      while (getComputedStyle(block).display.startsWith("inline")) block = block.parentElement;
      block.querySelectorAll("*").forEach((inner) => kept.add(inner));
    }
    for (let at = block; at; at = at.parentElement) kept.add(at);
  }
  all.forEach((one) => one.classList.toggle("repeated-look", one.textContent.trim() !== "" && !kept.has(one)));
}"""
"""Hides blocks of texts that all look like three texts before: same font, same colours on the same backgrounds. In code
each word is a block."""


USUAL_PAGES = ("index.html", "compare/django-channels-vs-flask-socketio.html", "methodology.html")
"""Pages whose pieces most others have too."""


@pytest.mark.parametrize("path", few_of(PAGES, USUAL_PAGES))
def test_a_page_shows_its_charts_fits_all_screens_and_is_accessible_in_both_palettes(visit: Visit, path: str) -> None:
    page = visit.open(path)
    count = visit.draw_all()
    assert page.locator(".rt-plot .main-svg").first.is_visible() if count else True
    visit.check_layout()
    visit.lay_out()
    # Thousands of coloured words are as good as those that are open anyway.
    page.evaluate("document.querySelectorAll('details:not(:has(.rt-code))').forEach(one => one.open = true)")
    assert violations(page, {"rules": {rule: {"enabled": False} for rule in DEPENDS_ON_PALETTE}}) == []
    assert violations_of_colours(page) == []
    page.locator('label[for="__palette_1"]').click()
    page.wait_for_selector("body[data-md-color-scheme=slate]")
    if count:
        page.wait_for_selector(".rt-plot[data-drawn=dark]")
    assert violations_of_colours(page) == []
    # WCAG 1.4.10: 1280 pixels at 400 %. Charts follow the width in their own time.
    page.set_viewport_size({"width": 320, "height": 256})
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")


def violations_of_colours(page: Page) -> list[tuple[str, list[str]]]:
    """The rules about colours that one of the looks of its texts breaks. A table has thousands of equal cells.

    What fades in or out at this moment, as the button that leads to the top, is there or not.
    """
    page.add_style_tag(content=".repeated-look { display: none !important } * { transition: none !important }")
    page.evaluate(HIDE_REPEATED_LOOKS)
    found = violations(page, {"runOnly": DEPENDS_ON_PALETTE})
    page.evaluate("document.querySelectorAll('.repeated-look').forEach(one => one.classList.remove('repeated-look'))")
    return found


def violations(page: Page, options: dict[str, object]) -> list[tuple[str, list[str]]]:
    """The rules that the page breaks, and where."""
    # What is drawn is for the eye alone: its figures stand in a table beside it.
    everything = {"resultTypes": ["violations"], **options}  # no list of all nodes that are good
    if page.evaluate("typeof axe") == "undefined":  # half a megabyte of script
        page.evaluate(AXE.axe_script)
    found = page.evaluate(
        "options => axe.run({exclude: ['.main-svg']}, options).then(results => results.violations)", everything
    )
    return [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]


@pytest.mark.parametrize(
    ("path", "text"),
    [("data.html", "td:not(:has(*))"), ("compare/django-channels-vs-flask-socketio.html", "pre span.n:visible")],
    ids=["cell", "code"],
)
def test_a_pale_text_is_found_among_many_that_look_alike(visit: Visit, path: str, text: str) -> None:
    """The check of colours leaves out only what looks like a text that it checks."""
    page = visit.open(path)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.locator(text).last.evaluate("text => text.style.color = '#ccc'")
    assert [rule for rule, _ in violations_of_colours(page)] == ["color-contrast"]


@pytest.mark.parametrize("path", ["dimensions/ease-of-use.html", "for/dashboard.html"])
def test_what_a_finger_moves_is_large_enough(visit: Visit, phone: Visit, path: str) -> None:
    """WCAG 2.2, 2.5.8 on any screen, and 44 pixels as in 2.5.5 on a phone."""
    for visitor, least in ((visit, 24), (phone, 44)):
        page = visitor.open(path)
        height = "ones => ones.map(one => one.getBoundingClientRect().height)"
        assert min(page.locator("input[type=range]:visible").evaluate_all(height)) >= least
        assert violations(page, {"runOnly": ["target-size"]}) == []


def test_the_keyboard_alone_leads_to_the_raw_file(visit: Visit) -> None:
    page = visit.open("dimensions/performance.html")
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
    page = visit.open("tests/echo.html")
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
    page = visit.open("tests/echo.html")
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
