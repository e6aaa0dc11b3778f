"""The bytes of requests and answers: prebuilt, with the sequence number patched in.

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


_LOW_DIGITS = tuple(b"%04d" % number for number in range(10_000))


class _Template:
    """Bytes with the sequence number's eight digits at fixed places, patched in place.

    Patching a closed loop's two buffers is on the path of every message: the lower four digits come from a
    table, the upper four change once in ten thousand.
    """

    __slots__ = ("_first", "_high", "_low", "_scratch", "buffer")

    def __init__(self, template: bytes) -> None:
        marker = b"%08d" % 0
        self.buffer = bytearray(template)
        self._scratch = bytearray(template)
        starts = []
        start = template.find(marker)
        while start >= 0:
            starts.append(start)
            start = template.find(marker, start + 8)
        self._first = slice(starts[0], starts[0] + 8)
        self._high = [slice(start, start + 4) for start in starts]
        self._low = [slice(start + 4, start + 8) for start in starts]

    def set(self, sequence: int) -> None:
        """Patch any sequence number in."""
        self._write(self.buffer, sequence)

    def advance(self, sequence: int) -> None:
        """Patch the number after the last one in."""
        low = sequence % 10_000
        if not low:
            self.set(sequence)
            return
        digits = _LOW_DIGITS[low]
        buffer = self.buffer
        for place in self._low:
            buffer[place] = digits

    def read(self, data: bytes) -> int:
        """The sequence number of ``data`` if it is this template, else -1."""
        digits = data[self._first]
        if len(data) == len(self._scratch) and digits.isdigit():
            self._write(self._scratch, int(digits))
            if data == self._scratch:
                return int(digits)
        return -1

    def _write(self, buffer: bytearray, sequence: int) -> None:
        high, low = divmod(sequence, 10_000)
        for place in self._high:
            buffer[place] = _LOW_DIGITS[high]
        for place in self._low:
            buffer[place] = _LOW_DIGITS[low]


class EchoCodec:
    """Echo over raw WebSocket, or as a Socket.IO event ``echo`` answered by its acknowledgement.

    ``question`` and ``answer`` are the current request and its answer to the byte, patched in place.
    """

    greeting: bytes | None = None

    def __init__(self, client: int, payload_bytes: int, protocol: WireProtocol) -> None:
        # Letters only: eight zeros mark the sequence number, and JSON must not need to escape.
        filler = "".join(random.Random(client).choices(string.ascii_letters, k=payload_bytes))
        payload = f"{client + 1:08d}.{0:08d}.{filler}"[:payload_bytes].encode("ascii")
        self._protocol = protocol
        if protocol == "websocket":
            templates: tuple[_Template, ...] = (_Template(payload),)
        else:
            quoted = b'"' + payload + b'"'
            templates = (
                _Template(_ACK + b"00000000[" + quoted + b"]"),
                _Template(_EVENT + b'00000000["echo",' + quoted + b"]"),
                _Template(_EVENT + b'["echo",' + quoted + b"]"),
            )
        # The last one is how a server answers that emits an event instead of acknowledging.
        self._answers = (templates[0], templates[-1])
        self._patched = templates[:2]
        self.answer = templates[0].buffer
        self.question = self._patched[-1].buffer
        self._sequence_of = re.compile(rb"%08d\.(\d{8})\." % (client + 1))

    def request(self, sequence: int) -> bytearray:
        for template in self._patched:
            template.set(sequence)
        return self.question

    def advance(self, sequence: int) -> None:
        """Turn ``question`` and ``answer`` to the number after the last one."""
        for template in self._patched:
            template.advance(sequence)

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
