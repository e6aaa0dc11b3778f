"""Visitors: clients that come at fixed times, stay for a while and leave, beside the clients of a load.

They read what the server sends, answer pings and send nothing else. Each visit has one outcome.
"""

from __future__ import annotations

import heapq
import time
from array import array
from dataclasses import dataclass
from time import perf_counter_ns as clock_ns

from runners.loadgen import buckets, engine_io
from runners.loadgen.causes import Cause, CauseTable
from runners.loadgen.client_sockets import ClientSockets
from runners.loadgen.codecs import codec_for
from runners.loadgen.connection import Connection, Received
from runners.loadgen.handshake import Handshake
from runners.loadgen.job import Job, Visited
from runners.loadgen.wire import masks

_TICK_S = 0.02
_MASKS = 64
_SECOND_NS = 1_000_000_000


@dataclass
class _Visitor:
    handshake: Handshake | None = None
    connection: Connection | None = None
    received: int = 0


class Visitors:
    """The visitors of one job. Raises `OSError` as `ClientSockets`."""

    def __init__(self, job: Job) -> None:
        assert job.visits is not None
        self._job, self._visits = job, job.visits
        self._sockets = ClientSockets(job)
        self._masks = masks(job.seed, _MASKS)
        self._greeting = codec_for(job, job.first_client).greeting
        self._present: dict[int, _Visitor] = {}
        """Visitors by the number of their visit."""
        self._leaving: list[tuple[int, int]] = []
        """When a visitor leaves, and the number of the visit."""
        self._begun = self._stayed = self._ended = self._refused = self._silent = self._received = 0
        self._connect, self._lag = array("q"), array("q")
        self._causes = CauseTable()

    def run(self, seconds: float) -> Visited:
        """Let visitors come for this long, all who are due in it. Those who are there at the end leave."""
        began_ns, cpu_ns = clock_ns(), time.process_time_ns()
        until_ns = began_ns + int(seconds * _SECOND_NS)
        gap_ns = _SECOND_NS / self._visits.per_s
        while True:
            now_ns = clock_ns()
            while (due_ns := began_ns + int(self._begun * gap_ns)) <= now_ns and due_ns < until_ns:
                self._lag.append(now_ns - due_ns)
                self._come()
            if now_ns >= until_ns:
                break
            while self._leaving and self._leaving[0][0] <= now_ns:
                self._leave(heapq.heappop(self._leaving)[1])
            for number in self._sockets.ready(_TICK_S):
                self._attend(number)
        unfinished = sum(one.connection is None for one in self._present.values())
        for number in list(self._present):
            self._leave(number, in_time=False)
        return Visited(
            begun=self._begun,
            stayed=self._stayed,
            ended=self._ended,
            refused=self._refused,
            unfinished=unfinished,
            silent=self._silent,
            received=self._received,
            took_ns=clock_ns() - began_ns,
            cpu_ns=time.process_time_ns() - cpu_ns,
            causes=self._causes.counted(),
            histograms={
                name: buckets.sparse(buckets.counts_of(values))
                for name, values in (("connect", self._connect), ("send_lag", self._lag))
            },
        )

    def _come(self) -> None:
        number = self._begun
        self._begun += 1
        try:
            handshake = self._sockets.begin_to_open(
                number, self._job.first_client + number, self._masks[number % _MASKS]
            )
        except OSError:
            self._refused += 1
        else:
            self._present[number] = _Visitor(handshake)

    def _attend(self, number: int) -> None:
        visitor = self._present[number]
        if visitor.handshake is not None:
            self._open(number, visitor, visitor.handshake)
        elif visitor.connection is not None:
            self._take(number, visitor, visitor.connection, visitor.connection.receive())

    def _open(self, number: int, visitor: _Visitor, handshake: Handshake) -> None:
        result = self._sockets.proceed(number, handshake)
        if result is None:
            return
        visitor.handshake, visitor.connection = None, result.connection
        if result.connection is None:
            self._refused += 1
            if result.cause is not None:
                self._causes.add(result.cause)
            del self._present[number]
            return
        self._connect.append(result.took_ns)
        heapq.heappush(self._leaving, (clock_ns() + int(self._visits.stay_s * _SECOND_NS), number))
        if self._greeting is not None:
            result.connection.send(self._greeting.payload, binary=self._greeting.binary)
        self._take(number, visitor, result.connection, result.connection.feed(b""))  # what came with the handshake

    def _take(self, number: int, visitor: _Visitor, connection: Connection, received: Received) -> None:
        for message in received.messages:
            control = engine_io.control_of(message.payload) if self._job.protocol == "socket.io" else None
            if control is None:
                visitor.received += 1
            elif control.end is not None:
                self._end(number, connection, control.end)
                return
            elif control.reply:
                connection.send(control.reply)
        if received.end is not None:
            self._end(number, connection, received.end)

    def _end(self, number: int, connection: Connection, cause: Cause) -> None:
        """The server ended a visit."""
        self._ended += 1
        self._causes.add(cause)
        connection.close()
        self._received += self._present.pop(number).received

    def _leave(self, number: int, *, in_time: bool = True) -> None:
        """Let a visitor leave, if it is still there."""
        visitor = self._present.pop(number, None)
        if visitor is None:
            return
        if visitor.handshake is not None:
            self._sockets.forget(visitor.handshake.socket.fileno())
            visitor.handshake.socket.close()
        elif visitor.connection is not None:
            self._stayed += 1
            self._silent += in_time and not visitor.received
            visitor.connection.close()
        self._received += visitor.received

    def close(self) -> None:
        """Stop waiting."""
        self._sockets.close()
