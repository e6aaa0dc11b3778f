"""Markers around finished HTML in a Markdown page, and the Markdown extension that does not parse it.

Without it, Markdown would parse every tag to find the end, and MkDocs would parse it again for anchors. That takes most
of the build time of large tables. Also, unparsed HTML cannot be misread.
"""

from __future__ import annotations

from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

_OPEN = "<!-- finished html -->"
_CLOSE = "<!-- end of finished html -->"
_AFTER_WHITESPACE_IS_NORMAL = 28
"""Priority: below 30, where Python-Markdown removes its control characters; above 21, where MkDocs reads HTML."""


def finished(html: str) -> str:
    """Markdown that contains this block of HTML unchanged."""
    return f"{_OPEN}\n{html}\n{_CLOSE}"


def is_open(line: str) -> bool:
    """Whether finished HTML begins below this line of a page."""
    return line == _OPEN


def is_close(line: str) -> bool:
    """Whether finished HTML ends above this line of a page."""
    return line == _CLOSE


class _Passing(Preprocessor):
    """Stores the text between the markers until the page is converted."""

    def run(self, lines: list[str]) -> list[str]:
        kept: list[str] = []
        rest = iter(lines)
        for line in rest:
            if line != _OPEN:
                kept.append(line)
                continue
            block = "\n".join(iter(rest.__next__, _CLOSE))
            kept += ["", self.md.htmlStash.store(block), ""]
        return kept


class PassthroughExtension(Extension):
    """The Markdown extension that ``mkdocs.yml`` loads."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        md.preprocessors.register(_Passing(md), "rtsite_passthrough", _AFTER_WHITESPACE_IS_NORMAL)


def makeExtension(**settings: Any) -> PassthroughExtension:  # noqa: N802 - Python-Markdown's name
    """The entry point that Python-Markdown calls."""
    return PassthroughExtension(**settings)
