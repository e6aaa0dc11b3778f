"""FastAPI's app with a known amount of work added to every echo: a difference of known size, to be found."""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, WebSocket, WebSocketDisconnect, WebSocketException, status
from pydantic import BaseModel, ValidationError

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
EXTRA_TURNS = int(os.environ.get("TWINS_EXTRA_TURNS", "0"))
"""Turns of an empty loop per message: work, not time, so that it costs about the same share on any machine."""


def burn(turns: int) -> None:
    for _ in range(turns):
        pass


class Group:
    """Connections that receive the same messages."""

    def __init__(self) -> None:
        self.members: set[WebSocket] = set()

    async def broadcast(self, text: str) -> None:
        for member in list(self.members):
            try:
                await member.send_text(text)
            except (WebSocketDisconnect, RuntimeError):  # it left while we were sending
                self.members.discard(member)


class Update(BaseModel):
    panel: str
    value: float
    client: int | str
    seq: int


rooms: defaultdict[str, Group] = defaultdict(Group)
viewers = Group()
panels: dict[str, dict[str, float]] = {}


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        await viewers.broadcast(json.dumps({"type": "snapshot", "seq": seq, "panels": panels}))


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
        burn(EXTRA_TURNS)
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


@app.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    group = rooms[name]
    group.members.add(websocket)
    try:
        async for text in websocket.iter_text():
            await group.broadcast(text)
    finally:
        group.members.discard(websocket)
        if not group.members:
            rooms.pop(name, None)


@app.websocket("/dashboard")
async def dashboard(websocket: WebSocket) -> None:
    await websocket.accept()
    viewers.members.add(websocket)
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
        viewers.members.discard(websocket)
