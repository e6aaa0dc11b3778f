"""Socket.IO packets in msgpack, which servers offer as an alternative to JSON. Each packet is one binary message.

The acknowledgement's number is binary as well, so packets cannot be templates: Python encodes and decodes each one.
That is fast enough, because the servers do the same.
"""

from __future__ import annotations

from typing import Any

import msgpack

from runners.loadgen.connection import Message
from runners.loadgen.message import NOT_OURS, UNEXPECTED_EVENT, Answer, Update, echo_payload

_CONNECT, _EVENT, _ACK = 0, 2, 3
_NAMESPACE = "/"

CONNECT = msgpack.packb({"type": _CONNECT, "nsp": _NAMESPACE, "data": {}})


def accepts(data: bytes) -> bool:
    """Whether the packet accepts the client into the namespace."""
    packet = _packet(data)
    return packet is not None and packet.get("type") == _CONNECT


class PackedEchoCodec:
    """The codec for the event ``echo``, which an acknowledgement answers."""

    greeting: Message | None = None

    def __init__(self, client: int, payload_bytes: int) -> None:
        self._template = echo_payload(client, payload_bytes)

    def request(self, sequence: int) -> list[Message]:
        return [_event("echo", self._template.fill(sequence).decode("ascii"), sequence)]

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        packet = _packet(data) if binary else None
        if packet is None:
            return NOT_OURS
        if packet.get("type") != _ACK:
            return UNEXPECTED_EVENT
        sequence, arguments = packet.get("id"), packet.get("data")
        if not isinstance(sequence, int):
            return NOT_OURS
        return Answer(sequence, intact=arguments == [self._template.fill(sequence).decode("ascii")])


class PackedDashboardCodec:
    """The codec for the event ``update``, which an acknowledgement answers, and for the event ``snapshot``."""

    greeting: Message | None

    def __init__(self, client: int) -> None:
        self._update = Update(client)
        self.greeting = _event("join", "dashboard", None)

    def request(self, sequence: int) -> list[Message]:
        return [_event("update", self._update.numbered(sequence), sequence)]

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        packet = _packet(data) if binary else None
        match packet:
            case {"type": 2, "data": ["snapshot", {"seq": int(number)}]}:
                return Answer(push=number)
            case {"type": 3, "data": [dict(answer)]}:
                return self._update.judge(answer)
            case _:
                return NOT_OURS


def _event(name: str, data: Any, number: int | None) -> Message:
    packet = {"type": _EVENT, "nsp": _NAMESPACE, "data": [name, data]}
    return Message(msgpack.packb(packet if number is None else {**packet, "id": number}), binary=True)


def _packet(data: bytes) -> dict[str, Any] | None:
    try:
        packet = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException, RecursionError):
        return None
    return packet if isinstance(packet, dict) else None
