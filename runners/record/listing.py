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
    yield from _below(folder, frozenset())


def _below(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """``above``: device and inode of each folder on the way."""
    try:
        stat = folder.stat()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    identity = stat.st_dev, stat.st_ino
    if identity in above:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if _is_folder(entry):
            yield from _below(Path(entry.path), above | {identity})
        else:
            yield Path(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
