"""Highlights source code as HTML at staging, so that pages need no highlighter."""

from __future__ import annotations

import ast
from dataclasses import dataclass
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


@dataclass(frozen=True)
class ShownExchange:
    """An exchange that pages show the code of, with its names in the contract.

    ``path``: the prefix of its raw WebSocket endpoint. ``events``: its Socket.IO events. ``tasks``: its background
    functions, as named in the guide for new frameworks.
    """

    slug: str
    title: str
    path: str
    events: frozenset[str]
    tasks: frozenset[str] = frozenset()


EXCHANGES = (
    ShownExchange("echo", "Echo", "/echo", frozenset({"echo"})),
    ShownExchange("room", "Chat room", "/room/", frozenset({"join", "publish"})),
    ShownExchange("dashboard", "Live dashboard", "/dashboard", frozenset({"update"}), frozenset({"push_snapshots"})),
)
"""The exchanges shown on the pages of pairs. Another program checks the contract; the site generator does not import
it."""


@lru_cache(maxsize=256)
def excerpt(source: str, exchange: ShownExchange) -> str | None:
    """The definitions of a module that serve an exchange, and the definitions that they use, in source order.

    A definition serves an exchange if it is named after it, or if the module registers it for the exchange's path.
    ``None`` if the source is not valid Python or has no such definition.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # ValueError: a NUL byte, as in a file that is half written
        return None
    defined = {name: node for node in tree.body for name in _names_of(node)}
    registered = {name for node in tree.body for name in _registered_by(node, exchange.path)}
    waiting = [
        name
        for name, node in defined.items()
        if isinstance(node, _DEFINITIONS) and (name in registered or _is_named_for(name.lower(), exchange))
    ]
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


def _is_named_for(name: str, exchange: ShownExchange) -> bool:
    return name.startswith(exchange.slug) or name in exchange.events or name in exchange.tasks


def _registered_by(node: ast.stmt, path: str) -> set[str]:
    """The names in a statement that also contains the path, such as ``app.ws("/room/:name", …)``."""
    if not isinstance(node, ast.Expr):
        return set()
    inside = list(ast.walk(node))
    texts = [one.value for one in inside if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if not any(text.startswith(path) for text in texts):
        return set()
    return {one.id for one in inside if isinstance(one, ast.Name)}


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _used_in(node: ast.stmt) -> set[str]:
    """The names that a definition uses, without its decorators: these use the application, which uses everything."""
    inside: list[ast.AST] = [node]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside = [node.args, *node.body]
    elif isinstance(node, ast.ClassDef):
        inside = [*node.bases, *node.body]
    return {one.id for part in inside for one in ast.walk(part) if isinstance(one, ast.Name)}


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _DEFINITIONS) else []
    return min([node.lineno, *(one.lineno for one in decorators)])
