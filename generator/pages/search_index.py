"""What the search finds of pages whose text is not in its index: title and description.

Tables of values and code are most of the text of the site, and nobody searches for digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from generator.charts.wording import plain
from generator.pages.markup import Page

_INDEX = "search/search_index.json"


def complete_index(site: Path, pages: Sequence[Page]) -> Iterator[tuple[str, str]]:
    """The path and the text of the search index in the folder of a rendered site, with one entry for each page.

    Nothing for a site that has no index.
    """
    if not (site / _INDEX).is_file():
        return
    index = json.loads((site / _INDEX).read_text(encoding="utf-8"))
    index["docs"] += [
        {"location": page.address, "title": plain(page.title), "text": plain(page.description)} for page in pages
    ]
    yield _INDEX, json.dumps(index, separators=(",", ":"))
