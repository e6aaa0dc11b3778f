"""Temporary copies of a framework's folder that can be changed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runners.record import RtsiteError
from runners.subjects.catalog import Framework


class HintError(RtsiteError):
    """The evidence hints in pyproject.toml do not fit the application."""


@contextlib.contextmanager
def altered(framework: Framework) -> Iterator[Framework]:
    """Yields the framework in a temporary copy of its folder."""
    with tempfile.TemporaryDirectory(prefix="rtsite-") as parent:
        folder = Path(parent) / framework.slug
        shutil.copytree(framework.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
        yield framework.model_copy(update={"folder": folder})


@contextlib.contextmanager
def raising(framework: Framework) -> Iterator[Framework]:
    """A copy whose echo handler raises an exception; raises `HintError` unless its first line occurs exactly once."""
    line = framework.evidence.echo
    if line is None:
        raise HintError(
            "pyproject.toml does not name the first line of the echo handler: [tool.rtsite.evidence] has no echo"
        )
    with altered(framework) as copy:
        changed = 0
        for path in sorted(copy.folder.glob("*.py")):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            places = [number for number, one in enumerate(lines) if one.strip() == line]
            if path.name.startswith("test_") or not places:
                continue
            if len(places) > 1:
                raise HintError(f"{path.name}: the echo's line {line!r} occurs {len(places)} times; it must occur once")
            indent = lines[places[0]][: -len(lines[places[0]].lstrip())]
            steps = [framework.evidence.receive, f'raise RuntimeError("{RAISED}")']
            lines[places[0] : places[0]] = [f"{indent}{step}\n" for step in steps if step]
            path.write_text("".join(lines), encoding="utf-8")
            changed += 1
        if not changed:
            raise HintError(f"no module of the app has the line {line!r}, which [tool.rtsite.evidence] names")
        yield copy


RAISED = "raised on purpose"
