"""The packets that open and end a session of Engine.IO 4 and Socket.IO 5, as clients read them. No I/O.

Formats: https://socket.io/docs/v4/engine-io-protocol/ and https://socket.io/docs/v4/socket-io-protocol/.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from runners.loadgen.causes import Cause, RefusedError
from runners.loadgen.connection import DISCONNECTED, SESSION_CLOSED
from runners.loadgen.http_answers import quoted

OPEN, CLOSE, PING, PONG, NOOP = b"0", b"1", b"2", b"3", b"6"
"""Kinds of Engine.IO packets: the first byte of a text."""
CONNECT, DISCONNECT, CONNECT_ERROR = b"40", b"41", b"44"
"""Kinds of Socket.IO packets, with the Engine.IO kind *message* before them."""
_EVENT = b"42"
DEFAULT_NAMESPACE = "/"
_UNKNOWN_SESSION = re.compile(rb"Invalid session|Session ID unknown")
"""What python-engineio and Engine.IO for Node.js say to a request of a session that the process does not know."""
NOT_STICKY = "several server processes need sticky sessions: only the process that opened a session knows it"
_PACKET = re.compile(rb"(4\d)(?:(/[^,]*)(?:,|\Z))?(.*)", re.DOTALL)
"""A Socket.IO packet: its kind, its namespace if it is named, and the rest."""
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "sid": str,
    "upgrades": list,
    "pingInterval": (int, float),
    "pingTimeout": (int, float),
}
"""What an opening packet has, by key. Clients of JavaScript and Python use all of it."""


class Control(NamedTuple):
    """What a packet that is no message requires of a client: a reply, an end of its connection, or nothing."""

    reply: bytes = b""
    end: Cause | None = None


def control_of(packet: bytes) -> Control | None:
    """What the packet requires; ``None`` for an event or an acknowledgement."""
    if packet[:2] == _EVENT:
        return None
    if packet[:1] == PING:
        return Control(reply=PONG + packet[1:])
    if packet[:2] == DISCONNECT:
        return Control(end=DISCONNECTED)
    if packet == CLOSE:
        return Control(end=SESSION_CLOSED)
    return Control() if packet[:1] in (NOOP, OPEN) or packet[:2] == CONNECT else None


def session_of(packet: bytes, *, binary: bool = False) -> str:
    """The session's ID in a server's first packet. Raises `RefusedError` if that does not open a session."""
    if binary or packet[:1] != OPEN:
        raise RefusedError(f"the server does not speak Engine.IO; it sent {quoted(packet)}", "no engine.io")
    try:
        opening: Any = json.loads(packet[1:])
    except (ValueError, RecursionError):
        opening = None
    if not isinstance(opening, dict):
        raise RefusedError(f"the server opened an Engine.IO session without JSON: {quoted(packet)}")
    for name, kind in _REQUIRED.items():
        if not isinstance(opening.get(name), kind):
            raise RefusedError(f"the server opened an Engine.IO session without {name}: {quoted(packet)}")
    return str(opening["sid"])


def tip_for(refusal: bytes) -> str:
    """What may help against a refusal with this body; empty if the body does not say."""
    return NOT_STICKY if _UNKNOWN_SESSION.search(refusal) else ""


def is_accepted(packet: bytes, namespace: str) -> bool:
    """Whether a packet accepts the client into the namespace. The default one may be named or not."""
    kind, target, rest = _parts(packet)
    return kind == CONNECT and target == namespace and rest[:1] in (b"", b"{")


def is_refused(packet: bytes) -> bool:
    """Whether a packet refuses the client."""
    return packet.startswith(CONNECT_ERROR)


def refused_namespace(namespace: str, reason: bytes) -> RefusedError:
    """The error for a server that refuses the client, with what it says."""
    return RefusedError(
        f"the server refused the namespace {namespace}: {quoted(reason)}; rtsite load has --namespace and --auth",
        "namespace refused",
    )


def _parts(packet: bytes) -> tuple[bytes, str, bytes]:
    """Kind, namespace and rest of a Socket.IO packet; an empty kind if it is none."""
    found = _PACKET.fullmatch(packet)
    if found is None:
        return b"", DEFAULT_NAMESPACE, packet
    return found[1], (found[2] or b"/").partition(b"?")[0].decode("utf-8", "replace"), found[3]
