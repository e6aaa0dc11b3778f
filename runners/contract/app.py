"""The interface that the tests of promises use, the same for every protocol."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, NamedTuple, Protocol

from runners.contract.answers import Json, Payload
from runners.contract.server_settings import ServerSettings


class Beat(NamedTuple):
    """A snapshot and its arrival time, in seconds of the event loop's clock."""

    at_s: float
    snapshot: Json


class Echoer(Protocol):
    """A client that receives what it sends."""

    async def echo(self, payload: Payload) -> Any: ...
    async def surplus(self) -> list[Any]: ...


class Member(Protocol):
    """A client in one room."""

    async def publish(self, text: str) -> None: ...
    async def next_text(self) -> str: ...
    async def unread(self, within_s: float) -> list[str]: ...


class Viewer(Protocol):
    """A client of the live dashboard."""

    async def update(self, update: Json) -> Any: ...
    async def send_garbage(self, garbage: Any) -> None: ...
    async def next_beat(self) -> Beat: ...
    def forget_beats(self) -> None: ...


class Reader(Protocol):
    """A client that requests streams of chunks."""

    async def ask(self, chunks: int, per_s: float) -> None: ...
    async def next_chunk(self) -> Any: ...
    async def unread_chunks(self, within_s: float) -> list[Any]: ...


class SessionHolder(Protocol):
    """A client with a session."""

    async def whoami(self) -> Any: ...


class App(Protocol):
    """Creates clients of each kind, with one connection each."""

    base_url: str
    timeout_s: float
    tls: ssl.SSLContext | None
    """Whom its clients trust; ``None`` if the address has no TLS."""
    settings: ServerSettings
    """The settings of its server."""
    transports: Sequence[str]
    answer_frame: ClassVar[Json]
    """The keys and values of an answer to an update besides the update and its count."""

    def echoer(self, transport: str) -> AbstractAsyncContextManager[Echoer]: ...
    def member(self, room: str) -> AbstractAsyncContextManager[Member]: ...
    def viewer(self) -> AbstractAsyncContextManager[Viewer]: ...
    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """A client that requests over WebSocket or Socket.IO, and cancels when it leaves."""

    def worker(self, *, inline: bool) -> AbstractAsyncContextManager[Echoer]:
        """A client whose messages are answered after work. ``inline``: the work is done in the handler itself."""

    def session_holder(self, token: str | None) -> AbstractAsyncContextManager[SessionHolder]:
        """A client that shows this token of a session, or none."""

    async def close_cleanly(self) -> str: ...
    async def agreed_compression(self) -> str | None:
        """The compression of messages that the server agrees to, if this app's clients offer one."""
