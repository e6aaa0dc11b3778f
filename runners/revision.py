"""The checkout that this code runs from, if there is one, and its git state."""

from __future__ import annotations

import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from runners.record import RtsiteError

_ABOVE = Path(__file__).resolve().parents[1]
IS_CHECKOUT = (_ABOVE / "pyproject.toml").is_file() and not (_ABOVE / "rtsite_bundle").exists()
"""Whether the code runs from a checkout. An installed package has a bundle of the site's sources beside it, and
``pip install --target`` may put both into the folder of another project.
"""
ROOT = _ABOVE if IS_CHECKOUT else Path.cwd()
"""The folder for results, environments and the site: the checkout, or the current folder if there is none."""

_MEASURING = ("runners", "pyproject.toml")
"""The paths that results depend on. Changes elsewhere, for example to a page, do not count as modified."""


@dataclass(frozen=True)
class Revision:
    """The commit, and whether the measuring code differed from it. ``None`` means unknown."""

    commit: str | None
    modified: bool | None


def describe_revision() -> Revision:
    """The checkout's commit; without git or outside a checkout both are unknown."""
    if not IS_CHECKOUT:
        return Revision(None, None)
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


def package_day() -> str:
    """The day of the package index (``exclude-newer``) in the checkout's pyproject.toml. Raises `RtsiteError` without a
    checkout.
    """
    if not IS_CHECKOUT:
        raise RtsiteError(
            "this needs a checkout of the repository, because its pyproject.toml sets the day of the package index;"
            " clone the repository and run `uv run rtsite` there"
        )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["tool"]["uv"]["exclude-newer"])
