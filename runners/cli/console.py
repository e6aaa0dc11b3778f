"""Output of all commands: data on stdout, progress and messages on stderr, errors as one sentence and an exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runners import signals
from runners.record import RtsiteError

JSON_SCHEMA_VERSION = 1

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)
if os.environ.get("GITHUB_ACTIONS"):
    # Rich would write colours to the log, although it is not a terminal.
    out.no_color = err.no_color = True


class OutputError(RtsiteError):
    """The data for stdout could not be written there."""


def prepare_streams() -> None:
    """Characters that the encoding of a stream lacks are replaced from now on. A closed standard stream gets its number
    back, because no file of ours may take it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest free number. Children inherit it: in one without it, Python has no such stream.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command, say why it failed or that it was interrupted, and return its exit code."""
    try:
        code = _checked(command)
    except KeyboardInterrupt:
        code = signals.EXIT_CODE
    if code == signals.EXIT_CODE or signals.received():
        say(f"Interrupted by {signals.received() or 'the user'}.")
        return signals.EXIT_CODE
    return code


def _checked(command: Callable[[], object]) -> int:
    try:
        try:
            command()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except SystemExit as ended:
        return int(ended.code or 0)
    except RtsiteError as error:
        say(f"Error: {error}")
        return error.exit_code
    except OSError as error:
        _abandon_stdout()
        place = f"{error.filename}: " if error.filename is not None else ""
        say(f"Error: {place}{error.strerror or error}")
        return 1
    return 0


def _abandon_stdout() -> None:
    """What a failed write left in the buffer goes nowhere. Otherwise it would fail again when Python ends."""
    with contextlib.suppress(OSError, AttributeError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def is_interactive() -> bool:
    """Whether a progress bar can be redrawn in place."""
    return err.is_terminal and not os.environ.get("CI")


def say(message: str) -> None:
    """Write a message to stderr; its text stays as it is. A stderr that cannot be written ends nothing."""
    with contextlib.suppress(OSError):
        err.print(as_text(message))


def print_json(document: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, with ``schema_version`` added; raises `OutputError`."""
    print_line(json.dumps({"schema_version": JSON_SCHEMA_VERSION, **document}, indent=2, allow_nan=False))


def print_line(text: object) -> None:
    """Write a line to stdout; raises `OutputError`."""
    _print(lambda console: console.file.write(f"{text}\n"))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """Write a plain table to stdout; columns of numbers are aligned right. Raises `OutputError`."""
    table = Table(title=title, box=None, pad_edge=False, header_style="bold", title_justify="left")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(row[index][:1] in "0123456789-–±<" or not row[index] for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(as_text, row))
    _print(lambda console: _print_whole(console, table))


def _print_whole(console: Console, table: Table) -> None:
    """Print a table; where no terminal limits the width, every cell stays whole, so that programs find it."""
    if console.is_terminal:
        console.print(table)
        return
    width = Measurement.get(console, console.options.update(width=100_000), table).maximum
    Console(file=console.file, soft_wrap=True, highlight=False, no_color=console.no_color, width=max(width, 1)).print(
        table
    )


def _print(write: Callable[[Console], object]) -> None:
    """Write to stdout. What cannot be written there goes to stderr, so that it is not lost."""
    if sys.stdout is None:
        with contextlib.suppress(OSError, AttributeError):  # stderr may be closed too
            write(err)
        raise OutputError("stdout cannot be written: it is closed; what was meant for it is above")
    try:
        write(out)
        sys.stdout.flush()
    except OSError as error:
        _abandon_stdout()
        if isinstance(error, BrokenPipeError):
            raise SystemExit(1) from None  # the reader has seen enough, as in `rtsite … | head`
        with contextlib.suppress(OSError):
            write(err)
        raise OutputError(f"stdout cannot be written: {error.strerror}; what was meant for it is above") from None


def as_text(text: str) -> Text:
    """The text as it is: without markup, emoji codes and styles, and with control characters replaced.

    Text of results and servers comes from others.
    """
    return Text("".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text))
