"""The pages of runs, for readers who check every number."""

from __future__ import annotations

from generator.comparison import capacity_tables, compare_runs
from generator.dataset import Run
from generator.pages.markup import Page, Section
from generator.pages.table_sections import capacity_section, table_section
from generator.pages.view import MenuEntry, View, run_path


def _index(view: View) -> Page:
    """The page that lists all runs."""
    path = "runs/index.md"
    runs = [(run, run_path(run), _counts(run)) for run in view.dataset.runs]
    html = view.renderer(path).html("runs.html", runs=runs)
    words = "Every run: machine, order, validity, failures, raw files."
    return Page(path, "Runs", words, (Section(None, None, html=html),), hide=("navigation", "toc"), is_searched=False)


def _run_pages(view: View) -> list[Page]:
    """The list, a page for each run of the newest campaigns, and one without tables for each older run.

    A run's page stays when the next campaign is published, since the feed and readers' links lead to it.
    """
    current = {run.raw for run in view.dataset.current}
    return [
        _index(view),
        *(_page(view, run) if run.raw in current else _older_page(view, run) for run in view.dataset.runs),
    ]


def _older_page(view: View, run: Run) -> Page:
    path = run_path(run)
    html = view.renderer(path).html("run.html", run=run, counts=_counts(run))
    return Page(path, f"Run {run.document.id}", _words(run), (Section(None, None, html=html),), is_searched=False)


def _page(view: View, run: Run) -> Page:
    path = run_path(run)
    render = view.renderer(path)
    tables, searched = compare_runs([run]).tables, capacity_tables([run])
    excluded = render.html("excluded.html", tables=(*tables, *searched))
    order = render.html("order.html", run=run, names=dict(enumerate(run.document.cells)))
    sections = (
        Section(None, None, html=render.html("run.html", run=run, counts=_counts(run))),
        Section("What does not count", "invalid", html=excluded),
        *(table_section(render, table, shows_reasons=False) for table in tables),
        *(capacity_section(render, table, shows_reasons=False) for table in searched),
        Section("Order of the cells", "order", html=order),
    )
    return Page(path, f"Run {run.document.id}", _words(run), sections, is_searched=False)


def _words(run: Run) -> str:
    return f"Run of {run.document.started[:10]} on {run.document.machine.cpu_model}."


def _counts(run: Run) -> dict[str, int]:
    cells = [cell for item in run.frameworks for cell in item.document.cells]
    measurements = [measurement for cell in cells for measurement in cell.decisive]
    return {
        "measurements": len(measurements),
        "repeated": sum(len(cell.measurements) for cell in cells) - len(measurements),
        "valid": sum(measurement.valid for measurement in measurements),
        "failed": sum(measurement.failure is not None for measurement in measurements),
        "invalid": sum(not measurement.valid and measurement.failure is None for measurement in measurements),
        "planned": sum(len(turn) for turn in run.document.order),
    }


ENTRY = MenuEntry("Runs", position=90, pages=_run_pages, is_detail=True)
