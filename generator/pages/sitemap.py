"""Which pages there are, and how they hang together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.charts.wording import plain
from generator.comparison import History
from generator.dataset import Claims, Dataset, Source
from generator.pages.claims import claims_page
from generator.pages.dimensions import dimension_pages
from generator.pages.frameworks import framework_index, framework_pages
from generator.pages.home import home
from generator.pages.markup import Page
from generator.pages.pairs import pair_index, pair_pages
from generator.pages.picking import pick_page
from generator.pages.runs import run_index, run_pages
from generator.pages.trends import trend_page
from generator.pages.view import View
from generator.pages.workloads import workload_index, workload_pages
from runners.record import InvalidError

_METHOD = {
    "Methodology": "methodology.md",
    "Its changes": "method-log.md",
    "Data": "data.md",
    "Add a framework": "add-a-framework.md",
    "A site of your own": "your-own.md",
}
"""Written by hand."""


@dataclass(frozen=True)
class Site:
    """All generated pages, and the navigation that also names the hand-written ones."""

    pages: tuple[Page, ...]
    nav: tuple[dict[str, Any], ...]


def make_site(
    dataset: Dataset, sources: Mapping[str, Source], claims: Claims | None = None, history: History | None = None
) -> Site:
    """Every page of the site; raises `InvalidError` where two would have one address.

    ``history``: of the dataset's runs, where others ask it too.
    """
    view = View(dataset, sources, claims or Claims(), history)
    outline: dict[str, Page | list[Page]] = {
        "Home": home(view),
        "Pick": pick_page(view),
        "Dimensions": dimension_pages(view),
        "Frameworks": [framework_index(view), *framework_pages(view)],
        "Compare": [pair_index(view), *pair_pages(view)],
        "Workloads": [workload_index(view), *workload_pages(view)],
        "Trends": trend_page(view),
        "Claims": claims_page(view),
        "Runs": [run_index(view), *run_pages(view)],
    }
    nav = ({title: _entries(found)} for title, found in outline.items())
    pages = [page for found in outline.values() for page in (found if isinstance(found, list) else [found])]
    _refuse_doubles(pages)
    return Site(tuple(pages), (*nav, {"Method": [{title: path} for title, path in _METHOD.items()]}))


def _entries(found: Page | list[Page]) -> str | list[str | dict[str, str]]:
    """In the navigation a page stands by its address, those of a section by their titles, its index without one."""
    if isinstance(found, Page):
        return found.path
    return [page.path if page.path.endswith("/index.md") else {plain(page.title): page.path} for page in found]


def _refuse_doubles(pages: Iterable[Page]) -> None:
    seen: set[str] = set()
    for page in pages:
        if page.path.lower() in seen:
            raise InvalidError(f"two pages would be {page.path}; rename the framework, workload or run")
        seen.add(page.path.lower())
