"""How much a type checker knows of the names that an application imports from packages."""

from __future__ import annotations

import ast
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from uv import find_uv_bin

from runners.evidence.counted_code import Trees, counted_trees
from runners.evidence.packages import run_tool
from runners.evidence.source_code import chains, imported_names, modules_of, shortened
from runners.record import Finding, RtsiteError
from runners.revision import ROOT
from runners.serving.environment import Environment
from runners.subjects.catalog import Framework, Variant

MYPY = "mypy>=2.4,<3"
_REVEALED = re.compile(r'^(?P<file>[^:]+):(?P<line>\d+): note: Revealed type is "(?P<type>.*)"$')

_ABSENT = re.compile(r'implementation or library stub for module named "([^"]+)"')
"""Packages that the environment does not have, because only other variants use them."""


def mypy_version() -> str:
    """The version of the type checker."""
    done = run_tool([find_uv_bin(), "tool", "run", "--quiet", "--from", MYPY, "mypy", "--version"], folder=ROOT)
    if done.returncode != 0:
        words = " ".join(done.stderr.split())
        raise RtsiteError(f"the type checker cannot be installed ({MYPY}): {words[:500]}; check the network")
    return done.stdout.split()[1]


def types_finding(framework: Framework, variant: Variant, installed: Environment) -> Finding:
    """The share of imported names whose type is known, in a variant's environment and with the packages that declare
    the types, if the folder names any.

    The names are those of the code in `counted_trees`. The application itself is not checked: its own annotations do
    not count. Raises `RtsiteError` if mypy fails, or if these packages cannot be installed.
    """
    with tempfile.TemporaryDirectory(prefix="rtsite-") as home:
        named: dict[tuple[str, int], str] = {}
        modules = modules_of(framework.folder, variant)
        trees: Trees = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in modules}
        if not framework.only_streams:
            trees = counted_trees(framework, trees)
        for file, tree in trees.items():
            lines = list(_revealing(tree, {one.stem for one in modules}))
            Path(home, file).write_text("".join(f"{line}\n" for line, _ in lines), encoding="utf-8")
            named |= {(file, number): name for number, (_, name) in enumerate(lines, start=1) if name}
        done = run_tool(
            [
                find_uv_bin(), "tool", "run", "--quiet", "--from", MYPY, "mypy", "--no-error-summary",
                "--config-file", "", "--cache-dir", os.devnull,
                "--python-executable", str(_python_with_types(framework, installed, Path(home))),
                *sorted({file for file, _ in named}),
            ],
            folder=Path(home),
        )  # fmt: skip
    if done.returncode not in (0, 1):
        words = " ".join((done.stderr or done.stdout).split())
        raise RtsiteError(f"mypy failed: {words[:1000]}")
    known: dict[str, bool] = {}
    for found in filter(None, map(_REVEALED.match, done.stdout.splitlines())):
        name = named.get((found["file"], int(found["line"])), "")
        known[name] = known.get(name, False) or found["type"] != "Any"
    known.pop("", None)
    absent = {name.split(".")[0] for name in _ABSENT.findall(done.stdout)}
    known = {name: is_known for name, is_known in known.items() if name.split(".")[0] not in absent}
    if not known:
        return Finding(item="types-known", note="the app imports no name from a package")
    unknown = sorted(name for name, is_known in known.items() if not is_known)
    notes = [f"not known: {', '.join(unknown)}"] if unknown else []
    if other := framework.evidence.types:
        notes.insert(0, f"with {' and '.join(other.packages)}")
    return Finding(
        item="types-known",
        value=round(100 * (1 - len(unknown) / len(known)), 1),
        note="; ".join(notes)[:3900] or None,
    )


def _python_with_types(framework: Framework, installed: Environment, home: Path) -> Path:
    """The interpreter of an environment with the variant's packages, and with those that declare their types.

    The latter are not installed into the variant's environment, which has what the application needs and no more.
    """
    other = framework.evidence.types
    if other is None:
        return installed.bin / "python"
    folder = home / "types"
    python = folder / "bin" / "python"
    for arguments in (
        ["venv", "--python", str(installed.bin / "python"), str(folder)],
        # What they depend on is in the variant's environment already, or is not about types.
        ["pip", "install", "--python", str(python), "--no-deps", *other.packages],
    ):
        done = run_tool([find_uv_bin(), *arguments, "--quiet", "--no-config"], folder=ROOT)
        if done.returncode != 0:
            words = " ".join(done.stderr.split())
            raise RtsiteError(
                f"{' and '.join(other.packages)}, which [tool.rtsite.evidence] types of {framework.slug} names, cannot"
                f" be installed: {words[:500]}; correct the names, or check the network"
            )
    (packages,) = installed.folder.glob("lib/python*/site-packages")
    (place,) = folder.glob("lib/python*/site-packages")
    (place / "variant.pth").write_text(f"{packages}\n", encoding="utf-8")
    return python


def _revealing(tree: ast.Module, local: set[str]) -> Iterator[tuple[str, str]]:
    """Lines of a module that imports the same names from packages and reveals the type of each: the line, and the full
    name that it reveals, or nothing.
    """
    packages, _ = imported_names(tree, local)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and any(
            (alias.asname or alias.name.split(".")[0]) in packages or alias.name in packages for alias in node.names
        ):
            yield ast.unparse(node), ""
    shown = set()
    for chain in chains(tree):
        if chain[0] in packages and (full := shortened([*packages[chain[0]].split("."), *chain[1:]])) not in shown:
            shown.add(full)
            yield f"reveal_type({'.'.join(chain)})", full
    for node in ast.walk(tree):  # the type of a generic alias shows only with its arguments
        annotation = node.annotation if isinstance(node, ast.arg | ast.AnnAssign) else None
        if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
            full = packages.get(annotation.value.id, "")
            yield f"def _(value: {ast.unparse(annotation)}) -> None: reveal_type(value)", full
