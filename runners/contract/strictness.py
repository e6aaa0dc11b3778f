"""Makes the independent clients accept and refuse the same servers as the load generator.

The libraries differ from it, and from each other, in what they tolerate: one follows redirects, another accepts masked
frames, a third refuses interim answers. Every byte of a server therefore passes the load generator's readers first. The
library then gets the bytes, with a head that it can read, and remains the judge of what they mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from runners.loadgen import engine_io, packed
from runners.loadgen.causes import RefusedError
from runners.loadgen.connection import DISCONNECTED, NO_CLOSE_FRAME, SESSION_CLOSED, closed_with, refused_for
from runners.loadgen.deflate import Agreement
from runners.loadgen.frames import BINARY, CLOSE, TEXT, MessageReader
from runners.loadgen.http_answers import Head
from runners.loadgen.upgrade import UpgradeReader
from runners.loadgen.zlib_streams import Inflater

_KEPT_FIELDS = ("Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Extensions")
"""The header fields that the library judges; the others do not concern the upgrade."""


NO_ANSWER = "the server closed the connection instead of answering the WebSocket handshake"


class ServerReader:
    """Reads what a server sends on one WebSocket connection as the load generator does.

    ``session``: reads the messages too. ``offers_deflate``: whether the library offers to compress messages.
    """

    def __init__(self, session: SessionReader | None = None, *, offers_deflate: bool = False) -> None:
        self._upgrade = UpgradeReader(accept=None, offers_deflate=offers_deflate)  # the library knows the key
        self._frames: MessageReader | None = None
        self._session = session
        self.refusal: str | None = None
        """Why the server was refused, in one sentence."""

    def feed(self, data: bytes) -> bytes:
        """The bytes for the library; raises `RefusedError` if the load generator would refuse the server."""
        try:
            if self._frames is not None:
                return self._check_frames(self._frames, data)
            head = self._upgrade.feed(data)
            if head is None:
                return b""
            self._frames = MessageReader(Inflater(self.agreement) if self.agreement is not None else None)
            return _plain_head(head) + self._check_frames(self._frames, self._upgrade.rest)
        except RefusedError as error:
            self._refuse(str(error))
            raise

    @property
    def agreement(self) -> Agreement | None:
        """The compression that the server agreed to; ``None`` before its answer, and if it declined."""
        return self._upgrade.agreement

    def end(self) -> None:
        """The server closed the connection."""
        if self._frames is None and self.refusal is None:
            self._refuse(str(self._upgrade.end(NO_ANSWER)))
        elif self._session is not None:
            self._session.end(NO_CLOSE_FRAME.text)

    def _refuse(self, refusal: str) -> None:
        self.refusal = refusal
        if self._session is not None:
            self._session.end(refusal)

    def _check_frames(self, frames: MessageReader, data: bytes) -> bytes:
        found = frames.feed(data)
        if self._session is not None:
            for frame in found:
                if frame.opcode == CLOSE:
                    self._session.end(closed_with(frame.payload).text)
                elif frame.opcode in (TEXT, BINARY):
                    self._session.feed(frame.payload, binary=frame.opcode == BINARY)
        if frames.error is not None:
            raise RefusedError(refused_for(frames.error).text.replace("rtsite closed", "the client closed", 1))
        return data


class SessionReader:
    """Reads the packets of one session of Socket.IO as far as they open or end it, as the load generator does.

    ``is_packed``: whether its packets are in msgpack. ``namespace``: the one that the client enters.
    """

    def __init__(self, *, is_packed: bool = False, namespace: str = engine_io.DEFAULT_NAMESPACE) -> None:
        self._is_packed, self._namespace = is_packed, namespace
        self._opened = False
        self.cause: str | None = None
        """Why the session was refused or ended, in one sentence."""
        self.ended = asyncio.Event()

    def end(self, cause: str) -> None:
        """The session was refused or has ended; only the first cause counts."""
        if self.cause is None:
            self.cause = cause
            self.ended.set()

    def feed(self, packet: bytes, *, binary: bool = False) -> None:
        """Read one packet; raises `RefusedError` if it should open the session and does not."""
        if not self._opened:
            engine_io.session_of(packet, binary=binary)
            self._opened = True
        elif binary:
            self._feed_packed(packet)
        elif engine_io.is_refused(packet):
            self.end(str(engine_io.refused_namespace(self._namespace, packet[2:])))
        elif packet[:2] == engine_io.DISCONNECT:
            self.end(DISCONNECTED.text)
        elif packet == engine_io.CLOSE:
            self.end(SESSION_CLOSED.text)

    def _feed_packed(self, packet: bytes) -> None:
        if self._is_packed and packed.refuses(packet, self._namespace):
            self.end(str(engine_io.refused_namespace(self._namespace, packed.reason_of(packet))))
        elif self._is_packed and packed.disconnects(packet, self._namespace):
            self.end(DISCONNECTED.text)


def _plain_head(head: Head) -> bytes:
    lines = [f"HTTP/1.1 {head.status} {head.reason}"]
    lines += [f"{name}: {head.value(name.lower())}" for name in _KEPT_FIELDS if name.lower() in head.fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class StrictConnection(ClientConnection):
    """A connection of ``websockets`` whose bytes pass a `ServerReader`. ``offers_deflate``: as there."""

    def __init__(self, *args: Any, offers_deflate: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reader = ServerReader(offers_deflate=offers_deflate)

    def data_received(self, data: bytes) -> None:
        try:
            data = self.reader.feed(data)
        except RefusedError:
            self.transport.abort()
        else:
            if data:
                super().data_received(data)

    def eof_received(self) -> None:
        self.reader.end()
        super().eof_received()


class StrictConnect(connect):
    """Opens a `StrictConnection` and follows no redirect. ``offers_deflate``: offer to compress messages."""

    def __init__(self, uri: str, *, offers_deflate: bool = False, **options: Any) -> None:
        self.reader: ServerReader | None = None

        def create(*args: Any, **kwargs: Any) -> StrictConnection:
            connection = StrictConnection(*args, offers_deflate=offers_deflate, **kwargs)
            self.reader = connection.reader
            return connection

        # The offer of browsers, see `deflate.OFFER`; the library's usual one also limits its own window.
        offer = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if offers_deflate else None
        super().__init__(uri, create_connection=create, compression=None, extensions=offer, **options)  # type: ignore[arg-type]

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _StrictHandler(ResponseHandler):
    """A connection of aiohttp whose bytes pass a `ServerReader`.

    The library calls `data_received` itself for bytes that came in one piece with the head of the answer, or before its
    parser was set. They have passed the reader.
    """

    def __init__(self, reader: ServerReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._reader = reader
        self._is_in_library = False

    def _drain_tail(self) -> None:
        with self._in_library():
            super()._drain_tail()

    def data_received(self, data: bytes) -> None:
        if self._is_in_library:
            super().data_received(data)
            return
        try:
            data = self._reader.feed(data)
        except RefusedError:
            if self.transport is not None:
                self.transport.abort()
        else:
            if data:
                with self._in_library():
                    super().data_received(data)

    @contextlib.contextmanager
    def _in_library(self) -> Iterator[None]:
        before, self._is_in_library = self._is_in_library, True
        try:
            yield
        finally:
            self._is_in_library = before

    def eof_received(self) -> None:
        self._reader.end()
        super().eof_received()


def connector_for(tls: ssl.SSLContext | None, reader: ServerReader | None = None) -> aiohttp.TCPConnector:
    """A connector of aiohttp. ``tls``: whom it trusts. ``reader``: for one WebSocket connection whose bytes pass it."""
    connector = aiohttp.TCPConnector(ssl=tls or True)
    if reader is not None:
        connector._factory = partial(_StrictHandler, reader, asyncio.get_running_loop())  # type: ignore[assignment]
    return connector
