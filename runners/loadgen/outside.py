"""Publishers of messages to rooms that no member sends: HTTP requests, or lines to another process.

A publisher shares the sockets and the thread of the members (`runners.loadgen.room_members`). It hands each message
over when it is due, and counts those that were not taken.
"""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from collections import deque
from http import HTTPStatus
from time import perf_counter_ns as clock_ns
from typing import NamedTuple, Protocol

import httptools

from runners.loadgen.causes import Cause, CauseTable, describe
from runners.loadgen.connection import Watcher
from runners.loadgen.http_answers import refusal_with
from runners.loadgen.job import Job
from runners.loadgen.message import Codec, RoomMessage, room_codec
from runners.loadgen.polling import AnswerEndedError, HttpClient, HttpOrigin

NOT_PUBLISHED = "not-published"
"""The key in the table of errors of a message that was not taken."""
_SECOND_NS = 1_000_000_000
_SUCCESS = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


class PublisherLostError(Exception):
    """The program that publishes has ended; the text says so."""


class Handed(NamedTuple):
    """What became of the messages that a publisher handed over."""

    refused: int
    """Number of messages that were refused, or not answered in time."""
    connections: int
    """Number of connections that it opened."""
    answer_ns: array[int]
    """From when each message was due until its answer had arrived, of those that were taken."""
    causes: CauseTable
    """Why messages were refused."""


class Outside(Protocol):
    """A publisher from outside of a room."""

    def publish(self, room: int, sequence: int, due_ns: int) -> None:
        """Hand a message over that is due; raises `PublisherLostError`."""

    def attend(self) -> None:
        """Read what has arrived, and give up what was not answered in time; raises `PublisherLostError`."""

    def is_idle(self) -> bool:
        """Whether nothing is waited for."""

    def collect(self) -> Handed:
        """What became of the messages since the last call."""

    def close(self) -> None:
        """Close what is open."""


def outside_of(job: Job, watcher: Watcher) -> Outside | None:
    """The publisher of a job; ``None`` if members send. Raises `OSError` and `PublisherLostError`."""
    match job.publisher:
        case "http":
            return RequestPublisher(job, watcher)
        case "process":
            return LinePublisher(job)
        case None:
            return None


class RoomTexts:
    """The texts of a job's rooms, as an application publishes them, by room and number."""

    def __init__(self, job: Job) -> None:
        self._size = job.payload_bytes
        self._codecs: dict[int, Codec] = {}

    def name(self, room: int) -> str:
        """The name of a room."""
        return RoomMessage.of(room, self._size).name.decode()

    def text(self, room: int, sequence: int) -> bytes:
        """The text with this number."""
        if room not in self._codecs:
            self._codecs[room] = room_codec(self._size, "websocket", room)
        (message,) = self._codecs[room].request(sequence)
        return bytes(message.payload)


class _Post(NamedTuple):
    target: str
    text: bytes
    due_ns: int


