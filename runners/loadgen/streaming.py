"""Clients that request streams of chunks, as a page requests the answer of a language model, and read them to the end.

A stream is one request that sets the stream's pace: chunk k is due k / `StreamRequest.chunks_per_s` seconds after the
stream is. Each client begins them at fixed times, whatever the server does. Over SSE each stream is an HTTP request,
over WebSocket and Socket.IO a message on the client's connection. A client cancels by closing its connection.

Ten thousand chunks per second do not need the compiled kernel.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns as clock_ns
from typing import Any

from runners.loadgen import buckets, engine_io
from runners.loadgen.causes import Cause, CauseTable
from runners.loadgen.client_sockets import Opened
from runners.loadgen.connection import Connection
from runners.loadgen.handshake import Handshake
from runners.loadgen.job import Job, Streamed
from runners.loadgen.pace import Open
from runners.loadgen.polling import STREAM_ENDED, EventStreamConnection, HttpOrigin
from runners.loadgen.stream_clients import RETRY_NS, StreamClient, StreamClients
from runners.loadgen.upgrade import request_target

STREAM_EVENT, CHUNK_EVENT = "stream", "chunk"
"""Names of Socket.IO's events: a client's request, and a chunk of the answer."""
_EVENT = b"42"
"""Begin of an event of Socket.IO in the default namespace."""
_CLUMPED = 0.1
"""A chunk that follows the one before it within this part of a period has caught up with it."""
_SECOND_NS = 1_000_000_000


@dataclass
class _Stream:
    due_ns: int
    is_to_be_cancelled: bool
    arrived: int = 0
    last_ns: int = 0
    """When the last chunk arrived."""


@dataclass(kw_only=True)
class _Client(StreamClient):
    mask: bytes
    connection: Connection | None
    handshake: Handshake | None = None
    retry_at_ns: int = 0
    stream: _Stream | None = None


class Streaming(StreamClients[_Client]):
    """The clients of one job, of which each reads one stream at a time."""

    def __init__(self, job: Job, opened: Sequence[Opened]) -> None:
        assert isinstance(job.pace, Open), job.pace
        assert job.stream is not None
        self._asked = job.stream
        self._is_http = job.transport == "sse"
        # Over HTTP each stream has a connection of its own, so those that were made before are not used.
        clients = [
            _Client(number=one.number, mask=one.mask, connection=None if self._is_http else one.connection)
            for one in opened
        ]
        super().__init__(job, clients, gap_ns=int(_SECOND_NS * job.connections / job.pace.rate_per_s))
        self._origin = HttpOrigin.of(job.url, job.connect_timeout_s, job.client)
        self._target = f"{request_target(job.url)}?chunks={self._asked.chunks}&per_s={self._asked.chunks_per_s:g}"
        self._request = request_message(job)
        self._chunk_ns = _SECOND_NS / self._asked.chunks_per_s
        for place, client in enumerate(self._clients):
            if client.connection is not None:
                client.connection.attach(self._sockets.of(place))
        self._begin_counting()

    def _begin_counting(self) -> None:
        self._completed = self._cancelled = self._broken = self._chunks = self._missing = 0
        self._wrong = self._together = 0
        self._first_chunk, self._lateness = array("q"), array("q")
        self._causes = CauseTable()

    def run(self, seconds: float, *, cancels: bool = False) -> Streamed:
        """Begin streams for this long, then read them to their end or cancel them; counts are those of this call."""
        self._begin_counting()
        cpu_ns = time.process_time_ns()
        began_ns = self._begin_run(seconds, together=self._asked.together)
        last_ns = self._until_ns + int(self._asked.chunks * self._chunk_ns + self._job.drain_s * _SECOND_NS)
        while (now_ns := clock_ns()) < self._until_ns or (not cancels and now_ns < last_ns and self._are_under_way()):
            self._go_on(now_ns)
        return self._result(began_ns, cpu_ns, self._stop_all(cancels=cancels))

    def _stop_all(self, *, cancels: bool) -> int:
        """Leave all streams that still run; returns how many of them did not end in time."""
        unfinished = 0
        for client in self._clients:
            if client.stream is not None and client.connection is not None:
                if cancels:
                    self._cancelled += 1
                else:
                    unfinished += 1
                    self._missing += self._asked.chunks - client.stream.arrived
                client.connection.close()
                client.connection = client.stream = None
        return unfinished

    def _are_under_way(self) -> bool:
        return any(client.stream is not None for client in self._clients)

    def _attend(self, place: int, client: _Client) -> None:
        if client.handshake is not None:
            self._open(place, client, client.handshake)
        elif client.connection is not None:
            self._read(place, client, client.connection)

    def _tend(self, place: int, client: _Client) -> None:
        """Begin the client's next stream if it is due and the client can; open its connection if it has none."""
        now_ns = clock_ns()
        if self._is_http or client.connection is not None:
            if client.stream is None and self._may_begin(client, now_ns):
                self._begin(place, client, now_ns)
        elif client.handshake is None and now_ns >= client.retry_at_ns:
            self._connect(place, client)

    def _begin(self, place: int, client: _Client, now_ns: int) -> None:
        every = self._asked.cancel_every
        client.stream = _Stream(client.due_ns, bool(every) and (client.number + client.begun) % every == 0)
        self._begin_one(place, client, now_ns)
        if self._is_http:
            client.connection = EventStreamConnection(self._origin.of_client(client.number), self._target)
            client.connection.attach(self._sockets.of(place))
            if client.connection.descriptor < 0:  # it could not even send its request
                self._read(place, client, client.connection)
        else:
            assert client.connection is not None
            if not client.connection.send(self._request):
                self._read(place, client, client.connection)

    def _connect(self, place: int, client: _Client) -> None:
        try:
            client.handshake = self._sockets.begin_to_open(place, client.number, client.mask)
        except OSError:
            self._try_again(place, client)

    def _open(self, place: int, client: _Client, handshake: Handshake) -> None:
        result = self._sockets.proceed(place, handshake)
        if result is None:
            return
        client.handshake, client.connection = None, result.connection
        client.free_ns = clock_ns()
        if result.cause is not None:
            self._causes.add(result.cause)
            self._try_again(place, client)
        else:
            self._tend(place, client)

    def _try_again(self, place: int, client: _Client) -> None:
        client.retry_at_ns = clock_ns() + RETRY_NS
        self._remind(client.retry_at_ns, place)

    def _read(self, place: int, client: _Client, connection: Connection) -> None:
        received = connection.receive()
        arrival = self._sockets.arrival_of(connection.stamp_ns, clock_ns())
        for message in received.messages:
            if client.connection is not connection:  # it has left; what was in flight is not read
                return
            control = engine_io.control_of(message.payload) if self._job.protocol == "socket.io" else None
            if control is None:
                self._take(place, client, message.payload, *arrival)
            elif control.end is not None:
                self._end(place, client, control.end)
            elif control.reply:
                connection.send(control.reply)
        if received.end is not None and client.connection is connection:
            self._end(place, client, received.end)

    def _take(self, place: int, client: _Client, payload: bytes, at_ns: int, lag_ns: int) -> None:
        stream = client.stream
        is_whole = stream is not None and stream.arrived == self._asked.chunks
        if stream is None or is_whole or chunk_number(payload, self._job) != stream.arrived:
            self._wrong += 1
            return
        lateness_ns = at_ns - stream.due_ns - int(stream.arrived * self._chunk_ns)
        if not stream.arrived:
            self._first_chunk.append(lateness_ns)
        self._lateness.append(lateness_ns)
        self._read_lag.append(lag_ns)
        self._together += bool(stream.arrived) and at_ns - stream.last_ns < _CLUMPED * self._chunk_ns
        stream.arrived += 1
        stream.last_ns = at_ns
        self._chunks += 1
        if stream.is_to_be_cancelled and stream.arrived >= self._asked.chunks / 2:
            self._cancelled += 1
            self._leave(place, client)
        elif stream.arrived == self._asked.chunks and not self._is_http:
            self._completed += 1
            client.stream, client.free_ns = None, clock_ns()
            self._tend(place, client)

    def _end(self, place: int, client: _Client, cause: Cause) -> None:
        """The server ended a connection: over HTTP this is how a whole stream ends."""
        stream = client.stream
        if stream is not None and self._is_http and cause is STREAM_ENDED and stream.arrived == self._asked.chunks:
            self._completed += 1
        else:
            self._causes.add(cause)
            if stream is not None:
                self._broken += 1
                self._missing += self._asked.chunks - stream.arrived
        self._leave(place, client)

    def _leave(self, place: int, client: _Client) -> None:
        """Close the client's connection, and open another one if it does not make one for each stream."""
        assert client.connection is not None
        client.connection.close()
        client.connection = client.stream = None
        client.free_ns = clock_ns()
        self._tend(place, client)

    def _result(self, began_ns: int, cpu_ns: int, unfinished: int) -> Streamed:
        return Streamed(
            due=self._count_due(),
            begun=self._count_begun(),
            completed=self._completed,
            cancelled=self._cancelled,
            broken=self._broken,
            unfinished=unfinished,
            chunks=self._chunks,
            missing=self._missing,
            wrong=self._wrong,
            together=self._together,
            took_ns=(took_ns := clock_ns() - began_ns),
            working_ns=max(0, took_ns - self._sockets.idle_ns),
            cpu_ns=time.process_time_ns() - cpu_ns,
            causes=self._causes.counted(),
            histograms={
                name: buckets.sparse(buckets.counts_of(values))
                for name, values in (
                    ("first_chunk", self._first_chunk),
                    ("chunk_lateness", self._lateness),
                    ("send_lag", self._start_lag),
                    ("read_lag", self._read_lag),
                )
            },
        )

    def close(self) -> None:
        """Close all connections, which cancels the streams on them."""
        for client in self._clients:
            if client.connection is not None:
                client.connection.close()
            if client.handshake is not None:
                client.handshake.socket.close()
        self._sockets.close()


def request_message(job: Job) -> bytes:
    """The message that requests a stream, over WebSocket or Socket.IO."""
    assert job.stream is not None
    request = {"chunks": job.stream.chunks, "per_s": job.stream.chunks_per_s}
    if job.protocol == "socket.io":
        return _EVENT + json.dumps([STREAM_EVENT, request]).encode()
    return json.dumps(request).encode()


def chunk_number(payload: bytes, job: Job) -> Any:
    """The number of the chunk in a message; ``None`` if the message is no chunk."""
    try:
        if job.protocol == "socket.io":
            if not payload.startswith(_EVENT):
                return None
            name, chunk = json.loads(payload[len(_EVENT) :])
            if name != CHUNK_EVENT:
                return None
        else:
            chunk = json.loads(payload)
        return chunk["seq"]
    except (ValueError, KeyError, TypeError):
        return None
