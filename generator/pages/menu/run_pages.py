"""The pages of runs, for readers who check every number."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment

from generator.comparison import capacity_tables, compare_runs
from generator.dataset import Run
from generator.pages.framed import frame_of
from generator.pages.markup import Page, Renderer, Section, make_environment
from generator.pages.table_sections import capacity_section, table_section
from generator.pages.view import MenuEntry, View, run_path

_FRAME = "runs/older.md"
"""No run has this page: the name of a run's page contains its campaign and its id."""


def _index(view: View) -> Page:
    """The page that lists all runs."""
    path = "runs/index.md"
    runs = [(run, run_path(run), run.facts.counts) for run in view.dataset.runs]
    html = view.renderer(path).html("runs.html", runs=runs)
    words = "Every run: machine, order, validity, failures, raw files."
    sections = (Section(None, None, html=html),)
    return Page(path, "Runs", words, sections, hide=("navigation", "toc"), is_searched=False, is_found=True)


def _run_pages(view: View) -> list[Page]:
    """The list, a page for each run of the newest campaigns, and one without tables for each older run.

    A run's page stays when the next campaign is published, since the feed and readers' links lead to it.
    """
    current = {run.raw for run in view.dataset.current}
    pages = [_page(view, run) if run.raw in current else _older_page(run) for run in view.dataset.runs]
    older = [page for page in pages if page.frame]
    return [_index(view), *pages, *(frame_of(page.frame, page) for page in older[:1])]


def _older_page(run: Run) -> Page:
    section = Section(None, None, html=run.kept(run_html))
    return Page(run_path(run), f"Run {run.document.id}", _words(run), (section,), is_searched=False, frame=_FRAME)


def run_html(run: Run) -> str:
    """What the page of any run begins with, which `Run.kept` keeps."""
    return Renderer(_environment(), run_path(run)).html("run.html", run=run, counts=run.facts.counts)


@cache
def _environment() -> Environment:
    return make_environment()


def _page(view: View, run: Run) -> Page:
    path = run_path(run)
    render = view.renderer(path)
    tables, searched = compare_runs([run]).tables, capacity_tables([run])
    excluded = render.html("excluded.html", tables=(*tables, *searched))
    order = render.html("order.html", run=run, names=dict(enumerate(run.document.cells)))
    sections = (
        Section(None, None, html=run.kept(run_html)),
        Section("What does not count", "invalid", html=excluded),
        *(table_section(render, table, shows_reasons=False) for table in tables),
        *(capacity_section(render, table, shows_reasons=False) for table in searched),
        Section("Order of the cells", "order", html=order),
    )
    return Page(path, f"Run {run.document.id}", _words(run), sections, is_searched=False)


def _words(run: Run) -> str:
    return f"Run of {run.document.started[:10]} on {run.document.machine.cpu_model}."


ENTRY = MenuEntry("Runs", position=90, pages=_run_pages, is_detail=True)
