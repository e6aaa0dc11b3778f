"""Temporary copies of a framework's folder that can be changed."""

from __future__ import annotations

import ast
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
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


def raising(framework: Framework) -> contextlib.AbstractContextManager[Framework]:
    """A copy whose echo handler raises an exception; raises `HintError` unless its first line occurs exactly once.

    The class of the exception is made where it is raised, so that no handler of the application is meant for it.
    """
    return _with_step(framework, lambda _: f'raise type("OnPurpose", (Exception,), {{}})("{RAISED}")')


def slow(framework: Framework, seconds: float) -> contextlib.AbstractContextManager[Framework]:
    """A copy whose echo handler takes this long; raises `HintError` unless its first line occurs exactly once."""

    def wait(is_coroutine: bool) -> str:
        return (
            f'await __import__("asyncio").sleep({seconds})' if is_coroutine else f'__import__("time").sleep({seconds})'
        )

    return _with_step(framework, wait)


@contextlib.contextmanager
def _with_step(framework: Framework, step: Callable[[bool], str]) -> Iterator[Framework]:
    """A copy with one more statement before the echo's line; if that line also receives, then after that.

    ``step``: the statement, for whether the line is part of a coroutine.
    """
    line = framework.evidence.echo
    if line is None:
        raise HintError(
            "pyproject.toml does not name the first line of the echo handler: [tool.rtsite.evidence] has no echo"
        )
    with altered(framework) as copy:
        changed = 0
        for path in sorted(copy.folder.glob("*.py")):
            source = path.read_text(encoding="utf-8")
            lines = source.splitlines(keepends=True)
            places = [number for number, one in enumerate(lines) if one.strip() == line]
            if path.name.startswith("test_") or not places:
                continue
            if len(places) > 1:
                raise HintError(f"{path.name}: the echo's line {line!r} occurs {len(places)} times; it must occur once")
            (place,) = places
            indent = lines[place][: -len(lines[place].lstrip())]
            steps = [step(_is_in_coroutine(source, place + 1)), line]
            if receive := framework.evidence.receive:
                steps = [f"received = {receive}", steps[0], line.replace(receive, "received")]
            lines[place : place + 1] = [f"{indent}{one}\n" for one in steps]
            path.write_text("".join(lines), encoding="utf-8")
            changed += 1
        if not changed:
            raise HintError(f"no module of the app has the line {line!r}, which [tool.rtsite.evidence] names")
        yield copy


def _is_in_coroutine(source: str, line: int) -> bool:
    """Whether the innermost function around a line is a coroutine."""
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return bool(around) and isinstance(max(around, key=lambda node: node.lineno), ast.AsyncFunctionDef)


RAISED = "raised on purpose"
