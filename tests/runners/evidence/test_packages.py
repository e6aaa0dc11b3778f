"""Package names are compared in the normal form of PEP 503, whatever their spelling."""

from __future__ import annotations

import datetime as dt

import pytest

from runners.evidence.packages import first_day, installed_version


@pytest.mark.parametrize(
    ("name", "installed"),
    [
        ("Quart", "quart"),
        ("quart", "Quart"),
        ("Flask-SocketIO", "flask_socketio"),
        ("flask-socketio", "Flask.SocketIO"),
    ],
)
def test_a_version_is_found_by_any_spelling_of_the_name(name: str, installed: str) -> None:
    assert installed_version(name, {"flask": "3.1", installed: "0.20"}) == "0.20"


def test_a_package_that_is_not_installed_has_no_version() -> None:
    with pytest.raises(KeyError):
        installed_version("quart", {"quart-trio": "0.12"})


@pytest.mark.index
def test_the_day_of_a_release_is_found() -> None:
    """Of a release that nothing can change any more."""
    assert first_day("tornado", "6.5.0", dt.date(2026, 1, 1)) == dt.date(2025, 5, 15)
    assert first_day("tornado", "6.5.0", dt.date(2024, 1, 1)) is None
    assert first_day("no-such-package-as-this-one", "1.0", dt.date(2026, 1, 1)) is None
