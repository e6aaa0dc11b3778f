"""What an app's source tells: its size, and what has to be known to read it. Nothing of it is run."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runners.record import Finding
from runners.subjects.catalog import Framework, Variant


def findings(framework: Framework) -> list[Finding]:
    """Size and vocabulary of the app as its first variant serves it."""
    variant = framework.variants[0]
    paths = modules_of(framework.folder, variant)
    seen = Vocabulary({path.stem for path in paths})
    for path in paths:
        seen.read(ast.parse(path.read_text(encoding="utf-8")), is_settings=path.stem == "settings")
    return [
        Finding(item="statements", value=sum(count_statements(path) for path in paths)),
        Finding(item="files", value=len(paths), note=", ".join(path.name for path in paths)),
        Finding(item="names", value=len(seen.names), note=_listed(seen.names)),
        Finding(item="concepts", value=len(seen.concepts), note=_listed(seen.concepts)),
        _rooms(framework, seen),
    ]


def _rooms(framework: Framework, seen: Vocabulary) -> Finding:
    api = framework.evidence.rooms
    if api is None:
        return Finding(item="rooms", value=False, note="the app keeps its own sets of clients")
    if api not in seen.mentioned:
        return Finding(item="rooms", note=f"the folder names {api}, which its app does not use")
    return Finding(item="rooms", value=True, note=api)


def _listed(words: set[str]) -> str:
    text = ", ".join(sorted(words))
    return text if len(text) <= 3900 else text[:3900] + " …"


def count_statements(path: Path) -> int:
    """Statements of a module, nested ones too; docstrings and other bare strings are none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sum(isinstance(node, ast.stmt) and not _is_bare_string(node) for node in ast.walk(tree))


def _is_bare_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def modules_of(folder: Path, variant: Variant) -> list[Path]:
    """The folder's modules that the variant's command leads to: by import, or named in a string, as settings are."""
    local = {path.stem: path for path in sorted(folder.glob("*.py")) if not path.name.startswith("test_")}
    words = [*variant.command, *variant.environment.values()]
    waiting = [stem for word in words for stem in re.split(r"[:.\s]", word) if stem in local]
    found: list[str] = []
    while waiting:
        stem = waiting.pop()
        if stem in found:
            continue
        found.append(stem)
        for node in ast.walk(ast.parse(local[stem].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names if alias.name in local]
            elif isinstance(node, ast.ImportFrom) and node.module in local:
                waiting.append(node.module)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in local:
                waiting.append(node.value)
    return [local[stem] for stem in sorted(found)]


@dataclass
class Vocabulary:
    """What an app says that is neither Python nor its own. ``local``: the names of its own modules."""

    local: set[str]
    names: set[str] = field(default_factory=set)
    """From installed packages, with their module."""
    decorators: set[str] = field(default_factory=set)
    hooks: set[str] = field(default_factory=set)
    """Methods of classes that extend one of a package's."""
    members: set[str] = field(default_factory=set)
    """What is used of a package's objects."""
    settings: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)
    """Every attribute and name, to look one up."""

    @property
    def concepts(self) -> set[str]:
        return (
            self.names
            | {f"@{name}" for name in self.decorators}
            | {f"{name}()" for name in self.hooks}
            | {f".{name}" for name in self.members}
            | self.settings
        )

    def read(self, tree: ast.Module, *, is_settings: bool = False) -> None:
        """Enter what one module says."""
        packages, own = self._imports(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                self.mentioned.add(node.attr)
            elif isinstance(node, ast.Name):
                self.mentioned.add(node.id)
        for chain in _chains(tree):
            if chain[0] in packages:
                self.names.add(_shortened([*packages[chain[0]].split("."), *chain[1:]]))
        defined = own | {node.name for node in ast.walk(tree) if isinstance(node, _DEFINITIONS)}
        for node in ast.walk(tree):
            if isinstance(node, _DEFINITIONS):
                self._decorated(node, packages, defined)
            if isinstance(node, ast.ClassDef) and any(_root(base) in packages for base in node.bases):
                self.hooks |= {
                    method.name
                    for method in node.body
                    if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and not method.name.startswith("_")
                }
                self.members |= _inherited(node)
        decorating = {id(one) for node in ast.walk(tree) if isinstance(node, _DEFINITIONS) for one in _decorators(node)}
        objects = _objects(tree, packages)
        self.members |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and id(node) not in decorating
            if isinstance(node.value, ast.Name) and node.value.id in objects
        }
        if is_settings:
            self.settings |= {
                target.id
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name) and target.id.isupper()
            }

    def _imports(self, tree: ast.Module) -> tuple[dict[str, str], set[str]]:
        """What names stand for: of packages, their full name; and those that are Python's or the app's."""
        packages: dict[str, str] = {}
        own = set(dir(builtins))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                pairs = [(alias.asname or alias.name.split(".")[0], alias.name, alias.asname) for alias in node.names]
                named = [(known, full if renamed else known) for known, full, renamed in pairs]
            elif isinstance(node, ast.ImportFrom):
                named = [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
            else:
                continue
            for known, full in named:
                top = full.split(".")[0]
                if top in sys.stdlib_module_names or top in self.local:
                    own.add(known)
                else:
                    packages[known] = full
        return packages, own

    def _decorated(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, packages: dict[str, str], own: set[str]
    ) -> None:
        for target in _decorators(node):
            # ``@app.websocket``: the object is the app's own, its method the framework's.
            if isinstance(target, ast.Attribute) and _root(target) not in own | set(packages):
                self.decorators.add(target.attr)


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.expr]:
    return [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]


def _objects(tree: ast.Module, packages: Mapping[str, str]) -> set[str]:
    """Names of what a package's call gave, and of parameters that are said to be of its types."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if _root(node.value) in packages:
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.arg) and node.annotation is not None and _root(node.annotation) in packages:
            found.add(node.arg)
    return found


def _inherited(node: ast.ClassDef) -> set[str]:
    """What a class uses of itself and does not make itself."""
    own = {one.name for one in node.body if isinstance(one, _DEFINITIONS)}
    attributes = [
        one
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "self"
    ]
    own |= {one.attr for one in attributes if isinstance(one.ctx, ast.Store)}
    own |= {one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}
    return {one.attr for one in attributes} - own


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _chains(tree: ast.Module) -> Iterator[list[str]]:
    """Every name with the attributes taken of it, as far as they go: ``web.WSMsgType.TEXT``."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name) or id(node) in inner:
            continue
        parts: list[str] = []
        part: ast.expr = node
        while isinstance(part, ast.Attribute):
            parts.append(part.attr)
            part = part.value
        if isinstance(part, ast.Name):
            yield [part.id, *reversed(parts)]


def _shortened(parts: Sequence[str]) -> str:
    """As far as to the first thing that is no module: a class, or what a module's attribute is."""
    kept = list(parts[:1])
    for part in parts[1:]:
        kept.append(part)
        if not part.islower():
            break
    return ".".join(kept)
