"""Pages that share one frame, since years have thousands of runs: MkDocs renders the frame, and each page fills it.

The frame is a page whose title, description and content are marks, which no page has otherwise.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from markdown.extensions.toc import slugify

from generator.charts.wording import plain
from generator.pages.markup import Page, Section

_TITLE, _WORDS, _CONTENT = "rtsite:frame:title", "rtsite:frame:words", "rtsite:frame:content"
_ANCHOR = slugify(_TITLE, "-")
"""What Markdown makes of the title: the anchor of the heading."""


def frame_of(path: str, model: Page) -> Page:
    """The frame at this path, for pages like ``model``."""
    content = Section(None, None, html=_CONTENT)
    return Page(path, _TITLE, _WORDS, (content,), model.hide, is_searched=model.is_searched, is_frame=True)


def fill_frame(site: Path, frame: Page, pages: Sequence[Page]) -> Iterator[tuple[str, str | bytes]]:
    """Take a frame out of the folder of a rendered site: address and text of each page that fills it, and the map of
    the site with these pages.
    """
    rendered = site / frame.address
    pieces = _cut(rendered.read_text(encoding="utf-8"), frame)
    rendered.unlink()
    for page in pages:
        yield page.address, "".join(_filled(pieces, page))
    listed = _with_pages((site / "sitemap.xml").read_text(encoding="utf-8"), frame, pages)
    yield "sitemap.xml", listed
    yield "sitemap.xml.gz", gzip.compress(listed.encode(), mtime=0)


def _with_pages(sitemap: str, frame: Page, pages: Sequence[Page]) -> str:
    """The map with an entry for each page instead of that of the frame."""
    entry = rf"[ \n]*<url>\s*<loc>[^<]*{re.escape(frame.address)}</loc>.*?</url>"
    return re.sub(
        entry,
        lambda found: "".join(found[0].replace(frame.address, page.address) for page in pages),
        sitemap,
        flags=re.DOTALL,
    )


def _cut(html: str, frame: Page) -> list[str]:
    """The frame, cut at its marks: every second piece is a mark."""
    marks = (_TITLE, _WORDS, _CONTENT, _ANCHOR, frame.address)
    return re.split(f"({'|'.join(map(re.escape, marks))})", html)


def _filled(pieces: Sequence[str], page: Page) -> Iterator[str]:
    values = {
        _TITLE: escape(plain(page.title)),
        _ANCHOR: slugify(plain(page.title), "-"),
        _WORDS: escape(plain(page.description)),
        _CONTENT: "\n".join(section.html.strip() for section in page.sections),
    }
    for number, piece in enumerate(pieces):
        yield values.get(piece, page.address) if number % 2 else piece
