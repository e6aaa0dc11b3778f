"""``rtsite new``: a folder for a new framework."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runners import revision
from runners.application.new_framework import create_framework
from runners.cli.console import print_line, say
from runners.cli.options import app
from runners.record import as_command
from runners.subjects import catalog

FOLDER = catalog.FRAMEWORKS if revision.IS_CHECKOUT else revision.ROOT
"""Outside a checkout the catalog's folder belongs to the installed package, so the current folder is used."""

new_app = typer.Typer(help="Create something new.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(new_app, name="new")


@new_app.command("framework")
def new_framework_command(
    name: Annotated[str, typer.Argument(help="Name of the folder, and of the framework until you set its title.")],
    like: Annotated[str, typer.Option(help="Framework whose folder is copied.")] = "starlette",
    folder: Annotated[
        Path, typer.Option(help="Parent folder of the new one.", show_default="runners/frameworks")
    ] = FOLDER,
) -> None:
    """Create a framework's folder that passes `rtsite check` unchanged, for you to edit.

    Example: rtsite new framework my-framework --like flask-socketio
    """
    created = create_framework(name, like, folder)
    argument = name if folder == catalog.FRAMEWORKS else created
    lock = as_command("ci", "lock", argument)
    say(
        f"Created {created}. Edit app.py, test_app.py, pyproject.toml and notes.md: homepage, package,"
        f" recommended_by and [tool.rtsite.cannot] are still those of {like}. Lock with `{lock}`, then run:"
    )
    print_line(as_command("check", argument))
