"""Echo, chat rooms and a live dashboard with Starlette."""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.status import WS_1007_INVALID_FRAME_PAYLOAD_DATA
from starlette.websockets import WebSocket, WebSocketDisconnect

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))

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
        Route("/events", events),
        Route("/stream/events", stream_events),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/room/{name}", room),
        WebSocketRoute("/dashboard", dashboard),
        WebSocketRoute("/stream", stream),
    ],
)
