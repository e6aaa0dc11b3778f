"""Whether an app keeps the contract that every framework folder implements.

Asked with independent clients, ``websockets`` and ``python-socketio``, never with our load generator: a
mistake they shared would go unseen. Each check answers one question in one sentence, and nothing here
starts a process, prints or raises.
"""

from runners.contract.app import App, Beat, Echoer, Member, Viewer
from runners.contract.checks import CHECKS, READINESS, Check, ProtocolName, check_contract, client_of

__all__ = [
    "CHECKS",
    "READINESS",
    "App",
    "Beat",
    "Check",
    "Echoer",
    "Member",
    "ProtocolName",
    "Viewer",
    "check_contract",
    "client_of",
]
