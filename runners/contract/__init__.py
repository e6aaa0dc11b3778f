"""Tests whether an application keeps the contract that every framework folder implements.

The clients are the independent libraries ``websockets`` and ``python-socketio``, never our load generator. Otherwise
a mistake that both sides share would stay hidden. The load generator's readers check a server's bytes too
(`strictness`), so that the check accepts the servers that can be measured. Each check tests one promise and describes
the result in one sentence. The package starts no process, prints nothing and raises no errors.
"""

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
