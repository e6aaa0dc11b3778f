"""Echo, chat rooms and a live dashboard with Litestar."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import msgspec
from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.channels import ChannelsBackend, ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency, Provide
from litestar.exceptions import WebSocketDisconnect, WebSocketException
from litestar.params import FromPath
from litestar.response import ServerSentEvent
from litestar.status_codes import (
    HTTP_204_NO_CONTENT,
    WS_1007_INVALID_FRAME_PAYLOAD_DATA,
    WS_1008_POLICY_VIOLATION,
)

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")
REDIS_URL = os.environ.get("REDIS_URL")
# Every process has panels and a beat of its own, so its viewers have a channel of their own too.
VIEWERS = f"viewers.{os.getpid()}"


class Update(msgspec.Struct):
    panel: str
    value: float
    client: int | str
    seq: int


class StreamRequest(msgspec.Struct):
    chunks: int
    per_s: float


panels: dict[str, dict[str, float]] = {}


@asynccontextmanager
async def joined(socket: WebSocket, channels: ChannelsPlugin, channel: str) -> AsyncIterator[None]:
    """Accept the connection; while the context lasts, what is published in the channel goes to the client."""
    with suppress(OSError, WebSocketDisconnect):  # it left while we were sending
        async with channels.start_subscription(channel) as subscriber:
            await socket.accept()
            async with subscriber.run_in_background(socket.send_text, join=False):
                yield


@get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])


@websocket("/room/{name:str}")
async def room(socket: WebSocket, name: FromPath[str], channels: NamedDependency[ChannelsPlugin]) -> None:
    channel = f"room.{name}"
    async with joined(socket, channels, channel):
        while (message := await socket.receive())["type"] == "websocket.receive":
            if message.get("text") is not None:  # binary messages are not for rooms
                channels.publish(message["text"], channel)


@post("/publish/{name:str}", status_code=HTTP_204_NO_CONTENT)
async def post_to_room(request: Request, name: FromPath[str], channels: NamedDependency[ChannelsPlugin]) -> None:
    channels.publish((await request.body()).decode(), f"room.{name}")


@websocket("/dashboard")
async def dashboard(socket: WebSocket, channels: NamedDependency[ChannelsPlugin]) -> None:
    async with joined(socket, channels, VIEWERS):
        async for text in socket.iter_data():
            try:
                update = msgspec.json.decode(text, type=Update)
            except msgspec.DecodeError as error:  # a binary message too: read as text it is empty
                raise WebSocketException(
                    detail="not a panel update", code=WS_1007_INVALID_FRAME_PAYLOAD_DATA
                ) from error
            panel = panels.setdefault(update.panel, {"value": update.value, "updates": 0})
            panel["value"] = update.value
            panel["updates"] += 1
            await socket.send_json({"type": "panel", **msgspec.structs.asdict(update), **panel})


async def snapshots(channels: ChannelsPlugin) -> AsyncIterator[bytes]:
    async with channels.start_subscription(VIEWERS) as subscriber:
        async for snapshot in subscriber.iter_events():
            yield snapshot


@get("/events")
async def events(channels: NamedDependency[ChannelsPlugin]) -> ServerSentEvent:
    return ServerSentEvent(snapshots(channels))


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[bytes]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield msgspec.json.encode({"seq": seq, "text": "a few words "})


@get("/stream/events")
async def stream_events(chunks: int, per_s: float) -> ServerSentEvent:
    return ServerSentEvent(chunks_of(chunks, per_s))


@websocket("/stream")
async def stream(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(OSError, WebSocketDisconnect):  # the client cancelled
        async for text in socket.iter_data():
            asked = msgspec.json.decode(text, type=StreamRequest)
            async for chunk in chunks_of(asked.chunks, asked.per_s):
                await socket.send_text(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@websocket("/work")
async def work_in_thread(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_data():
        await sync_to_thread(work)
        await socket.send_text(text)


@websocket("/work-inline")
async def work_inline(socket: WebSocket) -> None:
    """The mistake: nobody else is served while it works."""
    await socket.accept()
    async for text in socket.iter_data():
        work()
        await socket.send_text(text)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


def session_user(socket: WebSocket) -> str:
    user = user_of(socket.cookies.get("session"))
    if user is None:
        raise WebSocketException(detail="no session", code=WS_1008_POLICY_VIOLATION)
    return user


@websocket("/session", dependencies={"user": Provide(session_user, sync_to_thread=True)})
async def session(socket: WebSocket, user: NamedDependency[str]) -> None:
    await socket.accept()
    async for _ in socket.iter_data():
        await socket.send_text(user)


async def push_snapshots(channels: ChannelsPlugin) -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        channels.publish({"type": "snapshot", "seq": seq, "panels": panels}, VIEWERS)


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    pusher = asyncio.create_task(push_snapshots(app.plugins.get(ChannelsPlugin)))
    yield
    pusher.cancel()


if REDIS_URL:
    from litestar.channels.backends.redis import RedisChannelsPubSubBackend
    from redis.asyncio import Redis

    backend: ChannelsBackend = RedisChannelsPubSubBackend(redis=Redis.from_url(REDIS_URL))
else:
    backend = MemoryChannelsBackend()

app = Litestar(
    route_handlers=[
        healthz,
        echo,
        room,
        post_to_room,
        dashboard,
        events,
        stream,
        stream_events,
        work_in_thread,
        work_inline,
        session,
    ],
    lifespan=[lifespan],
    plugins=[ChannelsPlugin(backend, channels=[VIEWERS], arbitrary_channels_allowed=True)],
)
