"""Reads the framework folders as text, to show the measured code beside its results.

The code is not imported or run.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.record import RtsiteError, is_slug


class SourceError(RtsiteError):
    """A framework folder cannot be read."""


@dataclass(frozen=True)
class Module:
    """A Python file of an application."""

    name: str
    text: str
    sha256: str


@dataclass(frozen=True)
class VariantSetup:
    """How a variant is served today.

    ``command``: with its placeholders, its words joined by spaces. ``loop``: what runs the connections, if the folder
    states it.
    """

    command: str
    broker: str
    loop: str | None = None


@dataclass(frozen=True)
class Source:
    """One folder under ``runners/frameworks/``."""

    slug: str
    title: str
    modules: tuple[Module, ...]
    """``app.py`` first, then the others by name, without tests."""
    notes: str | None
    """Trusted Markdown written by us; ``None`` if there is none."""
    is_library: bool = False
    """Whether it is a protocol library without a framework, measured to show what frameworks add."""
    choose: str | None = None
    """When to choose it, in our words."""
    is_reference: bool = False
    headline: str | None = None
    """The slug of the headline variant that the folder declares; ``None`` if it declares none, or several."""
    cannot: Mapping[str, str] | None = None
    """The workloads that it does not support, with the reasons; ``None`` if it is not known."""
    setups: Mapping[str, VariantSetup] = field(default_factory=dict)
    """How each variant is served today, by its slug; empty if it is not known."""


def load_sources(folder: Path) -> dict[str, Source]:
    """Read every framework folder, by slug; raises `SourceError` for an invalid ``pyproject.toml``."""
    return {
        path.parent.name: _load_source(path)
        for path in sorted(folder.glob("*/pyproject.toml"))
        if is_slug(path.parent.name)
    }


def _load_source(project: Path) -> Source:
    folder = project.parent
    try:
        facts = _facts(tomllib.loads(project.read_text(encoding="utf-8")))
        notes = folder / "notes.md"
        names = sorted(
            (path.name for path in folder.glob("*.py") if not path.name.startswith("test_")),
            key=lambda name: (name != "app.py", name),
        )
        return Source(
            slug=folder.name,
            title=str(facts.get("title", folder.name)),
            modules=tuple(_module(folder / name) for name in names),
            is_library=facts.get("role") == "library",
            is_reference=facts.get("reference") is True,
            choose=str(facts["choose"]) if "choose" in facts else None,
            headline=_headline(facts),
            cannot=_cannot(facts),
            setups=_setups(facts),
            notes=notes.read_text(encoding="utf-8") if notes.is_file() else None,
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, _NoTableError, OSError) as error:
        raise SourceError(f"{folder} cannot be read: {error}; fix the file and build again") from None


class _NoTableError(Exception):
    """A value where pyproject.toml needs a table."""


def _facts(project: dict[str, Any]) -> dict[str, Any]:
    """The table ``[tool.rtsite]`` of a project file; empty if it is missing."""
    table = project
    for name in ("tool", "rtsite"):
        found = table.get(name, {})
        if not isinstance(found, dict):
            raise _NoTableError(f"{name} in pyproject.toml is {found!r}, but must be a table")
        table = found
    return table


def _variants(facts: dict[str, Any]) -> list[dict[str, Any]]:
    listed = facts.get("variants", [])
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _headline(facts: dict[str, Any]) -> str | None:
    slugs = [str(one.get("slug")) for one in _variants(facts) if one.get("headline") is True]
    return slugs[0] if len(slugs) == 1 else None


def _setups(facts: dict[str, Any]) -> dict[str, VariantSetup]:
    return {
        str(one["slug"]): VariantSetup(
            " ".join(map(str, one["command"])),
            str(one.get("broker", "none")),
            str(one["loop"]) if "loop" in one else None,
        )
        for one in _variants(facts)
        if "slug" in one and isinstance(one.get("command"), list)
    }


def _cannot(facts: dict[str, Any]) -> dict[str, str]:
    listed = facts.get("cannot", {})
    return {str(slug): str(why) for slug, why in listed.items()} if isinstance(listed, dict) else {}


def _module(path: Path) -> Module:
    content = path.read_bytes()
    return Module(path.name, content.decode("utf-8"), hashlib.sha256(content).hexdigest())
