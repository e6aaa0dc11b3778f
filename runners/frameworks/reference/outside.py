"""The same app behind a minimal server of our own, for what picows does not do: read a body, and wait before it answers
a handshake.
"""

import asyncio
import logging
import os
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import closing
from functools import partial
from http.cookies import SimpleCookie
from typing import Any

import aiofastnet
from app import Receiver, broadcast, rooms, route, run
from picows import WSAutoPingStrategy, WSMsgType, WSTransport, WSUpgradeRequest
from picows.picows import WSProtocol

SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

MOST_BYTES = 1024 * 1024  # of a request
ARRIVALS = bytearray(64 * 1024)  # what has just arrived at any entrance
LOGGER = logging.getLogger("picows.server")


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


class Session(Receiver):
    def __init__(self, user: str, request: WSUpgradeRequest) -> None:
        super().__init__()
        self.user = user

    def on_message(self, transport: WSTransport, payload: bytes) -> None:
        transport.send(WSMsgType.TEXT, self.user)


def post_to_room(path: str, text: bytes) -> bytes:
    """The answer to a POST."""
    match path.split("/"):
        case ["", "publish", name]:
            broadcast(rooms.get(name, set()), text)
            return b"HTTP/1.1 204 No Content\r\n\r\n"
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def field_of(head: str, name: str) -> str:
    """A header field of a request; empty if it has none."""
    for line in head.split("\r\n")[1:]:
        field, _, value = line.partition(":")
        if field.strip().lower() == name:
            return value.strip()
    return ""


class Entrance(asyncio.BufferedProtocol):
    """Has each connection first, for what picows does not do: read a body, and wait before it answers a handshake.

    With any other request the connection is picows' alone.
    """

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return ARRIVALS

    def buffer_updated(self, nbytes: int) -> None:
        self.received += ARRIVALS[:nbytes]
        while b"\r\n\r\n" in self.received:
            head, _, rest = self.received.partition(b"\r\n\r\n")
            if head.startswith(b"POST "):
                length = field_of(head.decode("latin-1"), "content-length")
                if not length.isdecimal():
                    self.refuse(b"411 Length Required")
                    return
                if len(rest) < int(length):
                    break
                self.transport.write(post_to_room(head.decode("latin-1").split(" ")[1], rest[: int(length)]))
                self.received = rest[int(length) :]
            elif head.startswith(b"GET /session "):
                self.transport.pause_reading()
                self.look_up(head.decode("latin-1"))
                return
            else:
                self.hand_over(route)
                return
        if len(self.received) > MOST_BYTES:
            self.refuse(b"413 Content Too Large")

    def look_up(self, head: str) -> None:
        cookies = SimpleCookie(field_of(head, "cookie"))
        token = cookies["session"].value if "session" in cookies else None
        lookup = asyncio.get_running_loop().run_in_executor(None, user_of, token)
        lookup.add_done_callback(self.decide)

    def decide(self, lookup: asyncio.Future[str | None]) -> None:
        user = lookup.result()
        if self.transport.is_closing():
            return
        if user is None:
            self.refuse(b"401 Unauthorized")
        else:
            self.hand_over(partial(Session, user))
            self.transport.resume_reading()

    def refuse(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        self.transport.close()

    def hand_over(self, listener_factory: Callable[[WSUpgradeRequest], Any]) -> None:
        """Begin picows' own protocol with what has been received."""
        websocket = begin_picows(listener_factory)
        self.transport.set_protocol(websocket)
        websocket.connection_made(self.transport)
        left = memoryview(self.received)
        while left:
            buffer = websocket.get_buffer(len(left))
            size = min(len(buffer), len(left))
            buffer[:size] = left[:size]
            websocket.buffer_updated(size)
            left = left[size:]


def begin_picows(listener_factory: Callable[[WSUpgradeRequest], Any]) -> WSProtocol:
    """A connection with the settings of `ws_create_server`, which does not take one that has begun."""
    return WSProtocol(
        host_port=None,
        ws_path=None,
        is_client_side=False,
        ws_listener_factory=listener_factory,
        logger=LOGGER,
        disconnect_on_exception=True,
        websocket_handshake_timeout=5,
        enable_auto_ping=False,
        auto_ping_idle_timeout=20,
        auto_ping_reply_timeout=20,
        auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
        enable_auto_pong=True,
        max_frame_size=10 * 1024 * 1024,
        extra_headers=None,
        read_buffer_init_size=16 * 1024,
    )


async def start(host: str, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    return await aiofastnet.create_server(asyncio.get_running_loop(), Entrance, host, port, ssl=tls, backlog=2048)


if __name__ == "__main__":
    run(start)
