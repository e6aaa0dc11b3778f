"""Echo, chat rooms and a live dashboard with Flask-SocketIO."""

import json
import os
import time
from collections.abc import Iterator
from queue import Queue
from threading import Lock
from typing import Any

from flask import Flask, Response, request
from flask_socketio import SocketIO, emit, join_room

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))

app = Flask(__name__)
# By default 1,000,000: less than a message of 1 MiB, to which base64 adds a third when it is binary and polled.
socketio = SocketIO(
    app, message_queue=os.environ.get("REDIS_URL") or os.environ.get("AMQP_URL"), max_http_buffer_size=2 * 1024 * 1024
)
panels: dict[str, dict[str, Any]] = {}
streams: set[Queue[str]] = set()
asking: set[str] = set()
lock = Lock()  # for all of these


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


def chunks_of(chunks: int, per_s: float) -> Iterator[dict[str, Any]]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        socketio.sleep(max(0.0, begun + seq / per_s - time.monotonic()))
        yield {"seq": seq, "text": "a few words "}


@app.get("/stream/events")
def stream_events() -> Response:
    chunks = chunks_of(int(request.args["chunks"]), float(request.args["per_s"]))
    return Response((f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), content_type="text/event-stream")


@socketio.on("stream")
def stream(asked: dict[str, Any]) -> None:
    with lock:
        asking.add(request.sid)
    for chunk in chunks_of(asked["chunks"], asked["per_s"]):
        if request.sid not in asking:  # the client cancelled
            return
        emit("chunk", chunk)


@socketio.on("disconnect")
def leave(reason: str) -> None:
    with lock:
        asking.discard(request.sid)


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
