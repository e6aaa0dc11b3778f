"""An echo server that misbehaves on purpose, by a known amount. It is a script, which imports nothing of ours.

It serves raw WebSocket on any path and Socket.IO on ``/socket.io/``. ``GET /truth`` returns the server's own counts as
JSON. A proof compares them with the counts of the load generator.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import time
from collections import Counter
from dataclasses import dataclass, fields

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

_EVENT, _ACK = b"42", b"43"
_EXTENSIONS, _DEFLATE = "Sec-WebSocket-Extensions", "permessage-deflate"
_TIMER_EARLY_S = 0.002
"""Seconds by which a timer ends before its message is due, because uvloop's timers count whole milliseconds and are off
by one."""
_OPEN = b'0{"sid":"liar","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000000}'


@dataclass(frozen=True)
class Lies:
    """The misbehaviour of the server. Zero disables a lie. ``*_every``: it applies to every n-th message of a
    connection.

    Connections start counting at different numbers, so that lies are distributed over time.
    """

    delay_ms: float = 0.0
    stall_every_s: float = 0.0
    stall_ms: float = 500.0
    drop_every: int = 0
    duplicate_every: int = 0
    reorder_every: int = 0
    corrupt_every: int = 0
    cut_every: int = 0
    """The answer is cut to half its length."""


class Liar:
    """The state of the server: its lies, and how often it applied each."""

    def __init__(self, lies: Lies) -> None:
        self.lies = lies
        self.truth: Counter[str] = Counter()
        self.connections = 0

    def listen(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        path = request.path.decode("ascii", "replace").partition("?")[0]
        if path == "/truth":
            body = json.dumps(self.truth).encode()
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(body), None)
        socketio = path.startswith("/socket.io")
        if self.lies == Lies() and not socketio:
            return _honest(request)
        return _Listener(self, socketio=socketio)

    def answer(self, connection: _Listener, transport: WSTransport, kind: WSMsgType, data: bytes) -> None:
        """Echo one message, or lie."""
        lies, truth = self.lies, self.truth
        truth["messages"] += 1
        connection.messages += 1
        number = connection.messages

        def falls(every: int) -> bool:
            return bool(every) and number % every == 0

        if falls(lies.drop_every):
            truth["dropped"] += 1
            return
        if falls(lies.corrupt_every):
            truth["corrupted"] += 1
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        if falls(lies.cut_every):
            truth["cut"] += 1
            data = data[: len(data) // 2]
        if falls(lies.reorder_every):
            # The answer is held back until the connection's next message has been answered.
            truth["held"] += 1
            connection.held.append((kind, data))
            return
        copies = 1 + falls(lies.duplicate_every)
        truth["duplicated"] += copies - 1
        if lies.delay_ms:
            loop, due = asyncio.get_running_loop(), time.perf_counter() + lies.delay_ms / 1000
            for _ in range(copies):
                loop.call_later(lies.delay_ms / 1000 - _TIMER_EARLY_S, _send_at, due, transport, kind, data)
        else:
            _send(transport, kind, data, copies)
        while connection.held:
            truth["reordered"] += 1
            _send(transport, *connection.held.pop())

    async def stall(self) -> None:
        """Block the whole server periodically, like a long computation or a garbage collection."""
        due = time.monotonic()
        while True:
            due += self.lies.stall_every_s
            await asyncio.sleep(due - time.monotonic())
            self.truth["stalls"] += 1
            time.sleep(self.lies.stall_ms / 1000)


def _send(transport: WSTransport, kind: WSMsgType, data: bytes, copies: int = 1) -> None:
    """Send copies of an answer in one TCP segment. After the last answer, a load generator does not wait for more."""
    if transport.is_disconnected:
        return
    if copies == 1:
        transport.send(kind, data)
        return
    connection = transport.underlying_transport.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, True)
    for _ in range(copies):
        transport.send(kind, data)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)


def _send_at(due: float, transport: WSTransport, kind: WSMsgType, data: bytes) -> None:
    """Send the answer when the clock reaches ``due``; other callbacks run in the meantime."""
    if time.perf_counter() < due:
        asyncio.get_running_loop().call_soon(_send_at, due, transport, kind, data)
    else:
        _send(transport, kind, data)


def _honest(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
    """A connection that only echoes. It agrees to compression if that is offered.

    What it then sends back, unread, is a compressed message again, since both directions have the same parameters and
    all messages in the same order. So it is as fast as without compression, and only the load generator uses zlib.
    """
    if _DEFLATE not in request.headers.get(_EXTENSIONS, ""):
        return _Honest()
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response({_EXTENSIONS: _DEFLATE}), _Honest())


class _Honest(WSListener):
    """A connection that only echoes, as fast as picows can. It is used to measure the ceiling."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            transport.send(frame.msg_type, frame.get_payload_as_memoryview(), fin=frame.fin, rsv1=frame.rsv1)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


class _Listener(WSListener):
    """A connection with lies."""

    def __init__(self, liar: Liar, *, socketio: bool) -> None:
        self.liar = liar
        self.socketio = socketio
        self.messages = liar.connections
        liar.connections += 1
        self.held: list[tuple[WSMsgType, bytes]] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        if self.socketio:
            transport.send(WSMsgType.TEXT, _OPEN)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if kind in (WSMsgType.PING, WSMsgType.PONG):
            return
        data = frame.get_payload_as_bytes()
        if not self.socketio:
            self.liar.answer(self, transport, kind, data)
        elif data == b"40":
            transport.send(WSMsgType.TEXT, b'40{"sid":"liar"}')
        elif data.startswith(_EVENT):
            identifier, _, arguments = data[2:].partition(b"[")
            _, _, payload = arguments.partition(b",")
            self.liar.answer(self, transport, kind, _ACK + identifier + b"[" + payload)


async def serve_lies(port: int, lies: Lies, tls: ssl.SSLContext | None) -> None:
    """Serve until cancelled."""
    liar = Liar(lies)
    server = await ws_create_server(liar.listen, "127.0.0.1", port, max_frame_size=64 * 1024 * 1024, ssl=tls)
    async with asyncio.TaskGroup() as tasks:
        if lies.stall_every_s:
            tasks.create_task(liar.stall())
        tasks.create_task(server.serve_forever())


def main() -> None:
    """Parse the lies and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    for lie in fields(Lies):
        parser.add_argument(f"--{lie.name.replace('_', '-')}", type=type(lie.default), default=lie.default)
    options = vars(parser.parse_args())
    port, certificate, key = (options.pop(name) for name in ("port", "certificate", "key"))
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
    uvloop.run(serve_lies(port, Lies(**options), tls))


if __name__ == "__main__":
    main()
