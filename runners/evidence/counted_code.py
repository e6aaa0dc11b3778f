"""The part of an application's code that counts, the same for every framework. The code is not executed.

Nobody is charged for offering more than others, so what serves only an exchange that some frameworks lack is left out.
Nobody is charged for starting processes either: for most frameworks a server's command line does that.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TypeVar

from runners.evidence.copies import HintError
from runners.loadgen.job import Exchange
from runners.subjects.catalog import Framework

EVERYBODYS: tuple[Exchange, ...] = ("echo", "room", "dashboard")
"""The exchanges whose code counts. Every framework has them. What else all come to have is left out, so that sizes stay
comparable over time."""

Trees = Mapping[str, ast.Module]
"""The modules of an app by the name of their file."""
_Node = TypeVar("_Node", bound=ast.AST)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def counted_trees(framework: Framework, modules: Trees) -> dict[str, ast.Module]:
    """The modules without what serves only some frameworks' exchanges, and without what starts processes.

    The latter is what runs under ``if __name__ == "__main__":``, the module or function that the folder names as
    ``supervisor``, and the function that it names as ``own_tls``. Raises `HintError` if `apart_names` does, or if the
    app has no such function.
    """
    supervisor, own_tls = framework.evidence.supervisor, framework.evidence.own_tls
    kept = {name: tree for name, tree in modules.items() if name != supervisor}
    if own_tls is not None and own_tls not in {one for tree in kept.values() for one in _names_in(tree)}:
        raise HintError(f"[tool.rtsite.evidence] has own_tls = {own_tls!r}, which the app does not have; take it out")
    kept = without_exchanges(kept, apart_names(framework, kept))
    return _without_start(kept, {supervisor, own_tls})


def apart_names(framework: Framework, modules: Trees) -> frozenset[str]:
    """The names that serve only exchanges which not every framework has.

    Raises `HintError` if the folder names none for such an exchange or some for another one. It also does if the app
    does not have a name.
    """
    named = framework.evidence.apart
    beyond = [one for one in framework.exchanges if one not in EVERYBODYS]
    for exchange in beyond:
        if not named.get(exchange):
            raise HintError(
                f"pyproject.toml does not name what serves only {exchange!r}: apart in [tool.rtsite.evidence] has no"
                f' {exchange}. Write apart = {{ {exchange} = ["{exchange}"] }} with its handlers and what they keep'
            )
    for exchange in named:
        if exchange not in beyond:
            raise HintError(
                f"[tool.rtsite.evidence] has apart for {exchange!r}, expected only exchanges that the app has and not"
                f" every framework: {', '.join(beyond) or 'none'}; take it out"
            )
    wanted = frozenset(name for names in named.values() for name in names)
    for name in sorted(wanted - {one for tree in modules.values() for one in _names_in(tree)}):
        raise HintError(f"[tool.rtsite.evidence] has {name!r} in apart, which the app does not have; take it out")
    return wanted


def without_exchanges(modules: Trees, names: Set[str]) -> dict[str, ast.Module]:
    """The modules without the definitions of these names, without what mentions them, and without what only that uses.

    Of a list or set, the elements that mention a name are left out; of everything else, the innermost statement.
    """
    changed = {name: copy.deepcopy(tree) for name, tree in modules.items()}
    used = _used(changed)
    gone = set(names)
    while gone:
        for tree in changed.values():
            tree.body = _stripped(tree.body, gone)
        left = _used(changed)
        used, gone = left, used - left - gone
    return changed


def _without_start(modules: Trees, functions: Set[str | None]) -> dict[str, ast.Module]:
    changed = {name: copy.deepcopy(tree) for name, tree in modules.items()}
    before = _used(changed)
    for tree in changed.values():
        tree.body = [
            node
            for node in tree.body
            if not _is_main_block(node) and not (isinstance(node, _DEFINITIONS) and node.name in functions)
        ]
    unused = before - _used(changed)
    for tree in changed.values():
        tree.body = [kept for node in tree.body if (kept := _without_aliases(node, unused)) is not None]
    return changed


def start_lines(source: str) -> set[int]:
    """The lines of a module that only start it: those under ``if __name__ == "__main__":``, and imports for them."""
    tree = ast.parse(source)
    blocks = [node for node in tree.body if _is_main_block(node)]
    rest = ast.Module([node for node in tree.body if not _is_main_block(node)], [])
    unused = _used({"": tree}) - _used({"": rest})
    imports = [node for node in tree.body if _without_aliases(copy.deepcopy(node), unused) is None]
    return {line for node in blocks + imports for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def definition_lines(source: str, names: Set[str]) -> set[int]:
    """The lines of a module's functions and classes with these names, with their decorators."""
    found = [node for node in ast.parse(source).body if isinstance(node, _DEFINITIONS) and node.name in names]
    return {
        line
        for node in found
        for line in range(min([node.lineno, *(one.lineno for one in node.decorator_list)]), (node.end_lineno or 0) + 1)
    }


