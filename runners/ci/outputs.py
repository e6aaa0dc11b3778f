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


MOST_SUMMARY_BYTES = 1024 * 1024
"""The summary of one step; GitHub keeps nothing of a larger one:
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits."""
_CUT = "\n\nThe rest does not fit into a summary.\n"


def append_summary(markdown: str) -> bool:
    """Add Markdown to the job summary; returns false outside a workflow. What does not fit is cut, and the summary says
    so.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    present = Path(path).stat().st_size if Path(path).exists() else 0
    return _append("GITHUB_STEP_SUMMARY", cut_lines(markdown.rstrip("\n") + "\n", MOST_SUMMARY_BYTES - present, _CUT))


def cut_lines(text: str, most_bytes: int, note: str) -> str:
    """The text if it has at most this number of bytes in UTF-8; else its first whole lines and the note, or nothing."""
    if len(text.encode()) <= most_bytes:
        return text
    room = most_bytes - len(note.encode())
    kept = text.encode()[: max(room, 0)].rpartition(b"\n")[0].decode()
    return kept + note if room > 0 else ""


def _append(variable: str, text: str) -> bool:
    path = os.environ.get(variable)
    if not path:
        return False
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)
    return True
