"""The creation of a new framework's folder, as a copy of one that keeps the contract."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from runners.record import RtsiteError, UsageError, is_slug
from runners.subjects.catalog import Framework

_NOTES = """# {name}

What surprised you, with a link to the thread or the line of source that explains it, and how the test covers it.
"""
_PLACES = (
    (re.compile(r'^name = ".*"$', re.MULTILINE), 'name = "rtsite-{name}"', 1),
    (re.compile(r'^title = ".*"$', re.MULTILINE), 'title = "{name}"', 1),
    (re.compile(r"^choose = .*\n", re.MULTILINE), "", 1),
    (re.compile(r"^reference = true$", re.MULTILINE), "reference = false", 1),
    (re.compile(r"^quickstart = true$", re.MULTILINE), "quickstart = false", 0),
)
"""Changes to the copy's ``pyproject.toml``: pattern, replacement, number of replacements (0: all). The first title is
the framework's; the others belong to its variants."""


def create_folder(name: str, like: Framework, parent: Path) -> Path:
    """Create a folder below ``parent`` that is a copy of ``like`` under this name; returns its path.

    Raises `UsageError` if the name is not a slug or is in use, and `RtsiteError` if the folder cannot be written.
    """
    if not is_slug(name):
        raise UsageError(f"{name!r} is not a valid name: use only lowercase letters, digits and single dashes")
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{folder}: already exists; choose another name, or edit that folder")
    try:
        shutil.copytree(like.folder, folder, ignore=shutil.ignore_patterns("__pycache__", ".*", "notes.md"))
        described = folder / "pyproject.toml"
        text = described.read_text(encoding="utf-8")
        for place, line, count in _PLACES:
            text = place.sub(line.format(name=name), text, count)
        described.write_text(text, encoding="utf-8")
        (folder / "notes.md").write_text(_NOTES.format(name=name), encoding="utf-8")
    except OSError as error:
        raise RtsiteError(
            f"{folder}: cannot be written: {error.strerror}; choose another parent folder with --folder"
        ) from error
    return folder
