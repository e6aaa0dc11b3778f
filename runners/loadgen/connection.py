"""One client connection: the WebSocket and Socket.IO sides of it, and its two ways of sending.

No coroutine runs per message: picows calls ``on_ws_frame`` and everything happens there.
"""

from __future__ import annotations

import asyncio
from array import array
from time import perf_counter_ns as clock_ns
from urllib.parse import urlsplit, urlunsplit

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from runners.loadgen.job import Job
from runners.loadgen.ledger import ConnectionLedger
from runners.loadgen.message import FIRST_SEQUENCE, Codec, EchoCodec

_TEXT = WSMsgType.TEXT
_ENGINE_PING, _ENGINE_PONG, _ENGINE_OPEN = b"2", b"3", b"0"
_ENGINE_CLOSE, _ENGINE_NOOP = b"1", b"6"
_SOCKET_CONNECT, _SOCKET_DISCONNECT, _SOCKET_ERROR = b"40", b"41", b"44"
_NEVER = 2**63 - 1


class Recorder:
    """Raw figures of one phase of one shard, in nanoseconds; histograms are made of them afterwards."""

    def __init__(self) -> None:
        self.latency = array("q")
        self.latency_from_send = array("q")
        self.send_lag = array("q")
        self.push_client = array("q")
        self.push_number = array("q")
        self.push_at = array("q")
        self.errors: dict[str, int] = {}
        self.worked = False
        """Set by whatever does something, cleared by the scheduler: idle turns are told from busy ones."""

    def count_error(self, kind: str) -> None:
        self.errors[kind] = self.errors.get(kind, 0) + 1


