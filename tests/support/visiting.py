"""Visits the built site with a real browser that can reach only localhost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route


_COLLIDING = """() => [...document.querySelectorAll(".rt-plot")].flatMap((plot) => {
    const texts = [...plot.querySelectorAll(".xaxislayer-above .xtick text")].filter((text) => text.textContent);
    const boxes = texts.map((text) => ({ said: text.textContent, ...text.getBoundingClientRect().toJSON() }));
    boxes.sort((one, other) => one.left - other.left);
    return boxes.filter((box, place) => place && box.left < boxes[place - 1].right + 2).map((box) => box.said);
})"""
"""A script that returns the axis labels of charts that touch their left neighbour."""


class Visit:
    """One context of a browser, and the errors in it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.refused: list[str] = []
        self.complaints: list[str] = []
        context.route("**/*", self._answer)
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _answer(self, route: Route) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def lay_out(self) -> None:
        """Lay out content far from the screen as if the reader had scrolled to it."""
        self.page.add_style_tag(content=".rt-late { content-visibility: visible !important }")

    def draw_all(self) -> int:
        """Scroll to every chart and wait until it is drawn; returns the number of charts."""
        plots = self.page.locator(".rt-plot")
        for index in range(plots.count()):
            plots.nth(index).scroll_into_view_if_needed()
        self.page.wait_for_function(
            "() => document.querySelectorAll('.rt-plot').length"
            " === document.querySelectorAll('.rt-plot[data-drawn]').length"
        )
        return plots.count()

    def check_layout(self) -> None:
        """Assert that the page does not scroll sideways and that no axis labels of a chart touch each other."""
        assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert self.page.evaluate(_COLLIDING) == []
