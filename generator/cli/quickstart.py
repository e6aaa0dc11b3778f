"""``rtsite quickstart``: measures briefly and builds a first site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from generator.cli import site_options
from generator.site_build import Paths, build_site
from runners.application.run_control import plan_quickstart, start_run
from runners.cli import app
from runners.cli.console import print_line, say
from runners.cli.run_display import RunDisplay
from runners.record import RtsiteError


@app.command("quickstart")
def quickstart_command(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", help="Folder for the results and the site.", metavar="DIR", show_default="build/quickstart/"
        ),
    ] = None,
) -> None:
    """Measure three frameworks briefly, build a site from the results, and print its address.

    Takes less than five minutes on two cores. The measurements are too short to base a decision on.
    Example: rtsite quickstart
    """
    home = folder or site_options.ROOT / "build" / "quickstart"
    plan, left_out = plan_quickstart()
    if left_out is not None:
        say(left_out)
    with RunDisplay() as display:
        summary = start_run(plan, home / "results", None, display)
    if summary.failed == summary.measurements:
        raise RtsiteError(
            f"every measurement failed; the reasons are in {summary.path}; run `rtsite doctor` to check this machine"
        )
    page = build_site(Paths.of_checkout(site_options.ROOT, results=home / "results", out=home / "site"), say)
    say(f"Measured: {summary.path}")
    say("Done. Open this page in a browser:")
    print_line(page)
