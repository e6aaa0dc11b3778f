"""Echo, chat rooms and a live dashboard with Starlette."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.status import HTTP_204_NO_CONTENT, HTTP_401_UNAUTHORIZED, WS_1007_INVALID_FRAME_PAYLOAD_DATA
from starlette.websockets import WebSocket, WebSocketDisconnect

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)
viewers: set[WebSocket] = set()
streams: set[asyncio.Queue[str]] = set()
panels: dict[str, dict[str, Any]] = {}


async def broadcast(members: set[WebSocket], text: str) -> None:
    for member in list(members):
        try:
            await member.send_text(text)
        except (WebSocketDisconnect, RuntimeError):  # it left while we were sending, or the server gave it up
            members.discard(member)


async def healthz(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


async def room(websocket: WebSocket) -> None:
    name = websocket.path_params["name"]
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


async def post_to_room(request: Request) -> Response:
    text = (await request.body()).decode()
    await broadcast(rooms.get(request.path_params["name"], set()), text)
    return Response(status_code=HTTP_204_NO_CONTENT)


async def dashboard(websocket: WebSocket) -> None:
    await websocket.accept()
    viewers.add(websocket)
    try:
        async for text in websocket.iter_text():
            update = json.loads(text)
            name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
            panel = panels.setdefault(name, {"value": value, "updates": 0})
            panel["value"] = value
            panel["updates"] += 1
            await websocket.send_json({"type": "panel", "panel": name, **panel, "client": client, "seq": seq})
    except (ValueError, KeyError, TypeError):  # KeyError: also a binary message, which has no text
        await websocket.close(WS_1007_INVALID_FRAME_PAYLOAD_DATA, "not a panel update")
    finally:
        viewers.discard(websocket)


async def events(request: Request) -> Response:
    return EventSourceResponse(snapshots(), sep="\n")


async def snapshots() -> AsyncIterator[dict[str, str]]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    streams.add(queue)
    try:
        while True:
            yield {"data": await queue.get()}
    finally:
        streams.discard(queue)


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


async def stream_events(request: Request) -> Response:
    asked = request.query_params
    chunks = chunks_of(int(asked["chunks"]), float(asked["per_s"]))
    return EventSourceResponse(({"data": chunk} async for chunk in chunks), sep="\n")


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(WebSocketDisconnect, RuntimeError):  # the client cancelled
        async for text in websocket.iter_text():
            asked = json.loads(text)
            async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
                await websocket.send_text(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


async def work_in_thread(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await run_in_threadpool(work)
        await websocket.send_text(text)


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


async def session(websocket: WebSocket) -> None:
    user = await run_in_threadpool(user_of, websocket.cookies.get("session"))
    if user is None:
        raise HTTPException(HTTP_401_UNAUTHORIZED, "no session")
    await websocket.accept()
    async for _ in websocket.iter_text():
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


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    pusher = asyncio.create_task(push_snapshots())
    yield
    pusher.cancel()


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/healthz", healthz),
        Route("/publish/{name}", post_to_room, methods=["POST"]),
        Route("/events", events),
        Route("/stream/events", stream_events),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/room/{name}", room),
        WebSocketRoute("/dashboard", dashboard),
        WebSocketRoute("/stream", stream),
        WebSocketRoute("/work", work_in_thread),
        WebSocketRoute("/work-inline", work_inline),
        WebSocketRoute("/session", session),
    ],
)
