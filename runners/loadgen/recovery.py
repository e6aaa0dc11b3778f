"""Clients whose server dies: they notice, knock again and again until they are let in, and go on.

Each sends at its own steady rate and tells what became of every message. A few hundred messages per second need no
compiled kernel.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns as clock_ns

from runners.loadgen.codecs import codec_for
from runners.loadgen.engine import Client
from runners.loadgen.job import Job, Recovered
from runners.loadgen.lines import Line, Message
from runners.loadgen.message import FIRST_SEQUENCE, Codec
from runners.loadgen.opening import Opening, find, socket_url

AFTERWARDS_S = 0.5
"""How long the clients go on once all of them are back."""
RETRY_S = 0.1
"""Between two attempts of a client to connect again: no back-off, so that the server's part is seen and not ours."""
_TICK_S = 0.005
_PING, _PONG = b"2", b"3"


@dataclass
class _Client:
    number: int
    codec: Codec
    mask: bytes
    next_due_ns: int
    line: Line | None = None
    opening: Opening | None = None
    retry_at_ns: int = 0
    sequence: int = FIRST_SEQUENCE - 1
    pending: set[int] = field(default_factory=set)


class Recovery:
    """The clients of one job, which was connected already."""

    def __init__(self, job: Job, clients: Sequence[Client]) -> None:
        self._job = job
        self._url = socket_url(job.url) if job.protocol == "socket.io" else job.url
        self._where = find(self._url, job.connect_timeout_s)
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        self._gap_ns = int(1e9 * job.connections / job.rate_per_s)
        now = clock_ns()
        self._clients = [
            _Client(one.number, one.codec, one.mask, now + self._gap_ns * place // len(clients), one.line)
            for place, one in enumerate(clients)
        ]
        for place, one in enumerate(clients):
            one.line.attach(_Watcher(self, place))
        self._sent = self._answered = self._lost = self._unsent = self._attempts = 0
        self._gone_at: list[int] = []
        self._back_at: list[int] = []

    def run(self, seconds: float) -> Recovered:
        """Go on for this long, or until all have lost their server and have been back for a while."""
        until = clock_ns() + int(seconds * 1e9)
        while (now := clock_ns()) < until and not self._is_over(now):
            for place, client in enumerate(self._clients):
                self._tend(place, client, now)
            for descriptor, _ in self._epoll.poll(_TICK_S):
                if (touched := self._watched.get(descriptor)) is not None:
                    self._attend(touched)
        for client in self._clients:
            self._lost += len(client.pending)
        return Recovered(
            self._sent, self._answered, self._lost, self._unsent, self._gone_at, self._back_at, self._attempts
        )

    def _is_over(self, now: int) -> bool:
        everybody = len(self._clients)
        over = min(len(self._gone_at), len(self._back_at)) >= everybody
        return over and now > self._back_at[-1] + int(AFTERWARDS_S * 1e9)

    def _tend(self, place: int, client: _Client, now: int) -> None:
        """What is due by the clock: a message, or another attempt."""
        if now >= client.next_due_ns:
            client.next_due_ns += self._gap_ns
            if client.line is None:
                self._unsent += 1
            else:
                client.sequence += 1
                client.pending.add(client.sequence)
                self._sent += 1
                self._say(client, client.codec.request(client.sequence))
        if client.line is None and client.opening is None and now >= client.retry_at_ns:
            self._attempts += 1
            try:
                client.opening = Opening(
                    place, self._url, self._where, self._job.protocol, client.mask, serializer=self._job.serializer
                )
            except OSError:
                client.retry_at_ns = now + int(RETRY_S * 1e9)
            else:
                self.watch(place, client.opening.socket, client.opening.wanted)

    def _attend(self, place: int) -> None:
        """What is announced on a socket."""
        client = self._clients[place]
        if client.opening is not None:
            self._open(place, client, client.opening)
        elif client.line is not None:
            received = client.line.receive()
            for payload, binary in received.messages:
                self._on_message(client, payload, binary=binary)
            if received.end is not None:
                self._lose(client)

    def _open(self, place: int, client: _Client, opening: Opening) -> None:
        outcome = opening.proceed(clock_ns() - int(self._job.connect_timeout_s * 1e9))
        if outcome is None:
            self.watch(place, opening.socket, opening.wanted)
            return
        self.forget(opening.socket)
        client.opening = None
        if outcome.line is None:
            opening.socket.close()
            client.retry_at_ns = clock_ns() + int(RETRY_S * 1e9)
            return
        self._back_at.append(clock_ns())
        client.line = outcome.line
        client.codec = codec_for(self._job, client.number)
        outcome.line.attach(_Watcher(self, place))

    def _say(self, client: _Client, messages: Sequence[Message]) -> None:
        assert client.line is not None
        for payload, binary in messages:
            if not client.line.say(payload, binary=binary):
                self._lose(client)
                return

    def _on_message(self, client: _Client, payload: bytes, *, binary: bool) -> None:
        if self._job.protocol == "socket.io" and payload == _PING:
            self._say(client, [Message(_PONG)])
            return
        answer = client.codec.parse(payload, binary=binary)
        if answer is not None and answer.sequence in client.pending:
            client.pending.discard(answer.sequence)
            self._answered += 1

    def _lose(self, client: _Client) -> None:
        """The connection is gone, and with it what was not answered."""
        if client.line is None:
            return
        self._gone_at.append(clock_ns())
        self._lost += len(client.pending)
        client.pending.clear()
        client.line.close()
        client.line = None
        client.retry_at_ns = 0

    def watch(self, place: int, line: socket.socket, wanted: int) -> None:
        """Wait for this on a socket of the client at this place."""
        descriptor = line.fileno()
        if descriptor in self._watched:
            self._epoll.modify(descriptor, wanted)
        else:
            self._epoll.register(descriptor, wanted)
        self._watched[descriptor] = place

    def forget(self, line: socket.socket) -> None:
        """Wait for nothing on it any more."""
        if self._watched.pop(line.fileno(), None) is not None:
            self._epoll.unregister(line.fileno())

    def close(self) -> None:
        """Say goodbye everywhere."""
        for client in self._clients:
            if client.line is not None:
                client.line.close()
            if client.opening is not None:
                client.opening.socket.close()
        self._epoll.close()


class _Watcher:
    def __init__(self, recovery: Recovery, place: int) -> None:
        self._recovery = recovery
        self._place = place

    def watch(self, line: socket.socket, *, for_room: bool) -> None:
        self._recovery.watch(self._place, line, select.EPOLLIN | (select.EPOLLOUT if for_room else 0))

    def forget(self, line: socket.socket) -> None:
        self._recovery.forget(line)
