"""All pages and their menu, collected from the declarations in the modules of `generator.pages.menu`."""

from __future__ import annotations

import json
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from generator.charts.wording import plain
from generator.comparison import USE_CASES, Comparison, History
from generator.dataset import Claims, Dataset, PublicQuestions, Source
from generator.pages import menu
from generator.pages.forking import forked
from generator.pages.markup import Page, embed_path, script_json
from generator.pages.view import MenuEntry, View
from runners.record import InvalidError

_WRITTEN = {
    "Methodology": "methodology.md",
    "Check a number": "check.md",
    "Its changes": "method-log.md",
    "Data": "data.md",
    "Commands": "cli.md",
    "Load-test your own server": "load.md",
    "Load from several hosts": "cluster.md",
    "Add a framework": "add-a-framework.md",
    "A site of your own": "your-own.md",
}
"""The pages in ``site/``, which are in the last entry of the menu: title and file."""
_DETAILS = "Method & data"
_MOVED = {"tests/": "workloads/", "dimensions/": ""}
"""What the addresses of pages begin with, and what they began with before."""
_BADGE_COLOURS = {
    "recommended": "0b6bb8",
    "good choice": "2389b8",
    "special case": "b4480a",
    "not for new projects": "8a4b00",
}
_LARGE = 200
"""Rows of tables, or runs, from which a second process saves more time than it takes."""
_STYLE = Path(__file__).parents[1] / "assets" / "drawn.css"


@dataclass(frozen=True)
class Site:
    """All generated pages, and the navigation, which also has the pages in ``site/``. ``files``: by path, what makes
    the files for other sites: single charts, and badges of the labels. ``moved``: by the old address of a page, the
    HTML that leads to the new one. ``comparison``: that of the shown runs.
    """

    pages: tuple[Page, ...]
    nav: tuple[dict[str, Any], ...]
    files: Mapping[str, Callable[[], str]]
    moved: Mapping[str, str]
    comparison: Comparison


def make_site(
    dataset: Dataset,
    sources: Mapping[str, Source],
    claims: Claims | None = None,
    history: History | None = None,
    current_versions: Mapping[str, str] = MappingProxyType({}),
    asked: PublicQuestions | None = None,
    repository: str = "",
) -> Site:
    """Make every page of the site; raises `InvalidError` if two pages have the same address.

    ``history``: that of the runs in ``dataset``, if the caller already has it. ``current_versions``: of workloads, as
    they are defined today; results of another version are marked. ``asked``: what people ask in public.
    ``repository``: the address of the project's repository, where readers contest values; empty without.
    """
    view = View(dataset, sources, claims or Claims(), history, current_versions, asked or PublicQuestions(), repository)
    built = _built(view)
    pages = [page for _, found in built for page in ([found] if isinstance(found, Page) else found)]
    _refuse_doubles(pages)
    nav = [{entry.title: _addresses(found)} for entry, found in built if not entry.is_detail]
    details = [{entry.title: _addresses(found)} for entry, found in built if entry.is_detail]
    written = [{title: path} for title, path in _WRITTEN.items()]
    files = _embeds(view, pages) | _badges(view)
    nav_of_all: tuple[dict[str, Any], ...] = (*nav, {_DETAILS: [*details, *written]})
    return Site(tuple(pages), nav_of_all, files, _moved(view, pages), view.comparison)


def _built(view: View) -> list[tuple[MenuEntry, Page | Sequence[Page]]]:
    """The pages of each entry of the menu.

    Those of long entries of a large site are made by a process that is forked from this one, so that it has all that is
    known. Elsewhere than on Linux, forking is not safe.
    """
    entries = menu_entries()
    is_large = max(sum(len(table.rows) for table in view.comparison.tables), len(view.dataset.runs)) >= _LARGE
    if not is_large or sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return [(entry, entry.pages(view)) for entry in entries]
    first, *others = entries
    begun = {first.title: first.pages(view)}  # home needs most of what others need, too
    with forked(partial(_long_pages, view)) as later:
        here = {entry.title: entry.pages(view) for entry in others if not entry.is_long}
        found = begun | here | later()
    return [(entry, found[entry.title]) for entry in entries]


def _long_pages(view: View) -> dict[str, Page | Sequence[Page]]:
    return {entry.title: entry.pages(view) for entry in menu_entries() if entry.is_long}


def _embeds(view: View, pages: Iterable[Page]) -> dict[str, Callable[[], str]]:
    style = Markup(_STYLE.read_text(encoding="utf-8"))  # noqa: S704 - our own file
    found: dict[str, Callable[[], str]] = {}
    for page in pages:
        for chart in page.charts:
            path = embed_path(page.path, chart.slug)
            found[path] = partial(view.renderer(path).html, "embed.html", chart=chart, page=page, style=style)
    return found


def _moved(view: View, pages: Iterable[Page]) -> dict[str, str]:
    """A small page at each old address. It works without a server, and keeps the anchor and what the reader chose."""
    found = {}
    for page in pages:
        for now, before in _MOVED.items():
            if page.path.startswith(now):
                old = f"{before}{page.path.removeprefix(now).removesuffix('.md')}.html"
                render = view.renderer(old)
                found[old] = render.html("moved.html", page=page, address=script_json(render.link(page.path)))
    return found


def _badges(view: View) -> dict[str, Callable[[], str]]:
    """A badge with the label of each framework per use case, in the endpoint format of shields.io."""
    found: dict[str, Callable[[], str]] = {}
    for case in USE_CASES:
        labelled = view.conclusions.labels.get(case.slug, {})
        for slug in view.competing:
            label = labelled[slug].label if slug in labelled else None
            badge = {
                "schemaVersion": 1,
                "label": case.title.lower(),
                "message": label or "not enough data",
                "color": _BADGE_COLOURS.get(label or "", "lightgrey"),
            }
            found[f"badges/{case.slug}/{slug}.json"] = partial("{}\n".format, json.dumps(badge))
    return found


def menu_entries() -> list[MenuEntry]:
    """The ``ENTRY`` of each module of `generator.pages.menu`, in the order of the menu."""
    modules = (import_module(f"{menu.__name__}.{found.name}") for found in pkgutil.iter_modules(menu.__path__))
    return sorted((module.ENTRY for module in modules), key=lambda entry: (entry.position, entry.title))


def _addresses(found: Page | Sequence[Page]) -> str | list[Any]:
    """Navigation in the form of MkDocs. A page has its address, a section's pages their titles, its index none.

    Pages of one group are below the title of the group. Frames and the pages in them are not listed.
    """
    if isinstance(found, Page):
        return found.path
    entries: list[Any] = []
    listed = (page for page in found if not page.frame and not page.is_frame)
    for group, pages in groupby(listed, key=lambda page: page.group):
        if group:
            entries.append({plain(group): [{page.in_group: page.path} for page in pages]})
        else:
            entries += [
                page.path if page.path.endswith("/index.md") else {plain(page.title): page.path} for page in pages
            ]
    return entries


def _refuse_doubles(pages: Iterable[Page]) -> None:
    seen: set[str] = set()
    for page in pages:
        if page.path.lower() in seen:
            raise InvalidError(f"two pages have the path {page.path}; rename the framework, workload or run")
        seen.add(page.path.lower())
