"""Echo, chat rooms and a live dashboard with Quart."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

from quart import Quart, Response, request, websocket
from quart.utils import run_sync

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")


class Broker:
    """Hands what is published to every listener, through a queue for each."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[str]] = set()

    def publish(self, message: str) -> None:
        for queue in self.queues:
            queue.put_nowait(message)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Queue[str]]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self.queues.add(queue)
        try:
            yield queue
        finally:
            self.queues.discard(queue)


app = Quart(__name__)
rooms: defaultdict[str, Broker] = defaultdict(Broker)
snapshots = Broker()
panels: dict[str, dict[str, Any]] = {}


async def forward(queue: asyncio.Queue[str]) -> None:
    while True:
        await websocket.send(await queue.get())


@asynccontextmanager
async def subscribed(broker: Broker) -> AsyncIterator[None]:
    """Sends the client what is published, while its handler receives."""
    with broker.listening() as queue:
        await websocket.accept()
        sender = asyncio.create_task(forward(queue))
        try:
            yield
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)  # it may have failed: the client left


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.websocket("/echo")
async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/room/<name>")
async def room(name: str) -> None:
    broker = rooms[name]
    try:
        async with subscribed(broker):
            while True:
                message = await websocket.receive()
                if isinstance(message, str):
                    broker.publish(message)
    finally:
        if not broker.queues:
            rooms.pop(name, None)


@app.post("/publish/<name>")
async def post_to_room(name: str) -> tuple[str, int]:
    text = await request.get_data(as_text=True)
    if name in rooms:
        rooms[name].publish(text)
    return "", 204


@app.websocket("/dashboard")
async def dashboard() -> None:
    try:
        async with subscribed(snapshots):
            while True:
                await websocket.send_json(apply(await websocket.receive_json()))
    except (ValueError, KeyError, TypeError):
        await websocket.close(1007, "not a panel update")


@app.get("/events")
async def events() -> Response:
    async def stream() -> AsyncIterator[bytes]:
        with snapshots.listening() as queue:
            while True:
                yield f"data: {await queue.get()}\n\n".encode()

    response = Response(stream(), content_type="text/event-stream")
    response.timeout = None  # a response is cut off after a minute otherwise
    return response


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


@app.get("/stream/events")
async def stream_events() -> Response:
    async def events(chunks: int, per_s: float) -> AsyncIterator[bytes]:
        async for chunk in chunks_of(chunks, per_s):
            yield f"data: {chunk}\n\n".encode()

    asked = request.args
    response = Response(events(int(asked["chunks"]), float(asked["per_s"])), content_type="text/event-stream")
    response.timeout = None
    return response


@app.websocket("/stream")
async def stream() -> None:
    while True:
        asked = await websocket.receive_json()
        async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
            await websocket.send(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@app.websocket("/work")
async def work_in_thread() -> None:
    while True:
        text = await websocket.receive()
        await run_sync(work)()
        await websocket.send(text)


@app.websocket("/work-inline")
async def work_inline() -> None:
    """The mistake: nobody else is served while it works."""
    while True:
        text = await websocket.receive()
        work()
        await websocket.send(text)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


@app.websocket("/session")
async def session() -> tuple[str, int]:
    user = await run_sync(user_of)(websocket.cookies.get("session"))
    if user is None:
        return "no session", 401
    await websocket.accept()
    while True:
        await websocket.receive()
        await websocket.send(user)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        snapshots.publish(json.dumps({"type": "snapshot", "seq": seq, "panels": panels}))


@app.before_serving
async def start_pushing() -> None:
    app.pusher = asyncio.create_task(push_snapshots())


@app.after_serving
async def stop_pushing() -> None:
    app.pusher.cancel()
