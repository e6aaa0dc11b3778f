"""Echo, chat rooms and a live dashboard with Flask-SocketIO."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from queue import Queue
from threading import Lock
from typing import Any

from flask import Flask, Response, request, session
from flask_socketio import ConnectionRefusedError, SocketIO, emit, join_room  # noqa: A004

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

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


@app.post("/publish/<room>")
def post_to_room(room: str) -> tuple[str, int]:
    socketio.emit("message", request.get_data(as_text=True), to=room)
    return "", 204


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


@socketio.on("work_inline")
@socketio.on("work")
def work(text: str) -> str:
    """Work that blocks its thread or greenlet, which no other event shares: there is no other way to do it."""
    time.sleep(WORK_S)
    return text


def user_of(token: str) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


@socketio.on("connect", namespace="/session")
def enter() -> None:
    user = user_of(request.cookies.get("session", ""))
    if user is None:
        raise ConnectionRefusedError("no session")
    session["user"] = user


@socketio.on("whoami", namespace="/session")
def whoami() -> str:
    return str(session["user"])


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
