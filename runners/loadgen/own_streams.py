"""Clients that read event streams of a server that sets their pace and their end, such as a model server.

Each stream is a request over HTTP of its own. It ends with its body, or with the event ``[DONE]``. A client requests
the next stream at its time, or in the closed loop when the one before it has ended. Every event with data is a chunk,
whatever its type. Clients cancel nothing.
"""

from __future__ import annotations

import heapq
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns as clock_ns

from runners.loadgen import buckets
from runners.loadgen.causes import Cause, CauseTable
from runners.loadgen.client_sockets import ClientSockets, Opened
from runners.loadgen.handshake import url_of_client
from runners.loadgen.job import Job, Streamed
from runners.loadgen.message import FIRST_SEQUENCE, Template
from runners.loadgen.own_messages import IN_MESSAGE, numbered, of_client, parts_of
from runners.loadgen.pace import Open
from runners.loadgen.polling import STREAM_ENDED, EventStreamConnection, HttpOrigin
from runners.loadgen.upgrade import request_target

END_OF_STREAM = b"[DONE]"
"""The data of the event by which model servers end a stream
(https://platform.openai.com/docs/api-reference/chat/create)."""
_NO_CHUNKS = Cause("stream-without-chunks", "no chunks", "the server ended a stream without any chunk")
_RETRY_NS = 100_000_000
"""Nanoseconds until a client of the closed loop requests the next stream after one that broke."""
_TICK_S = 0.005
_LOOK_NS = 50_000_000
"""Nanoseconds between two looks for streams that are silent for too long."""
_SPIN_NS = 1_000_000
"""epoll rounds its timeout up to whole milliseconds, so for the last one before a stream is due we poll."""
_SECOND_NS = 1_000_000_000


@dataclass
class _Reading:
    """A stream that is being read."""

    connection: EventStreamConnection
    due_ns: int
    last_ns: int
    """When it began, or its last chunk arrived."""
    chunks: int = 0


@dataclass
class _Reader:
    number: int
    origin: HttpOrigin
    target: str
    body: Template
    due_ns: int = 0
    """When its next stream is due."""
    free_ns: int = 0
    """Since when it could begin one."""
    begun: int = 0
    begun_before: int = 0
    """Streams of earlier runs, whose numbers are not used again."""
    stream: _Reading | None = None


