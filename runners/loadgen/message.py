"""The bytes of requests and answers: templates into which the sequence number is written.

Every message carries the client's number and its own sequence number, so that loss, duplicates, reordering and
corruption can be counted. Sequence numbers start at 10000000 and have eight digits, so their place never changes. In
Socket.IO the same number is the acknowledgement ID.
"""

from __future__ import annotations

import json
import random
import re
import string
from typing import Any, NamedTuple, Protocol

from runners.loadgen.connection import Message
from runners.loadgen.job import PayloadKind
from runners.loadgen.job import Protocol as WireProtocol

DIGITS = 8
FIRST_SEQUENCE = 10_000_000
LAST_SEQUENCE = 99_999_999
PANELS = 20
ROOM = b"load"
"""The room of the members in a room load."""
_EVERYBODY = 99_999_999
"""Replaces the client number in messages that all members of a room send."""
_LETTERS = 65536
"""Number of letters in a payload; a longer payload repeats them."""

_EVENT, _ACK = b"42", b"43"
_WITH_ATTACHMENT = (b"451-", b"461-")
_EVENT_NAME = re.compile(rb'42(?:/[^,]*,)?\["((?:[^"\\]|\\.)+)"')
_SNAPSHOT_SEQUENCE = re.compile(rb'"seq": ?(\d{1,15})\b')


class Answer(NamedTuple):
    """The kind of an incoming message: an answer (``sequence``), a push (``push``), or neither."""

    sequence: int = -1
    push: int = -1
    intact: bool = True
    expected: bool = True
    """False for an event that the server sends on its own and that this load does not wait for."""


NOT_OURS = Answer(intact=False)
UNEXPECTED_EVENT = Answer(expected=False)


class Template:
    """Bytes with the sequence number's eight digits at fixed places."""

    __slots__ = ("_scratch", "places", "text")

    def __init__(self, template: bytes) -> None:
        marker = b"%08d" % 0
        self.text = template
        self._scratch = bytearray(template)
        places = []
        start = template.find(marker)
        while start >= 0:
            places.append(start)
            start = template.find(marker, start + DIGITS)
        self.places = tuple(places)
        """Offsets at which the copies of the number start."""

    def fill(self, sequence: int) -> bytearray:
        """The bytes with this number; valid until the next call."""
        digits = b"%08d" % sequence
        for place in self.places:
            self._scratch[place : place + DIGITS] = digits
        return self._scratch

    def read(self, data: bytes) -> int:
        """The sequence number in ``data`` if it matches this template, else -1."""
        first = self.places[0]
        digits = data[first : first + DIGITS]
        if len(data) == len(self.text) and digits.isdigit() and data == self.fill(int(digits)):
            return int(digits)
        return -1


class TemplatePart(NamedTuple):
    """One frame of a message: its payload, and whether the payload is binary."""

    template: Template
    binary: bool = False


class TemplateCodec:
    """Messages that differ only in their number, so that they can be sent and compared without being parsed.

    ``request`` and ``answer`` are the exact bytes of a request and its usual answer. ``others`` are other forms of the
    answer. ``mark`` locates the number in a corrupted answer. ``event`` is the Socket.IO event that answers.
    """

    def __init__(
        self,
        request: tuple[TemplatePart, ...],
        answer: tuple[TemplatePart, ...],
        others: tuple[TemplatePart, ...] = (),
        *,
        mark: bytes,
        event: bytes | None = None,
        greeting: Message | None = None,
    ) -> None:
        self.request_parts = request
        self.answer = answer
        self.greeting = greeting
        self._alternatives = (*answer[-1:], *others)
        self._mark = re.compile(mark)
        self._event = event

    def request(self, sequence: int) -> list[Message]:
        return [Message(bytes(template.fill(sequence)), binary) for template, binary in self.request_parts]

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        if len(self.answer) > 1 and not binary and data.startswith(_WITH_ATTACHMENT):
            return None  # the answer is in the binary message that follows
        for template, is_binary in self._alternatives:
            sequence = template.read(data)
            if sequence >= 0 and is_binary == binary:
                return Answer(sequence)
        # Our message was returned corrupted. Return its number if it is still readable.
        if found := self._mark.search(data):
            return Answer(int(found[1]), intact=False)
        event = None if self._event is None or binary else _EVENT_NAME.match(data)
        return UNEXPECTED_EVENT if event and event[1] != self._event else NOT_OURS


def namespace_prefix(namespace: str) -> bytes:
    """The part of a Socket.IO packet that names its namespace; nothing for the default one."""
    return b"" if namespace == "/" else f"{namespace},".encode()


