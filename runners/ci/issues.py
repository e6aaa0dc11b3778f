"""The issue about regressions: opened when there are regressions, and updated while it is open."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from runners.ci.outputs import cut_lines
from runners.record import RtsiteError

MOST_BODY_CHARACTERS = 65_536
"""GitHub refuses a longer body. Every character has at least one byte, so as many bytes always fit."""
_CUT = "\n\nThe rest does not fit into an issue.\n"
_SWITCHED_OFF = "has disabled issues"
_TIMEOUT_S = 120


class NoIssuesError(RtsiteError):
    """The repository has its issues switched off, as forks have."""


def update_issue(title: str, body: str) -> str:
    """Open an issue with this title, or replace the body of the open one; returns what was done, as a sentence.

    What does not fit into an issue is cut, and the issue says so. Raises `NoIssuesError` if the repository has no
    issues, and `RtsiteError` if `gh` is not installed or fails.
    """
    number = _open_issue(title)
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        file = Path(folder) / "body.md"
        file.write_text(cut_lines(body, MOST_BODY_CHARACTERS, _CUT), encoding="utf-8")
        if number is None:
            address = _gh("issue", "create", "--title", title, "--body-file", str(file)).strip()
            return f"opened {address}"
        _gh("issue", "edit", str(number), "--body-file", str(file))
        return f"updated issue {number}"


def _open_issue(title: str) -> int | None:
    answer = _gh("issue", "list", "--state", "open", "--limit", "200", "--json", "number,title")
    try:
        numbers = [int(one["number"]) for one in json.loads(answer) if one["title"] == title]
    except (ValueError, TypeError, KeyError):
        raise RtsiteError(f"`gh issue list` did not print a list of issues, but {answer[:100]!r}") from None
    return min(numbers, default=None)


def _gh(*words: str) -> str:
    shown = f"`gh {' '.join(words[:2])}`"
    try:
        done = subprocess.run(
            ["gh", *words], env=os.environ | {"GH_PROMPT_DISABLED": "1"}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False, timeout=_TIMEOUT_S,
        )  # fmt: skip
    except FileNotFoundError:
        raise RtsiteError("gh, GitHub's command-line tool, is not installed; it is needed to open the issue") from None
    except OSError as error:
        raise RtsiteError(f"{shown} cannot be started: {error.strerror}; install gh again") from None
    except subprocess.TimeoutExpired as error:
        raise RtsiteError(f"{shown} did not end within {error.timeout:g} s; run the command again") from None
    said = " ".join(done.stderr.split())
    if done.returncode != 0 and _SWITCHED_OFF in said:
        raise NoIssuesError("this repository has its issues switched off; switch them on in its settings")
    if done.returncode != 0:
        raise RtsiteError(f"{shown} failed: {said[:500]}")
    return done.stdout
