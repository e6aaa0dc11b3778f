"""The folder of a built site: what we made in it, and how a new site replaces it.

The folder may contain files of others: a git repository, a ``CNAME``. They stay. Our files are listed in the marker.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from runners.record import RtsiteError

MARKER = ".made-by-rtsite"
"""A file in every site that we built: `Made` as JSON. Only a folder with this file, or an empty one, is replaced."""

LOCK = ".lock"
"""A file in each folder that a build works in."""


class BuildError(RtsiteError):
    """The site could not be built; the old one is unchanged."""


@dataclass(frozen=True)
class Made:
    """What the marker of a site records."""

    inputs: str
    """The digest of all inputs; empty if the marker is damaged or from an older version."""
    runs: int
    """The number of runs that the site shows."""
    files: Mapping[str, str]
    """The fingerprint of each file by its path in the site; empty if unknown."""


def read_made(out: Path) -> Made | None:
    """What rtsite made in this folder; ``None`` if it made no site there. Raises `OSError` for an unreadable marker."""
    try:
        return TypeAdapter(Made).validate_json((out / MARKER).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError:
        return Made("", 0, {})


def write_made(site: Path, inputs: str, runs: int, digests: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write the marker of a finished site. ``digests``: see `fingerprints`."""
    made = {"inputs": inputs, "runs": runs, "files": fingerprints(site, digests)}
    (site / MARKER).write_text(json.dumps(made, indent=0), encoding="utf-8")