def echo_codec(
    client: int,
    payload_bytes: int,
    protocol: WireProtocol,
    kind: PayloadKind = "text",
    *,
    namespace: str = "/",
    event: str = "echo",
) -> TemplateCodec:
    """The codec for echo over raw WebSocket, or as a Socket.IO event that an acknowledgement answers."""
    payload = echo_payload(client, payload_bytes).text
    mark = rb"%08d\.(\d{8})\." % (client + 1)
    binary = kind == "binary"
    if protocol == "websocket":
        part = TemplatePart(Template(payload), binary)
        return TemplateCodec((part,), (part,), mark=mark)
    prefix, name = namespace_prefix(namespace), json.dumps(event).encode()
    if binary:
        attached = TemplatePart(Template(payload), binary=True)
        placeholder = b'{"_placeholder":true,"num":0}]'
        return TemplateCodec(
            (TemplatePart(Template(b"451-" + prefix + b"00000000[" + name + b"," + placeholder)), attached),
            (TemplatePart(Template(b"461-" + prefix + b"00000000[" + placeholder)), attached),
            mark=mark,
            event=name[1:-1],
        )
    quoted = b'"' + payload + b'"'
    return TemplateCodec(
        (TemplatePart(Template(_EVENT + prefix + b"00000000[" + name + b"," + quoted + b"]")),),
        (TemplatePart(Template(_ACK + prefix + b"00000000[" + quoted + b"]")),),
        # A server may emit an event instead of acknowledging.
        (TemplatePart(Template(_EVENT + prefix + b"[" + name + b"," + quoted + b"]")),),
        mark=mark,
        event=name[1:-1],
    )


def echo_payload(client: int, size: int) -> Template:
    """The payload that a client sends to an echo server."""
    return Template(_payload(client + 1, client, size))


def room_codec(payload_bytes: int, protocol: WireProtocol) -> TemplateCodec:
    """The codec for a message to all members of the room. All send and expect the same bytes, with one number for the
    room.
    """
    payload = _payload(_EVERYBODY, 0, payload_bytes)
    mark = rb"%08d\.(\d{8})\." % _EVERYBODY
    if protocol == "websocket":
        part = TemplatePart(Template(payload))
        return TemplateCodec((part,), (part,), mark=mark)
    quoted = b'"' + payload + b'"'
    return TemplateCodec(
        (TemplatePart(Template(_EVENT + b'["publish",{"room":"' + ROOM + b'","text":' + quoted + b"}]")),),
        (TemplatePart(Template(_EVENT + b'["message",' + quoted + b"]")),),
        mark=mark,
        event=b"message",
        greeting=Message(_EVENT + b'["join","' + ROOM + b'"]'),
    )


def _payload(owner: int, seed: int, size: int) -> bytes:
    """A payload of ``size`` bytes: owner (not zero), number (zeros, to be replaced), and letters.

    It has only letters, because eight zeros mark the number, and JSON must not need escapes.
    """
    letters = "".join(random.Random(seed).choices(string.ascii_letters, k=min(size, _LETTERS)))
    filler = letters * (size // max(1, len(letters)) + 1)
    return f"{owner:08d}.{0:08d}.{filler}"[:size].encode("ascii")


class Update:
    """A user's metric updates: their content, and whether an answer is correct."""

    def __init__(self, client: int) -> None:
        self._client = client
        self._panel = f"panel-{client % PANELS:02d}"

    def numbered(self, sequence: int) -> dict[str, object]:
        return {"panel": self._panel, "value": _value_of(sequence), "client": self._client, "seq": sequence}

    def judge(self, answer: Any) -> Answer:
        """Classify a parsed answer of any type."""
        try:
            sequence = int(answer["seq"])
            intact = int(answer["updates"]) > 0 and all(
                answer[name] == sent for name, sent in self.numbered(sequence).items()
            )
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):
            return NOT_OURS
        return Answer(sequence, intact=intact)


class DashboardCodec:
    """The codec for a user's metric updates, each answered with its panel, and for the snapshots pushed to all
    users.
    """

    def __init__(self, client: int, protocol: WireProtocol) -> None:
        self._update = Update(client)
        self._socketio = protocol == "socket.io"
        self.greeting = Message(b'42["join","dashboard"]') if self._socketio else None

    def request(self, sequence: int) -> list[Message]:
        text = json.dumps(self._update.numbered(sequence), separators=(",", ":"))
        if self._socketio:
            text = f'42{sequence}["update",{text}]'
        return [Message(text.encode("ascii"))]

    def parse(self, data: bytes, *, binary: bool = False) -> Answer | None:  # noqa: ARG002 - JSON is JSON
        if b'"snapshot"' in data[:40]:
            found = _SNAPSHOT_SEQUENCE.search(data)
            return Answer(push=int(found[1])) if found else NOT_OURS
        try:
            answer = json.loads(data[10:])[0] if self._socketio else json.loads(data)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return NOT_OURS
        return self._update.judge(answer)


def _value_of(sequence: int) -> float:
    """A metric that changes with every update, and that the client can compute."""
    return (sequence * 37 % 1000) / 10


class Codec(Protocol):
    """Encodes the requests of one connection, and classifies its answers."""

    @property
    def greeting(self) -> Message | None:
        """The messages that are sent once, as soon as the connection is ready."""

    def request(self, sequence: int) -> list[Message]:
        """The messages of the request with this number."""

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        """Classify an incoming message. ``None``: the message is not complete yet. Never raises."""
