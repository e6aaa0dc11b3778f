"""What several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[2]

Results = Annotated[
    Path | None, typer.Option("--results", help="Folder of results.", metavar="DIR", show_default="results/")
]
