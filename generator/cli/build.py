"""``rtsite build``: builds the site from the results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from generator.cli import site_options
from generator.cli.site_options import SiteResultsOption
from generator.site_build import Paths, build_site
from runners.cli import app
from runners.cli.console import print_line, say


@app.command("build")
def build_command(
    results: SiteResultsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for the site. Only files that an earlier build made are replaced.",
            metavar="DIR",
            show_default="build/site/",
        ),
    ] = None,
) -> None:
    """Build the site from the results.

    If the build fails, the old site stays. Files of others in the folder stay, such as .git and CNAME.
    Example: rtsite build --results results --out build/site
    """
    page = build_site(Paths.of_checkout(site_options.ROOT, results=results, out=out), say)
    say("Done. Open this page:")
    print_line(page)
