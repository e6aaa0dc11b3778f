"""Echo, chat rooms and a live dashboard with Flask-SocketIO."""

import os

ASYNC_MODE = os.environ.get("ASYNC_MODE", "threading")

# Green threads replace the standard library's blocking calls, before anything imports those.
if ASYNC_MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()
elif ASYNC_MODE == "eventlet":
    import eventlet

    eventlet.monkey_patch()

import argparse
import logging
import time
from threading import Lock
from typing import Any

from flask import Flask
from flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
# By default 1,000,000: less than a message of 1 MiB, to which base64 adds a third when it is binary and polled.
socketio = SocketIO(
    app, async_mode=ASYNC_MODE, message_queue=os.environ.get("REDIS_URL"), max_http_buffer_size=2 * 1024 * 1024
)
panels: dict[str, dict[str, Any]] = {}
panels_lock = Lock()


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
    with panels_lock:
        panel = panels.setdefault(name, {"value": value, "updates": 0})
        panel["value"] = value
        panel["updates"] += 1
        return {"panel": name, **panel, "client": client, "seq": seq}


def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += 1.0
        socketio.sleep(max(0.0, due - time.monotonic()))
        seq += 1
        with panels_lock:
            snapshot = {name: dict(panel) for name, panel in panels.items()}
        socketio.emit("snapshot", {"seq": seq, "panels": snapshot}, to="dashboard")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()

    assert socketio.async_mode == ASYNC_MODE, f"wanted {ASYNC_MODE}, got {socketio.async_mode}"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    options = {"allow_unsafe_werkzeug": True} if ASYNC_MODE == "threading" else {}
    socketio.start_background_task(push_snapshots)
    socketio.run(app, host=arguments.host, port=arguments.port, **options)
