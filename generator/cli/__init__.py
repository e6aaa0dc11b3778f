"""The one ``rtsite`` command: adds building to measuring, and turns errors into exit codes."""

from __future__ import annotations

import sys

from generator.cli import building, comparing, options, reporting
from runners.cli import app
from runners.cli.console import say
from runners.record import RtsiteError

__all__ = ["building", "comparing", "main", "options", "reporting"]


def main() -> None:
    """Run the command; an `RtsiteError` becomes its message and exit code, Ctrl-C 130."""
    try:
        app()
    except RtsiteError as error:
        say(f"Error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
