"""Source code as highlighted HTML, made at staging so that no page runs a highlighter."""

from __future__ import annotations

import ast
from functools import lru_cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


@lru_cache(maxsize=256)
def highlighted(source: str) -> Markup:
    """Python source with the token classes that the theme colours; escaped by Pygments."""
    html = highlight(source, PythonLexer(), HtmlFormatter(cssclass="highlight", wrapcode=True))
    return Markup(html)  # noqa: S704 - Pygments escapes what it highlights


PARTS = {
    "echo": ("Echo", ("echo",), ()),
    "room": ("Chat room", ("room",), ("join", "publish", "enter_room", "join_room", "speak", "leave")),
    "dashboard": (
        "Live dashboard",
        ("dashboard",),
        ("update", "watch_dashboard", "update_panel", "push_snapshots"),
    ),
}
"""Per workload its title, how the definitions that serve it begin, and what else they are called in some apps."""


@lru_cache(maxsize=256)
def excerpt(source: str, part: str) -> str | None:
    """The definitions of a module that serve one workload, and those of the module that they use, in its order.

    ``None`` where the source is no Python or has none of them.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    _, beginnings, names = PARTS[part]
    defined = {name: node for node in tree.body for name in _names_of(node)}
    waiting = [name for name in defined if name.lower().startswith(beginnings) or name.lower() in names]
    waiting = [name for name in waiting if isinstance(defined[name], _DEFINITIONS)]
    chosen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in chosen:
            chosen.add(name)
            waiting += [used for used in _used_in(defined[name]) if used in defined]
    nodes = list(dict.fromkeys(node for name, node in defined.items() if name in chosen))
    lines = source.splitlines()
    pieces = ["\n".join(lines[_first_line(node) - 1 : node.end_lineno]) for node in nodes]
    return "\n\n\n".join(pieces) + "\n" if pieces else None


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _used_in(node: ast.stmt) -> set[str]:
    """The names a definition uses, those of its decorators left out: the application object leads everywhere."""
    inside: list[ast.AST] = [node]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside = [node.args, *node.body]
    elif isinstance(node, ast.ClassDef):
        inside = [*node.bases, *node.body]
    return {one.id for part in inside for one in ast.walk(part) if isinstance(one, ast.Name)}


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _DEFINITIONS) else []
    return min([node.lineno, *(one.lineno for one in decorators)])
