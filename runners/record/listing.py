"""Lists the files below a folder. What is read and what is watched for changes is listed by one function."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder in order, without hidden ones and compiled Python; none if the folder does not exist.

    Links to folders are followed, except to a folder that contains the link. Links that lead nowhere are listed.
    Raises `OSError` for a folder that cannot be read: its files would be missing without a word.
    """
    # Not by recursion: Python ends it at a thousand levels, and a path may have two thousand.
    waiting: list[tuple[Path, frozenset[tuple[int, int]] | None]] = [(folder, frozenset())]
    while waiting:
        path, above = waiting.pop()
        if above is None:
            yield path
        else:
            waiting += reversed(_entries(path, above))


def _entries(folder: Path, above: frozenset[tuple[int, int]]) -> list[tuple[Path, frozenset[tuple[int, int]] | None]]:
    """The entries of a folder in order; those of folders with device and inode of each folder on the way to them."""
    try:
        stat = folder.stat()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    identity = stat.st_dev, stat.st_ino
    if identity in above:
        return []
    shown = [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__pycache__"]
    return [(Path(entry.path), above | {identity} if _is_folder(entry) else None) for entry in shown]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
