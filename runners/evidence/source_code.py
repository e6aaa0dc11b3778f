"""The source code of an application: its size, and the names that a reader has to know. The code is not executed."""

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


def code_findings(framework: Framework) -> list[Finding]:
    """The size and the vocabulary of the application as its first variant serves it."""
    variant = framework.variants[0]
    paths = modules_of(framework.folder, variant)
    settings = settings_of(framework.folder, variant)
    vocabulary = CodeVocabulary({path.stem for path in paths})
    for path in paths:
        vocabulary.read(ast.parse(path.read_text(encoding="utf-8")), is_settings=path in settings)
    return [
        Finding(item="statements", value=sum(count_statements(path) for path in paths)),
        Finding(item="files", value=len(paths), note=", ".join(path.name for path in paths)),
        Finding(item="names", value=len(vocabulary.names), note=_listed(vocabulary.names)),
        Finding(item="concepts", value=len(vocabulary.concepts), note=_listed(vocabulary.concepts)),
        _rooms(framework, vocabulary),
    ]


def _rooms(framework: Framework, vocabulary: CodeVocabulary) -> Finding:
    api = framework.evidence.rooms
    if api is None:
        return Finding(item="rooms", value=False, note="the app keeps its own sets of clients")
    if api not in vocabulary.mentioned:
        return Finding(item="rooms", note=f"[tool.rtsite.evidence] names {api}, which the app does not use")
    return Finding(item="rooms", value=True, note=api)


def _listed(words: set[str]) -> str:
    text = ", ".join(sorted(words))
    return text if len(text) <= 3900 else text[:3900] + " …"


def count_statements(path: Path) -> int:
    """The number of statements in a module, nested ones included, without docstrings and other bare strings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sum(isinstance(node, ast.stmt) and not _is_bare_string(node) for node in ast.walk(tree))


def _is_bare_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def modules_of(folder: Path, variant: Variant) -> list[Path]:
    """The folder's modules that the variant uses: in its command, by imports, or by name in a string."""
    return sorted(_References(folder, variant).used)


def settings_of(folder: Path, variant: Variant) -> list[Path]:
    """The modules that are only named in strings. A framework loads them by name and reads their constants."""
    references = _References(folder, variant)
    return sorted(references.used - references.imported)


class _References:
    """The modules of a folder that a variant uses, and how it refers to them."""

    def __init__(self, folder: Path, variant: Variant) -> None:
        self._local = {path.stem: path for path in folder.glob("*.py") if not path.name.startswith("test_")}
        self.used: set[Path] = set()
        self.imported: set[Path] = set()
        """The used modules that the variant's command or an import refers to."""
        for word in [*variant.command, *variant.environment.values()]:
            for stem in re.split(r"[:.\s]", word):
                self._refer(stem, is_import=word in variant.command)

    def _refer(self, stem: str, *, is_import: bool) -> None:
        path = self._local.get(stem)
        if path is None:
            return
        if is_import:
            self.imported.add(path)
        if path in self.used:
            return
        self.used.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._refer(alias.name, is_import=True)
            elif isinstance(node, ast.ImportFrom) and node.module:
                self._refer(node.module, is_import=True)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._refer(node.value, is_import=False)


@dataclass
class CodeVocabulary:
    """The names that an application uses from packages, not from Python or its own code. ``local``: its own modules."""

    local: set[str]
    names: set[str] = field(default_factory=set)
    """Names from installed packages, including their module."""
    decorators: set[str] = field(default_factory=set)
    hooks: set[str] = field(default_factory=set)
    """Methods of classes that extend a class of a package."""
    members: set[str] = field(default_factory=set)
    """Attributes that are used on a package's objects."""
    settings: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)
    """Every attribute and name in the code."""

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
        """Add one module. ``is_settings``: its upper-case constants are settings of the framework."""
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
        """The names imported from packages, with their full names, and the names from Python or the application."""
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
            # ``@app.websocket``: the object belongs to the app, its method to the framework.
            if isinstance(target, ast.Attribute) and _root(target) not in own | set(packages):
                self.decorators.add(target.attr)


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.expr]:
    return [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]


def _objects(tree: ast.Module, packages: Mapping[str, str]) -> set[str]:
    """Variables that hold the result of a call into a package, and parameters annotated with its types."""
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
    """The attributes of ``self`` that a class uses but does not define."""
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
    """Yields every name with the attributes read from it: ``web.WSMsgType.TEXT``."""
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
    """The name up to the first part that is not a module, such as a class."""
    kept = list(parts[:1])
    for part in parts[1:]:
        kept.append(part)
        if not part.islower():
            break
    return ".".join(kept)
