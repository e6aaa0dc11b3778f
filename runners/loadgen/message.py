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
_SNAPSHOT_SEQUENCE = re.compile(rb'"seq": ?(\d+)')


class Answer(NamedTuple):
    """What an incoming message is: an answer (``sequence``), a push (``push``), or neither."""

    sequence: int = -1
    push: int = -1
    intact: bool = True


NOT_OURS = Answer(intact=False)


class Codec(Protocol):
    """One connection's requests and what their answers must be."""

    def request(self, sequence: int) -> bytes | bytearray:
        """The frame's payload; valid until the next call."""

    def expected(self, sequence: int) -> bytes | bytearray | None:
        """The answer, to the byte, where it is known beforehand; valid until the next call."""

    def parse(self, data: bytes) -> Answer:
        """Classify an incoming payload; never raises."""


class _Patched:
    """A byte template with the sequence number's eight digits at fixed places."""

    __slots__ = ("buffer", "places")

    def __init__(self, template: bytes) -> None:
        marker = b"%08d" % 0
        self.buffer = bytearray(template)
        self.places = []
        start = template.find(marker)
        while start >= 0:
            self.places.append(slice(start, start + 8))
            start = template.find(marker, start + 8)

    def at(self, sequence: int) -> bytearray:
        digits = b"%d" % sequence
        buffer = self.buffer
        for place in self.places:
            buffer[place] = digits
        return buffer

    def read(self, data: bytes) -> int:
        """The sequence number of ``data`` if it is this template, else -1."""
        digits = data[self.places[0]]
        if len(data) == len(self.buffer) and digits.isdigit() and data == self.at(int(digits)):
            return int(digits)
        return -1


class EchoCodec:
    """Echo over raw WebSocket, or as a Socket.IO event ``echo`` answered by its acknowledgement."""

    def __init__(self, client: int, payload_bytes: int, protocol: WireProtocol) -> None:
        # Letters only: eight zeros mark the sequence number, and JSON must not need to escape.
        filler = "".join(random.Random(client).choices(string.ascii_letters, k=payload_bytes))
        payload = f"{client + 1:08d}.{0:08d}.{filler}"[:payload_bytes].encode("ascii")
        if protocol == "websocket":
            self._request = _Patched(payload)
            self._answer = self._request
            self._event = None
        else:
            quoted = b'"' + payload + b'"'
            self._request = _Patched(_EVENT + b'00000000["echo",' + quoted + b"]")
            self._answer = _Patched(_ACK + b"00000000[" + quoted + b"]")
            self._event = _Patched(_EVENT + b'["echo",' + quoted + b"]")
        self._sequence_of = re.compile(rb"%08d\.(\d{8})\." % (client + 1))

    def request(self, sequence: int) -> bytearray:
        return self._request.at(sequence)

    def expected(self, sequence: int) -> bytearray:
        return self._answer.at(sequence)

    def parse(self, data: bytes) -> Answer:
        for template in (self._answer, self._event):
            if template is not None and (sequence := template.read(data)) >= 0:
                return Answer(sequence)
        # Something of ours came back changed: say which message it was, if that can still be read.
        found = self._sequence_of.search(data)
        return Answer(int(found[1]), intact=False) if found else NOT_OURS


class DashboardCodec:
    """A user's metric updates, each answered with its panel; and the snapshots pushed to all."""

    def __init__(self, client: int, protocol: WireProtocol) -> None:
        self._client = client
        self._protocol = protocol
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

    def expected(self, sequence: int) -> None:  # noqa: ARG002 - the answer holds a count only the server knows
        return None

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
        except (ValueError, KeyError, TypeError, IndexError):
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
