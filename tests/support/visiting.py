"""Visits the built site with a real browser that can reach only localhost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Request


_COLLIDING = """() => [...document.querySelectorAll(".rt-plot")].flatMap((plot) => {
    const texts = [...plot.querySelectorAll(".xaxislayer-above .xtick text")].filter((text) => text.textContent);
    const boxes = texts.map((text) => ({ said: text.textContent, ...text.getBoundingClientRect().toJSON() }));
    boxes.sort((one, other) => one.left - other.left);
    return boxes.filter((box, place) => place && box.left < boxes[place - 1].right + 2).map((box) => box.said);
})"""
"""A script that returns the axis labels of charts that touch their left neighbour."""


class Visit:
    """The pages of one test in a context of a browser, and the errors in them."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self._context = context
        self.refused: list[str] = []
        self.complaints: list[str] = []
        context.on("request", self._watch)
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _watch(self, request: Request) -> None:
        # A route would refuse it, but with a route the browser caches nothing.
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.refused.append(request.url)

    def end(self) -> None:
        """Close the pages, and delete what they stored; what the browser cached stays."""
        self._context.new_cdp_session(self.page).send(
            "Storage.clearDataForOrigin", {"origin": self.address, "storageTypes": "local_storage,session_storage"}
        )
        self._context.remove_listener("request", self._watch)
        for page in self._context.pages:
            page.close()

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
        """Scroll to every chart that is shown and wait until it is drawn; returns the number of these."""
        plots = self.page.locator(".rt-plot:visible")
        for index in range(plots.count()):
            plots.nth(index).scroll_into_view_if_needed()
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.rt-plot')].every(one => one.dataset.drawn || !one.checkVisibility())"
        )
        return plots.count()

    def check_layout(self) -> None:
        """Assert that the page does not scroll sideways and that no axis labels of a chart touch each other."""
        assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert self.page.evaluate(_COLLIDING) == []
