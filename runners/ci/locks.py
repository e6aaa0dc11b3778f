"""The lock files of frameworks, updated from their project files."""

from __future__ import annotations

import os
from pathlib import Path

from packaging.specifiers import SpecifierSet
from uv import find_uv_bin

from runners import process
from runners.record import RtsiteError
from runners.revision import package_day
from runners.subjects.catalog import Framework

_TIMEOUT_S = 300.0


def relock(framework: Framework, *, exclude_newer: str | None = None) -> list[Path]:
    """Update every lock file of the framework; returns those that changed. Raises `RtsiteError` if one cannot be
    resolved. A lock holds for all versions of Python that the project file allows, whichever runs this.

    ``exclude_newer``: packages released after this day, YYYY-MM-DD, are ignored (default: `package_day`).
    """
    changed = []
    for extra in dict.fromkeys(variant.extra for variant in framework.variants):
        lock = framework.folder / (f"requirements-{extra}.txt" if extra else "requirements.txt")
        before = lock.read_bytes() if lock.exists() else b""
        command = [
            find_uv_bin(), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header",
            "--no-config", "--upgrade", "--exclude-newer", exclude_newer or package_day(),
            *_oldest_python(framework.requires_python),
            *(["--extra", extra] if extra else []),
            "pyproject.toml", "--output-file", lock.name,
        ]  # fmt: skip
        try:
            done = process.run("uv", command, folder=framework.folder, environment=os.environ, timeout_s=_TIMEOUT_S)
        except process.ProcessError as error:
            raise RtsiteError(f"{lock}: cannot be resolved: {error}") from None
        if done.returncode != 0:
            raise RtsiteError(f"{lock}: cannot be resolved: {' '.join(done.stderr.split())[:1000]}")
        if lock.read_bytes() != before:
            changed.append(lock)
    return changed


def _oldest_python(required: str) -> list[str]:
    """The option for the oldest minor version of Python 3 that these specifiers allow; none if they allow any."""
    allowed = SpecifierSet(required)
    oldest = next((minor for minor in range(100) if allowed.contains(f"3.{minor}.99")), 0)
    return ["--python-version", f"3.{oldest}"] if oldest else []
