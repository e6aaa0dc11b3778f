"""The suites of the framework folders."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from uv import find_uv_bin

from runners.evidence.collection import main_variant
from runners.evidence.packages import run_tool
from runners.process import Finished
from runners.serving.interpreter import find_interpreter
from runners.subjects.catalog import read_folder
from tests.support import needs


def run_tests(folder: Path) -> Finished:
    """Run the folder's own tests in an isolated environment with the lock of its headline variant (the reference: of
    its first variant) and its test tools, on a Python that it allows. No process is left.
    """
    framework = read_folder(folder)
    lock = main_variant(framework).requirements_name()
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    needed: Sequence[str] = project.get("dependency-groups", {}).get("test", ["pytest"])
    return run_tool(
        [
            find_uv_bin(), "run", "--quiet", "--no-project", "--isolated",
            "--python", str(find_interpreter(needs.allowed_python(framework)).path),
            "--with-requirements", lock, *[f"--with={requirement}" for requirement in needed],
            "python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
        ],
        folder=folder,
    )  # fmt: skip
