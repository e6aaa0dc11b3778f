"""A measuring command locks the machine, and SIGTERM acts on it like Ctrl-C."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from runners import machine
from runners.application.session import measuring_session, terminated_like_interrupted


@pytest.fixture(autouse=True)
def folder_for_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test may be measuring on this machine."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))


def test_a_termination_raises_what_ctrl_c_raises_and_only_inside() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
        terminate_this_process()
    assert signal.getsignal(signal.SIGTERM) == before


def terminate_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()


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
