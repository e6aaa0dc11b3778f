"""While a command measures, idle CPUs stay awake where the system allows it, and afterwards they sleep as before."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from pathlib import Path

import pytest

from runners import idle_cpus, machine
from runners.application.session import measuring_session

_PR_GET_TIMERSLACK = 30


def open_files() -> set[str]:
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one of this look itself
            found.add(str(file.readlink()))
    return found


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system whose requests are in a file, as the last one who wrote into it left it."""
    (tmp_path / "driver").write_text("intel_idle\n")
    (tmp_path / "requests").write_bytes(struct.pack("i", 2_000_000_000))
    monkeypatch.setattr(idle_cpus, "REQUESTS", tmp_path / "requests")
    monkeypatch.setattr(idle_cpus, "_DRIVER", tmp_path / "driver")
    return tmp_path


def test_a_session_requests_that_no_cpu_sleeps(system: Path) -> None:
    assert idle_cpus.state() == machine.describe_machine().idle_cpus == "asleep"
    with measuring_session("the test"):
        assert idle_cpus.state() == machine.describe_machine().idle_cpus == "awake"
    assert (system / "requests").read_bytes() == bytes(4)


@pytest.mark.parametrize("driver", ["none\n", ""], ids=["none", "no name"])
def test_where_no_driver_heeds_requests_cpus_sleep(system: Path, driver: str) -> None:
    (system / "driver").write_text(driver)
    with idle_cpus.kept_awake():
        assert idle_cpus.state() == "asleep"
    (system / "driver").unlink()
    with idle_cpus.kept_awake():
        assert idle_cpus.state() == "asleep"


def test_a_request_that_is_not_allowed_is_left_out(system: Path) -> None:
    (system / "requests").unlink()
    with idle_cpus.kept_awake():
        assert idle_cpus.state() == "asleep"
    (system / "requests").mkdir()
    with idle_cpus.kept_awake():
        assert idle_cpus.state() == "asleep"


def test_what_root_alone_may_request_is_refused(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not idle_cpus.must_be_allowed()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
    assert idle_cpus.must_be_allowed()
    (system / "requests").unlink()
    assert not idle_cpus.must_be_allowed()


@pytest.mark.skipif(not os.access(idle_cpus.REQUESTS, os.R_OK | os.W_OK), reason="requests are not allowed here")
def test_a_request_ends_with_its_session() -> None:
    with idle_cpus.kept_awake():
        assert idle_cpus.REQUESTS.read_bytes()[:4] == bytes(4)
        assert str(idle_cpus.REQUESTS) in open_files()
    assert str(idle_cpus.REQUESTS) not in open_files()


def test_naps_leave_the_timers_as_they_were() -> None:
    slack_ns = ctypes.CDLL(None).prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    late_us = idle_cpus.wake_up_us()
    assert late_us is not None
    assert late_us > 0
    assert ctypes.CDLL(None).prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0) == slack_ns


def test_on_other_systems_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert (idle_cpus.state(), idle_cpus.wake_up_us()) == (None, None)
