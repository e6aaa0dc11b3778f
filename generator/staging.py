"""The staged files: collected first, then written where they differ, so that watchers see real changes only."""

from __future__ import annotations

import os
from pathlib import Path

from runners.record import RtsiteError


class StagingError(RtsiteError):
    """The staged files cannot be put together or written."""


class Files:
    """What shall stand in the staging folder: relative path to content, or to a file that is only pointed to."""

    def __init__(self) -> None:
        self._contents: dict[str, str | Path] = {}
        self._links: dict[str, Path] = {}

    def __len__(self) -> int:
        return len(self._contents) + len(self._links)

    def add_text(self, path: str, text: str) -> None:
        self._add(path, text)

    def add_link(self, source: Path, path: str) -> None:
        """A file that stays where it is; for years of raw results, which nobody edits and the engine copies anyway."""
        self._check_free(path)
        self._links[path] = source.absolute()

    def add_file(self, source: Path, path: str) -> None:
        self._add(path, source)

    def add_tree(self, folder: Path, prefix: str) -> None:
        """Every file below ``folder``, hidden ones excepted."""
        for source in sorted(folder.rglob("*")):
            relative = source.relative_to(folder)
            if source.is_file() and not any(part.startswith(".") for part in relative.parts):
                self._add((Path(prefix) / relative).as_posix(), source)

    def fill(self, path: str, marker: str, text: str) -> None:
        """Put ``text`` in the place of the one line of a file that holds ``marker`` and nothing else."""
        content = self._contents.get(path)
        if content is None:
            return
        lines = (content.read_text(encoding="utf-8") if isinstance(content, Path) else content).split("\n")
        if lines.count(marker) != 1:
            raise StagingError(
                f"{path} holds the line {marker} {lines.count(marker)} times; what is made for it belongs in one place"
            )
        lines[lines.index(marker)] = text
        self._contents[path] = "\n".join(lines)

    def write(self, folder: Path) -> int:
        """Bring ``folder`` to this state; returns how many files were written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._remove_stale(folder)
            written = sum(_write(folder / path, content) for path, content in self._contents.items())
            return written + sum(_link(folder / path, source) for path, source in self._links.items())
        except OSError as error:
            raise StagingError(f"cannot stage the site in {folder}: {error.strerror} ({error.filename})") from None

    def _add(self, path: str, content: str | Path) -> None:
        self._check_free(path)
        self._contents[path] = content

    def _check_free(self, path: str) -> None:
        if path in self._contents or path in self._links:
            raise StagingError(f"two sources would both be staged as {path}; rename one")

    def _remove_stale(self, folder: Path) -> None:
        for parent, folders, files in os.walk(folder, topdown=False):
            for name in files:
                path = Path(parent, name)
                staged = path.relative_to(folder).as_posix()
                if staged not in self._contents and staged not in self._links:
                    path.unlink()
            for path in (Path(parent, name) for name in folders):
                if path.is_symlink():
                    path.unlink()
                elif not any(path.iterdir()):
                    path.rmdir()


def _write(target: Path, content: str | Path) -> bool:
    data = content.read_bytes() if isinstance(content, Path) else content.encode("utf-8")
    if target.is_symlink():  # else what it points to would be written
        target.unlink()
    if target.is_file() and target.read_bytes() == data:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return True


def _link(target: Path, source: Path) -> bool:
    """Point to a file, or hold what it holds where the file system knows no links."""
    if target.is_symlink() and target.readlink() == source:
        return False
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.symlink_to(source)
    except OSError:
        return _write(target, source)
    return True
