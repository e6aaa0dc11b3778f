"""The options and folders that several of the site's commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[2]

SiteResultsOption = Annotated[
    Path | None, typer.Option("--results", help="Folder of result files.", metavar="DIR", show_default="results/")
]
