"""The bytes of requests and answers: templates with the sequence number patched in.

Every message carries the client's number and its own sequence number, so that loss, duplicates,
reordering and corruption are counted. Sequence numbers have eight digits from the first
(10000000) on, so their place never moves. In Socket.IO the same number is the acknowledgement's id.
"""

from __future__ import annotations

import json
import random
import re
import string
from typing import NamedTuple, Protocol

from runners.loadgen.job import Job
from runners.loadgen.job import Protocol as WireProtocol

DIGITS = 8
FIRST_SEQUENCE = 10_000_000
LAST_SEQUENCE = 99_999_999
PANELS = 20

_EVENT, _ACK = b"42", b"43"
_EVENT_NAME = re.compile(rb'42\["([^"\\]+)"')
_SNAPSHOT_SEQUENCE = re.compile(rb'"seq": ?(\d{1,15})\b')


class Answer(NamedTuple):
    """What an incoming message is: an answer (``sequence``), a push (``push``), or neither."""

    sequence: int = -1
    push: int = -1
    intact: bool = True
    asked: bool = True
    """False: an event that the server sends of its own accord and that this load does not wait for."""


NOT_OURS = Answer(intact=False)
UNASKED = Answer(asked=False)


class Codec(Protocol):
    """One connection's requests, and what their answers mean.

    ``greeting`` is sent once, as soon as the connection is ready.
    """

    greeting: bytes | None

    def request(self, sequence: int) -> bytes | bytearray:
        """The frame's payload; valid until the next call."""

    def parse(self, data: bytes) -> Answer:
        """Classify an incoming payload; never raises."""


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
        """Where each copy of the number starts."""

    def fill(self, sequence: int) -> bytearray:
        """The bytes with this number; valid until the next call."""
        digits = b"%08d" % sequence
        for place in self.places:
            self._scratch[place : place + DIGITS] = digits
        return self._scratch

    def read(self, data: bytes) -> int:
        """The sequence number of ``data`` if it is this template, else -1."""
        first = self.places[0]
        digits = data[first : first + DIGITS]
        if len(data) == len(self.text) and digits.isdigit() and data == self.fill(int(digits)):
            return int(digits)
        return -1


class EchoCodec:
    """Echo over raw WebSocket, or as a Socket.IO event ``echo`` answered by its acknowledgement.

    ``question`` and ``answer`` are the templates of a request and of its usual answer, alike to the byte.
    """

    greeting: bytes | None = None

    def __init__(self, client: int, payload_bytes: int, protocol: WireProtocol) -> None:
        # Letters only: eight zeros mark the sequence number, and JSON must not need to escape.
        filler = "".join(random.Random(client).choices(string.ascii_letters, k=payload_bytes))
        payload = f"{client + 1:08d}.{0:08d}.{filler}"[:payload_bytes].encode("ascii")
        self._protocol = protocol
        if protocol == "websocket":
            templates: tuple[Template, ...] = (Template(payload),)
        else:
            quoted = b'"' + payload + b'"'
            templates = (
                Template(_ACK + b"00000000[" + quoted + b"]"),
                Template(_EVENT + b'00000000["echo",' + quoted + b"]"),
                Template(_EVENT + b'["echo",' + quoted + b"]"),
            )
        self.answer, self.question = templates[0], templates[:2][-1]
        # The last one is how a server answers that emits an event instead of acknowledging.
        self._answers = (templates[0], templates[-1])
        self._sequence_of = re.compile(rb"%08d\.(\d{8})\." % (client + 1))

    def request(self, sequence: int) -> bytearray:
        return self.question.fill(sequence)

    def parse(self, data: bytes) -> Answer:
        for template in self._answers:
            sequence = template.read(data)
            if sequence >= 0:
                return Answer(sequence)
        # Something of ours came back changed: say which message it was, if that can still be read.
        if found := self._sequence_of.search(data):
            return Answer(int(found[1]), intact=False)
        event = _EVENT_NAME.match(data) if self._protocol == "socket.io" else None
        return UNASKED if event and event[1] != b"echo" else NOT_OURS


class DashboardCodec:
    """A user's metric updates, each answered with its panel; and the snapshots pushed to all."""

    def __init__(self, client: int, protocol: WireProtocol) -> None:
        self._client = client
        self._protocol = protocol
        self.greeting = b'42["join","dashboard"]' if protocol == "socket.io" else None
        self._panel = f"panel-{client % PANELS:02d}"

    def request(self, sequence: int) -> bytes:
        update = {
            "panel": self._panel,
            "value": _value_of(sequence),
            "client": self._client,
            "seq": sequence,
        }
        text = json.dumps(update, separators=(",", ":"))
        if self._protocol == "socket.io":
            text = f'42{sequence}["update",{text}]'
        return text.encode("ascii")

    def parse(self, data: bytes) -> Answer:
        if b'"snapshot"' in data[:40]:
            found = _SNAPSHOT_SEQUENCE.search(data)
            return Answer(push=int(found[1])) if found else NOT_OURS
        try:
            answer = json.loads(data[10:] if self._protocol == "socket.io" else data)
            if self._protocol == "socket.io":
                answer = answer[0]
            sequence = int(answer["seq"])
            intact = (
                answer["client"] == self._client
                and answer["panel"] == self._panel
                and answer["value"] == _value_of(sequence)
                and int(answer["updates"]) > 0
            )
        except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError):
            return NOT_OURS
        return Answer(sequence, intact=intact)


def _value_of(sequence: int) -> float:
    """A metric that moves, and that the client can foretell."""
    return (sequence * 37 % 1000) / 10


def codec_for(job: Job, client: int) -> Codec:
    """The codec of one connection of a job."""
    if job.exchange == "echo":
        return EchoCodec(client, job.payload_bytes, job.protocol)
    return DashboardCodec(client, job.protocol)
