"""The ``rtsite`` command: adds the site's commands to the measuring ones and turns errors into exit codes."""

from __future__ import annotations

import sys

from generator.cli import build, ci, compare, quickstart, serve
from runners.cli import app
from runners.cli.console import say
from runners.record import RtsiteError

__all__ = ["build", "ci", "compare", "main", "quickstart", "serve"]


def main() -> None:
    """Run the command. An `RtsiteError` becomes its message and its exit code; Ctrl-C exits with 130."""
    try:
        app()
    except RtsiteError as error:
        say(f"Error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
