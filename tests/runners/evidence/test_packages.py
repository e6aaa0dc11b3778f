"""Names of packages are compared as PEP 503 says, in whatever spelling somebody wrote them."""

from __future__ import annotations

import pytest

from runners.evidence.packages import installed_version


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
