"""An application over Socket.IO, tested with the ``python-socketio`` library."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

import aiohttp
import socketio

from runners.contract.answers import (
    LIMITS,
    QUIET_S,
    REACTION_S,
    BrokenError,
    Inbox,
    Json,
    Payload,
    RefusedServerError,
    T,
    collect_messages,
    head_of,
    http_get,
    refused_by,
    shown_json,
    trust_for,
    unreadable,
    within,
)
from runners.contract.app import Beat, Echoer, Member, Reader, SessionHolder, Viewer
from runners.contract.server_settings import USUAL_SETTINGS, ServerSettings
from runners.contract.session_file import cookie_for
from runners.contract.strictness import ServerReader, SessionReader, connector_for
from runners.loadgen.causes import RefusedError
from runners.loadgen.deflate import MOST_BITS
from runners.loadgen.engine_io import DEFAULT_NAMESPACE
from runners.loadgen.http_answers import check_coding
from runners.loadgen.job import SESSION_NAMESPACE, Serializer
from runners.loadgen.polling import SEPARATOR
from runners.loadgen.streaming import CHUNK_EVENT, STREAM_EVENT

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
        settings: ServerSettings = USUAL_SETTINGS,
        ca: str = "",
        *,
        offers_deflate: bool = False,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.tls = trust_for(base_url, ca)
        self.timeout_s = timeout_s
        self.settings = settings
        self.transports = transports
        self._serializer = "default" if serializer == "json" else serializer
        self._offers_deflate = offers_deflate

    @asynccontextmanager
    async def _connect(
        self,
        transport: str | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        fields: Mapping[str, str] | None = None,
    ) -> AsyncIterator[_Peer]:
        transport = transport or self.transports[0]
        talk = SessionReader(is_packed=self._serializer == "msgpack", namespace=namespace)
        reader = ServerReader(talk, offers_deflate=self._offers_deflate) if transport == "websocket" else None
        async with aiohttp.ClientSession(
            connector=connector_for(self.tls, reader),
            middlewares=(partial(_judge_answer, talk),),
            headers={"Accept-Encoding": "identity"},
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # as in browsers: cookies of IP addresses are kept too
            **LIMITS,
        ) as session:
            client = socketio.AsyncClient(
                reconnection=False,
                http_session=session,
                serializer=self._serializer,
                websocket_extra_options={"compress": MOST_BITS if self._offers_deflate else 0},
            )
            peer = _Peer(client, talk, reader, namespace)
            opening = client.connect(
                self.base_url,
                headers=dict(fields or {}),
                transports=[transport],
                namespaces=[namespace],
                wait_timeout=self.timeout_s,
            )
            opened = False
            try:
                await within(self.timeout_s, _while_there(talk, opening), "a Socket.IO connection")
                opened = True
                yield peer
            except Exception as error:  # the libraries raise many kinds
                if talk.cause is None or (opened and not isinstance(error, _GoneError)):
                    raise
                raise RefusedServerError("a Socket.IO connection", talk.cause) from None
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

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        return self._connect()

    @asynccontextmanager
    async def worker(self, *, inline: bool) -> AsyncIterator[Echoer]:
        async with self._connect() as peer:
            peer.event = "work_inline" if inline else "work"
            yield peer

    def session_holder(self, token: str | None) -> AbstractAsyncContextManager[SessionHolder]:
        fields = {} if token is None else {"Cookie": cookie_for(token)}
        return self._connect(namespace=SESSION_NAMESPACE, fields=fields)

    async def agreed_compression(self) -> str | None:
        async with self._connect("websocket") as peer:
            assert peer.reader is not None
            return str(peer.reader.agreement or "") or None

    async def close_cleanly(self) -> str:
        """Disconnect. The server must then answer 400 for the session, because the session no longer exists."""
        async with self._connect() as peer:
            session = peer.session
        forgotten = _until_forgotten(self.base_url, self.tls, f"/socket.io/?EIO=4&transport=polling&sid={session}")
        body = await within(self.timeout_s, forgotten, "status 400 for a session that has disconnected")
        return f"expected status 400 for a session that has disconnected, got it: {body.strip()[:60]}"


async def _until_forgotten(base_url: str, tls: ssl.SSLContext | None, target: str) -> str:
    """Repeat the request until the answer is 400. While the session exists, the server may hold the request as a
    poll.
    """
    while True:
        with suppress(TimeoutError):
            answer = await asyncio.wait_for(http_get(base_url, target, tls), GOODBYE_S)
            if answer.status == HTTPStatus.BAD_REQUEST:
                return answer.body.decode("utf-8", "replace")


async def _judge_answer(
    talk: SessionReader, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Refuse the answers to polls that the load generator refuses: redirects, which aiohttp would follow, all statuses
    but 200, and packets that open no session.

    It reads each answer at once, because python-engineio leaves some unread, and aiohttp then shows warnings.
    """
    try:
        response = await handler(request)
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return response
        _check_answer(talk, response, await response.read())
    except (aiohttp.ClientError, RefusedError) as error:
        talk.end(str(error) if isinstance(error, RefusedError) else unreadable(error))
        raise aiohttp.ClientError(talk.cause) from None
    return response


