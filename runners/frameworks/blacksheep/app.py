"""Echo, chat rooms and a live dashboard with BlackSheep."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from functools import partial
from typing import Any

from blacksheep import Application, Request, Response, WebSocket, get, no_content, post, ws
from blacksheep.server.sse import ServerSentEventsResponse, TextServerSentEvent
from blacksheep.server.websocket import WebSocketError

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

INVALID_DATA = 1007
# A client that has left: BlackSheep raises its own error when we receive, the server raises the others when we send.
GONE = (WebSocketError, OSError, RuntimeError)

app = Application()
rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)
viewers: set[WebSocket] = set()
streams: set[asyncio.Queue[str]] = set()
panels: dict[str, dict[str, Any]] = {}


async def broadcast(members: set[WebSocket], text: str) -> None:
    for member in list(members):
        with suppress(*GONE):  # its own handler removes it
            await member.send_text(text)


@get("/healthz")
async def healthz() -> str:
    return "ok"


@ws("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(*GONE):
        while True:
            message = await websocket.receive()
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])


@ws("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    members = rooms[name]
    members.add(websocket)
    try:
        with suppress(*GONE):
            while True:
                await broadcast(members, await websocket.receive_text())
    except KeyError:  # a binary message has no text
        await websocket.close(INVALID_DATA, "not text")
    finally:
        members.discard(websocket)
        if not members:
            rooms.pop(name, None)


@post("/publish/{name}")
async def post_to_room(request: Request, name: str) -> Response:
    text = await request.text()
    await broadcast(rooms.get(name, set()), text)
    return no_content()


@ws("/dashboard")
async def dashboard(websocket: WebSocket) -> None:
    await websocket.accept()
    viewers.add(websocket)
    try:
        with suppress(*GONE):
            while True:
                await websocket.send_json(apply(await websocket.receive_json()))
    except (ValueError, KeyError, TypeError):
        await websocket.close(INVALID_DATA, "not a panel update")
    finally:
        viewers.discard(websocket)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


async def snapshots(request: Request) -> AsyncIterator[TextServerSentEvent]:
    stream: asyncio.Queue[str] = asyncio.Queue()
    streams.add(stream)
    try:
        while not await request.is_disconnected():
            yield TextServerSentEvent(await stream.get())
    finally:
        streams.discard(stream)


@get("/events")
async def events(request: Request) -> ServerSentEventsResponse:
    return ServerSentEventsResponse(partial(snapshots, request))


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


async def chunk_events(request: Request, chunks: int, per_s: float) -> AsyncIterator[TextServerSentEvent]:
    async for chunk in chunks_of(chunks, per_s):
        if await request.is_disconnected():
            return
        yield TextServerSentEvent(chunk)


@get("/stream/events")
async def stream_events(request: Request, chunks: int, per_s: float) -> ServerSentEventsResponse:
    return ServerSentEventsResponse(partial(chunk_events, request, chunks, per_s))


@ws("/stream")
async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(*GONE):
        while True:
            asked = await websocket.receive_json()
            async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
                await websocket.send_text(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@ws("/work")
async def work_in_thread(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(*GONE):
        while True:
            text = await websocket.receive_text()
            await asyncio.to_thread(work)
            await websocket.send_text(text)


@ws("/work-inline")
async def work_inline(websocket: WebSocket) -> None:
    """The mistake: nobody else is served while it works."""
    await websocket.accept()
    with suppress(*GONE):
        while True:
            text = await websocket.receive_text()
            work()
            await websocket.send_text(text)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


@ws("/session")
async def session(websocket: WebSocket) -> None:
    user = await asyncio.to_thread(user_of, websocket.cookies.get("session"))
    if user is None:
        await websocket.close()
        return
    await websocket.accept()
    with suppress(*GONE):
        while True:
            await websocket.receive_text()
            await websocket.send_text(user)


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        text = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
        for stream in streams:
            stream.put_nowait(text)
        await broadcast(viewers, text)


@app.lifespan
async def pushing() -> AsyncIterator[None]:
    pusher = asyncio.create_task(push_snapshots())
    yield
    pusher.cancel()
