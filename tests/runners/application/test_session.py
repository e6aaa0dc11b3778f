"""A measuring command locks the machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from runners import machine
from runners.application.session import measuring_session


@pytest.fixture(autouse=True)
def folder_for_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test may be measuring on this machine."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))


def test_a_second_command_learns_which_one_measures() -> None:
    with (
        measuring_session("the first command"),
        pytest.raises(machine.BusyError, match="the first command"),
        measuring_session("the second command"),
    ):
        pass


def test_the_machine_is_free_after_an_error() -> None:
    with pytest.raises(RuntimeError), measuring_session("one that fails"):
        raise RuntimeError
    with measuring_session("the next one"):
        pass
