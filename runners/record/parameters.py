"""How each published parameter of a workload is worded, on pages and in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runners.record.schema import Parameter


class Quantity(NamedTuple):
    """The wording of a value, ``{}`` in its place; ``many`` for all numbers except 1."""

    one: str
    many: str


Wording = Quantity | Mapping[str, str]
"""Of any value, or of each word that the parameter may be."""

WORDINGS: dict[str, Wording] = {
    "at_once": Quantity("{} at a time", "{} at a time"),
    "away_s": Quantity("for {} s", "for {} s"),
    "chunks": Quantity("{} chunk each", "{} chunks each"),
    "chunks_per_stream_per_s": Quantity("{} chunk/s each", "{} chunks/s each"),
    "clients": Quantity("{} client", "{} clients"),
    "connections": Quantity("{} connection", "{} connections"),
    "cores_at_most": Quantity("up to {} server core", "up to {} server cores"),
    "cut": {"reset": "connections cut by a reset", "silence": "packets dropped"},
    "cut_every_s": Quantity("every {} s", "every {} s"),
    "deaf": Quantity("{} of them not reading", "{} of them not reading"),
    "deliveries_per_s": Quantity("{} delivery/s", "{} deliveries/s"),
    "idle_s": Quantity("idle for {} s", "idle for {} s"),
    "load_percent": Quantity("at {} % of its capacity", "at {} % of its capacity"),
    "members": Quantity("{} member", "{} members"),
    "messages_per_user_per_s": Quantity("{} message/s each", "{} messages/s each"),
    "mode": {"closed": "closed loop", "open": "fixed rate"},
    "moves_per_s": Quantity("{} move to another room per second", "{} moves to other rooms per second"),
    "p99_limit_ms": Quantity("p99 below {} ms", "p99 below {} ms"),
    "payload_bytes": Quantity("{} byte", "{} bytes"),
    "payload_kind": {"text": "text", "binary": "binary"},
    "publisher": {"http": "published by HTTP requests", "process": "published by another process"},
    "python": Quantity("Python {}", "Python {}"),
    "rate_per_s": Quantity("{} message/s", "{} messages/s"),
    "retries": {"quick": "reconnecting quickly", "backoff": "with backoff at random", "fixed": "all after one second"},
    "rooms": Quantity("in {} room", "in {} rooms"),
    "search": {
        "rate": "highest rate",
        "room-rate": "highest rate in a room",
        "users": "most users before updates wait behind the push",
    },
    "server_cores": Quantity("{} server core", "{} server cores"),
    "soak_s": Quantity("over {} s", "over {} s"),
    "session": {"none": "without sessions", "looked-up": "whose sessions are looked up"},
    "snapshots_per_s": Quantity("{} snapshot/s", "{} snapshots/s"),
    "streams": Quantity("{} stream at once", "{} streams at once"),
    "streams_together": Quantity("begun one by one", "{} begun in a row"),
    "topology": {
        "direct": "directly",
        "nginx": "through nginx",
        "haproxy": "through HAProxy",
        "tls": "over TLS",
        "nginx-tls": "over TLS through nginx",
        "haproxy-tls": "over TLS through HAProxy",
        "deflate": "with compression offered",
    },
    "transport": {"websocket": "over WebSocket", "sse": "over SSE", "polling": "over long-polling"},
    "under_way": Quantity("{} message in flight", "{} messages in flight"),
    "updates_per_user_per_s": Quantity("{} update/s each", "{} updates/s each"),
    "users": Quantity("{} user", "{} users"),
    "viewers": Quantity("{} viewer", "{} viewers"),
    "visit_s": Quantity("for {} s each", "for {} s each"),
    "visits_per_s": Quantity("{} visitor/s", "{} visitors/s"),
    "work": {
        "echo": "beside echoes",
        "work": "beside work done in a thread",
        "work-inline": "beside work done in the handler",
    },
    "work_ms": Quantity("{} ms each", "{} ms each"),
    "work_per_s": Quantity("{} of these per second", "{} of these per second"),
    "workers": Quantity("{} worker", "{} workers"),
}


_RATE = "_per_s"


def without_rates(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters that a scenario keeps over all versions of its workload: who and how many, not how often.

    A newer version may apply another rate, or publish one that older ones did not.
    """
    return {name: value for name, value in parameters.items() if not name.endswith(_RATE)}


def parameter_in_words(name: str, value: Parameter) -> str:
    """``100 connections``, ``closed loop``; name and value where there is no wording: ``colour red``."""
    wording = WORDINGS.get(name)
    if isinstance(value, str):
        words = wording.one.format(value) if isinstance(wording, Quantity) else (wording or {}).get(value)
        return words or f"{name.replace('_', ' ')} {value}"
    if isinstance(wording, Quantity):
        return (wording.one if value == 1 else wording.many).format(f"{value:,}")
    return f"{name.replace('_', ' ')} {value:,}"
