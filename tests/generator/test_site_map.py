"""A page consists of its module and its template; no other file lists it."""

from __future__ import annotations

import pkgutil

from generator.dataset import Claims, Dataset
from generator.pages import make_site, menu
from generator.pages.site_map import menu_entries


def test_every_module_of_the_menu_is_an_entry_of_it() -> None:
    entries = menu_entries()
    assert len(entries) == len(list(pkgutil.iter_modules(menu.__path__)))
    assert len({entry.title for entry in entries}) == len({entry.position for entry in entries}) == len(entries)


def test_the_menu_is_in_the_order_of_positions() -> None:
    site = make_site(Dataset(()), {}, Claims())
    titles = [title for entry in site.nav for title in entry]
    assert titles == [*(entry.title for entry in menu_entries() if not entry.is_detail), "Method & data"]
    details = [title for entry in site.nav[-1]["Method & data"] for title in entry]
    made = [entry.title for entry in menu_entries() if entry.is_detail]
    assert details[: len(made)] == made
    assert details[len(made)] == "Methodology"
    assert titles[0] == "Home"
