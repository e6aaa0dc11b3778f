"""Reads result files, each content once: what was read stays in a cache, by the digest of its bytes.

Years of history are thousands of files that never change. A new one costs its parsing, an old one a look-up.
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

from runners import record
from runners.record import (
    EVIDENCE_FOLDER,
    FLAME_SUFFIX,
    EvidenceDocument,
    FlameDocument,
    FrameworkDocument,
    Problem,
    RecordError,
    RunDocument,
    load_evidence,
    load_flames,
    load_framework,
    load_run,
)

Document = RunDocument | FrameworkDocument | FlameDocument | EvidenceDocument
Read = Document | tuple[Problem, ...]
"""A file's document, or what is wrong with it."""

_WORTH_A_POOL = 200
"""Files to parse, from which on starting other processes pays."""
_CHUNK = 50


def read_all(paths: Sequence[Path], cache: Path | None = None) -> dict[Path, Read]:
    """Every file's document or problems. ``cache``: a file that remembers what was read; made if it is not there."""
    contents = {path: _digest(path) for path in paths}
    known = _recall(cache, contents.values()) if cache is not None else {}
    missing = [path for path in paths if contents[path] not in known]
    pickled = dict(zip(missing, _parse_all(missing), strict=True))
    found: dict[Path, Read] = {path: pickle.loads(one) for path, one in pickled.items()}  # noqa: S301 - our own
    if cache is not None:
        fresh = {contents[path]: pickled[path] for path, one in found.items() if not isinstance(one, tuple)}
        _remember(cache, fresh, {digest for digest in contents.values() if digest})
    return {path: found[path] if path in found else known[contents[path]] for path in paths}


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


def _parse(path: Path) -> Read:
    try:
        if path.parent.name == EVIDENCE_FOLDER:
            return load_evidence(path)
        if path.name == "run.yml":
            return load_run(path)
        return load_flames(path) if path.name.endswith(FLAME_SUFFIX) else load_framework(path)
    except RecordError as error:
        return tuple(error.problems)


def _digest(path: Path) -> str:
    """Of the file's kind, which its name tells, and its bytes; empty where it cannot be read: parsing will say so."""
    try:
        content = path.read_bytes()
    except OSError:
        return ""
    kind = f"{path.parent.name == EVIDENCE_FOLDER}{path.name == 'run.yml'}{path.name.endswith(FLAME_SUFFIX)}"
    return hashlib.sha256(kind.encode() + content).hexdigest()


def _schema() -> str:
    """Changes with the code that reads and checks, so that nothing read by another is taken for good."""
    folder = Path(record.__file__).parent
    code = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(code + sys.version.encode()).hexdigest()


def _recall(cache: Path, digests: Iterable[str]) -> dict[str, Document]:
    """What is known of these contents; nothing where the cache is of another schema, or broken."""
    wanted = set(digests)
    try:
        with closing(sqlite3.connect(f"file:{cache}?mode=ro", uri=True)) as database:
            if database.execute("SELECT value FROM facts").fetchone() != (_schema(),):
                return {}
            rows = database.execute("SELECT digest, document FROM documents")
            return {digest: pickle.loads(blob) for digest, blob in rows if digest in wanted}  # noqa: S301 - our own file
    except (sqlite3.Error, pickle.UnpicklingError, AttributeError, EOFError, ImportError, IndexError):
        return {}


def _remember(cache: Path, fresh: Mapping[str, bytes], used: set[str]) -> None:
    """Keep what was read now, and forget what no file holds any more. A cache that cannot be written is no error."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS facts (value TEXT)")
            database.execute("CREATE TABLE IF NOT EXISTS documents (digest TEXT PRIMARY KEY, document BLOB)")
            if database.execute("SELECT value FROM facts").fetchone() != (_schema(),):
                database.execute("DELETE FROM facts")
                database.execute("DELETE FROM documents")
                database.execute("INSERT INTO facts VALUES (?)", (_schema(),))
            database.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?)", fresh.items())
            stale = [(digest,) for (digest,) in database.execute("SELECT digest FROM documents") if digest not in used]
            database.executemany("DELETE FROM documents WHERE digest = ?", stale)
    except (sqlite3.Error, OSError):
        cache.unlink(missing_ok=True)
