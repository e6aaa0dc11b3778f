"""Package names normalised by PEP 503: ``Flask-SocketIO``, ``flask_socketio`` and ``flask.socketio`` are equal."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from packaging.utils import canonicalize_name


def version_installed(packages: Mapping[str, str], name: str) -> str | None:
    """The installed version of a package, by normalised name; ``None``: not installed."""
    if name in packages:
        return packages[name]
    return normalised(packages).get(_canonical(name))


def normalised(packages: Mapping[str, str]) -> dict[str, str]:
    """Versions by normalised name."""
    return {_canonical(name): version for name, version in packages.items()}


@cache
def _canonical(name: str) -> str:
    """Cached, since the exports of all runs need the same few hundred names in every row."""
    return canonicalize_name(name)
