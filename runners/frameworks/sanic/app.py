"""Echo, chat rooms and a live dashboard with Sanic."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic, Websocket, empty, text
from sanic.exceptions import RequestCancelled, SanicException, Unauthorized

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

app = Sanic("rtsite", configure_logging=False)  # Python's own logging then: warnings and worse
# Half a second for a client that does not answer the close frame, instead of fifteen.
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 0.5

rooms: defaultdict[str, set[Websocket]] = defaultdict(set)
viewers: set[Websocket] = set()
streams: set[asyncio.Queue[str | None]] = set()
panels: dict[str, dict[str, Any]] = {}


async def broadcast(members: set[Websocket], message: str | bytes) -> None:
    for member in list(members):
        try:
            await member.send(message)
        except (SanicException, RequestCancelled):  # it left while we were sending
            members.discard(member)


@app.get("/healthz")
async def healthz(request: Request) -> HTTPResponse:
    return text("ok")


@app.websocket("/echo")
async def echo(request: Request, websocket: Websocket) -> None:
    async for message in websocket:
        await websocket.send(message)


@app.websocket("/room/<name>")
async def room(request: Request, websocket: Websocket, name: str) -> None:
    members = rooms[name]
    members.add(websocket)
    try:
        async for message in websocket:
            await broadcast(members, message)
    finally:
        members.discard(websocket)
        if not members:
            rooms.pop(name, None)


@app.post("/publish/<name>")
async def post_to_room(request: Request, name: str) -> HTTPResponse:
    await broadcast(rooms.get(name, set()), request.body.decode())
    return empty()


@app.websocket("/dashboard")
async def dashboard(request: Request, websocket: Websocket) -> None:
    viewers.add(websocket)
    try:
        async for message in websocket:
            await websocket.send(json.dumps(apply(json.loads(message))))
    except (ValueError, KeyError, TypeError):
        await websocket.close(1007, "not a panel update")
    finally:
        viewers.discard(websocket)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


@app.get("/events")
async def events(request: Request) -> None:
    response = await request.respond(content_type="text/event-stream", headers={"Cache-Control": "no-cache"})
    await response.send("")  # the headers go out now, not with the first event
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    streams.add(queue)
    try:
        while snapshot := await queue.get():
            await response.send(f"data: {snapshot}\n\n")
        await response.eof()
    finally:
        streams.discard(queue)


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


@app.get("/stream/events")
async def stream_events(request: Request) -> None:
    response = await request.respond(content_type="text/event-stream", headers={"Cache-Control": "no-cache"})
    async for chunk in chunks_of(int(request.args.get("chunks")), float(request.args.get("per_s"))):
        await response.send(f"data: {chunk}\n\n")
    await response.eof()


@app.websocket("/stream")
async def stream(request: Request, websocket: Websocket) -> None:
    async for message in websocket:
        asked = json.loads(message)
        async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
            await websocket.send(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@app.websocket("/work")
async def work_in_thread(request: Request, websocket: Websocket) -> None:
    async for words in websocket:
        await asyncio.to_thread(work)
        await websocket.send(words)


@app.websocket("/work-inline")
async def work_inline(request: Request, websocket: Websocket) -> None:
    """The mistake: nobody else is served while it works."""
    async for words in websocket:
        work()
        await websocket.send(words)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


private = Blueprint("private")


@private.on_request
async def check_session(request: Request) -> None:
    """Runs ahead of the handshake; a handler runs after it."""
    request.ctx.user = await asyncio.to_thread(user_of, request.cookies.get("session"))
    if request.ctx.user is None:
        raise Unauthorized("no session")


@private.websocket("/session")
async def session(request: Request, websocket: Websocket) -> None:
    async for _ in websocket:
        await websocket.send(request.ctx.user)


app.blueprint(private)


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        snapshot = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
        for stream in streams:
            stream.put_nowait(snapshot)
        await broadcast(viewers, snapshot)


@app.after_server_start
async def start_pushing(app: Sanic) -> None:
    app.ctx.pusher = asyncio.create_task(push_snapshots())


@app.before_server_stop
async def stop_pushing(app: Sanic) -> None:
    app.ctx.pusher.cancel()
    for stream in streams:
        stream.put_nowait(None)  # ends the response
