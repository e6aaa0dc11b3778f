"""A folder in a folder, deeper than Python calls functions. What removes folders by recursion cannot remove it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEVELS = 1500


@contextmanager
def very_deep(folder: Path) -> Iterator[Path]:
    """The deepest folder below this one; it must be empty at the end."""
    made = []
    try:
        for _ in range(LEVELS):
            folder = folder / "a"
            folder.mkdir()
            made.append(folder)
        yield folder
    finally:
        for one in reversed(made):
            one.rmdir()
