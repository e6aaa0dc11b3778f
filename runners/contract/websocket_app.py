"""An application over plain WebSocket, tested with the ``websockets`` library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from runners.contract.answers import (
    QUIET_S,
    REACTION_S,
    BrokenError,
    Inbox,
    Json,
    Payload,
    RefusedServerError,
    collect_messages,
    parsed,
    shown,
    token,
    trust_for,
)
from runners.contract.app import Beat, Echoer, Member, Reader, SessionHolder, Viewer
from runners.contract.server_settings import USUAL_SETTINGS, ServerSettings
from runners.contract.session_file import cookie_for
from runners.contract.strictness import StrictConnect, StrictConnection
from runners.loadgen.job import Exchange


class WebSocketApp:
    """An application with one path per purpose."""

    answer_frame: ClassVar[Json] = {"type": "panel"}
    transports: Sequence[str] = ("websocket",)

    def __init__(
        self,
        base_url: str,
        timeout_s: float,
        exchanges: Collection[Exchange],
        settings: ServerSettings = USUAL_SETTINGS,
        ca: str = "",
        *,
        offers_deflate: bool = False,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.tls = trust_for(base_url, ca)
        self.timeout_s = timeout_s
        self.settings = settings
        self._exchanges = exchanges
        self._offers_deflate = offers_deflate

    @asynccontextmanager
    async def _connect(self, path: str, fields: Mapping[str, str] | None = None) -> AsyncIterator[StrictConnection]:
        """A connection; raises `RefusedServerError` if the client refuses what the server sends."""
        opening = StrictConnect(
            "ws" + self.base_url.removeprefix("http") + path,
            additional_headers=fields,
            proxy=None,
            ssl=self.tls,
            max_size=None,
            offers_deflate=self._offers_deflate,
            open_timeout=self.timeout_s,
            close_timeout=self.timeout_s,
        )
        try:
            async with opening as websocket:
                assert isinstance(websocket, StrictConnection)
                yield websocket
        except (OSError, WebSocketException):
            if opening.reader is not None and (refusal := opening.reader.refusal):
                raise RefusedServerError(f"a WebSocket connection to {path}", refusal) from None
            raise

    @asynccontextmanager
    async def echoer(self, transport: str) -> AsyncIterator[Echoer]:  # noqa: ARG002 - there is only one
        async with self._connect("/echo") as websocket:
            yield _Peer(websocket)

    @asynccontextmanager
    async def member(self, room: str) -> AsyncIterator[Member]:
        async with self._connect(f"/room/{room}") as websocket:
            yield _Peer(websocket)

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        async with self._connect("/dashboard") as websocket:
            viewer = _Viewer(websocket)
            reader = asyncio.create_task(viewer.read())
            try:
                yield viewer
            finally:
                reader.cancel()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        async with self._connect("/stream") as websocket:
            yield _Peer(websocket)

    @asynccontextmanager
    async def worker(self, *, inline: bool) -> AsyncIterator[Echoer]:
        async with self._connect("/work-inline" if inline else "/work") as websocket:
            yield _Peer(websocket)

    @asynccontextmanager
    async def session_holder(self, token: str | None) -> AsyncIterator[SessionHolder]:
        async with self._connect("/session", {} if token is None else {"Cookie": cookie_for(token)}) as websocket:
            yield _Peer(websocket)

    def _paths(self) -> list[str]:
        """One path per exchange of the application. What is posted goes to a room."""
        room = f"/room/contract-{token()}"
        paths: dict[Exchange, str] = {
            "echo": "/echo",
            "room": room,
            "publish": room,
            "dashboard": "/dashboard",
            "stream": "/stream",
            "work": "/work",
        }
        return list(dict.fromkeys(path for exchange, path in paths.items() if exchange in self._exchanges))

    async def agreed_compression(self) -> str | None:
        agreed = []
        for path in self._paths():
            async with self._connect(path) as websocket:
                agreed.append(str(websocket.reader.agreement or "") or None)
        if len(set(agreed)) > 1:
            raise BrokenError(f"expected the same answer to permessage-deflate on each path, got {agreed}")
        return agreed[0] if agreed else None

    async def close_cleanly(self) -> str:
        codes = []
        for path in self._paths():
            async with self._connect(path) as websocket:
                await websocket.close(1000)
            if websocket.close_code in (None, 1006):
                raise BrokenError(f"expected a close frame with code 1000 back from {path}, got none")
            codes.append(websocket.close_code)
        return f"expected a close frame with a code back from each path, got {codes}"


class _Peer:
    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    async def echo(self, payload: Payload) -> Payload:
        await self._websocket.send(payload)
        return await self._websocket.recv()

    async def publish(self, text: str) -> None:
        await self._websocket.send(text)

    async def next_text(self) -> str:
        message = await self._websocket.recv()
        if isinstance(message, bytes):
            raise BrokenError(f"expected text in the room, got {shown(message)}")
        return message

    async def ask(self, chunks: int, per_s: float) -> None:
        await self._websocket.send(json.dumps({"chunks": chunks, "per_s": per_s}))

    async def next_chunk(self) -> Any:
        return parsed(await self._websocket.recv())

    async def unread_chunks(self, within_s: float) -> list[Any]:
        return await collect_messages(self.next_chunk, within_s)

    async def whoami(self) -> Any:
        await self._websocket.send("whoami")
        return await self._websocket.recv()

    async def surplus(self) -> list[Any]:
        return await collect_messages(self._websocket.recv, QUIET_S)

    async def unread(self, within_s: float) -> list[str]:
        return await collect_messages(self.next_text, within_s)


class _Viewer:
    """A viewer. Answers and pushes share the connection, and `read` separates them."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._answers: Inbox[Any] = Inbox()
        self._beats: Inbox[Beat] = Inbox()

    async def read(self) -> None:
        try:
            while True:
                message = parsed(await self._websocket.recv())
                if isinstance(message, dict) and message.get("type") == "snapshot":
                    self._beats.put(Beat(asyncio.get_running_loop().time(), message))
                else:
                    self._answers.put(message)
        except ConnectionClosed as closed:
            self._answers.close(closed)
            self._beats.close(closed)

    async def update(self, update: Json) -> Any:
        await self._websocket.send(json.dumps(update))
        return await self._answers.get()

    async def send_garbage(self, garbage: Any) -> None:
        await self._websocket.send(garbage)
        await collect_messages(self._answers.get, REACTION_S, most=1)

    async def next_beat(self) -> Beat:
        return await self._beats.get()

    def forget_beats(self) -> None:
        self._beats.clear()
