"""Remembers result files by their content: what is in each, and what was computed of each folder of them.

Years of history are thousands of files that never change. The cache contains plain values, because making documents of
them takes no longer than unpickling documents, and checks them again.
"""

from __future__ import annotations

import hashlib
import pickle
import sqlite3
import stat
import sys
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners import record
from runners.record import EVIDENCE_FOLDER, AnyDocument, Problem, as_document, read_plain

_MOST_DIGESTED_BYTES = 100_000_000
"""No source of a site is larger. A file without content may have any size."""

Contents = Mapping[Path, str]
"""The digest of each file of a folder."""


@dataclass(frozen=True)
class Studied:
    """What was found in the files of one folder.

    ``contents``: the digests of the files that have no problem. ``plain``: their pickled plain values. ``kept``: by
    name, what was computed of the folder.
    """

    problems: tuple[Problem, ...]
    contents: Contents
    plain: Mapping[Path, bytes]
    kept: Mapping[str, bytes]


class FileCache:
    """What earlier builds and this one know about result files.

    ``file``: the cache, created if it does not exist; ``None``: nothing outlives this object. ``program``: identifies
    the code that computes of a folder what is kept.
    """

    def __init__(self, file: Path | None, program: str = "") -> None:
        self._file = file
        self._program = program
        self._fresh: dict[str, bytes] = {}

    def recall(self, folders: Mapping[Path, Contents]) -> dict[Path, Mapping[str, bytes]]:
        """What was computed of each folder whose files are known, and known to have no problems.

        Empty if the cache was written by other code or is damaged.
        """
        if self._file is None:
            return {}
        found: dict[Path, Mapping[str, bytes]] = {}
        try:
            with closing(_opened(self._file)) as database:
                for folder, contents in folders.items() if _is_current(database) else ():
                    for (kept,) in database.execute(
                        "SELECT kept FROM folders WHERE digest = ?", (self._digest(folder, contents),)
                    ):
                        found[folder] = pickle.loads(kept)  # noqa: S301 - our own file
        except Exception:  # noqa: BLE001 - what is damaged can raise anything when it is unpickled
            return {}
        return found

    def remember(self, folders: Mapping[Path, Contents], studied: Mapping[Path, Studied]) -> None:
        """Add what was studied and has no problems, and delete what is in none of the folders.

        A cache that cannot be written is not an error.
        """
        sound = {folder: one for folder, one in studied.items() if not one.problems}
        files = {one.contents[path]: plain for one in sound.values() for path, plain in one.plain.items()}
        self._fresh |= files
        if self._file is None:
            return
        kept = {self._digest(folder, one.contents): pickle.dumps(one.kept, 5) for folder, one in sound.items()}
        used = {self._digest(folder, contents) for folder, contents in folders.items()} | kept.keys()
        try:
            _prepare(self._file)
            with closing(sqlite3.connect(self._file)) as database, database:
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", files.items())
                database.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?)", kept.items())
                _keep_only(
                    database, "files", {digest for one in folders.values() for digest in one.values()} | files.keys()
                )
                _keep_only(database, "folders", used)
        except (sqlite3.Error, OSError):
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def documents(self, contents: Contents) -> dict[Path, AnyDocument]:
        """The documents of files that have no problems. Raises `RecordError` for one that has changed to the worse."""
        plain = self._plain(set(contents.values()))
        return {
            path: as_document(path, plain[content]) if content in plain else read_plain(path)[0]
            for path, content in contents.items()
        }

    def _plain(self, digests: Collection[str]) -> dict[str, Any]:
        found = {one: pickle.loads(self._fresh[one]) for one in digests if one in self._fresh}  # noqa: S301 - our own
        if self._file is None or len(found) == len(digests):
            return found
        try:
            with closing(_opened(self._file)) as database:
                for digest in set(digests).difference(found) if _is_current(database) else ():
                    for (plain,) in database.execute("SELECT plain FROM files WHERE digest = ?", (digest,)):
                        found[digest] = pickle.loads(plain)  # noqa: S301 - our own file
        except Exception:  # noqa: BLE001 - as above
            return found
        return found

    def _digest(self, folder: Path, contents: Contents) -> str:
        named = sorted((path.name, content) for path, content in contents.items())
        return _digest_of(repr((self._program, folder.name == EVIDENCE_FOLDER, named)).encode())


def file_digest(path: Path) -> str:
    """The digest of a file's bytes; empty if the file cannot be read, which parsing will report.

    A file that is larger than `_MOST_DIGESTED_BYTES` is known by its size and its time.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would not end
            return ""
        if found.st_size > _MOST_DIGESTED_BYTES:
            return f"{found.st_size} {found.st_mtime_ns}"
        return content_digest(path.read_bytes())
    except OSError:
        return ""


def content_digest(content: bytes) -> str:
    """The digest of a file with this content."""
    return _digest_of(content)


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _schema() -> str:
    """A digest of the code that reads and validates files: the cache of other code is not used."""
    folder = Path(record.__file__).parent
    code = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(code + sys.version.encode()).hexdigest()


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True)


def _prepare(file: Path) -> None:
    """Create the cache if it does not exist or was written by other code."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as database:
        if _is_current(database):
            return
    file.unlink()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE facts (value TEXT)")
        database.execute("CREATE TABLE files (digest TEXT PRIMARY KEY, plain BLOB)")
        database.execute("CREATE TABLE folders (digest TEXT PRIMARY KEY, kept BLOB)")
        database.execute("INSERT INTO facts VALUES (?)", (_schema(),))


def _keep_only(database: sqlite3.Connection, table: str, used: Collection[str]) -> None:
    stale = [(digest,) for (digest,) in database.execute(f"SELECT digest FROM {table}") if digest not in used]  # noqa: S608 - a name of ours
    database.executemany(f"DELETE FROM {table} WHERE digest = ?", stale)  # noqa: S608 - likewise


def _is_current(database: sqlite3.Connection) -> bool:
    """Whether the cache was written by the current code."""
    try:
        return bool(database.execute("SELECT value FROM facts").fetchone() == (_schema(),))
    except sqlite3.Error:
        return False
