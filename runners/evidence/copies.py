"""Copies of a framework's folder, changed in one place."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runners.record import RtsiteError
from runners.subjects.catalog import Framework


class HintError(RtsiteError):
    """The folder says something of its app that is not so."""


@contextlib.contextmanager
def altered(framework: Framework) -> Iterator[Framework]:
    """The framework in a folder of its own, which may be changed and is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rtsite-") as parent:
        folder = Path(parent) / framework.slug
        shutil.copytree(framework.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
        yield framework.model_copy(update={"folder": folder})


@contextlib.contextmanager
def raising(framework: Framework) -> Iterator[Framework]:
    """The framework with an echo handler that raises; raises `HintError` if its first line is not found once."""
    line = framework.evidence.echo
    if line is None:
        raise HintError("the folder does not name the line in which its echo begins")
    with altered(framework) as copy:
        changed = 0
        for path in sorted(copy.folder.glob("*.py")):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            places = [number for number, one in enumerate(lines) if one.strip() == line]
            if path.name.startswith("test_") or not places:
                continue
            if len(places) > 1:
                raise HintError(f"{path.name}: the echo's line {line!r} stands there {len(places)} times, not once")
            indent = lines[places[0]][: -len(lines[places[0]].lstrip())]
            steps = [framework.evidence.receive, f'raise RuntimeError("{RAISED}")']
            lines[places[0] : places[0]] = [f"{indent}{step}\n" for step in steps if step]
            path.write_text("".join(lines), encoding="utf-8")
            changed += 1
        if not changed:
            raise HintError(f"no module of the app has the line {line!r}, in which its echo should begin")
        yield copy


RAISED = "raised on purpose"
