"""Finished HTML inside a Markdown page: the marks around it, and the Markdown extension that leaves it alone.

Markdown would go through every tag of it to find where it ends, and MkDocs once more for anchors, which is most of
what a build of large tables costs; and what no parser reads, none can misread.
"""

from __future__ import annotations

from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

_OPEN = "<!-- finished html -->"
_CLOSE = "<!-- end of finished html -->"
_AFTER_WHITESPACE_IS_NORMAL = 28
"""Below 30, where Python-Markdown takes its own control characters out of a text; above 21, where MkDocs reads HTML."""


def finished(html: str) -> str:
    """Markdown that holds this block of HTML as it is."""
    return f"{_OPEN}\n{html}\n{_CLOSE}"


class _Passing(Preprocessor):
    """Stores what is between the marks until the page is done."""

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
    """Named in ``mkdocs.yml``."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Python-Markdown's name
        md.preprocessors.register(_Passing(md), "rtsite_passthrough", _AFTER_WHITESPACE_IS_NORMAL)


def makeExtension(**settings: Any) -> PassthroughExtension:  # noqa: N802 - Python-Markdown's name
    """What Python-Markdown calls."""
    return PassthroughExtension(**settings)
