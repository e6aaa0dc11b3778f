"""Tests whether an application keeps the contract that every framework folder implements.

The clients are the independent libraries ``websockets`` and ``python-socketio``, never our load generator. Otherwise
a mistake that both sides share would stay hidden. The load generator's readers check a server's bytes too
(`strictness`), so that the check accepts the servers that can be measured. Each check tests one promise and describes
the result in one sentence. The package starts no process, prints nothing and raises no errors.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runners.contract.app import App, Beat, Echoer, Member, Viewer
    from runners.contract.checks import CHECKS, Check, check_contract, checks_for, client_of

__all__ = [
    "CHECKS",
    "App",
    "Beat",
    "Check",
    "Echoer",
    "Member",
    "Viewer",
    "check_contract",
    "checks_for",
    "client_of",
]


def __getattr__(name: str) -> Any:
    """Import the clients at first use. They take a second, and most commands check nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "app" if name in ("App", "Beat", "Echoer", "Member", "Viewer") else "checks"
    return getattr(import_module(f"{__name__}.{module}"), name)
