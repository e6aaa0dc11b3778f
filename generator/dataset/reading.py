"""Reads result files, each content once: what was read stays in a cache, by the digest of its bytes.

Years of history are thousands of files that never change. A new one costs its parsing, an old one a look-up. What is
kept, and what crosses from one process to another, are plain values: making documents of them costs no more than making
them from documents that were put away.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runners import record
from runners.record import (
    EvidenceDocument,
    FlameDocument,
    FrameworkDocument,
    Problem,
    RecordError,
    RunDocument,
    as_document,
    read_plain,
)

Document = RunDocument | FrameworkDocument | FlameDocument | EvidenceDocument
Read = Document | tuple[Problem, ...]
"""A file's document, or what is wrong with it."""

_WORTH_A_POOL = 200
"""Files to parse, from which on starting other processes pays."""
_CHUNK = 50


def read_all(
    paths: Sequence[Path], cache: Path | None = None, digests: Mapping[Path, str] = MappingProxyType({})
) -> dict[Path, Read]:
    """Every file's document or problems. ``cache``: a file that remembers what was read; made if it is not there.

    ``digests``: what `digest` gives for some of the files, where somebody knows already.
    """
    contents = {path: digests[path] if path in digests else digest(path) for path in paths}
    known = _recall(cache, contents.values()) if cache is not None else {}
    missing = [path for path in paths if contents[path] not in known]
    pickled = dict(zip(missing, _parse_all(missing), strict=True))
    plain = {path: pickle.loads(one) for path, one in pickled.items()}  # noqa: S301 - our own
    found = {path: _document(path, plain[path] if path in plain else known[contents[path]]) for path in paths}
    if cache is not None:
        good = (path for path in missing if contents[path] and not isinstance(found[path], tuple))
        fresh = {contents[path]: pickled[path] for path in good}
        _remember(cache, fresh, set(contents.values()))
    return found


def _document(path: Path, plain: Any) -> Read:
    if isinstance(plain, tuple):
        return plain
    try:
        return as_document(path, plain)
    except RecordError as error:
        return tuple(error.problems)


def _parse_all(paths: Sequence[Path]) -> list[bytes]:
    """What `_parse` gives for each, pickled: so it crosses from other processes and goes into the cache as it is."""
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)
    if len(paths) < _WORTH_A_POOL or workers < 2:
        return [_pickled(path) for path in paths]
    # What parsing leaves behind has no cycles; looking for some takes a quarter of the time, for nothing.
    with ProcessPoolExecutor(workers, initializer=gc.disable) as pool:
        return list(pool.map(_pickled, paths, chunksize=_CHUNK))


def _pickled(path: Path) -> bytes:
    return pickle.dumps(_parse(path), protocol=5)


def _parse(path: Path) -> Any:
    """Its plain value, or a tuple of problems."""
    try:
        return read_plain(path)
    except RecordError as error:
        return tuple(error.problems)


def digest(path: Path) -> str:
    """Of a file's bytes; empty where it cannot be read: parsing will say so."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _schema() -> str:
    """Changes with the code that reads and checks, so that nothing read by another is taken for good."""
    folder = Path(record.__file__).parent
    code = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(code + sys.version.encode()).hexdigest()


def _recall(cache: Path, digests: Iterable[str]) -> dict[str, Any]:
    """The plain values of these contents; none where the cache is of another schema, or broken."""
    wanted = set(digests)
    try:
        with closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True)) as database:
            if database.execute("SELECT value FROM facts").fetchone() != (_schema(),):
                return {}
            rows = database.execute("SELECT digest, plain FROM files")
            return {content: pickle.loads(blob) for content, blob in rows if content in wanted}  # noqa: S301 - our own file
    except (sqlite3.Error, pickle.UnpicklingError, AttributeError, EOFError, ImportError, IndexError):
        return {}


def _remember(cache: Path, fresh: Mapping[str, bytes], used: set[str]) -> None:
    """Keep what was read now, and forget what no file holds any more. A cache that cannot be written is no error."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS facts (value TEXT)")
            database.execute("CREATE TABLE IF NOT EXISTS files (digest TEXT PRIMARY KEY, plain BLOB)")
            if database.execute("SELECT value FROM facts").fetchone() != (_schema(),):
                database.execute("DELETE FROM facts")
                database.execute("DELETE FROM files")
                database.execute("INSERT INTO facts VALUES (?)", (_schema(),))
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", fresh.items())
            stale = [(content,) for (content,) in database.execute("SELECT digest FROM files") if content not in used]
            database.executemany("DELETE FROM files WHERE digest = ?", stale)
    except (sqlite3.Error, OSError):
        cache.unlink(missing_ok=True)
