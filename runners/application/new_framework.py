"""The creation of a new framework's folder."""

from __future__ import annotations

from pathlib import Path

from runners.subjects import catalog, scaffold


def create_framework(name: str, like: str, parent: Path) -> Path:
    """Create a folder below ``parent`` as a copy of the framework ``like``; returns the folder.

    Raises `UsageError` if the name is taken or not a slug, and `RtsiteError` if the folder cannot be written.
    """
    (model,) = catalog.choose_frameworks([like])
    return scaffold.create_folder(name, model, parent)
