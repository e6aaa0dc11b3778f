"""The scoreboard: every framework by what readers build, and cost against delay."""

from __future__ import annotations

from generator.pages.cost_chart import cost_chart
from generator.pages.heat import heat_table
from generator.pages.markup import Page, Section
from generator.pages.view import MenuEntry, View


def _scoreboard_page(view: View) -> Page:
    """The whole heat table, then cost and delay of one load."""
    path = "scoreboard.md"
    render = view.renderer(path)
    chart = cost_chart(view)
    html = render.html(
        "scoreboard.html", heat=view.once(heat_table), aside=view.aside, runs=view.comparison.runs, chart=chart
    )
    words = "Every framework by what you build, on one scale, with what is not certain."
    return Page(
        path,
        "Scoreboard",
        words,
        (Section(None, None, html=html),),
        hide=("navigation", "toc"),
        charts=(chart,) if chart else (),
    )


ENTRY = MenuEntry("Scoreboard", position=15, pages=_scoreboard_page)
