"""The outputs and the summary of a workflow step, written to the files that GitHub names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from runners.record import UsageError


def set_outputs(values: Mapping[str, str]) -> bool:
    """Set step outputs; returns false outside a workflow. Raises `UsageError` for a value with several lines."""
    if broken := [name for name, value in values.items() if "\n" in value]:
        raise UsageError(f"the output {broken[0]!r} has several lines; GitHub allows one")
    return _append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in values.items()))


def append_summary(markdown: str) -> bool:
    """Add Markdown to the job summary; returns false outside a workflow."""
    return _append("GITHUB_STEP_SUMMARY", markdown.rstrip("\n") + "\n")


def _append(variable: str, text: str) -> bool:
    path = os.environ.get(variable)
    if not path:
        return False
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)
    return True
