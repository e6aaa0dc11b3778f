"""All pages and their menu, collected from the declarations in the modules of `generator.pages.menu`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from types import MappingProxyType
from typing import Any

from generator.charts.wording import plain
from generator.comparison import History
from generator.dataset import Claims, Dataset, PublicQuestions, Source
from generator.pages import menu
from generator.pages.markup import Page
from generator.pages.view import MenuEntry, View
from runners.record import InvalidError

_WRITTEN = {
    "Methodology": "methodology.md",
    "Its changes": "method-log.md",
    "Data": "data.md",
    "Commands": "cli.md",
    "Load-test your own server": "load.md",
    "Add a framework": "add-a-framework.md",
    "A site of your own": "your-own.md",
}
"""The pages in ``site/``, which are in the last entry of the menu: title and file."""
_DETAILS = "Method & data"


@dataclass(frozen=True)
class Site:
    """All generated pages, and the navigation, which also has the pages in ``site/``."""

    pages: tuple[Page, ...]
    nav: tuple[dict[str, Any], ...]


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
    built = [(entry, entry.pages(view)) for entry in menu_entries()]
    pages = [page for _, found in built for page in ([found] if isinstance(found, Page) else found)]
    _refuse_doubles(pages)
    nav = [{entry.title: _addresses(found)} for entry, found in built if not entry.is_detail]
    details = [{entry.title: _addresses(found)} for entry, found in built if entry.is_detail]
    written = [{title: path} for title, path in _WRITTEN.items()]
    return Site(tuple(pages), (*nav, {_DETAILS: [*details, *written]}))


def menu_entries() -> list[MenuEntry]:
    """The ``ENTRY`` of each module of `generator.pages.menu`, in the order of the menu."""
    modules = (import_module(f"{menu.__name__}.{found.name}") for found in pkgutil.iter_modules(menu.__path__))
    return sorted((module.ENTRY for module in modules), key=lambda entry: (entry.position, entry.title))


def _addresses(found: Page | Sequence[Page]) -> str | list[Any]:
    """Navigation in the form of MkDocs: a page by its address, a section's pages by title, its index without title, and
    pages of one group below the title of the group.
    """
    if isinstance(found, Page):
        return found.path
    entries: list[Any] = []
    for group, pages in groupby(found, key=lambda page: page.group):
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
