"""Clients whose server ends: they notice it, reconnect until the server accepts them, and continue.

Each client sends at a steady rate and records the outcome of every message. A few hundred messages per second do not
need the compiled kernel.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns as clock_ns

from runners.loadgen import engine_io
from runners.loadgen.causes import Cause, CauseTable
from runners.loadgen.client_sockets import TICK_S, ClientSockets
from runners.loadgen.codecs import codec_for
from runners.loadgen.connection import Connection, Message
from runners.loadgen.handshake import Handshake
from runners.loadgen.job import Job, Recovered, Retries
from runners.loadgen.message import FIRST_SEQUENCE, Codec
from runners.loadgen.pace import Open
from runners.loadgen.wire import Client

AFTERWARDS_S: dict[Retries, float] = {"quick": 0.5, "backoff": 2.5, "fixed": 2.5}
"""Seconds that the clients continue after all of them have reconnected. Where all come back to a new process at once,
they show for how long its answers are late."""
RETRY_S = (0.05, 0.15)
"""Shortest and longest time until a client's next attempt to reconnect. It is drawn evenly, for each attempt of each
client, because clients that all knock on the same beat would show that beat as the server's time. There is no back-off,
so that the result depends on the server and not on the client."""
BACKOFF_S = (1.0, 5.0)
"""Time of the first wait and of the longest one, as Socket.IO's JavaScript client has them (reconnectionDelay and
reconnectionDelayMax). A client waits for a random part of it, which spreads clients best."""
FIXED_S = 1.0
"""Wait of a client whose author did not think of the others."""


@dataclass
class _Client:
    number: int
    codec: Codec
    mask: bytes
    next_due_ns: int
    connection: Connection | None = None
    handshake: Handshake | None = None
    retry_at_ns: int = 0
    waits_s: Iterator[float] = field(default_factory=lambda: iter(()))
    """Seconds until each next attempt."""
    sequence: int = FIRST_SEQUENCE - 1
    pending: dict[int, int] = field(default_factory=dict)
    """The messages without an answer, and when each was due."""


class Reconnection:
    """The connected clients of one job. They send in an open loop with steady arrivals."""

    def __init__(self, job: Job, clients: Sequence[Client]) -> None:
        assert isinstance(job.pace, Open), job.pace
        self._job = job
        self._sockets = ClientSockets(job)
        self._gap_ns = int(1e9 * job.connections / job.pace.rate_per_s)
        now = clock_ns()
        self._clients = [
            _Client(
                one.number,
                one.codec,
                one.mask,
                now + self._gap_ns * place // len(clients),
                one.connection,
            )
            for place, one in enumerate(clients)
        ]
        for place, one in enumerate(clients):
            one.connection.attach(self._sockets.of(place))
        self._sent = self._answered = self._lost = self._unsent = self._attempts = 0
        self._gone_at: list[int] = []
        self._back_at: list[int] = []
        self._answers: list[tuple[int, int]] = []
        self._endings = CauseTable()

    def run(self, seconds: float) -> Recovered:
        """Run for this long, or until all clients have lost their server and then been reconnected for
        `AFTERWARDS_S`.
        """
        until = clock_ns() + int(seconds * 1e9)
        while (now := clock_ns()) < until and not self._is_over(now):
            for place, client in enumerate(self._clients):
                self._tend(place, client, now)
            for touched in self._sockets.ready(TICK_S):
                self._attend(touched)
        for client in self._clients:
            self._lost += len(client.pending)
        return Recovered(
            self._sent,
            self._answered,
            self._lost,
            self._unsent,
            self._gone_at,
            self._back_at,
            self._attempts,
            away=sum(client.connection is None for client in self._clients),
            endings={one.kind: one.times for one in self._endings.counted()},
            answers=self._answers,
        )

    def _is_over(self, now: int) -> bool:
        everybody = len(self._clients)
        if min(len(self._gone_at), len(self._back_at)) < everybody:
            return False
        if now <= self._back_at[-1] + int(AFTERWARDS_S[self._job.retries] * 1e9):
            return False
        return all(client.connection is not None for client in self._clients)

    def _tend(self, place: int, client: _Client, now: int) -> None:
        """Do what is due for a client: send a message, or try to reconnect."""
        if now >= client.next_due_ns:
            client.next_due_ns += self._gap_ns
            if client.connection is None:
                self._unsent += 1
            else:
                client.sequence += 1
                client.pending[client.sequence] = client.next_due_ns - self._gap_ns
                self._sent += 1
                self._send(client, client.codec.request(client.sequence))
        if client.connection is None and client.handshake is None and now >= client.retry_at_ns:
            self._attempts += 1
            try:
                client.handshake = self._sockets.begin_to_open(place, client.number, client.mask)
            except OSError:
                _wait(client, now)

    def _attend(self, place: int) -> None:
        """Read from a socket that has data, or continue a handshake."""
        client = self._clients[place]
        if client.handshake is not None:
            self._open(place, client, client.handshake)
        elif client.connection is not None:
            received = client.connection.receive()
            for payload, binary in received.messages:
                if client.connection is not None:
                    self._on_message(client, payload, binary=binary)
            if received.end is not None:
                self._lose(client, received.end)

    def _open(self, place: int, client: _Client, handshake: Handshake) -> None:
        result = self._sockets.proceed(place, handshake)
        if result is None:
            return
        client.handshake, client.connection = None, result.connection
        if result.connection is None:
            _wait(client, clock_ns())
            return
        self._back_at.append(clock_ns())
        client.codec = codec_for(self._job, client.number)

    def _send(self, client: _Client, messages: Sequence[Message]) -> None:
        assert client.connection is not None
        for payload, binary in messages:
            if not client.connection.send(payload, binary=binary):
                self._lose(client, client.connection.receive().end)
                return

    def _on_message(self, client: _Client, payload: bytes, *, binary: bool) -> None:
        control = engine_io.control_of(payload) if self._job.protocol == "socket.io" and not binary else None
        if control is not None:
            if control.end is not None:
                self._lose(client, control.end)
            elif control.reply:
                self._send(client, [Message(control.reply)])
            return
        answer = client.codec.parse(payload, binary=binary)
        if answer is not None and (due_ns := client.pending.pop(answer.sequence, None)) is not None:
            self._answered += 1
            self._answers.append((due_ns, clock_ns() - due_ns))

    def _lose(self, client: _Client, cause: Cause | None) -> None:
        """Record the loss of a connection, what the client saw, and its unanswered messages."""
        if client.connection is None:
            return
        now = clock_ns()
        self._gone_at.append(now)
        if cause is not None:
            self._endings.add(cause)
        self._lost += len(client.pending)
        client.pending.clear()
        client.connection.close()
        client.connection = None
        client.waits_s = waits_between_attempts(self._job.seed, client.number, self._job.retries)
        _wait(client, now)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            if client.connection is not None:
                client.connection.close()
            if client.handshake is not None:
                client.handshake.socket.close()
        self._sockets.close()


def waits_between_attempts(seed: int, client: int, retries: Retries = "quick") -> Iterator[float]:
    """The endless seconds that a client waits before each attempt to connect, the same for the same seed."""
    chance = random.Random(f"{seed} {client}")
    longest_s, most_s = BACKOFF_S
    while True:
        match retries:
            case "quick":
                yield chance.uniform(*RETRY_S)
            case "fixed":
                yield FIXED_S
            case "backoff":
                yield chance.uniform(0.0, longest_s)
                longest_s = min(most_s, 2 * longest_s)


def _wait(client: _Client, now: int) -> None:
    """Let a client wait until its next attempt."""
    client.retry_at_ns = now + int(next(client.waits_s) * 1e9)
