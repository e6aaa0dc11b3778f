"""Collects the staged files, then writes those that differ.

Files that MkDocs would only copy bypass it: raw files and the exports of all their values.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from runners.record import RtsiteError, files_below


class StagingError(RtsiteError):
    """The staged files cannot be collected or written."""


_SCRIPTS = ("page", "sizes", "charts", "share", "pairs", "choose", "settings", "weights", "tables", "pick", "load")
"""In the order in which they run: the others build on the first, and an order of a table comes after the weights."""

Made = Callable[[], str | bytes]
"""Makes the content of a file."""


class Put(Protocol):
    """Puts a file at a path below a folder. ``digest``: that of the content, if it is known."""

    def __call__(self, folder: Path, path: str, content: bytes | Path, digest: str = "") -> None: ...


class Files:
    """The files of the site by relative path: content for MkDocs, and files that bypass it."""

    def __init__(self) -> None:
        self._contents: dict[str, str | Path] = {}
        self._beside: dict[str, tuple[Path | Made, str]] = {}
        self._after: list[Callable[[Path], Iterable[tuple[str, str | bytes]]]] = []

    def __len__(self) -> int:
        return len(self._contents)

    def add(self, path: str, content: str | Path) -> None:
        """Add a file for MkDocs: its text, or an existing file."""
        self._check_free(path)
        self._contents[path] = content

    def add_beside(self, path: str, source: Path | Made, digest: str = "") -> None:
        """Add a file that bypasses MkDocs: an existing file, or a function that makes it in `put_beside`.

        ``digest``: that of an existing file, if it is known.
        """
        self._check_free(path)
        self._beside[path] = (source.absolute() if isinstance(source, Path) else source), digest

    def add_after(self, make: Callable[[Path], Iterable[tuple[str, str | bytes]]]) -> None:
        """Add a function that makes files, path and content, from the rendered site in a folder."""
        self._after.append(make)

    def add_tree(self, folder: Path, prefix: str) -> None:
        """Add every file below ``folder``, see `files_below`."""
        for source in files_below(folder):
            if source.is_file():
                self.add((Path(prefix) / source.relative_to(folder)).as_posix(), source)

    def fill(self, path: str, marker: str, text: str) -> None:
        """Replace the one line ``marker`` of a file by ``text``. Does nothing if the file is missing."""
        if path not in self._contents:
            return
        lines = self.text(path).split("\n")
        if lines.count(marker) != 1:
            raise StagingError(f"{path} contains the line {marker} {lines.count(marker)} times; keep exactly one")
        lines[lines.index(marker)] = text
        self._contents[path] = "\n".join(lines)

    def text(self, path: str) -> str:
        """The text of a file; raises `StagingError` if it is not UTF-8."""
        return _text_of(self._contents[path])

    def replace_text(self, path: str, text: str) -> None:
        """Change the text of a file that was added."""
        self._contents[path] = text

    def paths(self, suffix: str) -> list[str]:
        """The paths of the files for MkDocs with this suffix."""
        return [path for path in self._contents if path.endswith(suffix)]

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace a text in a file, wherever it is. Does nothing if the file is missing."""
        content = self._contents.get(path)
        if content is not None:
            self._contents[path] = _text_of(content).replace(old, new)

    def write(self, folder: Path) -> int:
        """Update ``folder`` for MkDocs; returns the number of files written."""
        with _named_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._remove_stale(folder, self._contents.keys())
            return sum(_write(folder / path, content) for path, content in self._contents.items())

    def put_beside(self, folder: Path, put: Put) -> None:
        """Put the files that bypass MkDocs into a new folder."""
        with _named_errors(folder):
            folder.mkdir(parents=True)
            for path, (source, digest) in self._beside.items():
                put(folder, path, source if isinstance(source, Path) else _as_bytes(source()), digest)

    def put_after(self, site: Path, put: Put) -> None:
        """Put the files that are made from the rendered site into its folder."""
        with _named_errors(site):
            for make in self._after:
                for path, made in make(site):
                    put(site, path, _as_bytes(made))

    def _check_free(self, path: str) -> None:
        if path in self._contents or path in self._beside:
            raise StagingError(f"two files would be staged as {path}; rename one of them")

    @staticmethod
    def _remove_stale(folder: Path, kept: Set[str]) -> None:
        for parent, folders, files in os.walk(folder, topdown=False):
            for name in files:
                path = Path(parent, name)
                # A link is removed, too: its target would be written.
                if path.is_symlink() or path.relative_to(folder).as_posix() not in kept:
                    path.unlink()
            for path in (Path(parent, name) for name in folders):
                if path.is_symlink():
                    path.unlink()
                elif not any(path.iterdir()):
                    path.rmdir()


def bundled(folder: Path) -> dict[str, str | Path]:
    """The assets in ``folder`` by the path that they get on the site, relative to it.

    Our scripts are one file, in the order of `_SCRIPTS`, and so are our styles: on a slow connection each further file
    costs more time than its bytes. Both carry one digest. So a browser never combines a page with those of another
    build, and an open page finds out that the site was published again. Other files keep their names. Raises
    `StagingError` if the scripts are not those of `_SCRIPTS`.
    """
    files = [path for path in files_below(folder) if path.is_file()]
    styles = sorted(path for path in files if path.parent == folder and path.suffix == ".css")
    scripts = {path.stem: path for path in files if path.parent == folder and path.suffix == ".js"}
    if scripts.keys() != set(_SCRIPTS):
        wrong = ", ".join(sorted(scripts.keys() ^ set(_SCRIPTS)))
        raise StagingError(f"the scripts in {folder} and their order in {__name__} differ: {wrong}; list each in both")
    ours = {".js": [scripts[name] for name in _SCRIPTS], ".css": styles}
    texts = {suffix: "\n".join(map(_text_of, paths)) for suffix, paths in ours.items()}
    digest = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()[:10]
    others = {path.relative_to(folder).as_posix(): path for path in files if path not in (*scripts.values(), *styles)}
    return {f"site.{digest}{suffix}": text for suffix, text in texts.items()} | others


@contextmanager
def _named_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StagingError(f"cannot stage the site in {folder}: {error.strerror} ({error.filename})") from None


def _text_of(content: str | Path) -> str:
    try:
        return content.read_text(encoding="utf-8") if isinstance(content, Path) else content
    except UnicodeDecodeError as error:
        raise StagingError(f"{content} is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8") from None


def _as_bytes(made: str | bytes) -> bytes:
    return made if isinstance(made, bytes) else made.encode("utf-8")


def _write(target: Path, content: str | Path) -> bool:
    data = content.read_bytes() if isinstance(content, Path) else content.encode("utf-8")
    if target.is_file() and target.read_bytes() == data:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return True


def move_into(folder: Path, into: Path) -> None:
    """Move everything in ``folder`` to the same path below ``into``, on the same file system."""
    for path in folder.iterdir():
        target = into / path.name
        if path.is_dir() and target.is_dir():
            move_into(path, target)
        else:
            path.replace(target)
