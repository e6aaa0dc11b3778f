"""The work that the compiled kernel leaves to Python: single messages, waiting sockets, connections that end."""

from __future__ import annotations

import select
import socket
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns as clock_ns

import numpy as np

from runners.loadgen import arrays, engine_io, kernel, packed, wire, zlib_streams
from runners.loadgen.causes import Cause, CauseTable, harmless
from runners.loadgen.connection import (
    DISCONNECTED,
    DeflateStreams,
    Message,
    Received,
    WebSocketConnection,
)
from runners.loadgen.job import CaughtUp, Example, Job, TrafficCounts
from runners.loadgen.kernel import Reason
from runners.loadgen.ledger import Ledger
from runners.loadgen.message import DIGITS, FIRST_SEQUENCE
from runners.loadgen.own_codec import OwnCodec
from runners.loadgen.pace import Closed
from runners.loadgen.wire import Client

_SECOND_NS = 1_000_000_000
_POLL_MS = 50
_CATCH_UP_BUFFER_BYTES = 1 << 22
_QUIET_NS = 1_000_000_000
"""Time without a message after which no more queued messages are expected from the server."""
_EXAMPLE_CHARACTERS = 80
"""Maximum length of a message in an example."""
_BEFORE_BYTES = 20
"""Bytes before the first difference that an example shows."""


@dataclass(frozen=True)
class Pushes:
    """All pushes received: the client, the number of the push, and its arrival time."""

    client: array[int] = field(default_factory=lambda: array("q"))
    number: array[int] = field(default_factory=lambda: array("q"))
    at_ns: array[int] = field(default_factory=lambda: array("q"))

    def append(self, client: int, number: int, at_ns: int) -> None:
        self.client.append(client)
        self.number.append(number)
        self.at_ns.append(at_ns)


