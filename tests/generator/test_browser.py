"""The built site in a real browser that can reach only localhost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.marks import few_of
from tests.support.pages import PAGES
from tests.support.processes import until
from tests.support.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


SMALL_SCREEN_PAGES = {
    "index.html",
    "scoreboard.html",
    "for/chat.html",
    "frameworks/django-channels.html",
    "tests/dashboard.html",
    "compare/django-channels-vs-flask-socketio.html",
}
"""Pages whose layout differs most."""


@pytest.mark.parametrize("path", few_of(PAGES, SMALL_SCREEN_PAGES))
def test_a_phone_shows_the_same_without_scrolling_sideways(phone: Visit, path: str) -> None:
    page = phone.open(path)
    phone.draw_all()
    phone.check_layout()
    beside = "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).map(box => box.ariaLabel)"
    assert page.locator(".rt-scroll:has(> .rt-stack)").evaluate_all(beside) == [], "a table put below itself is cut off"


def test_a_site_opened_from_a_folder_draws_its_charts(browser: Browser, site: Path) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    visit = Visit(context, f"{site.as_uri()}/")
    page = visit.open("tests/echo.html")
    assert visit.draw_all() > 0
    assert page.locator(".rt-plot .main-svg").first.is_visible()
    assert page.locator("table.rt-sortable th button").first.is_visible()
    context.close()
    assert not visit.refused
    assert not visit.complaints


@pytest.mark.parametrize(("pattern", "painted"), [("", ".bars path"), ("/", "pattern *")], ids=["plain", "hatched"])
def test_the_theme_toggle_changes_the_colours_of_charts(visit: Visit, pattern: str, painted: str) -> None:
    page = visit.open("tests/echo.html")
    page.evaluate(
        """pattern => document.querySelectorAll(".rt-chart template").forEach(({ content }) => {
            const script = content.querySelector("script"), figure = JSON.parse(script.textContent);
            for (const { marker } of figure.data) if (marker?.pattern) marker.pattern.shape = pattern;
            script.textContent = JSON.stringify(figure);
        })""",
        pattern,
    )
    visit.draw_all()
    colours = "bar => [getComputedStyle(bar).fill, getComputedStyle(bar).stroke]"
    bar = page.locator(f".rt-plot {painted}").nth(1)
    light = bar.evaluate(colours)
    page.locator('label[for="__palette_1"]').click()
    page.wait_for_selector(".rt-plot[data-drawn=dark]")
    assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
    assert bar.evaluate(colours) != light
    page.locator('label[for="__palette_0"]').click()
    page.wait_for_selector(".rt-plot[data-drawn=light]")
    assert bar.evaluate(colours) == light


def test_charts_come_and_go_with_instant_navigation(visit: Visit) -> None:
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    page = visit.open("tests/echo.html")
    visit.draw_all()
    page.evaluate("window.stillTheSame = true")
    page.locator(".md-tabs__link", has_text="Method").click()
    page.wait_for_url("**/dimensions/ease-of-use.html")
    page.locator(".md-nav--primary a", has_text="Performance").first.click()
    page.wait_for_url("**/dimensions/performance.html")
    page.locator(".rt-plain a", has_text="Live dashboard").first.click()
    page.wait_for_url("**/tests/dashboard.html")
    page.wait_for_selector(".rt-plot")
    assert visit.draw_all() >= 2
    assert page.evaluate("window.stillTheSame")
    assert len([url for url in asked if "plotly" in url]) == 1
    # Plotly's own styles must have come along.
    assert page.locator(".main-svg").first.evaluate("svg => getComputedStyle(svg).position") == "absolute"


def test_plotly_is_loaded_only_where_a_chart_comes_near(visit: Visit) -> None:
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.open("methodology.html")
    visit.page.wait_for_load_state("networkidle")
    assert not [url for url in asked if "plotly" in url]


def test_charts_do_not_move_the_page(visit: Visit) -> None:
    page = visit.open("tests/echo.html")
    visit.lay_out()
    before = page.evaluate("document.documentElement.scrollHeight")
    visit.draw_all()
    assert page.evaluate("document.documentElement.scrollHeight") == before


def test_a_link_into_a_page_leads_to_its_place_though_tables_above_are_not_laid_out_yet(visit: Visit) -> None:
    page = visit.open("frameworks/django-channels/code.html#code")
    page.wait_for_function("document.getElementById('code').getBoundingClientRect().top < innerHeight")
    assert page.evaluate("document.getElementById('code').getBoundingClientRect().top") > 0


def test_without_scripts_the_tables_are_complete(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "tests/echo.html")
    assert page.locator("table.rt-results").first.is_visible()
    assert "66," in page.locator("table.rt-results").first.inner_text()
    assert not page.locator(".rt-plot").first.is_visible()
    page.locator(".rt-chart details.rt-figures summary").first.click()
    assert page.locator(".rt-chart details.rt-figures table").first.is_visible()
    context.close()


def test_the_search_leads_to_the_page_of_a_framework_first(visit: Visit) -> None:
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    page = visit.open("index.html")
    page.wait_for_load_state("networkidle")
    assert not any("search_index" in url for url in asked), "only who searches loads the index"
    query = page.locator(".md-search__input")
    query.fill("fastapi")
    first = page.locator(".md-search-result__link").first

    def is_found() -> bool:
        query.press("End")  # the theme looks at the query with each key, once its script has begun
        return first.is_visible()

    until(is_found, "the search found pages")
    assert first.evaluate("link => link.pathname") == "/frameworks/fastapi.html"


def test_a_date_is_followed_by_how_long_ago_it_was(visit: Visit) -> None:
    """By a rule of the page's style, so that it takes no more room than it needs and nothing moves."""
    page = visit.open("index.html")
    page.locator(".md-tabs__link", has_text="Scoreboard").click()
    page.wait_for_url("**/scoreboard.html")
    said = page.evaluate(
        """() => {
          const time = document.querySelector("time.rt-date"), now = new Date();
          const days = [0, 1, 8, 99].map((days) => new Date(now - days * 864e5));
          const year = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 12));
          return [...days, year].map((date) => {
            time.dateTime = date.toISOString();
            return getComputedStyle(time, "::after").content;
          });
        }"""
    )
    assert said == ["none", '" (yesterday)"', '" (8 days ago)"', '" (99 days ago)"', '" (12 months ago)"']


def test_tables_sort_from_the_keyboard(visit: Visit) -> None:
    page = visit.open("tests/echo.html")
    table = page.locator("table.rt-results").first
    memory = table.locator("th button", has_text="Memory")
    memory.focus()
    page.keyboard.press("Enter")
    head = table.locator("th[aria-sort]")
    assert head.get_attribute("aria-sort") == "ascending"
    column = int(head.evaluate("head => head.cellIndex"))

    def figures() -> list[float]:
        cells = table.locator(f"tbody tr > :nth-child({column + 1})")
        return [float(value) for value in cells.evaluate_all("cells => cells.map(c => c.dataset.value)")]

    assert figures() == sorted(figures())
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert figures() == sorted(figures(), reverse=True)


def test_a_hover_shows_value_and_interval(visit: Visit) -> None:
    page = visit.open("tests/echo.html")
    visit.draw_all()
    page.locator(".rt-plot").first.scroll_into_view_if_needed()
    box = page.locator(".rt-plot .bars path").nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".hoverlayer .hovertext")
    assert "rounds" in (page.locator(".hoverlayer").first.text_content() or "")
