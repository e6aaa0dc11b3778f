"""Socket.IO packets in msgpack, which servers offer as an alternative to JSON. Each packet is one binary message.

The acknowledgement's number is binary as well, so packets cannot be templates: Python encodes and decodes each one.
That is fast enough, because the servers do the same.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgpack

from runners.loadgen.connection import Message
from runners.loadgen.engine_io import DEFAULT_NAMESPACE
from runners.loadgen.job import Answers
from runners.loadgen.message import (
    EVENT,
    FOREIGN,
    MOST_PUSHES,
    Answer,
    RoomMessage,
    Template,
    Update,
    echo_payload,
)

_CONNECT, _DISCONNECT, _EVENT, _CONNECT_ERROR = 0, 1, 2, 4
_DISCONNECT_KEY = msgpack.packb({"type": _DISCONNECT})[2:]


def connect(namespace: str = DEFAULT_NAMESPACE, auth: str = "") -> bytes:
    """The packet with which a client joins a namespace. ``auth``: a JSON object; empty: none."""
    return _packed({"type": _CONNECT, "nsp": namespace, "data": json.loads(auth) if auth else {}})


def accepts(data: bytes, namespace: str = DEFAULT_NAMESPACE) -> bool:
    """Whether the packet accepts the client into the namespace."""
    return _kind(data, namespace) == _CONNECT


def refuses(data: bytes, namespace: str = DEFAULT_NAMESPACE) -> bool:
    """Whether the packet refuses the client."""
    return _kind(data, namespace) == _CONNECT_ERROR


def disconnects(data: bytes, namespace: str = DEFAULT_NAMESPACE) -> bool:
    """Whether the packet disconnects the client from the namespace."""
    # The search is fast, and few packets have to be decoded for it.
    return _DISCONNECT_KEY in data and _kind(data, namespace) == _DISCONNECT


def reason_of(data: bytes) -> bytes:
    """What a packet says, as JSON; the packet itself if it cannot be shown so."""
    try:
        return json.dumps((_packet(data) or {})["data"]).encode()
    except (KeyError, TypeError, ValueError, RecursionError):
        return data


class PackedEchoCodec:
    """The codec for an event that an acknowledgement or the same event answers.

    ``answers``: as in `Job`.
    """

    greeting: Message | None = None

    def __init__(
        self,
        client: int,
        payload_bytes: int,
        answers: Answers = "same",
        *,
        namespace: str = DEFAULT_NAMESPACE,
        event: str = "echo",
    ) -> None:
        self._template = echo_payload(client, payload_bytes)
        self._any_answer = answers == "any"
        self._namespace, self._event = namespace, event
        self._acknowledges = False

    def request(self, sequence: int) -> list[Message]:
        return [_event(self._event, self._text(sequence), sequence, self._namespace)]

    def expected(self, sequence: int) -> bytes:
        return bytes(self._template.fill(sequence))

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        packet = _packet(data) if binary else None
        if packet is None or packet.get("nsp", DEFAULT_NAMESPACE) != self._namespace:
            return FOREIGN
        arguments = packet.get("data")
        match packet.get("type"), packet.get("id"):
            case 3, int(sequence):
                self._acknowledges = True
                empty = not arguments
                intact = empty or self._any_answer or arguments == [self._text(sequence)]
                return Answer(sequence, intact=intact, empty=empty and not self._any_answer)
            case 2, _ if self._any_answer:  # where a server acknowledges, only acknowledgements answer
                return FOREIGN if self._acknowledges else Answer(is_next=True)
            case 2, _:
                return self._of_event(arguments)
        return FOREIGN

    def _of_event(self, arguments: Any) -> Answer:
        match arguments:
            case [self._event, str(payload)]:
                sequence = self._template.read(payload.encode("utf-8", "replace"))
                return Answer(sequence, form=EVENT) if sequence >= 0 else FOREIGN
        return FOREIGN

    def _text(self, sequence: int) -> str:
        return self._template.fill(sequence).decode("ascii")


class PackedRoomCodec:
    """The codec for the event ``publish``, which reaches all members of a room as the event ``message``."""

    greeting: Message | None

    def __init__(self, payload_bytes: int, room: int = 0) -> None:
        payload, mark, name = RoomMessage.of(room, payload_bytes)
        self._template, self._mark = Template(payload), re.compile(mark)
        self._room = name.decode()
        self.greeting = _event("join", self._room, None)

    def request(self, sequence: int) -> list[Message]:
        text = self._template.fill(sequence).decode("ascii")
        return [_event("publish", {"room": self._room, "text": text}, None)]

    def expected(self, sequence: int) -> bytes:
        return bytes(self._template.fill(sequence))

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        match _packet(data) if binary else None:
            case {"type": 2, "data": ["message", str(text)]}:
                payload = text.encode("utf-8", "replace")
                numbers = self._mark.findall(payload)
                return Answer(int(numbers[-1]), intact=self._template.read(payload) >= 0) if numbers else FOREIGN
            case _:
                return FOREIGN


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
            case {"type": 2, "data": ["snapshot", {"seq": int(number)}]} if number <= MOST_PUSHES:
                return Answer(push=number)
            case {"type": 3, "id": int(sequence), "data": [answer, *_]}:
                return Answer(sequence, intact=self._update.is_answered_by(answer, sequence))
            case {"type": 3, "id": int(sequence)}:
                return Answer(sequence, intact=False)
            case _:
                return FOREIGN


def _event(name: str, data: Any, number: int | None, namespace: str = DEFAULT_NAMESPACE) -> Message:
    packet = {"type": _EVENT, "nsp": namespace, "data": [name, data]}
    return Message(_packed(packet if number is None else {**packet, "id": number}), binary=True)


def _packed(packet: dict[str, Any]) -> bytes:
    data: bytes = msgpack.packb(packet)
    return data


def _kind(data: bytes, namespace: str) -> object:
    """The type of a packet for this namespace; ``None`` if it is none."""
    packet = _packet(data)
    if packet is None or packet.get("nsp", DEFAULT_NAMESPACE) != namespace:
        return None
    return packet.get("type")


def _packet(data: bytes) -> dict[str, Any] | None:
    try:
        packet = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException, RecursionError):
        return None
    return packet if isinstance(packet, dict) else None