class SlowPath:
    """Handles all connections of a shard, message by message, with the same ledger as the kernel."""

    def __init__(self, job: Job, clients: Sequence[Client], ledger: Ledger) -> None:
        self.clients = clients
        self.ledger = ledger
        self.causes = CauseTable()
        """Why connections ended."""
        self.pushes = Pushes()
        self.examples: dict[str, Example] = {}
        self._surplus = np.zeros(len(clients), dtype=np.int64)
        """By connection: answers without a number that came while nothing was waited for, after the first message."""
        self._owed = np.zeros(len(clients), dtype=np.int64)
        """By connection: messages that no answer came for in time, so that a late one may still come."""
        self.meter = TrafficCounts()
        """Counts the traffic that Python handles on connections over WebSocket."""
        self.messages = wire.lay_out(clients)
        self._deflates = any(_compression_of(client) is not None for client in clients)
        deflated_bytes = self.messages.requests.shape[1] if self._deflates else 0
        self.buffers = arrays.buffers(len(clients), deflated_bytes=deflated_bytes)
        self._socketio = job.protocol == "socket.io"
        self._packed, self._namespace = job.serializer == "msgpack", job.client.namespace
        self._closed_loop = isinstance(job.pace, Closed)
        self._room = job.exchange == "room"
        self._templated = wire.are_alike(clients)
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        """The events that are waited for, by file descriptor."""
        self._state = ledger.state
        self._alive, self._reading = ledger.connections["alive"], ledger.connections["reading"]
        self._kernel_sends = ledger.connections["kernel_sends"]
        self._kernel_reads = ledger.connections["kernel_reads"]
        self._shelved, self._tls = ledger.connections["shelved"], ledger.connections["tls"]
        self._deflater = ledger.connections["deflater"]
        self._matched, self._expected = ledger.connections["matched"], ledger.connections["expected"]
        self._state["epoll"] = self._epoll.fileno()
        self._state["request_bytes"] = self.messages.requests.shape[1]
        self._state["answer_bytes"] = self.messages.answers.shape[1]
        self._state["request_header"], self._state["answer_header"] = wire.headers_of(clients)
        self._learned = np.zeros((0, 0), dtype=np.uint8)
        """The answers that the kernel compares with, before their numbers changed."""
        self._compresses = wire.are_single_frames(clients) and zlib_streams.KERNEL_KNOWS
        """Whether the kernel can compress requests and decompress answers, because each is one frame."""
        for k, client in enumerate(clients):
            client.connection.attach(_Watcher(self, k))
            ledger.connections["descriptor"][k] = client.connection.descriptor
            if isinstance(client.connection, WebSocketConnection):
                client.connection.meter = self.meter
                self._take(k, client.connection.feed(b""), clock_ns())
            elif client.connection.descriptor < 0:
                self._take(k, client.connection.receive(), clock_ns())
            if client.codec.greeting is not None:
                self._send_messages(k, [client.codec.greeting])
            self._set_kernel_access(k)
        self._pausing = range(len(clients) - job.paused, len(clients))
        self._first_withheld = FIRST_SEQUENCE

    def open_streams(self) -> None:
        """Create the streams of all compressed connections, if the kernel uses them. Otherwise the first messages would
        be Python's, which takes long for many at once.
        """
        if self._compresses and self._templated:
            for k, client in enumerate(self.clients):
                if self._alive[k] and not self._deflater[k] and (compression := _compression_of(client)) is not None:
                    compression.deflater.open()
                    compression.inflater.open()
                    self._set_kernel_access(k)

    def learn_answers(self) -> None:
        """Let the kernel compare answers with the form that earlier ones had, if that of all clients has one length and
        its number at the same places. Only between slices, because no answer may be half compared.
        """
        codecs = [client.codec for client in self.clients]
        learned = [codec.learned_answer() for codec in codecs if isinstance(codec, OwnCodec)]
        if not self._templated or len(learned) < len(codecs):
            return
        table = wire.lay_out_answers(learned)
        if table is None or np.array_equal(table.answers, self._learned):
            return
        for k in range(len(codecs)):
            self._take_over(k)
        self._learned = table.answers.copy()
        unmasked = np.zeros(table.answers.shape[1], dtype=np.uint8)
        places = self.messages.places.copy()
        places[1] = -1
        places[1, : len(table.places)] = table.places
        self.messages = self.messages._replace(answers=table.answers, unmasked=unmasked, places=places)
        self._state["answer_bytes"], self._state["answer_header"] = table.answers.shape[1], table.header

    def attend(self, reason: int, k: int) -> None:
        """Do the work that the kernel left for connection ``k``."""
        state = self._state
        if reason == Reason.READ:
            if self._shelved[k]:  # its older bytes come first
                self.clear_shelf()
            self._read(k)
        elif reason == Reason.SHORT:
            self._queue_rest(int(state["sender"][0]), int(state["taken"][0]))
        elif reason == Reason.SEND_NEXT:
            self.send_next(int(state["sender"][0]), clock_ns())
        if state["data_start"][0] < state["data_end"][0] or state["plain_start"][0] < state["plain_end"][0]:
            self._on_data(k)
        if self._closed_loop and reason != Reason.READ and self.clients[k].connection.native_tls:
            self._read(k)  # epoll does not report what OpenSSL has already taken from the socket

    # Sending

    def go_on(self, k: int, slot: int, now_ns: int) -> None:
        """Closed loop: send the next message, after connection ``k`` stops waiting for the one in this slot."""
        if now_ns < self._state["stop_ns"][0]:
            sender = self.ledger.next_sender(k, slot)
            if sender >= 0 and self._alive[sender]:
                self.send_next(sender, now_ns)

    def send_next(self, k: int, now_ns: int) -> None:
        """Closed loop: send the next message of an open connection."""
        if not self._kernel_sends[k]:
            self.send(k, now_ns, now_ns)
            return
        taken = kernel.send_next(k, now_ns, now_ns, self.ledger.tables, self.messages, self.buffers)
        if taken != self._state["frame_bytes"][0]:
            self._queue_rest(k, taken)

    def send(self, k: int, intended_ns: int, now_ns: int) -> None:
        """Send a message that the kernel cannot send: no template, encrypted, a full socket, or due on a closed
        connection.

        In a room an open member replaces one that is closed or paused. If there is none, the message is lost.
        """
        if self._room:
            able = self._alive & self._reading
            living = np.flatnonzero(able)
            if living.size and not able[k]:
                k = int(living[k % living.size])
        sequence = self.ledger.send(k, intended_ns, now_ns)
        if self._templated:  # the next message of the kernel has the number after this one
            row = self._request_row(k)
            kernel.increment(self.messages.requests[row], self.messages.places[0], self.messages.masks[row])
        if self._alive[k] and self._reading[k]:
            self._send_messages(k, self.clients[k].codec.request(sequence))

    def _send_messages(self, k: int, messages: Iterable[Message]) -> None:
        connection = self.clients[k].connection
        for payload, binary in messages:
            if not connection.send(payload, binary=binary):
                self._take(k, connection.receive(), clock_ns())
                return
        self._set_kernel_access(k)

    def _queue_rest(self, k: int, taken: int) -> None:
        """Queue the rest of the last request, of which the socket accepted only a part."""
        connection = self.clients[k].connection
        assert isinstance(connection, WebSocketConnection)
        if self._deflater[k]:
            start, size = int(self._state["frame_start"][0]), int(self._state["frame_bytes"][0])
            frame = self.buffers.frame[start : start + size]
        else:
            frame = self.messages.requests[self._request_row(k)]
        if connection.send_frames(frame[max(0, taken) :].tobytes()):
            self._set_kernel_access(k)
        else:
            self._take(k, connection.receive(), clock_ns())

    def _request_row(self, k: int) -> int:
        """The row of connection ``k``'s request: a room has one for all."""
        return 0 if self._room else k

    def _set_kernel_access(self, k: int) -> None:
        """Set whether the kernel may read and send for this connection now."""
        connection = self.clients[k].connection
        able = bool(self._alive[k] and self._reading[k] and connection.fast)
        self._tls[k] = connection.native_tls if able else 0
        self._kernel_sends[k] = able and self._templated and self._kernel_has_streams(k)
        # Data that the kernel reads ahead of Python is on the shelf. The closed loop continues with each answer and has
        # no shelf.
        self._kernel_reads[k] = able and (self._templated or not self._closed_loop)

    def _kernel_has_streams(self, k: int) -> bool:
        """Whether the kernel has what it needs to send: on a compressed connection the stream that compresses."""
        compression = _compression_of(self.clients[k]) if self._deflates else None
        if compression is None:
            return True
        if not self._compresses:
            return False
        row = self.ledger.connections[k]
        deflater, inflater = compression.deflater, compression.inflater
        row["deflater"], row["deflater_forgets"] = deflater.address, deflater.forgets
        row["inflater"], row["inflater_forgets"] = inflater.address, inflater.forgets
        return bool(deflater.address)

    # Sockets

    def watch(self, k: int, descriptor: int, *, writable: bool) -> None:
        """Wait until a socket of connection ``k`` is readable and, if requested, writable."""
        wanted = select.EPOLLIN | (select.EPOLLOUT if writable else 0)
        known = self._watched.get(descriptor)
        if known is None:
            slots = self.buffers.slots
            if descriptor >= len(slots):
                slots = np.concatenate([slots, np.zeros(descriptor, dtype=np.int64)])
                self.buffers = self.buffers._replace(slots=slots)
            slots[descriptor] = k
            self._epoll.register(descriptor, wanted)
        elif known != wanted:
            self._epoll.modify(descriptor, wanted)
        self._watched[descriptor] = wanted

    def forget_socket(self, descriptor: int) -> None:
        """Stop waiting for a socket that will be closed."""
        if self._watched.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def idle(self, wake: int) -> None:
        """Answer pings until the file descriptor ``wake`` is readable."""
        self._epoll.register(wake, select.EPOLLIN)
        try:
            while True:
                events = self._epoll.poll()
                for descriptor, _ in events:
                    if descriptor != wake:
                        self._read(int(self.buffers.slots[descriptor]))
                if any(descriptor == wake for descriptor, _ in events):
                    return
        finally:
            self._epoll.unregister(wake)

    def linger(self, seconds: float) -> None:
        """Read what still arrives for this many seconds."""
        until_ns = clock_ns() + int(seconds * _SECOND_NS)
        while (left_ns := until_ns - clock_ns()) > 0:
            for descriptor, _ in self._epoll.poll(left_ns / _SECOND_NS):
                self._read(int(self.buffers.slots[descriptor]))

    # Receiving

    def _read(self, k: int) -> None:
        if self._alive[k]:
            self._take_over(k)
            received = self.clients[k].connection.receive()
            self._take(k, received, clock_ns())

    def _on_data(self, k: int) -> None:
        """Handle bytes that the kernel read and did not expect. Bytes of a connection that has ended meanwhile are
        ignored.
        """
        if self._alive[k]:
            state = self._state
            data = self.buffers.data[state["data_start"][0] : state["data_end"][0]].tobytes()
            if self._deflates:
                data = self.buffers.inflated[state["plain_start"][0] : state["plain_end"][0]].tobytes() + data
                if self.ledger.connections["broken"][k] and (found := _compression_of(self.clients[k])) is not None:
                    found.inflater.broken = int(self.ledger.connections["broken"][k])
            at_ns = int(state["arrived_ns"][0])
            self._take_over(k)
            self._take(k, self.clients[k].connection.feed(data), at_ns)

    def clear_shelf(self) -> None:
        """Parse all pieces on the shelf."""
        while self._state["shelf_put"][0]:
            self._on_data(kernel.take_piece(self.ledger.tables, self.buffers.shelf))

    def _take_over(self, k: int) -> None:
        """Continue an answer of which the kernel has read the first bytes."""
        matched = int(self._matched[k])
        if matched:
            self._matched[k] = 0
            connection = self.clients[k].connection
            assert isinstance(connection, WebSocketConnection)
            self._take(k, connection.feed(self.messages.answers[k, :matched].tobytes()), clock_ns())

    def _take(self, k: int, received: Received, at_ns: int) -> None:
        self._set_kernel_access(k)  # first, since the next request may follow an answer
        for payload, binary in received.messages:
            if self._packed and binary and packed.disconnects(payload, self._namespace):
                self._end(k, DISCONNECTED)
            elif not (self._socketio and not binary and self._on_engine_packet(k, payload)):
                self._on_message(k, payload, at_ns, binary=binary)
        if received.end is not None:
            self._end(k, received.end)

    def _on_engine_packet(self, k: int, data: bytes) -> bool:
        """Do what a packet of Engine.IO requires; returns false for an event or an acknowledgement."""
        control = engine_io.control_of(data)
        if control is None:
            return False
        if control.end is not None:
            self._end(k, control.end)
        elif control.reply:
            self._send_messages(k, [Message(control.reply)])
        return True

    def _on_message(self, k: int, data: bytes, at_ns: int, *, binary: bool) -> None:
        """Handle any message except the next answer in one piece: late, duplicate, differing, foreign, fragmented, or
        pushed. Only an answer ends a wait.
        """
        ledger = self.ledger
        answer = self.clients[k].codec.parse(data, binary=binary)
        if answer is None:
            return
        if answer.push >= 0:
            self.pushes.append(self.clients[k].number, answer.push, at_ns)
            return
        sequence = ledger.oldest_waiting(k) if answer.is_next else answer.sequence
        if not ledger.receive(k, sequence, at_ns, intact=answer.intact, empty=answer.empty, form=answer.form):
            if ledger.is_foreign(k, sequence):
                # Before the first message it is a greeting, which no wait takes for an answer.
                self._surplus[k] += answer.is_next and ledger.connections["last_sent"][k] >= FIRST_SEQUENCE
                self._show("foreign", k, Message(data, binary))
            return
        if not answer.intact:
            self._show("corrupted", k, Message(data, binary), sequence)
        if sequence >= self._expected[k]:
            self.expect(k, sequence + 1)
        if self._closed_loop:
            self.go_on(k, ledger.slot_of(sequence), at_ns)

    def note_unanswered(self) -> None:
        """Before the ledger is settled: remember for how many messages a late answer may still come."""
        self._owed += self.ledger.connections["lost"] + (self.ledger.ring["sent_ns"] > 0).sum(axis=1)

    @property
    def surplus(self) -> int:
        """Answers without a number that cannot belong to a message, see `Sample.surplus`."""
        return int(np.maximum(self._surplus - self._owed, 0).sum())

    def _show(self, kind: str, k: int, message: Message, sequence: int | None = None) -> None:
        """Keep the first message of a kind that is not an expected answer, beside what was expected: the answer to the
        message with this number. If none is given: to the oldest that is waited for, or else to the latest.
        """
        if kind in self.examples:
            return
        if sequence is None:
            latest = max(FIRST_SEQUENCE, int(self.ledger.connections["last_sent"][k]))
            sequence = waiting if (waiting := self.ledger.oldest_waiting(k)) >= 0 else latest
        expected = self.clients[k].codec.expected(sequence)
        self.examples[kind] = example_of(expected, message)

    def expect(self, k: int, sequence: int) -> None:
        """Set the number of the next answer."""
        self._take_over(k)
        self._expected[k] = sequence
        if self._templated:
            digits = np.frombuffer(b"%08d" % sequence, dtype=np.uint8)
            for place in self.messages.places[1]:
                if place >= 0:
                    self.messages.answers[k, place : place + DIGITS] = digits

    # Paused members

    def pause(self) -> int:
        """Stop reading on the open connections that the job pauses; returns the bytes of their receive buffers."""
        self._first_withheld = int(self.ledger.connections["last_sent"].max()) + 1
        sizes = [0]
        for k in self._pausing:
            if not self._alive[k]:
                continue
            self._take_over(k)
            connection = self.clients[k].connection
            assert isinstance(connection, WebSocketConnection)
            self.forget_socket(connection.socket.fileno())
            self._reading[k] = 0
            self._set_kernel_access(k)
            sizes.append(connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
        return max(sizes)

    def catch_up(self, seconds: float) -> CaughtUp:
        """Read on the paused connections until no more messages arrive, or for this many seconds."""
        first, last = self._first_withheld, int(self.ledger.connections["last_sent"].max())
        received_count = closed = 0
        until_ns = clock_ns() + int(seconds * _SECOND_NS)
        for k in np.flatnonzero(self._reading == 0).tolist():
            client = self.clients[k]
            assert isinstance(client.connection, WebSocketConnection)
            # With the small buffer, which made the server queue messages, this would take seconds.
            client.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CATCH_UP_BUFFER_BYTES)
            arriving = select.poll()
            arriving.register(client.connection.socket, select.POLLIN)
            numbers: set[int] = set()
            last_ns = clock_ns()
            while (now_ns := clock_ns()) < min(until_ns, last_ns + _QUIET_NS):
                received = client.connection.receive()
                for payload, binary in received.messages:
                    answer = client.codec.parse(payload, binary=binary)
                    if answer is not None and first <= answer.sequence <= last:
                        numbers.add(answer.sequence)
                if received.end is not None:
                    closed += 1
                    break
                if received.messages:
                    last_ns = now_ns
                elif len(numbers) > last - first:
                    break
                else:
                    arriving.poll(_POLL_MS)
            received_count += len(numbers)
        return CaughtUp(sent=last - first + 1, received=received_count, closed=closed)

    # Ending

    def _end(self, k: int, cause: Cause) -> None:
        """Handle a connection that has ended."""
        if not self._alive[k]:
            return
        now_ns = clock_ns()
        completed = self.ledger.end_connection(k, now_ns)
        self._set_kernel_access(k)
        self.causes.add(cause)
        self.clients[k].connection.close()
        if self._closed_loop:
            for slot in completed:
                self.go_on(k, slot, now_ns)

    def close(self) -> None:
        """Close every open connection."""
        for k, client in enumerate(self.clients):
            if self._alive[k]:
                client.connection.close()
        self._epoll.close()