class Connection(WSListener):
    """Handshake, heartbeat, reassembly and closing; what is sent and measured is a subclass's."""

    def __init__(self, client: int, codec: Codec, job: Job, recorder: Recorder) -> None:
        self.client = client
        self.codec = codec
        self.recorder = recorder
        self.ledger = ConnectionLedger(FIRST_SEQUENCE)
        self.transport: WSTransport | None = None
        self.closed_early = False
        self.leaving = False
        self._socketio = job.protocol == "socket.io"
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fragments: list[bytes] = []

    async def open(self, url: str, timeout_s: float) -> None:
        """Connect, and in Socket.IO join the default namespace.

        Raises `ConnectionError`, `TimeoutError`, `OSError` or picows' `WSError`.
        """
        async with asyncio.timeout(timeout_s):
            await ws_connect(
                lambda: self,
                socket_url(url) if self._socketio else url,
                websocket_handshake_timeout=timeout_s,
                max_frame_size=64 * 1024 * 1024,
            )
            await self._ready
        if self.codec.greeting is not None and self.transport is not None:
            self.transport.send(_TEXT, self.codec.greeting)

    def close(self) -> None:
        """Say goodbye and cut the connection."""
        self.leaving = True
        if self.transport is not None and not self.transport.is_disconnected:
            self.transport.send_close(WSCloseCode.OK)
            self.transport.disconnect()

    def begin(self, recorder: Recorder) -> None:
        """Start a phase; a subclass opens fresh books."""
        self.recorder = recorder

    @property
    def alive(self) -> bool:
        return not self.closed_early

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if not self._socketio:
            self._ready.set_result(None)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        if not self.leaving:
            self.closed_early = True
            self.recorder.count_error("closed-by-server")
        if not self._ready.done():
            self._ready.set_exception(ConnectionError("the server closed the connection before it was ready"))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.on_frame(transport, frame, clock_ns())

    def on_frame(self, transport: WSTransport, frame: WSFrame, received: int) -> None:
        """Sort out control frames and fragments; whole messages go to `on_message`."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if kind in (WSMsgType.PING, WSMsgType.PONG):
            return  # picows has answered the ping
        data = frame.get_payload_as_bytes()
        if not frame.fin or kind == WSMsgType.CONTINUATION:
            self._fragments.append(data)
            if not frame.fin:
                return
            data = b"".join(self._fragments)
            self._fragments.clear()
        if self._socketio and self._on_engine_packet(transport, data):
            return
        self.on_message(data, received)

    def on_message(self, data: bytes, received: int) -> None:
        """A whole application message arrived."""
        raise NotImplementedError

    def _on_engine_packet(self, transport: WSTransport, data: bytes) -> bool:
        """Engine.IO 4 and Socket.IO 5: heartbeat and joining; false: an event or acknowledgement."""
        if data == _ENGINE_PING:
            transport.send(_TEXT, _ENGINE_PONG)
        elif data[:1] == _ENGINE_OPEN:
            transport.send(_TEXT, _SOCKET_CONNECT)
        elif data[:2] == _SOCKET_CONNECT:
            if not self._ready.done():
                self._ready.set_result(None)
        elif data[:2] == _SOCKET_ERROR:
            if not self._ready.done():
                self._ready.set_exception(ConnectionError(f"the server refused the namespace: {data[2:200]!r}"))
        elif data[:2] == _SOCKET_DISCONNECT or data == _ENGINE_CLOSE:
            transport.disconnect()
        elif data == _ENGINE_NOOP:
            pass
        else:
            return False
        return True


class ClosedLoopConnection(Connection):
    """Sends the next message as soon as the last one was answered; latency is service time."""

    def __init__(self, client: int, codec: EchoCodec, job: Job, recorder: Recorder) -> None:
        super().__init__(client, codec, job, recorder)
        self._sequence = FIRST_SEQUENCE - 1
        self._sent_at = 0
        self._outstanding = False
        self._deadline = 0
        self._first = FIRST_SEQUENCE
        self._codec = codec
        self._question = codec.question
        self._answer = codec.answer
        self._in_order = 0
        self._record = recorder.latency.append

    def begin(self, recorder: Recorder, deadline: int = _NEVER) -> None:
        """Start a phase that sends until ``deadline`` (clock nanoseconds)."""
        super().begin(recorder)
        self._first = self._sequence + 1
        self.ledger = ConnectionLedger(self._first)
        self._deadline = deadline
        self._in_order = 0
        self._record = recorder.latency.append
        if self.transport is not None and self.alive:
            self._send_next(self.transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        received = clock_ns()
        if self._outstanding and frame.fin and frame.get_payload_as_bytes() == self._answer:
            self._record(received - self._sent_at)
            self._in_order += 1
            if received < self._deadline:
                self._sequence += 1
                self._codec.advance(self._sequence)
                self._sent_at = clock_ns()
                transport.send(_TEXT, self._question)
            else:
                self._outstanding = False
        else:
            self.on_frame(transport, frame, received)

    def on_message(self, data: bytes, received: int) -> None:
        """Anything but the next answer in one frame: late, twice, changed, foreign or in fragments."""
        answer = self.codec.parse(data)
        if not answer.asked:
            self.recorder.count_error("unasked-event")
            return
        ledger = self.ledger
        if self._outstanding and answer.sequence in (self._sequence, -1):
            # One message was waiting and this came: even if unreadable, it can only be meant for that one.
            self._outstanding = False
            ledger.send(self._sequence, self._sent_at)
            ledger.receive(self._sequence, intact=answer.intact)
            self.recorder.latency.append(received - self._sent_at)
            if received < self._deadline and self.transport is not None:
                self._send_next(self.transport)
            return
        ledger.newest = self._sequence
        sent_at = ledger.receive(answer.sequence, intact=answer.intact)
        if sent_at is not None:
            self.recorder.latency.append(received - sent_at)

    def give_up(self, before: int) -> None:
        """Go on where the answer to a message sent earlier than ``before`` never came."""
        if self._outstanding and self._sent_at < before and self.alive and self.transport is not None:
            self.ledger.send(self._sequence, self._sent_at)
            self._send_next(self.transport)

    @property
    def waiting(self) -> bool:
        return self._outstanding and self.alive

    def conclude(self) -> None:
        """Enter into the ledger what the fast path only counted."""
        unanswered = self._outstanding
        if unanswered:
            self.ledger.send(self._sequence, self._sent_at)
            self._outstanding = False
        if self._in_order:
            last_answered = max(self._first, self._sequence - 1 if unanswered else self._sequence)
            self.ledger.answer_in_order(self._in_order, last_answered)
            self._in_order = 0

    def censor(self, cutoff: int) -> int:
        """Record what was never answered at its elapsed time, once concluded; gives how many."""
        self.recorder.latency.extend(cutoff - sent_at for sent_at in self.ledger.pending.values())
        return len(self.ledger.pending)

    def _send_next(self, transport: WSTransport) -> None:
        self._sequence += 1
        self._codec.request(self._sequence)
        self._outstanding = True
        self._sent_at = clock_ns()
        transport.send(_TEXT, self._question)


class OpenLoopConnection(Connection):
    """Sends when told to, whatever was answered; latency counts from when it was meant to be sent."""

    def __init__(self, client: int, codec: Codec, job: Job, recorder: Recorder) -> None:
        super().__init__(client, codec, job, recorder)
        self._sequence = FIRST_SEQUENCE - 1
        self._intended: dict[int, int] = {}

    def begin(self, recorder: Recorder) -> None:
        super().begin(recorder)
        self.ledger = ConnectionLedger(self._sequence + 1)
        self._intended = {}

    def send_at(self, intended: int) -> None:
        """Send the next message, which was due at ``intended`` (clock nanoseconds)."""
        sequence = self._sequence = self._sequence + 1
        request = self.codec.request(sequence)
        self._intended[sequence] = intended
        now = clock_ns()
        self.ledger.send(sequence, now)
        self.recorder.send_lag.append(now - intended)
        if self.transport is not None and self.alive:
            self.transport.send(_TEXT, request)

    def on_message(self, data: bytes, received: int) -> None:
        recorder = self.recorder
        recorder.worked = True
        answer = self.codec.parse(data)
        if not answer.asked:
            recorder.count_error("unasked-event")
            return
        if answer.push >= 0:
            recorder.push_client.append(self.client)
            recorder.push_number.append(answer.push)
            recorder.push_at.append(received)
            return
        sent_at = self.ledger.receive(answer.sequence, intact=answer.intact)
        if sent_at is not None:
            recorder.latency.append(received - self._intended.pop(answer.sequence))
            recorder.latency_from_send.append(received - sent_at)

    @property
    def waiting(self) -> bool:
        return bool(self.ledger.pending) and self.alive

    def censor(self, cutoff: int) -> int:
        """Record what was never answered at its elapsed time; gives how many."""
        for sequence, sent_at in self.ledger.pending.items():
            self.recorder.latency.append(cutoff - self._intended[sequence])
            self.recorder.latency_from_send.append(cutoff - sent_at)
        return len(self.ledger.pending)


def socket_url(url: str) -> str:
    """The Engine.IO 4 WebSocket address of a Socket.IO server, the default path if none is given."""
    parts = urlsplit(url)
    path = parts.path if parts.path not in ("", "/") else "/socket.io/"
    query = "&".join(filter(None, [parts.query, "EIO=4&transport=websocket"]))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))
