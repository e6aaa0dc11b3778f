"""Writes Parquet files with DuckDB, in a child process: it would report objects that a build leaves to the system.

This module is also the program of that process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runners.record import RtsiteError


class ParquetError(RtsiteError):
    """DuckDB cannot write the file."""


def parquet_of_csv(text: str, columns: Mapping[str, str]) -> bytes:
    """A CSV with a heading as a Parquet file; an empty cell becomes a missing value.

    ``columns``: the SQL type of each column by name, in their order. Raises `ParquetError`.
    """
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        source, target = Path(folder, "rows.csv"), Path(folder, "rows.parquet")
        source.write_text(text, encoding="utf-8")
        # Not in parallel: a quoted text may contain ends of lines.
        rows = (
            f"read_csv({_quoted(source)}, header = true, auto_detect = false, parallel = false, columns = {{{types}}})"
        )
        _run(f"COPY (FROM {rows}) TO {_quoted(target)} (FORMAT parquet, COMPRESSION zstd)")
        return target.read_bytes()


def _run(query: str) -> None:
    code = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__, query],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [code, os.getenv("PYTHONPATH")]))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ParquetError(f"the history cannot be written as Parquet: {done.stderr.strip()[-500:]}")


def _quoted(path: Path) -> str:
    """A path as a text in SQL."""
    return "'" + str(path).replace("'", "''") + "'"


if __name__ == "__main__":
    import duckdb

    with duckdb.connect() as database:
        database.execute(sys.argv[1])
