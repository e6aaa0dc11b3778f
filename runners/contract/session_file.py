"""The file of sessions that an application reads, in SQLite: one user for each token."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from runners.loadgen.job import SESSION_TOKEN

SESSIONS = 20_000
"""Number of sessions in a file."""


def cookie_for(token: str) -> str:
    """The value of the header field ``Cookie`` with this token."""
    return f"session={token}"


def token_of(number: int) -> str:
    """The token of a session by its number, which counts from 0."""
    return SESSION_TOKEN.format(client=number)


@dataclass(frozen=True)
class SessionFile:
    """A file with the table ``sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)``."""

    path: Path

    def write(self) -> None:
        """Write `SESSIONS` sessions of users with random names, in place of an older file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("PRAGMA synchronous = OFF")  # it need not survive a failure of power
            database.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
            names = ((token_of(number), secrets.token_hex(6)) for number in range(SESSIONS))
            database.executemany("INSERT INTO sessions VALUES (?, ?)", names)
            database.commit()

    def user_of(self, token: str) -> str:
        """The user with this token; raises `LookupError` if there is none."""
        with closing(sqlite3.connect(self.path)) as database:
            row = database.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        if row is None:
            raise LookupError(f"{self.path} has no session {token!r}")
        return str(row[0])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the file against readers while the block runs."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as database:
            database.execute("BEGIN EXCLUSIVE")
            yield