def fingerprints(site: Path, digests: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The mode and the digest of every file by its path in the site, without the marker.

    Links are not followed. Raises `OSError` for what cannot be read: a list with gaps would be wrong. ``digests``:
    those that are known, by path.
    """
    return {path: _fingerprint(site / path, digests.get(path)) for path in _paths(site, _raise)}


class NewFiles:
    """Puts files into a new site. What the old site has already is linked, not written again.

    ``old``: the folder of the old site; ``None`` if what it has is not to be trusted. A file of it is what its marker
    says if it was not modified after the marker was written, and has the same size.
    """

    def __init__(self, old: Path | None) -> None:
        self._old = old
        made = read_made(old) if old is not None else None
        self._files = made.files if made is not None else {}
        self._made_ns = (old / MARKER).stat().st_mtime_ns if old is not None and made is not None else 0
        self.digests: dict[str, str] = {}
        """Of the content of what was put, by path in the site."""

    def put(self, folder: Path, path: str, content: bytes | Path, digest: str = "") -> None:
        """Put a file at this path below a folder. ``digest``: that of the content, as hexadecimal SHA-256, if known.

        Raises `OSError`.
        """
        target = folder / path
        if isinstance(content, Path) and digest and self._is_linked(path, digest, content.stat().st_size, target):
            self.digests[path] = digest
            return
        data = content.read_bytes() if isinstance(content, Path) else content
        digest = self.digests[path] = hashlib.sha256(data).hexdigest()
        if not self._is_linked(path, digest, len(data), target):
            _write(target, data)

    def _is_linked(self, path: str, digest: str, size: int, target: Path) -> bool:
        """Whether the old site has the file, which is linked then."""
        mode, _, known = self._files.get(path, "").partition(" ")
        if self._old is None or known != digest:
            return False
        source = self._old / path
        try:
            found = source.lstat()
            is_same = stat.S_ISREG(found.st_mode) and found.st_size == size and found.st_mtime_ns <= self._made_ns
            if not is_same or f"{stat.S_IMODE(found.st_mode):o}" != mode:
                return False
            try:
                os.link(source, target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True)
                os.link(source, target)
        except OSError:  # not every file system has links
            return False
        return True


def _write(target: Path, data: bytes) -> None:
    try:
        target.write_bytes(data)
    except FileNotFoundError:  # its folder is missing; checking for it each time would take twice as long
        target.parent.mkdir(parents=True)
        target.write_bytes(data)


def changed_by_others(out: Path, made: Made) -> list[str]:
    """Paths of our files that are missing or differ from what we wrote."""
    there = set(_paths(out, lambda _: None))
    return [path for path, fingerprint in made.files.items() if path not in there or not _is(out / path, fingerprint)]


def _is(file: Path, fingerprint: str) -> bool:
    try:
        return _fingerprint(file) == fingerprint
    except OSError:
        return False


def _paths(site: Path, on_error: Callable[[OSError], object]) -> Iterator[str]:
    for parent, _, names in os.walk(site, onerror=on_error):
        below = os.path.relpath(parent, site)
        prefix = "" if below == "." else f"{below}/"
        for name in names:
            if prefix or name != MARKER:
                yield prefix + name


def _raise(error: OSError) -> None:
    raise error


def _fingerprint(file: Path, digest: str | None = None) -> str:
    """Mode and digest of a file; empty for what is no file, such as a link or a pipe. ``digest``: if it is known."""
    mode = file.lstat().st_mode
    if not stat.S_ISREG(mode):
        return ""
    return f"{stat.S_IMODE(mode):o} {digest or hashlib.sha256(file.read_bytes()).hexdigest()}"


@contextmanager
def locked(folder: Path, refusal: str) -> Iterator[None]:
    """Create and lock a folder for one process; the lock ends with the process.

    Raises `BuildError` with ``refusal`` if another process has it, and `OSError`.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BuildError(refusal) from None
            if not _is_at(file.fileno(), folder / LOCK):
                continue  # the process that had the folder has just removed it
            yield
            return


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out``, on the same file system, for `replace`.

    What a killed build left is settled first. Raises `BuildError` if another build writes to ``out``.
    """
    work = out.with_name(f".{out.name}.rtsite-build")
    with locked(work, f"another build of {out} is running; wait until it ends"):
        try:
            _settle(work, out)
            yield work
        finally:
            try:
                _settle(work, out)
                _remove(work)
            except KeyboardInterrupt:  # cleaning takes a moment: finish, then end
                _settle(work, out)
                _remove(work)
                raise


def replace(work: Path, out: Path) -> None:
    """Put ``site`` of the temporary folder in the place of the old site, by two renames. Files of others follow.

    Raises `BuildError` if the new site has a file where others have put one.
    """
    new = work / "site"
    if out.exists():
        for path in _foreign(out, new):
            if not _is_free(new, path):
                raise BuildError(
                    f"the new site contains {path}, but rtsite did not make {out / path}; move that file away and"
                    " build again"
                )
        shutil.copymode(out, new)
        out.rename(work / "old")
    new.rename(out)
    _settle(work, out)


def _settle(work: Path, out: Path) -> None:
    """Finish or undo what `replace` began, from any state; then remove both sites from the temporary folder.

    Without a new site, the old one returns. With one, files of others follow it.
    """
    temporary = ("replaced", "site", "beside")
    old = work / "old"
    if old.exists():
        if (work / "replaced").exists():
            shutil.rmtree(work / "replaced")
        if not out.exists():
            old.rename(out)
        else:
            for path in list(_foreign(old, out)):
                target = out / path
                if not _is_free(out, path):
                    raise BuildError(f"{target} and {old / path} are both there; move one away and build again")
                target.parent.mkdir(parents=True, exist_ok=True)
                (old / path).rename(target)
            # Under another name: if the old site were removed in part, its list of files would be gone first.
            old.rename(work / "replaced")
    for name in temporary:
        if (work / name).exists():
            shutil.rmtree(work / name)


def _remove(work: Path) -> None:
    """Remove the temporary folder, but no file of others in it."""
    (work / LOCK).unlink(missing_ok=True)
    with suppress(OSError):
        work.rmdir()


def _foreign(old: Path, new: Path) -> Iterator[str]:
    """Paths of what others put into the old site: files, and whole folders that contain nothing of ours.

    Without a list of our files, ours are those that the new site has, too.
    """
    made = read_made(old)
    files = made.files if made is not None and made.files else fingerprints(new)
    folders = {"."}
    for path in files:
        while (path := path.rpartition("/")[0]) and path not in folders:
            folders.add(path)
    yield from _foreign_below("", old, new, {*files, MARKER}, folders)


def _foreign_below(below: str, old: Path, new: Path, files: Collection[str], folders: Collection[str]) -> Iterator[str]:
    with os.scandir(old / below) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = f"{below}{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            if path not in files:
                yield path
        elif path in folders or _is_folder(new / path):
            yield from _foreign_below(f"{path}/", old, new, files, folders)
        else:
            yield path


def _is_free(site: Path, path: str) -> bool:
    """Whether a file of others can be moved to this path of a site."""
    parents = [site / parent for parent in PurePosixPath(path).parents]
    return not os.path.lexists(site / path) and all(
        _is_folder(parent) or not os.path.lexists(parent) for parent in parents
    )


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
