"""Rules for the whole source that no type checker or import contract can check."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ROOT / "runners" / "frameworks"
SLUGS = {path.parent.name for path in FRAMEWORKS.glob("*/pyproject.toml")} - {"reference"}
"""The reference is a role too, so its name may occur anywhere."""

NAMED = {
    "runners/cli/new.py": {"starlette"},
    "generator/comparison/application_stacks.py": {"django"},
    "generator/comparison/conclusions.py": {"django"},
}
"""Frameworks that a module may name: the default of `rtsite new framework --like`, and the host applications by which
readers look for an answer."""

SHARED_NAMES = {
    "cli": "the commands of a package",
    "evidence": "the same findings as they are collected and recorded",
    "main": "where a program begins",
}
"""Public names that several modules share, each with its one meaning."""


def sources(*folders: str) -> list[Path]:
    """The modules below these folders, the applications of the frameworks left out."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if not path.is_relative_to(FRAMEWORKS)]


@dataclass(frozen=True)
class Module:
    """What a module says. ``imports``: of ``from x import y`` both x and x.y. ``names``: its classes and functions."""

    imports: frozenset[str]
    texts: frozenset[str]
    names: frozenset[str]


@cache
def parsed(path: Path) -> Module:
    imports: set[str] = set()
    texts: set[str] = set()
    module = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = frozenset(node.name for node in module.body if isinstance(node, named))
    return Module(frozenset(imports), frozenset(texts), names)


def names_in(text: str) -> bool:
    """Whether a text names a test module, as the code of a child process does."""
    return re.search(r"\b(from|import) tests\.(?!support\b)", text) is not None


def test_no_test_module_imports_another() -> None:
    for path in sources("tests"):
        others = {name for name in parsed(path).imports if name.startswith("tests.")}
        assert not {name for name in others if name.split(".")[1] != "support"}, path
        assert path.name == "test_source.py" or not any(map(names_in, parsed(path).texts)), path


def test_nothing_depends_on_the_tests() -> None:
    for path in sources("runners", "generator", "benchmarks", "docs"):
        assert not {name for name in parsed(path).imports if name.split(".")[0] == "tests"}, path


def test_a_framework_is_named_in_its_folder_alone() -> None:
    """A new framework changes no other module. A name counts alone and with a variant, as in ``slug/variant``."""
    found = defaultdict(set)
    for path in sources("runners", "generator"):
        for text in parsed(path).texts:
            name = text.partition("/")[0]
            if name in SLUGS:
                found[path.relative_to(ROOT).as_posix()].add(name)
    assert found == NAMED


def test_public_names_are_unique() -> None:
    """No two public classes, functions or modules of the two packages share a name with different meanings."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in sources("runners", "generator"):
        module = path.parent if path.name == "__init__.py" else path.with_suffix("")
        home = module.relative_to(ROOT).as_posix()
        names = set(parsed(path).names)
        if module.parent.name != "cli":  # a command's module has the command's name
            names.add(module.name)
        for name in names:
            if not name.startswith("_"):
                places[name].add(home)
    shared = {name: sorted(homes) for name, homes in places.items() if len(homes) > 1}
    assert {name: homes for name, homes in shared.items() if name not in SHARED_NAMES} == {}
    assert sorted(SHARED_NAMES.keys() - shared.keys()) == [], "no longer shared"
