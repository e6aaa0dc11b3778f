"""The ``rtsite`` command: imports the command, and turns errors and signals into exit codes.

Command NAME is the module NAME of `runners.cli`, of this package, or of both. Only the modules of the given
command are imported, because all of them together take seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from runners import signals

if TYPE_CHECKING:
    import typer

_PACKAGES = {"runners.cli": Path(__file__).parents[2] / "runners" / "cli", "generator.cli": Path(__file__).parent}


def main() -> None:
    """Run the command. An `RtsiteError` becomes its message and its exit code; a signal of `signals.NUMBERS` exits with
    130.
    """
    signals.end_at_once()
    app = commands_for(sys.argv[1:])
    from runners.cli import console

    console.prepare_streams()
    with signals.raised():
        status = console.exit_code_of(app)
    sys.exit(status)


def commands_for(words: Sequence[str]) -> typer.Typer:
    """The application with the command that these arguments name. Without such a command it has all of them, for help
    and for suggestions.
    """
    name = next((word for word in words if not word.startswith("-")), "")
    found = list(_modules(name)) or [module for one in sorted(_names()) for module in _modules(one)]
    for module in found:
        import_module(module)
    from runners.cli import app

    return app


def _names() -> set[str]:
    return {path.stem for folder in _PACKAGES.values() for path in folder.glob("[!_]*.py")}


def _modules(name: str) -> Iterator[str]:
    if name.isidentifier() and not name.startswith("_"):
        for package, folder in _PACKAGES.items():
            if (folder / f"{name}.py").is_file():
                yield f"{package}.{name}"