def _check_answer(talk: SessionReader, response: aiohttp.ClientResponse, body: bytes) -> None:
    if response.status != HTTPStatus.OK:
        raise RefusedError(refused_by(response, body, f"200 OK to {response.method}"))
    check_coding(head_of(response))
    if response.method == "GET":
        for packet in body.split(SEPARATOR):
            talk.feed(packet)


class _GoneError(BrokenError):
    """The session ended."""


async def _while_there(talk: SessionReader, awaitable: Awaitable[T]) -> T:
    """The result of the awaitable; raises `_GoneError` if the session ends before. The library only waits then."""
    waiting, gone = asyncio.ensure_future(awaitable), asyncio.ensure_future(talk.ended.wait())
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({waiting}, timeout=QUIET_S)  # the last answer may have come with the end
        if waiting.done():
            return waiting.result()
        raise _GoneError(f"expected an answer, but {talk.cause}")
    finally:
        waiting.cancel()
        gone.cancel()


class _Peer:
    """One client that is an echoer, a member and a viewer."""

    def __init__(
        self, client: socketio.AsyncClient, talk: SessionReader, reader: ServerReader | None, namespace: str
    ) -> None:
        self.reader = reader
        self.event = "echo"
        """The event that returns its data."""
        self._namespace = namespace
        self._client = client
        self._talk = talk
        self._texts: Inbox[Any] = Inbox()
        self._beats: Inbox[Beat] = Inbox()
        self._chunks: Inbox[Any] = Inbox()
        client.on("message", self._texts.put)
        client.on(CHUNK_EVENT, self._chunks.put)
        client.on("snapshot", self._note_beat)

    @property
    def session(self) -> str:
        return str(self._client.eio.sid)

    async def echo(self, payload: Payload) -> Any:
        return await self._call(self.event, payload)

    async def whoami(self) -> Any:
        return await self._call("whoami", None)

    async def ask(self, chunks: int, per_s: float) -> None:
        await self._client.emit(STREAM_EVENT, {"chunks": chunks, "per_s": per_s})

    async def next_chunk(self) -> Any:
        return await _while_there(self._talk, self._chunks.get())

    async def unread_chunks(self, within_s: float) -> list[Any]:
        return await collect_messages(self.next_chunk, within_s)

    async def surplus(self) -> list[Any]:
        return []  # a client receives an acknowledgement once or not at all

    async def join(self, room: str) -> None:
        await self._call("join", room)
        self._room = room

    async def publish(self, text: str) -> None:
        await self._call("publish", {"room": self._room, "text": text})

    async def next_text(self) -> str:
        text = await _while_there(self._talk, self._texts.get())
        if not isinstance(text, str):
            raise BrokenError(f"expected text in the room, got {shown_json(text)}")
        return text

    async def unread(self, within_s: float) -> list[str]:
        return await collect_messages(self.next_text, within_s)

    async def update(self, update: Json) -> Any:
        return await self._call("update", update)

    async def send_garbage(self, garbage: Any) -> None:
        with suppress(_GoneError):
            await collect_messages(partial(self._call, "update", garbage), REACTION_S, most=1)

    async def next_beat(self) -> Beat:
        return await _while_there(self._talk, self._beats.get())

    def forget_beats(self) -> None:
        self._beats.clear()

    async def _call(self, event: str, data: Any) -> Any:
        """Emit an event and return its acknowledgement. The caller limits the waiting time."""
        return await _while_there(self._talk, self._client.call(event, data, namespace=self._namespace, timeout=None))

    def _note_beat(self, snapshot: Any) -> None:
        self._beats.put(Beat(asyncio.get_running_loop().time(), snapshot if isinstance(snapshot, dict) else {}))
