"""The issue about regressions: opened when there are regressions, and updated while it is open."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from runners.record import RtsiteError


def update_issue(title: str, body: str) -> str:
    """Open an issue with this title, or replace the body of the open one; returns what was done, as a sentence.

    Raises `RtsiteError` if `gh` is not installed or fails.
    """
    number = _open_issue(title)
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        file = Path(folder) / "body.md"
        file.write_text(body, encoding="utf-8")
        if number is None:
            address = _gh("issue", "create", "--title", title, "--body-file", str(file)).strip()
            return f"opened {address}"
        _gh("issue", "edit", str(number), "--body-file", str(file))
        return f"updated issue {number}"


def _open_issue(title: str) -> int | None:
    listed = json.loads(_gh("issue", "list", "--state", "open", "--limit", "200", "--json", "number,title"))
    numbers = [int(one["number"]) for one in listed if one["title"] == title]
    return min(numbers, default=None)


def _gh(*words: str) -> str:
    try:
        done = subprocess.run(["gh", *words], capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        raise RtsiteError("gh, GitHub's command-line tool, is not installed; it is needed to open the issue") from None
    if done.returncode != 0:
        raise RtsiteError(f"`gh {' '.join(words[:2])}` failed: {' '.join(done.stderr.split())[:500]}")
    return done.stdout
