"""``rtsite validate``: validates result files against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runners.application.validation import validate_files
from runners.cli.console import print_json, say
from runners.cli.options import RESULTS, JsonOption, app
from runners.record import Problem, RecordError


@app.command("validate")
def validate_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Result files or folders to validate.", show_default="results")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Validate result files against the schema, and show every problem with file:line:column.

    Example: rtsite validate results
    """
    report = validate_files(paths or [RESULTS])
    if as_json:
        problems = [_to_json(problem) for problem in report.problems]
        print_json({"ok": not problems, "files": report.files, "problems": problems})
        if problems:
            raise typer.Exit(RecordError.exit_code)
    elif report.problems:
        raise RecordError(report.problems)
    else:
        say(f"{report.files} files, no problems")


def _to_json(problem: Problem) -> dict[str, object]:
    return {
        "path": str(problem.path),
        "line": problem.line,
        "column": problem.column,
        "severity": "error",
        "message": problem.message,
    }
