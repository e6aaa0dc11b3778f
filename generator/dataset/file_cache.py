"""Reads and audits result files, each content once, and caches the parsed values by the digest of the file.

Years of history are thousands of files that never change. A new file is parsed; an old one is read from the cache. The
cache and the messages between processes contain plain values: making documents of them takes no longer than unpickling
documents.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

from runners import record
from runners.record import Read, RecordError, as_document, read_plain

_WORTH_A_POOL = 200
"""Number of files from which parsing in several processes is faster."""
_CHUNK = 50
_MOST_DIGESTED_BYTES = 100_000_000
"""No source of a site is larger. A file without content may have any size."""


def read_all(
    paths: Sequence[Path], cache: Path | None = None, digests: Mapping[Path, str] = MappingProxyType({})
) -> dict[Path, Read]:
    """Every file's document or errors. ``cache``: the cache file; created if it does not exist.

    ``digests``: results of `file_digest` that the caller already has.
    """
    contents = {path: digests[path] if path in digests else file_digest(path) for path in paths}
    known = _recall(cache, contents.values()) if cache is not None else {}
    # A link is refused, whatever is known about the file that it leads to.
    missing = [path for path in paths if contents[path] not in known or path.is_symlink()]
    parsed = dict(zip(missing, _parse_all(missing), strict=True))
    plain = {path: pickle.loads(one) for path, (_, one) in parsed.items()}  # noqa: S301 - our own
    found = {path: _document(path, plain[path] if path in plain else known[contents[path]]) for path in paths}
    if cache is not None:
        # The digest of the parsed bytes: a file that is being written may have changed since `file_digest`.
        fresh = {content: one for path, (content, one) in parsed.items() if not isinstance(found[path], tuple)}
        _remember(cache, fresh, fresh.keys() | set(contents.values()))
    return found


def _document(path: Path, plain: Any) -> Read:
    if isinstance(plain, tuple):
        return plain
    try:
        return as_document(path, plain)
    except RecordError as error:
        return tuple(error.problems)


def _parse_all(paths: Sequence[Path]) -> list[tuple[str, bytes]]:
    """The digest of each file, and its pickled plain value or tuple of errors, for the cache and between processes."""
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)
    if len(paths) < _WORTH_A_POOL or workers < 2:
        return [_parse(path) for path in paths]
    with ProcessPoolExecutor(workers, initializer=_begin_worker) as pool:
        return list(pool.map(_parse, paths, chunksize=_CHUNK))


def _begin_worker() -> None:
    # Parsed values have no reference cycles; searching for cycles takes a quarter of the time.
    gc.disable()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process with its parent. A worker of a parent that was killed would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _parse(path: Path) -> tuple[str, bytes]:
    try:
        plain, raw = read_plain(path)
    except RecordError as error:
        return "", pickle.dumps(tuple(error.problems), protocol=5)
    return _digest_of(raw), pickle.dumps(plain, protocol=5)


def file_digest(path: Path) -> str:
    """The digest of a file's bytes; empty if the file cannot be read, which parsing will report.

    A file that is larger than `_MOST_DIGESTED_BYTES` is known by its size and its time.
    """
    try:
        if not path.is_file():  # reading a pipe would not end
            return ""
        stat = path.stat()
        if stat.st_size > _MOST_DIGESTED_BYTES:
            return f"{stat.st_size} {stat.st_mtime_ns}"
        return _digest_of(path.read_bytes())
    except OSError:
        return ""


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _schema() -> str:
    """A digest of the code that reads and validates files: the cache of other code is not used."""
    folder = Path(record.__file__).parent
    code = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(code + sys.version.encode()).hexdigest()


def _recall(cache: Path, digests: Iterable[str]) -> dict[str, Any]:
    """The cached plain values by digest; empty if the cache has another schema or is damaged."""
    wanted = set(digests)
    try:
        with closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True)) as database:
            if not _is_current(database):
                return {}
            rows = database.execute("SELECT digest, plain FROM files")
            return {content: pickle.loads(blob) for content, blob in rows if content in wanted}  # noqa: S301 - our own file
    except Exception:  # noqa: BLE001 - what is damaged can raise anything when it is unpickled
        return {}


def _remember(cache: Path, fresh: Mapping[str, bytes], used: Set[str]) -> None:
    """Add fresh values to the cache and delete unused ones. A cache that cannot be written is not an error."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache)) as database:
            is_current = _is_current(database)
        if not is_current:
            cache.unlink()
        with closing(sqlite3.connect(cache)) as database, database:
            if not is_current:
                database.execute("CREATE TABLE facts (value TEXT)")
                database.execute("CREATE TABLE files (digest TEXT PRIMARY KEY, plain BLOB)")
                database.execute("INSERT INTO facts VALUES (?)", (_schema(),))
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", fresh.items())
            stale = [(content,) for (content,) in database.execute("SELECT digest FROM files") if content not in used]
            database.executemany("DELETE FROM files WHERE digest = ?", stale)
    except (sqlite3.Error, OSError):
        with suppress(OSError):
            cache.unlink(missing_ok=True)


def _is_current(database: sqlite3.Connection) -> bool:
    """Whether the cache was written by the current code."""
    try:
        return bool(database.execute("SELECT value FROM facts").fetchone() == (_schema(),))
    except sqlite3.Error:
        return False
