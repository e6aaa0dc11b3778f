"""Makes the independent clients accept and refuse the same servers as the load generator.

The libraries differ from it, and from each other, in what they tolerate: one follows redirects, another accepts masked
frames, a third refuses interim answers. Every byte of a server therefore passes the load generator's readers first. The
library then gets the bytes, with a head that it can read, and remains the judge of what they mean.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from websockets.asyncio.client import ClientConnection, connect

from runners.loadgen.causes import RefusedError
from runners.loadgen.connection import refused_for
from runners.loadgen.frames import MessageReader
from runners.loadgen.http_answers import Head
from runners.loadgen.upgrade import UpgradeReader

_KEPT_FIELDS = ("Upgrade", "Connection", "Sec-WebSocket-Accept")
"""The header fields that the library judges; the others do not concern the upgrade."""


class ServerReader:
    """Reads what a server sends on one WebSocket connection as the load generator does."""

    def __init__(self) -> None:
        self._upgrade = UpgradeReader(accept=None)  # the library knows the key
        self._frames: MessageReader | None = None
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
            self._frames = MessageReader()
            return _plain_head(head) + self._check_frames(self._frames, self._upgrade.rest)
        except RefusedError as error:
            self.refusal = str(error)
            raise

    def end(self) -> None:
        """The server closed the connection."""
        if self._frames is None and self.refusal is None:
            why = "the server closed the connection instead of answering the WebSocket handshake"
            self.refusal = str(self._upgrade.end(why))

    def _check_frames(self, frames: MessageReader, data: bytes) -> bytes:
        frames.feed(data)
        if frames.error is not None:
            raise RefusedError(refused_for(frames.error).text.replace("rtsite closed", "the client closed", 1))
        return data


def _plain_head(head: Head) -> bytes:
    lines = [f"HTTP/1.1 {head.status} {head.reason}"]
    lines += [f"{name}: {head.value(name.lower())}" for name in _KEPT_FIELDS]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class StrictConnection(ClientConnection):
    """A connection of ``websockets`` whose bytes pass a `ServerReader`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reader = ServerReader()

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
    """Opens a `StrictConnection` and follows no redirect."""

    def __init__(self, uri: str, **options: Any) -> None:
        self.reader: ServerReader | None = None

        def create(*args: Any, **kwargs: Any) -> StrictConnection:
            connection = StrictConnection(*args, **kwargs)
            self.reader = connection.reader
            return connection

        super().__init__(uri, create_connection=create, **options)  # type: ignore[arg-type]

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _StrictHandler(ResponseHandler):
    """A connection of aiohttp whose bytes pass a `ServerReader`."""

    def __init__(self, reader: ServerReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._reader = reader

    def data_received(self, data: bytes) -> None:
        try:
            data = self._reader.feed(data)
        except RefusedError:
            if self.transport is not None:
                self.transport.abort()
        else:
            if data:
                super().data_received(data)

    def eof_received(self) -> None:
        self._reader.end()
        super().eof_received()


def strict_connector(reader: ServerReader) -> aiohttp.TCPConnector:
    """A connector for one WebSocket connection whose bytes pass the reader."""
    connector = aiohttp.TCPConnector()
    connector._factory = partial(_StrictHandler, reader, asyncio.get_running_loop())  # type: ignore[assignment]
    return connector
