"""Finds the links in the files of a built site that lead nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin
from xml.etree import ElementTree

_REFERRING = ("href", "src")
_CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)")
_RAW = "raw"
"""The key of JSON exports whose value is the path of a raw file, relative to the site."""


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {"", "__toc", "top"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := found.get(name))}
        self.links += [value for name in _REFERRING if (value := found.get(name))]


@dataclass(frozen=True)
class BuiltSite:
    """A site in ``folder`` that is published at ``address``."""

    folder: Path
    address: str

    @cached_property
    def pages(self) -> dict[str, _Page]:
        """Links and anchors of each page, by path."""
        found = {}
        for path in sorted(self.folder.rglob("*.html")):
            page = _Page()
            page.feed(path.read_text(encoding="utf-8"))
            found[path.relative_to(self.folder).as_posix()] = page
        return found

    def links(self) -> Iterator[tuple[str, str]]:
        """All links: the file that has it, and where it leads, as an absolute address."""
        for name, page in self.pages.items():
            # The page for wrong addresses is shown below any of them, so its links start at the site's address.
            yield from ((name, urljoin(self.address + name, link)) for link in page.links)
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.suffix in {".xml", ".svg"}:
                yield from ((name, urljoin(self.address + name, link)) for link in _of_xml(path))
            elif path.suffix == ".css":
                found = _CSS_URL.findall(path.read_text(encoding="utf-8"))
                yield from ((name, urljoin(self.address + name, link)) for link in found)
            elif path.suffix == ".json":
                found = list(_of_json(json.loads(path.read_text(encoding="utf-8"))))
                yield from ((name, self.address + link) for link in found)

    def leads_somewhere(self, address: str) -> bool:
        """Whether an address on this site is a file with that anchor; others are not asked."""
        place, anchor = urldefrag(address)
        if not place.startswith(self.address):
            return True
        name = unquote(place.removeprefix(self.address).partition("?")[0])
        name = name + "index.html" if name == "" or name.endswith("/") else name
        if name not in self.pages:
            return (self.folder / name).is_file()
        return unquote(anchor) in self.pages[name].anchors

    def dead(self) -> list[tuple[str, str]]:
        """The links that lead nowhere."""
        return sorted({(name, link) for name, link in self.links() if not self.leads_somewhere(link)})


def _of_xml(path: Path) -> Iterator[str]:
    for element in ElementTree.parse(path).iter():
        yield from (value for name, value in element.attrib.items() if name.rpartition("}")[2] == "href")
        if element.tag.rpartition("}")[2] == "loc" and element.text:
            yield element.text


def _of_json(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == _RAW and isinstance(value, str):
                yield value
            else:
                yield from _of_json(value)
    elif isinstance(document, list):
        for value in document:
            yield from _of_json(value)
