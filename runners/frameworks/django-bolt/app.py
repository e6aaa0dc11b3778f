"""Echo, chat rooms and a live dashboard with django-bolt."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from typing import Any

from asgiref.sync import sync_to_async
from django_bolt import (
    BoltAPI,
    CloseCode,
    EventSourceResponse,
    Request,
    ServerSentEvent,
    WebSocket,
    WebSocketDisconnect,
)

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

api = BoltAPI()
rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)
viewers: set[WebSocket] = set()
streams: set[asyncio.Queue[str]] = set()
panels: dict[str, dict[str, Any]] = {}
background_tasks: set[asyncio.Task[None]] = set()


async def broadcast(members: set[WebSocket], text: str) -> None:
    for member in list(members):
        with suppress(WebSocketDisconnect, RuntimeError):  # it has left: its own handler removes it
            await member.send_text(text)


@api.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@api.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            message = await websocket.receive()
            if "text" in message:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])


@api.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    members = rooms[name]
    members.add(websocket)
    try:
        with suppress(WebSocketDisconnect):
            while True:
                message = await websocket.receive()
                if "text" in message:  # binary messages are not for rooms
                    await broadcast(members, message["text"])
    finally:
        members.discard(websocket)
        if not members:
            rooms.pop(name, None)


@api.post("/publish/{name}", status_code=204)
async def post_to_room(request: Request, name: str) -> None:
    await broadcast(rooms.get(name, set()), request.body.decode())


@api.websocket("/dashboard")
async def dashboard(websocket: WebSocket) -> None:
    await websocket.accept()
    viewers.add(websocket)
    start_pushing()
    try:
        async for update in websocket.iter_json():  # a binary message too: read as text it is empty
            await websocket.send_json(apply(update))
    except (ValueError, KeyError, TypeError):
        await websocket.close(CloseCode.INVALID_FRAME_PAYLOAD_DATA, "not a panel update")
    finally:
        viewers.discard(websocket)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


@api.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[ServerSentEvent]:
    stream: asyncio.Queue[str] = asyncio.Queue()
    streams.add(stream)
    start_pushing()
    try:
        while True:
            yield ServerSentEvent(raw_data=await stream.get())
    finally:
        streams.discard(stream)


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


@api.get("/stream/events", response_class=EventSourceResponse)
async def stream_events(chunks: int, per_s: float) -> AsyncIterator[ServerSentEvent]:
    async for chunk in chunks_of(chunks, per_s):
        yield ServerSentEvent(raw_data=chunk)


@api.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(WebSocketDisconnect, RuntimeError):  # the client cancelled
        async for asked in websocket.iter_json():
            async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
                await websocket.send_text(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@api.websocket("/work")
async def work_in_thread(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await sync_to_async(work, thread_sensitive=False)()
        await websocket.send_text(text)


@api.websocket("/work-inline")
async def work_inline(websocket: WebSocket) -> None:
    """The mistake: nobody else is served while it works."""
    await websocket.accept()
    async for text in websocket.iter_text():
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


@api.websocket("/session")
async def session(websocket: WebSocket) -> None:
    user = await sync_to_async(user_of)(websocket.cookies.get("session"))
    if user is None:
        await websocket.close(CloseCode.POLICY_VIOLATION, "no session")
        return
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(user)


def start_pushing() -> None:
    if not background_tasks:
        background_tasks.add(asyncio.create_task(push_snapshots()))


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
