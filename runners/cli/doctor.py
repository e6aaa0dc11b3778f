"""``rtsite doctor``: checks whether this machine is ready to measure."""

from __future__ import annotations

import typer

from runners.application.diagnosis import diagnose_machine
from runners.cli.console import print_json, print_table
from runners.cli.options import JsonOption, app


@app.command("doctor")
def doctor_command(as_json: JsonOption = False) -> None:
    """Check whether this machine is ready to measure, and suggest fixes.

    Example: rtsite doctor
    """
    findings = diagnose_machine()
    ok = all(finding.level != "missing" for finding in findings)
    if as_json:
        rows = [{"level": one.level, "name": one.name, "detail": one.detail} for one in findings]
        print_json({"ok": ok, "findings": rows})
    else:
        print_table(["", "what", "found"], [[one.level, one.name, one.detail] for one in findings])
    if not ok:
        raise typer.Exit(1)
