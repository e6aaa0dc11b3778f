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
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from runners.loadgen.connection import Message
from runners.loadgen.engine_io import DEFAULT_NAMESPACE
from runners.loadgen.job import Answers, PayloadKind
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
_SNAPSHOT_SEQUENCE = re.compile(rb'"seq": ?(\d{1,15})\b')
MOST_PUSHES = 10**15
"""Highest number of a push that counts as one."""


class Answer(NamedTuple):
    """What an incoming message is: an answer (``sequence``), a push (``push``), or neither, which makes it foreign."""

    sequence: int = -1
    push: int = -1
    intact: bool = True
    """Whether it is the answer that was expected."""
    empty: bool = False
    """Whether it is an acknowledgement without data. Nothing was compared then."""
    form: int = 0
    """`ACKNOWLEDGEMENT` or `EVENT`. A server may answer each message once in each form."""
    is_next: bool = False
    """Whether it answers the oldest message that its connection waits for, whatever its content."""


FOREIGN = Answer(intact=False)
ACKNOWLEDGEMENT, EVENT = 0, 1


class Template:
    """Bytes with the sequence number's eight digits at fixed places."""

    __slots__ = ("_scratch", "places", "text")

    def __init__(self, template: bytes, places: tuple[int, ...] | None = None) -> None:
        """``places``: offsets of the number; if not given, wherever there are eight zeros."""
        self.text = template
        self._scratch = bytearray(template)
        self.places = _marked_places(template) if places is None else places
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


def _marked_places(template: bytes) -> tuple[int, ...]:
    marker = b"%08d" % 0
    places = []
    start = template.find(marker)
    while start >= 0:
        places.append(start)
        start = template.find(marker, start + DIGITS)
    return tuple(places)


class TemplatePart(NamedTuple):
    """One frame of a message: its payload, and whether the payload is binary."""

    template: Template
    binary: bool = False


class TemplateCodec:
    """Messages that differ only in their number, so that they can be sent and compared without being parsed.

    ``request`` and ``answer`` are the exact bytes of a request and its usual answer. ``mark`` finds the number in an
    answer that differs. With ``any_answer`` every message answers the next one.
    """

    def __init__(
        self,
        request: tuple[TemplatePart, ...],
        answer: tuple[TemplatePart, ...],
        *,
        mark: bytes,
        greeting: Message | None = None,
        any_answer: bool = False,
    ) -> None:
        self.request_parts = request
        self.answer = answer
        self.greeting = greeting
        self._any_answer = any_answer
        self._mark = re.compile(mark)

    def request(self, sequence: int) -> list[Message]:
        return [Message(bytes(template.fill(sequence)), binary) for template, binary in self.request_parts]

    def expected(self, sequence: int) -> bytes:
        return b"".join(bytes(template.fill(sequence)) for template, _ in self.answer)

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        if self._any_answer:
            return Answer(is_next=True)
        template, is_binary = self.answer[-1]
        sequence = template.read(data)
        if sequence >= 0 and is_binary == binary:
            return Answer(sequence)
        return self._marked(data)

    def _marked(self, data: bytes) -> Answer:
        """The classification of a message by our mark. Of several marks, as in a history, the last one counts."""
        numbers = self._mark.findall(data)
        return Answer(int(numbers[-1]), intact=False) if numbers else FOREIGN


class SocketIOCodec(TemplateCodec):
    """The codec for Socket.IO's events (https://socket.io/docs/v4/socket-io-protocol/#packet-encoding).

    An acknowledgement answers the message whose number it has, whatever it contains. An ``event`` answers if it
    contains our payload, so a server may emit instead of acknowledging, or do both, in any order.
    """

    def __init__(
        self,
        request: tuple[TemplatePart, ...],
        answer: tuple[TemplatePart, ...],
        event: tuple[TemplatePart, ...],
        *,
        mark: bytes,
        greeting: Message | None = None,
        any_answer: bool = False,
    ) -> None:
        super().__init__(request, answer, mark=mark, greeting=greeting, any_answer=any_answer)
        self._event = event
        self._header = b""
        """The packet whose attachments have not all arrived."""
        self._attachments: list[bytes] = []
        self._missing = 0
        self._acknowledges = False

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        if not binary:
            self._header, self._missing = data, _attachments_of(data)
            self._attachments.clear()
        elif self._missing:
            self._attachments.append(data)
            self._missing -= 1
        else:
            self._header = b""
            self._attachments = [data]
        if self._missing:
            return None
        return self._classified(self._header, self._attachments)

    def _classified(self, header: bytes, attachments: list[bytes]) -> Answer:
        """The classification of a whole packet."""
        found = _ACKNOWLEDGEMENT.match(header)
        if found:
            sequence = int(found["number"])
            self._acknowledges = True
            parts = [header, *attachments]
            expected = [bytes(part.template.fill(sequence)) for part in self.answer]
            intact = self._any_answer or is_same_packet(parts, expected)
            empty = found["empty"] is not None
            return Answer(sequence, intact=intact or empty, empty=empty and not self._any_answer)
        if self._any_answer:  # where a server acknowledges, only acknowledgements answer
            return FOREIGN if self._acknowledges else Answer(is_next=True)
        content = attachments[-1] if attachments else header
        marked = self._marked(content)
        if marked.sequence < 0:
            return FOREIGN
        parts = [header, *attachments] if header else attachments
        expected = [bytes(part.template.fill(marked.sequence)) for part in self._event[-len(parts) :]]
        return marked._replace(intact=is_same_packet(parts, expected), form=EVENT)


