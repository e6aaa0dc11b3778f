"""An application over Socket.IO, tested with the ``python-socketio`` library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from runners.contract.answers import (
    REACTION_S,
    BrokenError,
    Inbox,
    Json,
    Payload,
    RefusedServerError,
    collect_messages,
    http_get,
    refused_by,
    shown_json,
    within,
)
from runners.contract.app import Beat, Echoer, Member, Viewer
from runners.contract.strictness import ServerReader, strict_connector
from runners.loadgen.job import USUAL_PUSH_PERIOD_S, Serializer

_REDIRECTS = range(300, 400)
"""Statuses that aiohttp may follow."""
GOODBYE_S = 0.5
"""Seconds that a polling client waits for the end of its last poll. After that, closing its HTTP session ends the
poll."""
DASHBOARD = "dashboard"
"""The Socket.IO room that snapshots are pushed to."""


class SocketIoApp:
    """An application with one event per purpose, in the default namespace."""

    answer_frame: ClassVar[Json] = {}

    def __init__(
        self,
        base_url: str,
        timeout_s: float,
        transports: Sequence[str],
        serializer: Serializer,
        push_period_s: float = USUAL_PUSH_PERIOD_S,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self.push_period_s = push_period_s
        self.transports = transports
        self._serializer = "default" if serializer == "json" else serializer

    @asynccontextmanager
    async def _connect(self, transport: str | None = None) -> AsyncIterator[_Peer]:
        transport = transport or self.transports[0]
        reader = ServerReader()
        connector = strict_connector(reader) if transport == "websocket" else None
        async with aiohttp.ClientSession(connector=connector, middlewares=(_judge_answer,)) as session:
            client = socketio.AsyncClient(reconnection=False, http_session=session, serializer=self._serializer)
            peer = _Peer(client)
            opening = client.connect(self.base_url, transports=[transport])
            try:
                await within(self.timeout_s, opening, "a Socket.IO connection")
                yield peer
            except (BrokenError, OSError, SocketIOError, aiohttp.ClientError):
                if reader.refusal is None:
                    raise
                raise RefusedServerError("a Socket.IO connection", reader.refusal) from None
            finally:
                with suppress(TimeoutError):  # a poll may last until the next ping
                    await asyncio.wait_for(client.disconnect(), GOODBYE_S)

    def echoer(self, transport: str) -> AbstractAsyncContextManager[Echoer]:
        return self._connect(transport)

    @asynccontextmanager
    async def member(self, room: str) -> AsyncIterator[Member]:
        async with self._connect() as peer:
            await within(self.timeout_s, peer.join(room), "an acknowledgement of 'join'")
            yield peer

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        async with self._connect() as peer:
            await within(self.timeout_s, peer.join(DASHBOARD), "an acknowledgement of 'join'")
            yield peer

    async def close_cleanly(self) -> str:
        """Disconnect. The server must then answer 400 for the session, because the session no longer exists."""
        async with self._connect() as peer:
            session = peer.session
        forgotten = _until_forgotten(self.base_url, f"/socket.io/?EIO=4&transport=polling&sid={session}")
        body = await within(self.timeout_s, forgotten, "status 400 for a session that has disconnected")
        return f"expected status 400 for a session that has disconnected, got it: {body.strip()[:60]}"


async def _until_forgotten(base_url: str, target: str) -> str:
    """Repeat the request until the answer is 400. While the session exists, the server may hold the request as a
    poll.
    """
    while True:
        with suppress(TimeoutError):
            answer = await asyncio.wait_for(http_get(base_url, target), GOODBYE_S)
            if answer.status == HTTPStatus.BAD_REQUEST:
                return answer.body.decode("utf-8", "replace")


async def _judge_answer(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Refuse redirects, which aiohttp would follow, and other statuses for the first request of a session.

    It reads each answer at once, because python-engineio leaves some unread, and aiohttp then shows warnings.
    """
    response = await handler(request)
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return response
    body = await response.read()
    if response.status == HTTPStatus.OK:
        return response
    refused = refused_by(response, body, f"200 OK to {request.method} {request.url.path}")
    if "sid" not in request.url.query:
        raise BrokenError(f"expected a Socket.IO connection, but {refused}")
    if response.status in _REDIRECTS:
        raise aiohttp.ClientError(refused)
    return response


class _Peer:
    """One client that is an echoer, a member and a viewer."""

    def __init__(self, client: socketio.AsyncClient) -> None:
        self._client = client
        self._texts: Inbox[Any] = Inbox()
        self._beats: Inbox[Beat] = Inbox()
        client.on("message", self._texts.put)
        client.on("snapshot", self._note_beat)

    @property
    def session(self) -> str:
        return str(self._client.eio.sid)

    async def echo(self, payload: Payload) -> Any:
        return await self._call("echo", payload)

    async def surplus(self) -> list[Any]:
        return []  # a client receives an acknowledgement once or not at all

    async def join(self, room: str) -> None:
        await self._call("join", room)
        self._room = room

    async def publish(self, text: str) -> None:
        await self._call("publish", {"room": self._room, "text": text})

    async def next_text(self) -> str:
        text = await self._texts.get()
        if not isinstance(text, str):
            raise BrokenError(f"expected text in the room, got {shown_json(text)}")
        return text

    async def unread(self, within_s: float) -> list[str]:
        return await collect_messages(self.next_text, within_s)

    async def update(self, update: Json) -> Any:
        return await self._call("update", update)

    async def send_garbage(self, garbage: Any) -> None:
        await collect_messages(partial(self._call, "update", garbage), REACTION_S, most=1)

    async def next_beat(self) -> Beat:
        return await self._beats.get()

    def forget_beats(self) -> None:
        self._beats.clear()

    async def _call(self, event: str, data: Any) -> Any:
        """Emit an event and return its acknowledgement. The caller limits the waiting time."""
        return await self._client.call(event, data, timeout=None)

    def _note_beat(self, snapshot: Any) -> None:
        self._beats.put(Beat(asyncio.get_running_loop().time(), snapshot if isinstance(snapshot, dict) else {}))
