"""A few questions, and which frameworks are left."""

from __future__ import annotations

from generator.comparison import STACKS, candidates
from generator.pages.markup import Page, Section, script_json
from generator.pages.view import View


def pick_page(view: View) -> Page:
    """The questions, with all that a script needs to answer them."""
    path = "pick.md"
    code = {slug: {module.name for module in one.code} for slug, one in view.frameworks.items()}
    found = candidates(view.comparison, view.capacities, view.evidence, view.titles, view.competing, code)
    html = view.renderer(path).html(
        "pick.html",
        candidates=found,
        data=script_json([one.to_json() for one in found]),
        stacks=STACKS,
        measured=dict(sorted((load.users, load.workload) for one in found for _, load in one.cheapest.values())),
    )
    words = "A few questions, and which frameworks are left, with measured reasons."
    return Page(path, "Pick for my case", words, (Section(None, None, html=html),), hide=("navigation", "toc"))
