"""The revision of the measuring code, from git where there is a checkout."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout, or the folder that the package is installed in."""

_MEASURING = ("runners", "pyproject.toml")
"""What a result depends on. A change elsewhere, of a page for example, does not count as modified."""


@dataclass(frozen=True)
class Revision:
    """The commit, and whether the measuring code differed from it; ``None``: not known."""

    commit: str | None
    modified: bool | None


def describe_revision() -> Revision:
    """The checkout's commit; without git or outside a checkout both are unknown."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return Revision(None, None)
    changes = _git("status", "--porcelain", "--", *_MEASURING)
    return Revision(commit, None if changes is None else bool(changes))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
