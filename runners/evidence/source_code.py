"""The source code of an application: its size, and the names that a reader has to know. The code is not executed."""

from __future__ import annotations

import ast
import builtins
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runners import process
from runners.evidence.counted_code import EVERYBODYS, counted_trees
from runners.record import Finding, RtsiteError
from runners.serving.environment import Environment
from runners.subjects.catalog import Framework, Variant

_IMPORT_TIMEOUT_S = 60.0


def code_findings(framework: Framework, variant: Variant, installed: Environment) -> list[Finding]:
    """The size and the vocabulary of the application as this variant serves it, of the code in `counted_trees`.

    They have no values if the application has none of the exchanges that every framework has.

    ``installed``: the variant's environment. Raises `RtsiteError` if its packages cannot be inspected, and `HintError`
    if the folder's hints do not fit the application.
    """
    if not set(framework.exchanges) & set(EVERYBODYS):
        why = "it has no exchange that every framework has, so its code is compared with no other"
        return [Finding(item=item, note=why) for item in ("statements", "files", "names", "concepts", "rooms")]
    used = modules_of(framework.folder, variant)
    modules = counted_trees(framework, {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in used})
    paths = [path for path in used if path.name in modules]
    settings = {path.name for path in settings_of(framework.folder, variant)}
    vocabulary = CodeVocabulary({path.stem for path in paths}, members_of(modules.values(), paths, installed))
    vocabulary.read(tree for name, tree in modules.items() if name not in settings)
    vocabulary.read_settings(tree for name, tree in modules.items() if name in settings)
    return [
        Finding(item="statements", value=sum(map(count_statements, modules.values()))),
        Finding(item="files", value=len(modules), note=", ".join(modules)),
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


def count_statements(tree: ast.Module) -> int:
    """The number of statements in a module, nested ones included, without docstrings and other bare strings."""
    return sum(isinstance(node, ast.stmt) and not _is_bare_string(node) for node in ast.walk(tree))


def _is_bare_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def bare_string_lines(source: str) -> set[int]:
    """The lines of docstrings and other bare strings."""
    return {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and _is_bare_string(node)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


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
                # "app:api" names an object, so a framework imports its module as code.
                names_object = re.fullmatch(r"(\w+):\w+", node.value)
                self._refer(names_object[1] if names_object else node.value, is_import=names_object is not None)


Kind = Literal["package", "unknown", "ours"]
"""What is known of the object behind a name: it is a package's, nothing, or it is Python's or the application's."""


@dataclass
class CodeVocabulary:
    """The names that an application uses from packages, not from Python or its own code.

    ``local``: its own modules. ``known``: the attributes that classes of its packages have, see `members_of`.

    An attribute counts if a class of a package has it. An object may have no known type, because it is annotated as
    ``Any`` or not at all. Then attributes that Python's own types or the application's own classes have do not count.
    """

    local: Set[str]
    known: Set[str]
    names: set[str] = field(default_factory=set)
    """Names from installed packages, including their module."""
    decorators: set[str] = field(default_factory=set)
    hooks: set[str] = field(default_factory=set)
    """Methods of classes that extend a class of a package, directly or not, and that a class of a package has."""
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

    def read_settings(self, trees: Iterable[ast.Module]) -> None:
        """Add modules whose upper-case constants are settings of the framework."""
        for tree in trees:
            self.read([tree])
            self.settings |= {
                target.id
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name) and target.id.isupper()
            }

    def read(self, trees: Iterable[ast.Module]) -> None:
        """Add the modules of an application, all at once, because classes extend those of other modules."""
        modules = [_Module(tree, *imported_names(tree, self.local)) for tree in trees]
        classes = [node for module in modules for node in module.nodes if isinstance(node, ast.ClassDef)]
        derived = _derived(classes, {name for module in modules for name in module.packages})
        defined = {name for node in classes for name in _defined(node)}
        for module in modules:
            for node in module.nodes:
                if isinstance(node, ast.Attribute):
                    self.mentioned.add(node.attr)
                elif isinstance(node, ast.Name):
                    self.mentioned.add(node.id)
            for chain in chains(module.tree):
                if chain[0] in module.packages:
                    self.names.add(shortened([*module.packages[chain[0]].split("."), *chain[1:]]))
            self._read_attributes(module, defined)
            for node in module.nodes:
                if isinstance(node, ast.ClassDef) and node.name in derived:
                    self.hooks |= {name for name in _methods(node) if not name.startswith("_")} & self.known
                    self.members |= (_read_of_self(node) - defined) & self.known

    def _read_attributes(self, module: _Module, defined: Set[str]) -> None:
        kinds = _kinds(module)
        decorating = {id(one) for node in module.nodes if isinstance(node, _DEFINITIONS) for one in _decorators(node)}
        for node in module.nodes:
            if not isinstance(node, ast.Attribute) or node.attr not in self.known:
                continue
            root = _root(node)
            if root in module.packages or root == "self" or kinds.get(root, "unknown") == "ours":
                continue
            is_certain = isinstance(node.value, ast.Name) and kinds.get(root) == "package"
            if is_certain or (node.attr not in defined and node.attr not in _OF_BUILTINS):
                (self.decorators if id(node) in decorating else self.members).add(node.attr)


class _Module:
    """A module with the names that it imports: from packages with their full names, and from elsewhere."""

    def __init__(self, tree: ast.Module, packages: Mapping[str, str], own: Set[str]) -> None:
        self.tree, self.packages, self.own = tree, packages, own
        self.nodes = list(ast.walk(tree))


def imported_names(tree: ast.Module, local: Set[str]) -> tuple[dict[str, str], set[str]]:
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
            if top in sys.stdlib_module_names or top in local:
                own.add(known)
            else:
                packages[known] = full
    return packages, own


def _derived(classes: Sequence[ast.ClassDef], packages: Set[str]) -> set[str]:
    """The names of the classes that extend a class of a package, directly or through other classes."""
    found: set[str] = set()
    while True:
        more = {one.name for one in classes if any(_root(base) in packages | found for base in one.bases)}
        if more <= found:
            return found
        found |= more


def _methods(node: ast.ClassDef) -> set[str]:
    return {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


def _defined(node: ast.ClassDef) -> set[str]:
    """The attributes that a class defines: methods, annotated fields, and what is assigned to ``self``."""
    fields = {one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}
    return _methods(node) | fields | {one.attr for one in _of_self(node) if isinstance(one.ctx, ast.Store)}


def _of_self(node: ast.ClassDef) -> list[ast.Attribute]:
    return [
        one
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "self"
    ]


def _read_of_self(node: ast.ClassDef) -> set[str]:
    return {one.attr for one in _of_self(node)}


def _kinds(module: _Module) -> dict[str, Kind]:
    """The kind of object behind each variable and parameter; the least certain of all places that give it one."""
    kinds: dict[str, Kind] = {}
    for name in module.own:
        kinds[name] = "ours"
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            kinds[node.name] = _kind_of_annotation(node.returns, module)
        elif isinstance(node, _DEFINITIONS):
            kinds[node.name] = "ours"
    for _ in range(3):  # kinds of other names follow from those found so far
        found: dict[str, set[Kind]] = {}
        for name, kind in _bindings(module, kinds):
            found.setdefault(name, set()).add(kind)
        kinds |= {name: next(kind for kind in _KINDS if kind in given) for name, given in found.items()}
    return kinds


def _bindings(module: _Module, kinds: Mapping[str, Kind]) -> Iterator[tuple[str, Kind]]:
    for node in module.nodes:
        if isinstance(node, ast.arg):
            yield node.arg, _kind_of_annotation(node.annotation, module)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, _kind_of_annotation(node.annotation, module)
        elif isinstance(node, ast.Assign):
            for name in (one for target in node.targets for one in _assigned(target)):
                yield name, _kind_of_value(node.value, module, kinds)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            for name in _assigned(node.optional_vars):
                yield name, _kind_of_value(node.context_expr, module, kinds)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            inside = {kinds.get(one.id, "unknown") for one in ast.walk(node.iter) if isinstance(one, ast.Name)}
            for name in _assigned(node.target):
                yield name, "ours" if inside == {"ours"} else "unknown"


def _assigned(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Tuple | ast.List):
        return [name for one in target.elts for name in _assigned(one)]
    return [target.id] if isinstance(target, ast.Name) else []


def _kind_of_annotation(annotation: ast.expr | None, module: _Module) -> Kind:
    if annotation is None:
        return "unknown"
    choices = [annotation]
    while any(isinstance(one, ast.BinOp) for one in choices):
        choices = [side for one in choices for side in ([one.left, one.right] if isinstance(one, ast.BinOp) else [one])]
    if any(_root(one) in module.packages for one in choices):
        return "package"
    inside = {one.id for one in ast.walk(annotation) if isinstance(one, ast.Name)}
    return "unknown" if inside & ({"Any", "object"} | set(module.packages)) else "ours"


def _kind_of_value(value: ast.expr, module: _Module, kinds: Mapping[str, Kind]) -> Kind:
    root = _root(value)
    if root in module.packages:
        made = value.func if isinstance(value, ast.Call) else value
        last = made.attr if isinstance(made, ast.Attribute) else root
        return "package" if last[:1].isupper() else "unknown"
    return "unknown" if root and kinds.get(root, "unknown") != "ours" else "ours"


_KINDS: tuple[Kind, ...] = ("package", "unknown", "ours")
_OF_BUILTINS = frozenset(
    name for kind in (str, bytes, list, dict, set, tuple, int, float, Exception) for name in dir(kind)
)
_MEMBERS = """
import dis, importlib, inspect, json, sys
tops = set()
for name in sys.argv[1:]:
    parts = name.split(".")
    tops.add(parts[0])
    for end in range(1, len(parts) + 1):
        try:
            importlib.import_module(".".join(parts[:end]))
        except BaseException:
            break
kinds = {}  # by identity: a class has many names, and may be a base of many
for name, module in list(sys.modules.items()):
    if name.split(".")[0] not in tops:
        continue
    for one in list(vars(module).values()):
        if issubclass(type(one), type):  # isinstance would set up lazy objects, such as Django's settings
            kinds.update((id(kind), kind) for kind in one.__mro__)
found = set()
for kind in kinds.values():
    if kind.__module__.split(".")[0] in sys.stdlib_module_names:
        continue
    found.update(vars(kind), vars(kind).get("__annotations__") or (), vars(kind).get("__slots__") or ())
    for function in vars(kind).values():
        if inspect.isfunction(function):
            found.update(one.argval for one in dis.get_instructions(function) if one.opname == "STORE_ATTR")
print(json.dumps(sorted(name for name in found if isinstance(name, str) and not name.startswith("_"))))
"""


def members_of(trees: Iterable[ast.Module], paths: Sequence[Path], installed: Environment) -> frozenset[str]:
    """The public attributes of all classes in the packages that these modules import, in an environment.

    The packages are imported, the application is not. Raises `RtsiteError` if the environment's Python cannot run.
    """
    local = {path.stem for path in paths}
    full = sorted({name for tree in trees for name in imported_names(tree, local)[0].values()})
    done = process.run(
        "python",
        [str(installed.bin / "python"), "-I", "-c", _MEMBERS, *full],
        folder=installed.folder,
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
        timeout_s=_IMPORT_TIMEOUT_S,
    )
    if done.returncode != 0:
        raise RtsiteError(f"the packages of the app cannot be inspected: {' '.join(done.stderr.split())[-500:]}")
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.expr]:
    return [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Await):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def chains(tree: ast.Module) -> Iterator[list[str]]:
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


def shortened(parts: Sequence[str]) -> str:
    """The name up to the first part that is not a module, such as a class."""
    kept = list(parts[:1])
    for part in parts[1:]:
        kept.append(part)
        if not part.islower():
            break
    return ".".join(kept)
