"""The compiled kernel is kept where only this user can write, or nowhere."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numba
import pytest

from runners.loadgen import kernel_cache

config: Any = numba.config


@pytest.fixture
def no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Numba finds none of its own places; returns the temporary folder."""
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(kernel_cache, "_numba_finds_one", lambda: bool(config.CACHE_DIR))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_without_any_other_place_it_is_a_folder_of_this_user(no_place: Path) -> None:
    assert kernel_cache.find_place()
    (folder,) = no_place.iterdir()
    assert str(folder) == config.CACHE_DIR
    assert folder.stat().st_mode & 0o777 == 0o700
    config.CACHE_DIR = ""
    assert kernel_cache.find_place(), "the same folder serves the next process"
    assert list(no_place.iterdir()) == [folder]


@pytest.mark.parametrize("kind", ["writable by all", "a link", "a file"])
def test_a_folder_that_others_could_have_filled_is_refused(no_place: Path, kind: str) -> None:
    folder = no_place / f"rtsite-kernel-{os.geteuid()}"
    if kind == "a link":
        (no_place / "elsewhere").mkdir()
        folder.symlink_to(no_place / "elsewhere")
    elif kind == "a file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o777)
    assert not kernel_cache.find_place()
    assert not config.CACHE_DIR


def test_without_a_temporary_folder_there_is_no_place(no_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(no_place / "missing"))
    assert not kernel_cache.find_place()


def test_a_place_that_numba_finds_is_used_as_it_is(no_place: Path) -> None:
    config.CACHE_DIR = str(no_place / "chosen")
    assert kernel_cache.find_place()
    assert str(no_place / "chosen") == config.CACHE_DIR