def _is_main_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
    )


def _used(modules: Trees) -> set[str]:
    """The names that are read anywhere, or that one module of the app imports from another."""
    local = {name.removesuffix(".py") for name in modules}
    found: set[str] = set()
    for tree in modules.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, ast.ImportFrom) and node.module in local:
                found |= {alias.name for alias in node.names}
    return found


def _names_in(tree: ast.Module) -> set[str]:
    """The names that a module defines."""
    return {node.name for node in ast.walk(tree) if isinstance(node, _DEFINITIONS)} | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _stripped(body: Sequence[ast.stmt], gone: Set[str]) -> list[ast.stmt]:
    return [kept for node in body if (kept := _strip(node, gone)) is not None]


def _strip(node: ast.stmt, gone: Set[str]) -> ast.stmt | None:
    """The statement without what mentions the names; ``None`` if nothing of it is left."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _without_aliases(node, gone)
    if isinstance(node, _DEFINITIONS):
        if node.name in gone:
            return None
        node.body = _stripped(node.body, gone) or [ast.Pass()]
        return node
    blocks = [name for name in ("body", "orelse", "finalbody") if isinstance(getattr(node, name, None), list)]
    inner = [*getattr(node, "handlers", []), *getattr(node, "cases", [])]
    if not blocks and not inner:
        node = _ListPruner(gone).visit(node)
        return None if _mentions([node], gone) else node
    if _mentions(_header(node), gone):
        return None
    for name in blocks:
        setattr(node, name, _stripped(getattr(node, name), gone))
    for one in inner:
        one.body = _stripped(one.body, gone) or [ast.Pass()]
    return node if (inner and not blocks) or getattr(node, "body", None) else None


def _header(node: ast.stmt) -> list[ast.AST]:
    """What a compound statement evaluates itself, without its blocks."""
    return [
        child
        for child in ast.iter_child_nodes(node)
        if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)
    ]


def _mentions(nodes: Iterable[ast.AST], names: Set[str]) -> bool:
    return any(isinstance(one, ast.Name) and one.id in names for node in nodes for one in ast.walk(node))


def _without_aliases(node: ast.stmt, gone: Set[str]) -> ast.stmt | None:
    """An import without these names; ``None`` if no other is left. Any other statement as it is."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        node.names = [one for one in node.names if (one.asname or one.name.split(".")[0]) not in gone]
        if not node.names:
            return None
    return node


class _ListPruner(ast.NodeTransformer):
    """Leaves out the elements of lists and sets that mention one of the names."""

    def __init__(self, gone: Set[str]) -> None:
        self.gone = gone

    def visit_List(self, node: ast.List) -> ast.AST:
        return self._pruned(node)

    def visit_Set(self, node: ast.Set) -> ast.AST:
        return self._pruned(node)

    def _pruned(self, node: ast.List | ast.Set) -> ast.AST:
        node.elts = [one for one in node.elts if not _mentions([one], self.gone)]
        return self.generic_visit(node)
