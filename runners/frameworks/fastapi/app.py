"""Echo, chat rooms and a live dashboard with FastAPI."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, Request, WebSocket, WebSocketDisconnect, WebSocketException, status
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ValidationError

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")


class StreamRequest(BaseModel):
    chunks: int
    per_s: float


class Update(BaseModel):
    panel: str
    value: float
    client: int | str
    seq: int


rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)
viewers: set[WebSocket] = set()
streams: set[asyncio.Queue[ServerSentEvent]] = set()
panels: dict[str, dict[str, float]] = {}


async def broadcast(members: set[WebSocket], text: str) -> None:
    for member in list(members):
        try:
            await member.send_text(text)
        except (WebSocketDisconnect, RuntimeError):  # it left while we were sending
            members.discard(member)


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        text = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
        event = ServerSentEvent(raw_data=text)  # "data" would be written as JSON for every stream anew
        for stream in streams:
            stream.put_nowait(event)
        await broadcast(viewers, text)


async def chunks_of(request: StreamRequest) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(request.chunks):
        await asyncio.sleep(begun + seq / request.per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    pusher = asyncio.create_task(push_snapshots())
    yield
    pusher.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


@app.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    members = rooms[name]
    members.add(websocket)
    try:
        async for text in websocket.iter_text():
            await broadcast(members, text)
    finally:
        members.discard(websocket)
        if not members:
            rooms.pop(name, None)


@app.post("/publish/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def post_to_room(name: str, request: Request) -> None:
    await broadcast(rooms.get(name, set()), (await request.body()).decode())


@app.websocket("/dashboard")
async def dashboard(websocket: WebSocket) -> None:
    await websocket.accept()
    viewers.add(websocket)
    try:
        async for text in websocket.iter_text():
            update = Update.model_validate_json(text)
            panel = panels.setdefault(update.panel, {"value": update.value, "updates": 0})
            panel["value"] = update.value
            panel["updates"] += 1
            await websocket.send_json({"type": "panel", **update.model_dump(), **panel})
    except (ValidationError, KeyError) as error:  # KeyError: a binary message has no text
        raise WebSocketException(status.WS_1007_INVALID_FRAME_PAYLOAD_DATA, "not a panel update") from error
    finally:
        viewers.discard(websocket)


@app.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterable[ServerSentEvent]:
    stream: asyncio.Queue[ServerSentEvent] = asyncio.Queue()
    streams.add(stream)
    try:
        while True:
            yield await stream.get()
    finally:
        streams.discard(stream)


@app.get("/stream/events", response_class=EventSourceResponse)
async def stream_events(chunks: int, per_s: float) -> AsyncIterable[ServerSentEvent]:
    async for chunk in chunks_of(StreamRequest(chunks=chunks, per_s=per_s)):
        yield ServerSentEvent(raw_data=chunk)


@app.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(WebSocketDisconnect, RuntimeError):  # the client cancelled
        async for text in websocket.iter_text():
            async for chunk in chunks_of(StreamRequest.model_validate_json(text)):
                await websocket.send_text(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@app.websocket("/work")
async def work_in_thread(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await run_in_threadpool(work)
        await websocket.send_text(text)


@app.websocket("/work-inline")
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


def session_user(session: Annotated[str | None, Cookie()] = None) -> str:
    """A dependency that FastAPI runs in a thread, because it is no coroutine."""
    user = user_of(session)
    if user is None:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "no session")
    return user


@app.websocket("/session")
async def session(websocket: WebSocket, user: Annotated[str, Depends(session_user)]) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(user)
