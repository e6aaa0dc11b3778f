"""``rtsite serve``: serves the site with live reload."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli import site_options
from generator.cli.site_options import SiteResultsOption
from generator.live_server import serve_live
from generator.site_build import Paths
from runners.cli import app
from runners.cli.console import say


@app.command("serve")
def serve_command(
    results: SiteResultsOption = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = 8000,
) -> None:
    """Build the site and serve it with live reload.

    Rebuilds when results, hand-written pages, templates or assets change. While a file cannot be used, for example
    because it is only partly saved, the last good site is served. Example: rtsite serve --port 8001
    """
    serve_live(Paths.of_checkout(site_options.ROOT, results=results), port, say)
