"""Echo, chat rooms and a live dashboard with socketify: uWebSockets and its topics, from Python."""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import uuid4

from socketify import App, OpCode

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
LIMIT = 16 * 1024 * 1024  # bytes, for a message and for what waits to be read

streams: set[Any] = set()
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

    app.get("/healthz", lambda res, req: res.end("ok"))
    app.get("/events", events)
    app.get("/stream/events", stream_events)
    app.ws("/echo", {**common, "message": echo})
    app.ws("/room/:name", room)
    app.ws("/dashboard", {**common, "open": watch_dashboard, "message": update_panel})
    streaming = {"upgrade": enter_stream, "open": join_room, "message": ask, "close": leave_stream}
    app.ws("/stream", {**common, **streaming})
    app.loop.create_background_task(partial(push_snapshots, app))


def run(app: App) -> None:
    """What the command line calls in each of its processes."""

    def speak(ws: Any, message: str | bytes, opcode: OpCode) -> None:
        app.publish(ws.get_user_data(), message, opcode)

    serve(app, {**common, "upgrade": enter_room, "open": join_room, "message": speak})
