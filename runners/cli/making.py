"""``rtsite new``: a framework's folder to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runners.cli.console import say
from runners.cli.options import app
from runners.subjects import catalog, scaffold

new_app = typer.Typer(help="Begin something new.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(new_app, name="new")


@new_app.command("framework")
def new_framework(
    name: Annotated[str, typer.Argument(help="Of the folder, and of the framework until you give it a title.")],
    like: Annotated[str, typer.Option(help="The framework whose folder it begins as a copy of.")] = "starlette",
    folder: Annotated[
        Path, typer.Option(help="Where to put it.", show_default="runners/frameworks")
    ] = catalog.FRAMEWORKS,
) -> None:
    """Make a framework's folder that passes `rtsite check` as it stands, for you to change.

    Example: rtsite new framework my-framework --like flask-socketio
    """
    (model,) = catalog.choose_frameworks([like])
    made = scaffold.create_folder(name, model, folder)
    named = name if folder == catalog.FRAMEWORKS else made
    say(f"{made}: made. Put your framework into app.py, pyproject.toml and test_app.py, lock its packages, then:")
    typer.echo(f"rtsite check {named}")