class OwnStreams:
    """The clients of one job, of which each reads one stream at a time. Raises `OSError` as `ClientSockets`."""

    def __init__(self, job: Job, opened: Sequence[Opened]) -> None:
        assert job.own is not None
        self._job, self._own = job, job.own
        self._sockets = ClientSockets(job)
        origin = HttpOrigin.of(job.url, job.connect_timeout_s, job.client)
        parts = parts_of(job.own.message, IN_MESSAGE)
        self._readers = [
            _Reader(
                one.number,
                origin.of_client(one.number),
                request_target(url_of_client(job.url, one.number)),
                Template(*numbered(of_client(parts, one.number))),
            )
            for one in opened
        ]
        self._gap_ns = int(_SECOND_NS * len(opened) / job.pace.rate_per_s) if isinstance(job.pace, Open) else 0
        """Between two streams of a client; 0 in the closed loop."""
        self._patience_ns = int(job.answer_timeout_s * _SECOND_NS)
        self._due: list[tuple[int, int]] = []
        """When a client's next stream is due, and the place of the client."""
        self._began_ns = self._until_ns = self._woken_ns = 0
        self._begin_counting()

    def _begin_counting(self) -> None:
        self._completed = self._done = self._broken = self._chunks = self._in_window = 0
        self._first_chunk, self._gap, self._whole, self._start_lag, self._read_lag = (array("q") for _ in range(5))
        self._causes = CauseTable()

    def run(self, seconds: float) -> Streamed:
        """Begin streams for this long, then read them for at most the drain time; counts are those of this call."""
        self._begin_counting()
        self._began_ns, cpu_ns = clock_ns(), time.process_time_ns()
        self._until_ns = self._began_ns + int(seconds * _SECOND_NS)
        for place, reader in enumerate(self._readers):
            reader.begun_before += reader.begun
            reader.begun, reader.free_ns = 0, self._began_ns
            reader.due_ns = self._began_ns + self._gap_ns * place // len(self._readers)
        self._due = [(reader.due_ns, place) for place, reader in enumerate(self._readers)]
        heapq.heapify(self._due)
        drain_ns, look_ns = int(self._job.drain_s * _SECOND_NS), self._began_ns
        while (now_ns := clock_ns()) < self._until_ns or (now_ns < self._until_ns + drain_ns and self._are_reading()):
            while self._due and self._due[0][0] <= now_ns:
                self._tend(heapq.heappop(self._due)[1])
            self._attend_all()
            if now_ns >= look_ns:
                self._give_up(now_ns)
                look_ns = now_ns + _LOOK_NS
        return self._result(cpu_ns, self._stop_all())

    def stop_early(self) -> None:
        """End the run in progress as if its time were over. A signal handler may call it."""
        self._until_ns = min(self._until_ns, clock_ns())

    def idle(self, wake: int) -> None:
        """Wait until the file descriptor ``wake`` is readable. No stream is open meanwhile."""
        while not self._sockets.wait(wake):
            self._attend_all()

    def _are_reading(self) -> bool:
        return any(reader.stream is not None for reader in self._readers)

    def _attend_all(self) -> None:
        next_ns = self._due[0][0] - clock_ns() if self._due else _SECOND_NS
        self._woken_ns = 0
        for place in self._sockets.ready(min(_TICK_S, max(0, next_ns - _SPIN_NS) / _SECOND_NS)):
            self._woken_ns = self._woken_ns or clock_ns()
            reader = self._readers[place]
            if reader.stream is not None:
                self._read(place, reader, reader.stream)

    def _tend(self, place: int) -> None:
        """Begin the client's next stream if it is due and the client can."""
        reader, now_ns = self._readers[place], clock_ns()
        if reader.stream is not None or reader.due_ns > now_ns or reader.due_ns >= self._until_ns:
            return
        # A client that was busy when the stream was due waited for the server, not for the load generator.
        self._start_lag.append(now_ns - max(reader.due_ns, reader.free_ns))
        body = bytes(reader.body.fill(FIRST_SEQUENCE + reader.begun_before + reader.begun))
        connection = EventStreamConnection(
            reader.origin, reader.target, method=self._own.method, body=body, every_type=True
        )
        reader.stream = _Reading(connection, reader.due_ns, now_ns)
        reader.begun += 1
        if self._gap_ns:
            reader.due_ns += self._gap_ns
            heapq.heappush(self._due, (reader.due_ns, place))
        connection.attach(self._sockets.of(place))
        if connection.descriptor < 0:  # it could not even send its request
            self._read(place, reader, reader.stream)

    def _read(self, place: int, reader: _Reader, stream: _Reading) -> None:
        received = stream.connection.receive()
        now_ns = clock_ns()
        for message in received.messages:
            if message.payload.strip() == END_OF_STREAM:
                self._done += stream.chunks > 0
                self._complete(place, reader, stream, now_ns)
                return
            if stream.chunks:
                self._gap.append(now_ns - stream.last_ns)
            else:
                self._first_chunk.append(now_ns - stream.due_ns)
            self._read_lag.append(now_ns - (self._woken_ns or now_ns))
            stream.chunks += 1
            stream.last_ns = now_ns
            self._chunks += 1
            self._in_window += now_ns < self._until_ns
        if received.end is STREAM_ENDED:
            self._complete(place, reader, stream, now_ns)
        elif received.end is not None:
            self._break(place, reader, received.end, now_ns)

    def _complete(self, place: int, reader: _Reader, stream: _Reading, now_ns: int) -> None:
        """The server ended a stream in order."""
        if not stream.chunks:
            self._break(place, reader, _NO_CHUNKS, now_ns)
            return
        self._completed += 1
        self._whole.append(now_ns - stream.due_ns)
        self._free(place, reader, now_ns, now_ns)

    def _break(self, place: int, reader: _Reader, cause: Cause, now_ns: int) -> None:
        """The server refused or cut a stream."""
        self._broken += 1
        self._causes.add(cause)
        self._free(place, reader, now_ns, now_ns + _RETRY_NS)

    def _free(self, place: int, reader: _Reader, now_ns: int, next_ns: int) -> None:
        """Let the client begin its next stream; in the closed loop it is due at ``next_ns``."""
        if reader.stream is not None:
            reader.stream.connection.close()
        reader.stream, reader.free_ns = None, now_ns
        if not self._gap_ns:
            reader.due_ns = next_ns
        heapq.heappush(self._due, (max(reader.due_ns, next_ns), place))

    def _give_up(self, now_ns: int) -> None:
        """Break streams without a chunk for the answer timeout."""
        for place, reader in enumerate(self._readers):
            if reader.stream is not None and now_ns - reader.stream.last_ns > self._patience_ns:
                what = "a stream had no further chunk" if reader.stream.chunks else "a request had no chunk"
                text = f"{what} for {self._job.answer_timeout_s:g} s; rtsite load has --answer-timeout"
                cause = reader.stream.connection.silence or Cause("no-chunk", "time", text)
                self._break(place, reader, cause, now_ns)

    def _stop_all(self) -> int:
        """Leave all streams that have not ended; returns how many these are."""
        unfinished = [reader for reader in self._readers if reader.stream is not None]
        for reader in unfinished:
            assert reader.stream is not None
            reader.stream.connection.close()
            reader.stream = None
        return len(unfinished)

    def _result(self, cpu_ns: int, unfinished: int) -> Streamed:
        return Streamed(
            due=sum(self._due_of(reader) for reader in self._readers),
            begun=sum(reader.begun for reader in self._readers),
            completed=self._completed,
            cancelled=0,
            broken=self._broken,
            unfinished=unfinished,
            chunks=self._chunks,
            missing=0,
            wrong=0,
            together=0,
            took_ns=clock_ns() - self._began_ns,
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

    def _due_of(self, reader: _Reader) -> int:
        """The number of streams that were due, begun or not."""
        if not self._gap_ns:
            return reader.begun
        return reader.begun + max(0, -((reader.due_ns - self._until_ns) // self._gap_ns))

    def close(self) -> None:
        """Stop waiting."""
        self._stop_all()
        self._sockets.close()
