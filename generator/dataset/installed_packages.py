"""Package names normalised by PEP 503: ``Flask-SocketIO``, ``flask_socketio`` and ``flask.socketio`` are equal."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import canonicalize_name


def version_installed(packages: Mapping[str, str], name: str) -> str | None:
    """The installed version of a package, by normalised name; ``None``: not installed."""
    if name in packages:
        return packages[name]
    return normalised(packages).get(canonicalize_name(name))


def normalised(packages: Mapping[str, str]) -> dict[str, str]:
    """Versions by normalised name."""
    return {canonicalize_name(name): version for name, version in packages.items()}