class RequestPublisher:
    """Publishes by ``POST /publish/<room>``, one request after the other over one connection.

    A message that is due while an answer is missing waits for it. A server that closes the connection gets another one.
    """

    def __init__(self, job: Job, watcher: Watcher) -> None:
        self._texts = RoomTexts(job)
        self._patience_ns = int(job.answer_timeout_s * _SECOND_NS)
        self._origin = HttpOrigin.of(job.url, job.connect_timeout_s, job.client)
        self._watcher = watcher
        self._client = self._new_client()
        self._waiting: deque[_Post] = deque()
        self._current: _Post | None = None
        self._sent_ns = 0
        self._forget()

    def _forget(self) -> None:
        self._refused, self._connections = 0, 0
        self._answer_ns, self._causes = array("q"), CauseTable()

    def _new_client(self) -> HttpClient:
        client = HttpClient(self._origin)
        client.watcher = self._watcher
        return client

    def publish(self, room: int, sequence: int, due_ns: int) -> None:
        self._waiting.append(_Post(f"/publish/{self._texts.name(room)}", self._texts.text(room, sequence), due_ns))
        self._send_next()

    def _send_next(self) -> None:
        while self._waiting and self._current is None:
            self._current = post = self._waiting.popleft()
            self._sent_ns = clock_ns()
            self._connections += self._client.descriptor < 0
            try:
                self._client.request("POST", post.target, post.text)
            except OSError as error:
                self._refuse(_not_published(*describe(error)))

    def attend(self) -> None:
        try:
            answer, now_ns = self._client.receive(), clock_ns()
        except AnswerEndedError as error:
            self._refuse(_not_published("no answer", str(error)))
        except httptools.HttpParserError as error:
            self._refuse(_not_published("no http", self._client.describe_invalid(error)))
        except OSError as error:
            self._refuse(_not_published(*describe(error)))
        else:
            if answer is not None and self._current is not None:
                if answer.status in _SUCCESS:
                    self._answer_ns.append(now_ns - self._current.due_ns)
                else:
                    self._refused += 1
                    refusal = refusal_with(self._client.head, answer.body, f"200 to 299 to POST {self._current.target}")
                    self._causes.add(_not_published(refusal.kind, str(refusal)))
                self._current = None
            elif self._current is not None and now_ns - self._sent_ns > self._patience_ns:
                waited_s = self._patience_ns / _SECOND_NS
                self._refuse(_not_published("time", f"the server did not answer POST within {waited_s:g} s"))
        self._send_next()

    def _refuse(self, cause: Cause) -> None:
        """Give up the current message and its connection."""
        if self._current is not None:
            self._refused += 1
            self._causes.add(cause)
            self._current = None
        self._client.drop()
        self._client = self._new_client()

    def is_idle(self) -> bool:
        return self._current is None and not self._waiting

    def collect(self) -> Handed:
        left = len(self._waiting) + (self._current is not None)
        if left:
            self._causes.add(_not_published("time", "the load ended before the server answered POST"), left)
            self._waiting.clear()
            self._current = None
            self._client.drop()
            self._client = self._new_client()
        handed = Handed(self._refused + left, self._connections, self._answer_ns, self._causes)
        self._forget()
        return handed

    def close(self) -> None:
        self._client.drop()


class LinePublisher:
    """Publishes by lines of JSON to the named pipe that a program reads.

    A pipe may take a part of a line that is longer than PIPE_BUF (pipe(7)). The rest goes before the next line.
    """

    def __init__(self, job: Job) -> None:
        self._texts = RoomTexts(job)
        self._rest = b""
        self._refused, self._causes = 0, CauseTable()
        try:
            self._pipe = os.open(job.publish_to, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            raise PublisherLostError(f"the program that publishes has ended: {error.strerror}") from None

    def publish(self, room: int, sequence: int, due_ns: int) -> None:  # noqa: ARG002 - whoever receives it counts
        line = json.dumps({"room": self._texts.name(room), "text": self._texts.text(room, sequence).decode()})
        self.attend()
        taken = 0 if self._rest else self._write(line.encode() + b"\n")
        if not taken:
            self._refused += 1
            self._causes.add(_not_published("full", "the program that publishes does not read its input"))

    def _write(self, line: bytes) -> int:
        """Write what the pipe takes, keep the rest if it took a part, and return how many bytes it took."""
        try:
            taken = os.write(self._pipe, line)
        except BlockingIOError:
            return 0
        except OSError:
            raise PublisherLostError("the program that publishes has ended") from None
        self._rest = line[taken:]
        return taken

    def attend(self) -> None:
        if self._rest:
            self._write(self._rest)

    def is_idle(self) -> bool:
        return True

    def collect(self) -> Handed:
        handed = Handed(self._refused, 0, array("q"), self._causes)
        self._refused, self._causes = 0, CauseTable()
        return handed

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._pipe)


def _not_published(kind: str, text: str) -> Cause:
    return Cause(NOT_PUBLISHED, kind, text)
