"""Package names are compared in the normal form of PEP 503, whatever their spelling."""

from __future__ import annotations

import datetime as dt
import socket

import pytest

from runners.evidence import packages
from runners.evidence.packages import _recent_python, first_day, installed_version, recent_minor, release_findings
from runners.record import Finding


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


@pytest.mark.parametrize(
    ("day", "minor"),
    [
        ("2021-10-31", 8),
        ("2021-11-01", 9),
        ("2025-12-31", 13),
        ("2026-10-31", 13),
        ("2026-11-01", 14),
        ("2027-01-01", 14),
    ],
)
def test_the_python_that_has_been_out_for_a_year(day: str, minor: int) -> None:
    assert recent_minor(dt.date.fromisoformat(day)) == minor


@pytest.mark.parametrize(
    ("pythons", "is_declared"),
    [
        (["3.8", "3.13"], False),
        (["3.14"], True),
        (["3.9", "3.13", "3.15"], True),
        (">=3.11", True),
        (">=3.11,<3.14", False),
        ("three", None),
        (None, None),
    ],
)
def test_a_recent_python_is_declared_by_name_or_by_the_bound(
    pythons: list[str] | str | None, *, is_declared: bool | None
) -> None:
    found = _recent_python(Finding(item="pythons", value=pythons, note="seen"), dt.date(2026, 11, 27))
    assert found.value is is_declared
    assert found.note is not None
    assert found.note.startswith("3.14 is a year old; ")


@pytest.mark.index
def test_the_days_of_the_measured_and_of_the_newest_release() -> None:
    measured, newest = release_findings("tornado", {"tornado": "6.5.0"})
    assert (measured.item, measured.value) == ("released", "2025-05-15")
    assert newest.item == "latest-released"
    assert str(newest.value) > "2025-05-15"


def test_without_an_answer_the_measured_release_is_not_called_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "first_day", lambda *_: dt.date(2025, 5, 15))
    monkeypatch.setattr(packages, "_newest_version", lambda *_: None)
    measured, newest = release_findings("tornado", {"tornado": "6.5.0"})
    assert (measured.value, newest.value) == ("2025-05-15", None)
    assert newest.item == "latest-released"


@pytest.mark.index
def test_the_day_of_a_release_is_found() -> None:
    """Of a release that nothing can change any more."""
    assert first_day("tornado", "6.5.0", dt.date(2026, 1, 1)) == dt.date(2025, 5, 15)
    assert first_day("tornado", "6.5.0", dt.date(2024, 1, 1)) is None
    assert first_day("no-such-package-as-this-one", "1.0", dt.date(2026, 1, 1)) is None


@pytest.mark.index
def test_a_release_for_the_newest_python_is_found_without_that_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """uv would download it for each question, where it may."""
    with socket.create_server(("127.0.0.1", 0)) as mirror:
        mirror.setblocking(False)
        monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", f"http://127.0.0.1:{mirror.getsockname()[1]}")
        assert packages._newest_version("tornado", dt.date(2025, 5, 16)) == "6.5"
        with pytest.raises(BlockingIOError):
            mirror.accept()
