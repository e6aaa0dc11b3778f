"""Socket.IO packets in msgpack, which servers offer as an alternative to JSON. Each packet is one binary message.

The acknowledgement's number is binary as well, so packets cannot be templates: Python encodes and decodes each one.
That is fast enough, because the servers do the same.
"""

from __future__ import annotations

from typing import Any

import msgpack

from runners.loadgen.connection import Message
from runners.loadgen.message import EVENT, FOREIGN, Answer, Update, echo_payload

_CONNECT, _EVENT = 0, 2
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

    def expected(self, sequence: int) -> bytes:
        return bytes(self._template.fill(sequence))

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        match _packet(data) if binary else None:
            case {"type": 3, "id": int(sequence), **rest}:
                arguments = rest.get("data")
                empty = not arguments
                return Answer(sequence, intact=empty or self._is_ours(arguments, sequence), empty=empty)
            case {"type": 2, "data": ["echo", str(payload)]}:
                sequence = self._template.read(payload.encode("utf-8", "replace"))
                return Answer(sequence, form=EVENT) if sequence >= 0 else FOREIGN
            case _:
                return FOREIGN

    def _is_ours(self, arguments: Any, sequence: int) -> bool:
        return bool(arguments == [self._template.fill(sequence).decode("ascii")])


class PackedDashboardCodec:
    """The codec for the event ``update``, which an acknowledgement answers, and for the event ``snapshot``."""

    greeting: Message | None

    def __init__(self, client: int) -> None:
        self._update = Update(client)
        self.greeting = _event("join", "dashboard", None)

    def request(self, sequence: int) -> list[Message]:
        return [_event("update", self._update.numbered(sequence), sequence)]

    def expected(self, sequence: int) -> bytes:
        return repr(self._update.numbered(sequence)).encode("ascii")

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        match _packet(data) if binary else None:
            case {"type": 2, "data": ["snapshot", {"seq": int(number)}]}:
                return Answer(push=number)
            case {"type": 3, "id": int(sequence), "data": [answer, *_]}:
                return Answer(sequence, intact=self._update.is_answered_by(answer, sequence))
            case {"type": 3, "id": int(sequence)}:
                return Answer(sequence, intact=False)
            case _:
                return FOREIGN


def _event(name: str, data: Any, number: int | None) -> Message:
    packet = {"type": _EVENT, "nsp": _NAMESPACE, "data": [name, data]}
    return Message(msgpack.packb(packet if number is None else {**packet, "id": number}), binary=True)


def _packet(data: bytes) -> dict[str, Any] | None:
    try:
        packet = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException, RecursionError):
        return None
    return packet if isinstance(packet, dict) else None
