"""Rooms across processes: how a framework does it, proven by a variant with several processes."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Mapping, Set
from pathlib import Path

from runners.evidence.counted_code import definition_lines, start_lines
from runners.evidence.source_code import bare_string_lines, modules_of
from runners.record import BUILT_IN, NOT_POSSIBLE, Finding
from runners.subjects.catalog import Framework, Variant

HELPER = "redis_rooms.py"
"""The module with rooms through Redis, which is the same in every folder that has it."""
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def rooms_across_finding(framework: Framework, main: Variant, spanning: Mapping[str, Finding]) -> Finding:
    """``built in``, ``with N lines`` or ``no``; ``spanning``: each variant's finding on cross-process.

    The lines are those of the modules that the proving variant uses and ``main`` does not.
    """
    claimed = framework.evidence.rooms_across
    if claimed is None:
        return _finding(None, "[tool.rtsite.evidence] of pyproject.toml has no rooms_across")
    if claimed == "no":
        return _finding(NOT_POSSIBLE, framework.cannot.get("scaleout", "the folder says so"))
    mains = set(modules_of(framework.folder, main))
    own = {variant.slug: modules_of(framework.folder, variant) for variant in framework.variants}
    able = [
        variant
        for variant in framework.variants
        if (claimed == "helper") is any(path.name == HELPER for path in own[variant.slug])
    ]
    proof = next((one for one in able if one.slug in spanning and spanning[one.slug].value is True), None)
    if proof is None:
        tried = "; ".join(f"{one.slug}: {spanning[one.slug].note}" for one in able if one.slug in spanning)
        return _finding(None, f"not proven: {tried or 'no variant does it'}"[:1000])
    if claimed == "built-in":
        return _finding(BUILT_IN, f"proven by {proof.slug}")
    apart = frozenset(name for names in framework.evidence.apart.values() for name in names)
    lines = {path.name: count_lines(path, apart) for path in own[proof.slug] if path not in mains}
    listed = ", ".join(f"{name} {count}" for name, count in lines.items())
    return _finding(f"with {sum(lines.values())} lines", f"{listed}; proven by {proof.slug}")


def _finding(value: str | None, note: str) -> Finding:
    return Finding(item="rooms-across", value=value, note=note)


def count_lines(path: Path, apart: Set[str] = frozenset()) -> int:
    """The lines of a module that have code: no empty lines, comments or docstrings, and none that only start it.

    ``apart``: names of functions and classes that serve only exchanges which not every framework has. They are left
    out, as everywhere.
    """
    source = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - bare_string_lines(source) - start_lines(source) - definition_lines(source, apart))
