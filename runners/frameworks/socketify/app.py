"""Echo, chat rooms and a live dashboard with socketify: uWebSockets and its topics, from Python."""

import asyncio
import json
import os
import time
from functools import partial
from typing import Any

from socketify import App, OpCode

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
LIMIT = 16 * 1024 * 1024  # bytes, for a message and for what waits to be read

streams: set[Any] = set()
panels: dict[str, dict[str, Any]] = {}


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
    app.get("/healthz", lambda res, req: res.end("ok"))
    app.get("/events", events)
    app.ws("/echo", {**common, "message": echo})
    app.ws("/room/:name", room)
    app.ws("/dashboard", {**common, "open": watch_dashboard, "message": update_panel})
    app.loop.create_background_task(partial(push_snapshots, app))


def run(app: App) -> None:
    """What the command line calls in each of its processes."""

    def speak(ws: Any, message: str | bytes, opcode: OpCode) -> None:
        app.publish(ws.get_user_data(), message, opcode)

    serve(app, {**common, "upgrade": enter_room, "open": join_room, "message": speak})
