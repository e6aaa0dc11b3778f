"""The suites of the framework folders."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from uv import find_uv_bin

from runners import process
from runners.revision import package_day
from runners.subjects.catalog import read_folder

_TIMEOUT_S = 600


def run_tests(folder: Path) -> process.Finished:
    """Run the folder's own tests in an isolated environment with the lock of its headline variant (the reference: of
    its first variant) and its test tools. No process is left.
    """
    framework = read_folder(folder)
    lock = (framework.headline or framework.variants[0]).requirements_name()
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    needed: Sequence[str] = project.get("dependency-groups", {}).get("test", ["pytest"])
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return process.run(
        "uv",
        [
            find_uv_bin(), "run", "--quiet", "--no-project", "--isolated",
            "--with-requirements", lock, *[f"--with={requirement}" for requirement in needed],
            "python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        ],
        folder=folder,
        environment=environment | {"PYTHONDONTWRITEBYTECODE": "1", "UV_EXCLUDE_NEWER": package_day()},
        timeout_s=_TIMEOUT_S,
    )  # fmt: skip
