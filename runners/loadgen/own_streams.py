"""Clients that read event streams of a server that sets their pace and their end, such as a model server.

Each stream is a request over HTTP of its own. It ends with its body, or with the event ``[DONE]``. A client requests
the next stream at its time, or in the closed loop when the one before it has ended. Every event with data is a chunk,
whatever its type. Clients cancel nothing.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns as clock_ns

from runners.loadgen import buckets
from runners.loadgen.causes import Cause, CauseTable
from runners.loadgen.client_sockets import Opened
from runners.loadgen.handshake import url_of_client
from runners.loadgen.job import Job, Streamed
from runners.loadgen.message import FIRST_SEQUENCE, Template
from runners.loadgen.own_messages import IN_MESSAGE, numbered, of_client, parts_of
from runners.loadgen.pace import Open
from runners.loadgen.polling import STREAM_ENDED, EventStreamConnection, HttpOrigin
from runners.loadgen.stream_clients import RETRY_NS, StreamClient, StreamClients
from runners.loadgen.upgrade import request_target

END_OF_STREAM = b"[DONE]"
"""The data of the event by which model servers end a stream
(https://platform.openai.com/docs/api-reference/chat/create)."""
_NO_CHUNKS = Cause("stream-without-chunks", "no chunks", "the server ended a stream without any chunk")
_LOOK_NS = 50_000_000
"""Nanoseconds between two looks for streams that are silent for too long."""
_SECOND_NS = 1_000_000_000


@dataclass
class _Reading:
    """A stream that is being read."""

    connection: EventStreamConnection
    due_ns: int
    last_ns: int
    """When it began, or its last chunk arrived."""
    chunks: int = 0


@dataclass(kw_only=True)
class _Reader(StreamClient):
    origin: HttpOrigin
    target: str
    body: Template
    begun_before: int = 0
    """Streams of earlier runs, whose numbers are not used again."""
    stream: _Reading | None = None


class OwnStreams(StreamClients[_Reader]):
    """The clients of one job, of which each reads one stream at a time."""

    def __init__(self, job: Job, opened: Sequence[Opened]) -> None:
        assert job.own is not None
        self._method = job.own.method
        origin = HttpOrigin.of(job.url, job.connect_timeout_s, job.client)
        parts = parts_of(job.own.message, IN_MESSAGE)
        readers = [
            _Reader(
                number=one.number,
                origin=origin.of_client(one.number),
                target=request_target(url_of_client(job.url, one.number)),
                body=Template(*numbered(of_client(parts, one.number))),
            )
            for one in opened
        ]
        gap_ns = int(_SECOND_NS * len(opened) / job.pace.rate_per_s) if isinstance(job.pace, Open) else 0
        super().__init__(job, readers, gap_ns)
        self._patience_ns = int(job.answer_timeout_s * _SECOND_NS)
        self._began_ns = 0
        self._begin_counting()

    def _begin_counting(self) -> None:
        self._completed = self._done = self._broken = self._chunks = self._in_window = 0
        self._first_chunk, self._gap, self._whole = (array("q") for _ in range(3))
        self._causes = CauseTable()

    def run(self, seconds: float) -> Streamed:
        """Begin streams for this long, then read them for at most the drain time; counts are those of this call."""
        self._begin_counting()
        for reader in self._clients:
            reader.begun_before += reader.begun
        cpu_ns = time.process_time_ns()
        self._began_ns = self._begin_run(seconds)
        drain_ns, look_ns = int(self._job.drain_s * _SECOND_NS), self._began_ns
        while (now_ns := clock_ns()) < self._until_ns or (now_ns < self._until_ns + drain_ns and self._are_reading()):
            self._go_on(now_ns)
            if now_ns >= look_ns:
                self._give_up(now_ns)
                look_ns = now_ns + _LOOK_NS
        return self._result(cpu_ns, self._stop_all())

    def stop_early(self) -> None:
        """End the run in progress as if its time were over. A signal handler may call it."""
        self._until_ns = min(self._until_ns, clock_ns())

    def _are_reading(self) -> bool:
        return any(reader.stream is not None for reader in self._clients)

    def _attend(self, place: int, client: _Reader) -> None:
        if client.stream is not None:
            self._read(place, client, client.stream)

    def _tend(self, place: int, client: _Reader) -> None:
        """Begin the client's next stream if it is due and the client can."""
        now_ns = clock_ns()
        if client.stream is not None or not self._may_begin(client, now_ns):
            return
        body = bytes(client.body.fill(FIRST_SEQUENCE + client.begun_before + client.begun))
        connection = EventStreamConnection(
            client.origin, client.target, method=self._method, body=body, every_type=True
        )
        client.stream = _Reading(connection, client.due_ns, now_ns)
        self._begin_one(place, client, now_ns)
        connection.attach(self._sockets.of(place))
        if connection.descriptor < 0:  # it could not even send its request
            self._read(place, client, client.stream)

    def _read(self, place: int, reader: _Reader, stream: _Reading) -> None:
        received = stream.connection.receive()
        now_ns = clock_ns()
        at_ns, lag_ns = self._sockets.arrival_of(stream.connection.stamp_ns, now_ns)
        for message in received.messages:
            if message.payload.strip() == END_OF_STREAM:
                self._done += stream.chunks > 0
                self._complete(place, reader, stream, at_ns)
                return
            if stream.chunks:
                self._gap.append(at_ns - stream.last_ns)
            else:
                self._first_chunk.append(at_ns - stream.due_ns)
            self._read_lag.append(lag_ns)
            stream.chunks += 1
            stream.last_ns = at_ns
            self._chunks += 1
            self._in_window += at_ns < self._until_ns
        if received.end is STREAM_ENDED:
            self._complete(place, reader, stream, at_ns)
        elif received.end is not None:
            self._break(place, reader, received.end, now_ns)

    def _complete(self, place: int, reader: _Reader, stream: _Reading, at_ns: int) -> None:
        """The server ended a stream in order. ``at_ns``: when its end arrived."""
        now_ns = clock_ns()
        if not stream.chunks:
            self._break(place, reader, _NO_CHUNKS, now_ns)
            return
        self._completed += 1
        self._whole.append(at_ns - stream.due_ns)
        self._free(place, reader, now_ns, now_ns)

    def _break(self, place: int, reader: _Reader, cause: Cause, now_ns: int) -> None:
        """The server refused or cut a stream."""
        self._broken += 1
        self._causes.add(cause)
        self._free(place, reader, now_ns, now_ns + RETRY_NS)

    def _free(self, place: int, reader: _Reader, now_ns: int, next_ns: int) -> None:
        """Let the client begin its next stream; in the closed loop it is due at ``next_ns``."""
        if reader.stream is not None:
            reader.stream.connection.close()
        reader.stream, reader.free_ns = None, now_ns
        if not self._gap_ns:
            reader.due_ns = next_ns
        self._remind(max(reader.due_ns, next_ns), place)

    def _give_up(self, now_ns: int) -> None:
        """Break streams without a chunk for the answer timeout."""
        for place, reader in enumerate(self._clients):
            if reader.stream is not None and now_ns - reader.stream.last_ns > self._patience_ns:
                what = "a stream had no further chunk" if reader.stream.chunks else "a request had no chunk"
                text = f"{what} for {self._job.answer_timeout_s:g} s; rtsite load has --answer-timeout"
                cause = reader.stream.connection.silence or Cause("no-chunk", "time", text)
                self._break(place, reader, cause, now_ns)

    def _stop_all(self) -> int:
        """Leave all streams that have not ended; returns how many these are."""
        unfinished = [reader for reader in self._clients if reader.stream is not None]
        for reader in unfinished:
            assert reader.stream is not None
            reader.stream.connection.close()
            reader.stream = None
        return len(unfinished)

    def _result(self, cpu_ns: int, unfinished: int) -> Streamed:
        return Streamed(
            due=self._count_due(),
            begun=self._count_begun(),
            completed=self._completed,
            cancelled=0,
            broken=self._broken,
            unfinished=unfinished,
            chunks=self._chunks,
            missing=0,
            wrong=0,
            together=0,
            took_ns=(took_ns := clock_ns() - self._began_ns),
            working_ns=max(0, took_ns - self._sockets.idle_ns),
            cpu_ns=time.process_time_ns() - cpu_ns,
            causes=self._causes.counted(),
            histograms={
                name: buckets.sparse(buckets.counts_of(values))
                for name, values in (
                    ("first_chunk", self._first_chunk),
                    ("chunk_gap", self._gap),
                    ("stream", self._whole),
                    ("send_lag", self._start_lag),
                    ("read_lag", self._read_lag),
                )
            },
            window_ns=self._until_ns - self._began_ns,
            chunks_in_window=self._in_window,
            done=self._done,
        )

    def close(self) -> None:
        """Stop waiting."""
        self._stop_all()
        self._sockets.close()
