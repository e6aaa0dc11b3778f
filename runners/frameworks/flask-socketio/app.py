"""Echo, chat rooms and a live dashboard with Flask-SocketIO."""

import json
import os
import time
from collections.abc import Iterator
from queue import Queue
from threading import Lock
from typing import Any

from flask import Flask, Response
from flask_socketio import SocketIO, emit, join_room

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))

app = Flask(__name__)
# By default 1,000,000: less than a message of 1 MiB, to which base64 adds a third when it is binary and polled.
socketio = SocketIO(
    app, message_queue=os.environ.get("REDIS_URL") or os.environ.get("AMQP_URL"), max_http_buffer_size=2 * 1024 * 1024
)
panels: dict[str, dict[str, Any]] = {}
streams: set[Queue[str]] = set()
lock = Lock()  # for both


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@socketio.on("echo")
def echo(data: str | bytes) -> str | bytes:
    return data


@socketio.on("join")
def join(room: str) -> None:
    join_room(room)


@socketio.on("publish")
def publish(message: dict[str, str]) -> None:
    emit("message", message["text"], to=message["room"])


@socketio.on("update")
def update(data: dict[str, Any]) -> dict[str, Any]:
    try:
        name, value, client, seq = data["panel"], data["value"], data["client"], data["seq"]
    except (KeyError, TypeError):
        return {"error": "not a panel update"}
    with lock:
        panel = panels.setdefault(name, {"value": value, "updates": 0})
        panel["value"] = value
        panel["updates"] += 1
        return {"panel": name, **panel, "client": client, "seq": seq}


@app.get("/events")
def events() -> Response:
    def stream() -> Iterator[str]:
        queue: Queue[str] = Queue()
        with lock:
            streams.add(queue)
        try:
            while True:
                yield f"data: {queue.get()}\n\n"
        finally:
            with lock:
                streams.discard(queue)

    return Response(stream(), content_type="text/event-stream")


def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        socketio.sleep(max(0.0, due - time.monotonic()))
        seq += 1
        with lock:
            snapshot = {name: dict(panel) for name, panel in panels.items()}
            text = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
            for queue in streams:
                queue.put(text)
        socketio.emit("snapshot", {"seq": seq, "panels": snapshot}, to="dashboard")
