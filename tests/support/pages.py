"""Helpers for tests of pages: one page of every kind, hostile text, and a reader of HTML."""

from __future__ import annotations

from html.parser import HTMLParser

PAGES = [
    "index.html",
    "scoreboard.html",
    "for/index.html",
    "for/chat.html",
    "questions.html",
    "pick.html",
    "dimensions/performance.html",
    "dimensions/ease-of-use.html",
    "dimensions/architecture.html",
    "dimensions/development-experience.html",
    "tests/index.html",
    "frameworks/index.html",
    "frameworks/django-channels.html",
    "frameworks/django-channels/results.html",
    "frameworks/django-channels/code.html",
    "tests/dashboard.html",
    "tests/capacity.html",
    "compare/index.html",
    "compare/django-channels-vs-flask-socketio.html",
    "trends.html",
    "claims.html",
    "scoring.html",
    "runs/index.html",
    "methodology.html",
    "method-log.html",
    "data.html",
]
"""The path of one page of every kind."""

MOVED = 'http-equiv="refresh"'
"""In the HTML of a page that only leads to the new address of another."""

HOSTILE = (
    " <script>alert(1)</script><img src=x onerror=alert(2)> **bold** [link](javascript:alert(3))"
    " {{ 7*7 }} {% raw %} </title></pre></details> `tick` | &amp; \\u003c"
)


class Reader(HTMLParser):
    """Collects the elements, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> Reader:
    """Read the elements and text of a page."""
    reader = Reader()
    reader.feed(html)
    return reader
