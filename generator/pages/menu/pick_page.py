"""The page on which readers choose a framework by their requirements."""

from __future__ import annotations

from generator.comparison import MIN_SEARCHES, STACKS, find_candidates
from generator.pages.markup import Page, Section, script_json
from generator.pages.view import MenuEntry, View
from generator.statistics import MIN_ROUNDS


def _pick_page(view: View) -> Page:
    """The page with the form and the data of its script."""
    path = "pick.md"
    code = {slug: one.module_names for slug, one in view.frameworks.items()}
    found = find_candidates(view.conclusions, view.titles, code)
    html = view.renderer(path).html(
        "pick.html",
        candidates=found,
        data=script_json([one.to_json() for one in found]),
        stacks=STACKS,
        measured=dict(
            sorted(
                (users, (load.workload, load.snapshots_per_s))
                for one in found
                for users, load in (one.loads | one.uncounted).items()
            )
        ),
        min_rounds=MIN_ROUNDS,
        min_searches=MIN_SEARCHES,
    )
    words = "A few questions, and which frameworks are left, with measured reasons."
    return Page(path, "Pick for my case", words, (Section(None, None, html=html),), hide=("navigation", "toc"))


ENTRY = MenuEntry("Pick", position=20, pages=_pick_page)
