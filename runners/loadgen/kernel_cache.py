"""A place on disk for the compiled kernel, in which no other user can put code.

Numba looks in NUMBA_CACHE_DIR, beside the source, and in the user's cache folder. A container with a read-only checkout
and a user without a home has none of them. Then a folder of this user in the temporary folder is used, or none at all.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import numba


def find_place() -> bool:
    """Choose a folder for compiled code; returns false if there is none, so that each process has to compile."""
    if _numba_finds_one():
        return True
    try:
        folder = _own_folder(Path(tempfile.gettempdir()))
    except OSError:
        return False
    config: Any = numba.config  # its variables are set while it is imported
    config.CACHE_DIR = str(folder)
    return _numba_finds_one()


def _own_folder(parent: Path) -> Path:
    """A folder that only this user can write to. Compiled code is executed, so somebody else's folder is refused with
    `PermissionError`.
    """
    folder = parent / f"rtsite-kernel-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise PermissionError(f"{folder} can be changed by others")
    return folder


def _numba_finds_one() -> bool:
    njit: Any = numba.njit  # its annotations lack options
    try:
        njit(cache=True)(_nothing)
    except RuntimeError:  # no locator available
        return False
    return True


def _nothing() -> None:
    """Numba looks for a place when a function is decorated, before it compiles anything."""
