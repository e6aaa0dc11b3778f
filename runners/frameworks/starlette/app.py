"""Echo, chat rooms and a live dashboard with Starlette."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.status import WS_1007_INVALID_FRAME_PAYLOAD_DATA
from starlette.websockets import WebSocket, WebSocketDisconnect

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


class Echo(WebSocketEndpoint):
    async def on_receive(self, websocket: WebSocket, data: str | bytes) -> None:
        if isinstance(data, str):
            await websocket.send_text(data)
        else:
            await websocket.send_bytes(data)


class Room(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        self.name = websocket.path_params["name"]
        await websocket.accept()
        rooms[self.name].add(websocket)

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await broadcast(rooms[self.name], data)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        rooms[self.name].discard(websocket)
        if not rooms[self.name]:
            del rooms[self.name]


class Dashboard(WebSocketEndpoint):
    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        viewers.add(websocket)

    async def on_receive(self, websocket: WebSocket, data: str | bytes) -> None:
        try:
            update = json.loads(data)
            name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
        except (ValueError, KeyError, TypeError):
            await websocket.close(WS_1007_INVALID_FRAME_PAYLOAD_DATA, "not a panel update")
            return
        panel = panels.setdefault(name, {"value": value, "updates": 0})
        panel["value"] = value
        panel["updates"] += 1
        await websocket.send_json({"type": "panel", "panel": name, **panel, "client": client, "seq": seq})

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
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


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += 1.0
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
        WebSocketRoute("/echo", Echo),
        WebSocketRoute("/room/{name}", Room),
        WebSocketRoute("/dashboard", Dashboard),
    ],
)
