"""``rtsite build``, ``serve`` and ``quickstart``: from results to pages, from nothing to both."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Annotated

import typer

from generator.build import Paths, build
from generator.cli import options
from generator.cli.options import Results
from generator.serving import serve
from runners.campaign import execution, planning
from runners.cli import app, measure_and_report
from runners.cli.console import say
from runners.record import RtsiteError
from runners.subjects import catalog, profiles, workloads

QUICKSTART_ROUNDS = 4
"""The fewest that give an interval worth looking at."""


@app.command("build")
def build_site(
    results: Results = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the site; replaced whole.", metavar="DIR", show_default="build/site/"),
    ] = None,
) -> None:
    """Build the site from the results.

    If anything is wrong, the old site stays. Example: rtsite build --results results --out build/site
    """
    page = build(Paths.of_checkout(options.ROOT, results=results, out=out), say)
    say("Done. Open this page:")
    typer.echo(page)


@app.command("serve")
def serve_site(
    results: Results = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = 8000,
) -> None:
    """Build the site and serve it with live reload.

    Follows changes in results, hand-written pages, templates and assets. Example: rtsite serve --port 8001
    """
    # A termination ends MkDocs' server as an interrupt does, instead of leaving it behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(Paths.of_checkout(options.ROOT, results=results), port, say)


@app.command()
def quickstart(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where results and site go.", metavar="DIR", show_default="build/quickstart/"),
    ] = None,
) -> None:
    """Measure three frameworks briefly, build the site of it and say where to look.

    Takes less than five minutes on two cores. What is measured this briefly is a look, not a basis for a decision.
    Example: rtsite quickstart
    """
    home = folder or options.ROOT / "build" / "quickstart"
    known = catalog.discover()
    plan = planning.plan_run(
        planning.with_reference(catalog.quickstart_frameworks(known), known),
        workloads.quickstart_workloads(),
        profiles.with_rounds(profiles.choose_profile("quick"), rounds=QUICKSTART_ROUNDS),
        seed=random.randrange(2**31),
    )
    summary = measure_and_report(lambda: execution.RunExecution.begin(plan, home / "results", None))
    if summary.failed == summary.measurements:
        raise RtsiteError(f"every measurement failed; the reasons stand in {summary.path}; `rtsite doctor` may help")
    page = build(Paths.of_checkout(options.ROOT, results=home / "results", out=home / "site"), say)
    say(f"Measured: {summary.path}")
    say("Done. Open this page in a browser:")
    typer.echo(page)
