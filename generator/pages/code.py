"""Source code as highlighted HTML, made at staging so that no page runs a highlighter."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


@lru_cache(maxsize=256)
def highlighted(source: str) -> Markup:
    """Python source with the token classes that the theme colours; escaped by Pygments."""
    html = highlight(source, PythonLexer(), HtmlFormatter(cssclass="highlight", wrapcode=True))
    return Markup(html)  # noqa: S704 - Pygments escapes what it highlights
