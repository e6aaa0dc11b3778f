"""Reads the framework folders of the tree as text: what was measured, to be shown beside its numbers.

Nothing here is imported or run.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from runners.record import RtsiteError

_SLUG = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")


class SourceError(RtsiteError):
    """A framework folder cannot be read."""


@dataclass(frozen=True)
class Source:
    """One folder under ``runners/frameworks/``; absent files are ``None``."""

    slug: str
    title: str
    app: str | None
    app_sha256: str | None
    notes: str | None
    """Markdown, ours, trusted."""


def load_sources(folder: Path) -> dict[str, Source]:
    """Every framework folder by slug; raises `SourceError` where a ``pyproject.toml`` is broken."""
    return {
        path.parent.name: _load_source(path)
        for path in sorted(folder.glob("*/pyproject.toml"))
        if _SLUG.match(path.parent.name)
    }


def _load_source(project: Path) -> Source:
    folder = project.parent
    try:
        facts = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {}).get("rtsite", {})
        app, notes = _bytes(folder / "app.py"), _bytes(folder / "notes.md")
        return Source(
            slug=folder.name,
            title=str(facts.get("title", folder.name)),
            app=None if app is None else app.decode("utf-8"),
            app_sha256=None if app is None else hashlib.sha256(app).hexdigest(),
            notes=None if notes is None else notes.decode("utf-8"),
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{folder} cannot be read: {error}; mend the file and build again") from None


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
