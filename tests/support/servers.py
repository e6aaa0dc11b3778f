"""Echo servers in threads, on free ports: a misbehaving one on picows, and a correct one with TLS."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.sync.server import ServerConnection, serve

WireProtocol = Literal["websocket", "socket.io"]
_REQUEST = re.compile(rb'42(\d+)\["echo",(.*)\]', re.DOTALL)
PING_EVERY_S = 0.1
CERTIFICATE = Path(__file__).parent / "tls" / "certificate.pem"
"""A self-signed certificate for localhost and 127.0.0.1, valid until 2120; its key is in the same folder."""


class Talk:
    """One connection, as passed to a lie. ``count``: messages so far. ``number``: counts connections from 0.
    ``path``: that of its address.
    """

    def __init__(self, server: EchoServer, transport: WSTransport, number: int, path: bytes) -> None:
        self.server = server
        self.transport = transport
        self.number = number
        self.path = path
        self.count = 0
        self.held: bytes | None = None

    def send(self, answer: bytes, *, cut_at: int | None = None) -> None:
        """Send an answer as one frame, or cut into two pieces."""
        if cut_at is None:
            self.transport.send(WSMsgType.TEXT, answer)
        else:
            self.transport.send(WSMsgType.TEXT, answer[:cut_at], False)
            self.transport.send(WSMsgType.CONTINUATION, answer[cut_at:], True)


Lie = Callable[[Talk, bytes], None]
"""A reaction to one message; the bytes are the correct answer."""


def honest(talk: Talk, answer: bytes) -> None:
    talk.send(answer)


class EchoServer:
    """Counts received messages and lies. ``url``: the address for clients. ``refuses``: answers handshakes by 404."""

    def __init__(self, protocol: WireProtocol, lie: Lie, greet: Callable[[Talk], bool]) -> None:
        self.protocol = protocol
        self.lie = lie
        self.greet = greet
        self.url = ""
        self.refuses = False
        self.connections = 0
        self.received = 0
        self.lies = 0
        self.pings = 0
        self.pongs = 0
        self.gone = 0
        self.talks: list[Talk] = []
        self.peers: set[str] = set()
        """The addresses of all clients."""
        self.loop = asyncio.new_event_loop()

    def say_goodbye(self, talk: Talk) -> None:
        """Close a connection properly; ``gone`` counts connections that the client has closed."""
        self.loop.call_soon_threadsafe(talk.transport.send_close, WSCloseCode.GOING_AWAY)


class _Session(WSListener):
    def __init__(self, server: EchoServer, path: bytes) -> None:
        self.server = server
        self.path = path
        self.pinging: asyncio.TimerHandle | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.talk = Talk(self.server, transport, self.server.connections, self.path)
        self.server.connections += 1
        self.server.talks.append(self.talk)
        self.server.peers.add(transport.underlying_transport.get_extra_info("peername")[0])
        if not self.server.greet(self.talk):
            transport.disconnect()
        elif self.server.protocol == "socket.io":
            opening = {"sid": "s", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 10**6}
            transport.send(WSMsgType.TEXT, b"0" + json.dumps(opening).encode())
            self.ping()

    def ping(self) -> None:
        self.talk.transport.send(WSMsgType.TEXT, b"2")
        self.server.pings += 1
        self.pinging = asyncio.get_running_loop().call_later(PING_EVERY_S, self.ping)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.server.gone += 1
        if self.pinging is not None:
            self.pinging.cancel()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        data = frame.get_payload_as_bytes()
        if self.server.protocol == "socket.io":
            if data == b"3":
                self.server.pongs += 1
                return
            if data == b"40":
                transport.send(WSMsgType.TEXT, b'40{"sid":"s"}')
                return
            found = _REQUEST.fullmatch(data)
            assert found is not None, data
            data = b"43" + found[1] + b"[" + found[2] + b"]"
        self.server.received += 1
        self.talk.count += 1
        self.server.lie(self.talk, data)


@contextmanager
def serving(
    protocol: WireProtocol = "websocket",
    lie: Lie = honest,
    *,
    greet: Callable[[Talk], bool] = lambda talk: True,
    refuse: bool = False,
    at: str = "127.0.0.1",
) -> Iterator[EchoServer]:
    """A running server. ``greet``: returns false to close at once. ``refuse``: answer the handshake with 404. ``at``:
    the address that it listens on.
    """
    echo = EchoServer(protocol, lie, greet)
    echo.refuses = refuse
    loop = echo.loop

    def accept(request: WSUpgradeRequest) -> WSListener | None:
        return None if echo.refuses else _Session(echo, request.path)

    async def start() -> asyncio.Server:
        return await ws_create_server(accept, at, 0, backlog=1024)

    async def stop() -> None:
        listening.close()
        for talk in echo.talks:  # of clients that were killed, too
            talk.transport.disconnect()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, name="echo-server")
    thread.start()
    try:
        listening = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        echo.url = f"ws://{at}:{listening.sockets[0].getsockname()[1]}/"
        try:
            yield echo
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def server_context() -> ssl.SSLContext:
    """The TLS of a server with `CERTIFICATE`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
    return context


@contextmanager
def serving_securely() -> Iterator[str]:
    """A correct echo server with TLS; yields its address. A client must trust `CERTIFICATE`."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, ssl=server_context(), compression=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, name="secure-echo-server")
        thread.start()
        try:
            yield f"wss://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join(10)


@contextmanager
def serving_compressed(factory: ServerPerMessageDeflateFactory | None, most: int = 10**9) -> Iterator[str]:
    """A correct echo server with this compression, which ends each connection after so many messages."""

    def echo(connection: ServerConnection) -> None:
        for count, message in enumerate(connection, 1):
            connection.send(message)
            if count == most:
                return

    extensions = [] if factory is None else [factory]
    with serve(echo, "127.0.0.1", 0, compression=None, extensions=extensions, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, name="compressing-echo-server")
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join(10)