class EventCodec(TemplateCodec):
    """The codec for Socket.IO's events that are compared without their form, such as blanks in JSON."""

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        answer = super().parse(data, binary=binary)
        if answer is None or answer.intact or answer.sequence < 0 or binary:
            return answer
        return answer._replace(intact=is_same_packet([data], [self.expected(answer.sequence)]))


def is_same_packet(parts: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Whether a packet of Socket.IO, a text and its attachments, means the same as another one.

    Blanks and escapes in its JSON, the order of keys, and the name of the default namespace make no difference.
    """
    if list(parts) == list(expected):
        return True
    if list(parts[1:]) != list(expected[1:]):
        return False
    meaning = _meaning(parts[0])
    return meaning is not None and meaning == _meaning(expected[0])


def _meaning(header: bytes) -> tuple[bytes, bytes, bytes, Any] | None:
    """Kind, namespace, number and arguments of a packet; ``None`` if it has no arguments."""
    found = _EVENT_PACKET.fullmatch(header)
    if found is None:
        return None
    try:
        arguments = json.loads(found["arguments"])
    except (ValueError, RecursionError):
        return None
    namespace = found["namespace"] or b""
    return found["kind"], b"" if namespace == b"/," else namespace, found["number"], arguments


_EVENT_PACKET = re.compile(
    rb"(?P<kind>4[2356](?:\d{1,3}-)?)(?P<namespace>/[^,]*,)?(?P<number>\d{0,20})(?P<arguments>\[.*)", re.DOTALL
)


_ACKNOWLEDGEMENT = re.compile(rb"(?:43|46\d{1,3}-)(?:/[^,]*,)?(?P<number>\d{%d})(?:(?P<empty>(?:\[\])?\Z)|\[)" % DIGITS)
_BINARY_PACKET = re.compile(rb"4[56](\d{1,3})-")


def _attachments_of(data: bytes) -> int:
    """The number of binary messages that follow a text message and belong to its packet."""
    found = _BINARY_PACKET.match(data)
    return int(found[1]) if found else 0


def namespace_prefix(namespace: str) -> bytes:
    """The part of a Socket.IO packet that names its namespace; nothing for the default one."""
    return b"" if namespace == DEFAULT_NAMESPACE else f"{namespace},".encode()


def echo_codec(
    client: int,
    payload_bytes: int,
    protocol: WireProtocol,
    kind: PayloadKind = "text",
    answers: Answers = "same",
    *,
    namespace: str = "/",
    event: str = "echo",
) -> TemplateCodec:
    """The codec for echo over raw WebSocket, or as a Socket.IO event that an acknowledgement or the same event
    answers.
    """
    payload, mark = echo_payload(client, payload_bytes).text, payload_mark(client)
    binary, any_answer = kind == "binary", answers == "any"
    if protocol == "websocket":
        part = TemplatePart(Template(payload), binary)
        return TemplateCodec((part,), (part,), mark=mark, any_answer=any_answer)
    prefix, name = namespace_prefix(namespace), json.dumps(event).encode()
    number = b"00000000"
    if binary:
        attached = TemplatePart(Template(payload), binary=True)
        placeholder = b'{"_placeholder":true,"num":0}]'
        return SocketIOCodec(
            (TemplatePart(Template(b"451-" + prefix + number + b"[" + name + b"," + placeholder)), attached),
            (TemplatePart(Template(b"461-" + prefix + number + b"[" + placeholder)), attached),
            (TemplatePart(Template(b"451-" + prefix + b"[" + name + b"," + placeholder)), attached),
            mark=mark,
            any_answer=any_answer,
        )
    quoted = b'"' + payload + b'"'
    return SocketIOCodec(
        (TemplatePart(Template(_EVENT + prefix + number + b"[" + name + b"," + quoted + b"]")),),
        (TemplatePart(Template(_ACK + prefix + number + b"[" + quoted + b"]")),),
        (TemplatePart(Template(_EVENT + prefix + b"[" + name + b"," + quoted + b"]")),),
        mark=mark,
        any_answer=any_answer,
    )


def payload_mark(client: int) -> bytes:
    """The pattern that finds the number in a payload of this client."""
    return rb"%08d\.(\d{8})\." % (client + 1)


def echo_payload(client: int, size: int) -> Template:
    """The payload that a client sends to an echo server."""
    return Template(_payload(client + 1, client, size))


class RoomMessage(NamedTuple):
    """What members of a room send and expect: the payload, a pattern that finds its number, and the room's name.

    All send the same bytes, with one number for the room. Those of another room have another mark.
    """

    payload: bytes
    mark: bytes
    name: bytes

    @classmethod
    def of(cls, room: int, size: int) -> RoomMessage:
        everybody = _EVERYBODY - room
        name = ROOM if room == 0 else b"%s-%d" % (ROOM, room)
        return cls(_payload(everybody, 0, size), rb"%08d\.(\d{8})\." % everybody, name)


def room_codec(payload_bytes: int, protocol: WireProtocol, room: int = 0) -> TemplateCodec:
    """The codec for a message to all members of the room with this number."""
    payload, mark, name = RoomMessage.of(room, payload_bytes)
    if protocol == "websocket":
        part = TemplatePart(Template(payload))
        return TemplateCodec((part,), (part,), mark=mark)
    quoted = b'"' + payload + b'"'
    return EventCodec(
        (TemplatePart(Template(_EVENT + b'["publish",{"room":"' + name + b'","text":' + quoted + b"}]")),),
        (TemplatePart(Template(_EVENT + b'["message",' + quoted + b"]")),),
        mark=mark,
        greeting=Message(_EVENT + b'["join","' + name + b'"]'),
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
        """Classify a parsed message of any type. A panel that another client updated is foreign."""
        try:
            sequence = int(answer["seq"])
            if answer["client"] != self._client:
                return FOREIGN
            return Answer(sequence, intact=self.is_answered_by(answer, sequence))
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):
            return FOREIGN

    def is_answered_by(self, answer: Any, sequence: int) -> bool:
        """Whether this is the updated panel that answers the update with this number."""
        try:
            return int(answer["updates"]) > 0 and all(
                answer[name] == sent for name, sent in self.numbered(sequence).items()
            )
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):
            return False


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

    def expected(self, sequence: int) -> bytes:
        return json.dumps(self._update.numbered(sequence), separators=(",", ":")).encode("ascii")

    def parse(self, data: bytes, *, binary: bool = False) -> Answer | None:  # noqa: ARG002 - JSON is JSON
        if b'"snapshot"' in data[:40] and (found := _SNAPSHOT_SEQUENCE.search(data)):
            return Answer(push=int(found[1]))  # without parsing, because ten thousand may arrive at once
        acknowledged = _ACKNOWLEDGEMENT.match(data) if self._socketio else None
        start = 0 if acknowledged is None else acknowledged.end("number")
        if self._socketio and acknowledged is None:
            event = _EVENT_PACKET.fullmatch(data)
            if event is None:
                return FOREIGN
            start = event.start("arguments")
        try:
            answer = json.loads(data[start:])
        except (ValueError, RecursionError):
            answer = None
        if acknowledged is None:
            push = _push_of(answer, is_event=self._socketio)
            return push or (FOREIGN if self._socketio else self._update.judge(answer))
        sequence = int(acknowledged["number"])
        panel = answer[0] if isinstance(answer, list) and answer else None
        return Answer(sequence, intact=self._update.is_answered_by(panel, sequence))


def _push_of(message: Any, *, is_event: bool) -> Answer | None:
    """The snapshot in a parsed message, whatever the order of its keys; ``None`` if there is none."""
    match message:
        case ["snapshot", {"seq": int(number)}] if is_event:
            pass
        case {"type": "snapshot", "seq": int(number)} if not is_event:
            pass
        case _:
            return None
    return Answer(push=number) if 0 <= number <= MOST_PUSHES else FOREIGN


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

    def expected(self, sequence: int) -> bytes:
        """What an intact answer to the request with this number contains."""

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        """Classify an incoming message. ``None``: the message is not complete yet. Never raises."""
