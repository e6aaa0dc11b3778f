"""Output of all commands: data on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

JSON_SCHEMA_VERSION = 1

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)
if os.environ.get("GITHUB_ACTIONS"):
    # Rich would write colours to the log, although it is not a terminal.
    out.no_color = err.no_color = True


def is_interactive() -> bool:
    """Whether a progress bar can be redrawn in place."""
    return err.is_terminal and not os.environ.get("CI")


def say(message: str) -> None:
    """Write a message to stderr; it is never interpreted as markup."""
    err.print(message, markup=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, with ``schema_version`` added."""
    json.dump({"schema_version": JSON_SCHEMA_VERSION, **document}, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """Write a plain table to stdout; columns of numbers are aligned right."""
    table = Table(title=title, box=None, pad_edge=False, header_style="bold", title_justify="left")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(row[index][:1] in "0123456789-–±<" or not row[index] for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_plain(cell) for cell in row])
    out.print(table)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
