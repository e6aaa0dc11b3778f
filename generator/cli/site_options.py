"""Options and folders shared by the site's commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runners import revision

ROOT = revision.ROOT

SiteResultsOption = Annotated[
    Path | None, typer.Option("--results", help="Folder of result files.", metavar="DIR", show_default="results/")
]