def _compression_of(client: Client) -> DeflateStreams | None:
    connection = client.connection
    return connection.compression if isinstance(connection, WebSocketConnection) else None


def example_of(expected: bytes, message: Message) -> Example:
    """Both texts from where they begin to differ, if that is far from their beginnings; and the message's kind, if they
    do not differ.
    """
    data = message.payload
    same = next((place for place, pair in enumerate(zip(expected, data, strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        same = min(len(expected), len(data))
    start = same - _BEFORE_BYTES if same >= _EXAMPLE_CHARACTERS - 20 and expected != data else 0
    texts = [harmless(one[start:], _EXAMPLE_CHARACTERS - 1) for one in (expected, data)]
    shown, received = (f"…{text}" if start else text for text in texts)
    return Example(shown, f"{'binary' if message.binary else 'text'}: {received}" if expected == data else received)


class _Watcher:
    """Waits for the sockets of one connection."""

    def __init__(self, slow_path: SlowPath, k: int) -> None:
        self._slow_path = slow_path
        self._k = k

    def watch(self, sock: socket.socket, *, writable: bool) -> None:
        self._slow_path.watch(self._k, sock.fileno(), writable=writable)

    def forget(self, sock: socket.socket) -> None:
        self._slow_path.forget_socket(sock.fileno())
