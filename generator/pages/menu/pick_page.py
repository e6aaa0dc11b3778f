"""The page on which readers choose a framework by their requirements."""

from __future__ import annotations

from generator.comparison import LABELS, MIN_SEARCHES, STACKS, STARTING_POINTS, USE_CASES, find_candidates
from generator.pages.markup import Page, Section, script_json
from generator.pages.view import MenuEntry, View
from generator.sentences import case_answer
from generator.statistics import MIN_ROUNDS


def _pick_page(view: View) -> Page:
    """The page with the form and the data of its script, and with answers for readers without scripts."""
    path = "pick.md"
    code = {slug: one.module_names for slug, one in view.frameworks.items()}
    found = find_candidates(view.conclusions, view.titles, code)
    html = view.renderer(path).html(
        "pick.html",
        candidates=found,
        data=script_json([one.to_json() for one in found]),
        stacks=STACKS,
        cases=USE_CASES,
        aims={**STARTING_POINTS, **{case.slug: case.title for case in USE_CASES}},
        labels=LABELS,
        answers=[(case, case_answer(view.conclusions, case)) for case in USE_CASES],
        titles=view.titles,
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
    words = "Which framework fits what you build, for how many users, and how sure that is."
    return Page(path, "Pick for my case", words, (Section(None, None, html=html),), hide=("navigation", "toc"))


ENTRY = MenuEntry("Pick", position=20, pages=_pick_page)
