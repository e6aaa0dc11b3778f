"""Echo, chat rooms and a live dashboard with socketify: uWebSockets and its topics, from Python."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from typing import Any
from uuid import uuid4

from socketify import App, OpCode

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")
LIMIT = 16 * 1024 * 1024  # bytes, for a message and for what waits to be read

streams: set[Any] = set()
posts: set[Any] = set()
panels: dict[str, dict[str, Any]] = {}
tasks: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)


def echo(ws: Any, message: str | bytes, opcode: OpCode) -> None:
    ws.send(message, opcode)


def enter_room(res: Any, req: Any, context: Any) -> None:
    """The handshake: only here is the path known, so the connection keeps its topic as user data."""
    key, protocol, extensions = (req.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions"))
    res.upgrade(key, protocol, extensions, context, f"room/{req.get_parameter(0)}")


def join_room(ws: Any) -> None:
    ws.subscribe(ws.get_user_data())


def watch_dashboard(ws: Any) -> None:
    ws.subscribe("dashboard")


async def body_of(res: Any) -> str | None:
    """The text that a request brings; none if its client left. socketify does not keep the response alive meanwhile."""
    posts.add(res)
    body = await res.get_data()
    posts.discard(res)
    return None if res.aborted else body.getvalue().decode()


def update_panel(ws: Any, message: str | bytes, opcode: OpCode) -> None:
    try:
        ws.send(json.dumps(apply(json.loads(message))), OpCode.TEXT)
    except (ValueError, KeyError, TypeError):
        ws.end(1007, "not a panel update")


def leave(ws: Any, code: int, message: bytes | None) -> None:
    """Topics forget a connection by themselves, but its user data is freed only where there is a close handler."""


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


def events(res: Any, req: Any) -> None:
    res.write_header("Content-Type", "text/event-stream")
    res.on_aborted(streams.discard)
    streams.add(res)


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


def stream_events(res: Any, req: Any) -> None:
    chunks = chunks_of(int(req.get_query("chunks")), float(req.get_query("per_s")))
    res.write_header("Content-Type", "text/event-stream")
    res.run_async(write_events(res, chunks))


async def write_events(res: Any, chunks: AsyncIterator[str]) -> None:
    async for chunk in chunks:
        if res.aborted:  # the client cancelled
            return
        event = f"data: {chunk}\n\n"
        res.cork(lambda res, event=event: res.write(event))
    res.cork(lambda res: res.end(""))


def enter_stream(res: Any, req: Any, context: Any) -> None:
    """Each connection has a topic of its own. To publish there is safe after the client has left."""
    key, protocol, extensions = (req.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions"))
    res.upgrade(key, protocol, extensions, context, f"stream/{uuid4()}")


async def stream(app: App, topic: str, chunks: int, per_s: float) -> None:
    async for chunk in chunks_of(chunks, per_s):
        app.publish(topic, chunk, OpCode.TEXT)


def leave_stream(ws: Any, code: int, message: bytes | None) -> None:
    """The client cancelled: what still streams to it ends."""
    for task in tasks.pop(ws.get_user_data(), ()):
        task.cancel()


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


def enter_work(res: Any, req: Any, context: Any) -> None:
    """A topic for each connection, as for streams: the client may leave while a thread works for it."""
    key, protocol, extensions = (req.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions"))
    res.upgrade(key, protocol, extensions, context, f"work/{uuid4()}")


async def work_in_thread(app: App, topic: str, message: str | bytes, opcode: OpCode) -> None:
    await asyncio.to_thread(work)
    app.publish(topic, message, opcode)


def work_inline(ws: Any, text: str | bytes, opcode: OpCode) -> None:
    """The mistake: nobody else is served while it works."""
    work()
    ws.send(text, opcode)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


async def enter_session(res: Any, req: Any, context: Any) -> None:
    """What is read of the request is read at once: it is gone after the first `await`."""
    key, protocol, extensions = (req.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions"))
    user = await asyncio.to_thread(user_of, req.get_cookie("session"))
    if user is None:
        res.cork(lambda res: res.write_status(401).end("no session"))
    else:
        res.cork(lambda res: res.upgrade(key, protocol, extensions, context, user))


def tell_user(ws: Any, message: str | bytes, opcode: OpCode) -> None:
    ws.send(ws.get_user_data(), OpCode.TEXT)


def push(app: App, snapshot: str) -> None:
    app.publish("dashboard", snapshot, OpCode.TEXT)
    for stream in list(streams):
        stream.cork(lambda res: res.write(f"data: {snapshot}\n\n"))


async def push_snapshots(app: App) -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        push(app, json.dumps({"type": "snapshot", "seq": seq, "panels": panels}))


common = {
    "max_payload_length": LIMIT,
    "max_backpressure": LIMIT,
    "idle_timeout": 12,
    "send_pings_automatically": True,
    "close": leave,
}


def serve(app: App, room: dict[str, Any]) -> None:
    def ask(ws: Any, message: str | bytes, opcode: OpCode) -> None:
        topic = ws.get_user_data()
        tasks[topic].add(app.loop.ensure_future(stream(app, topic, **json.loads(message))))

    def start_work(ws: Any, message: str | bytes, opcode: OpCode) -> None:
        app.loop.run_async(work_in_thread(app, ws.get_user_data(), message, opcode))

    app.get("/healthz", lambda res, req: res.end("ok"))
    app.get("/events", events)
    app.get("/stream/events", stream_events)
    app.ws("/echo", {**common, "message": echo})
    app.ws("/room/:name", room)
    app.ws("/dashboard", {**common, "open": watch_dashboard, "message": update_panel})
    streaming = {"upgrade": enter_stream, "open": join_room, "message": ask, "close": leave_stream}
    app.ws("/stream", {**common, **streaming})
    app.ws("/work", {**common, "upgrade": enter_work, "open": join_room, "message": start_work})
    app.ws("/work-inline", {**common, "message": work_inline})
    app.ws("/session", {**common, "upgrade": enter_session, "message": tell_user})
    app.loop.create_background_task(partial(push_snapshots, app))


def run(app: App) -> None:
    """What the command line calls in each of its processes."""

    def speak(ws: Any, message: str | bytes, opcode: OpCode) -> None:
        app.publish(ws.get_user_data(), message, opcode)

    async def post_to_room(res: Any, req: Any) -> None:
        topic = f"room/{req.get_parameter(0)}"
        text = await body_of(res)
        if text is not None:
            app.publish(topic, text, OpCode.TEXT)
            res.cork(lambda res: res.write_status(204).end_without_body())

    app.post("/publish/:name", post_to_room)
    serve(app, {**common, "upgrade": enter_room, "open": join_room, "message": speak})
