"""Echo, chat rooms and a live dashboard with Flask-Sock: WebSocket in plain, blocking Flask."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from queue import Queue
from threading import Lock, Thread
from typing import Any

from flask import Flask, Response, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from wsproto.utilities import LocalProtocolError

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))


class Member:
    """A connection that any thread may write to."""

    def __init__(self, ws: Server) -> None:
        self.ws = ws
        self.lock = Lock()

    def send(self, message: str | bytes) -> None:
        with self.lock:
            self.ws.send(message)

    def close(self, code: int, reason: str) -> None:
        with self.lock:
            self.ws.close(code, reason)


app = Flask(__name__)
sock = Sock(app)
rooms: defaultdict[str, set[Member]] = defaultdict(set)
viewers: set[Member] = set()
streams: set[Queue[str]] = set()
panels: dict[str, dict[str, Any]] = {}
lock = Lock()  # for all of these


def broadcast(members: set[Member], message: str | bytes) -> None:
    with lock:
        present = list(members)
    for member in present:
        with suppress(ConnectionClosed, LocalProtocolError, OSError):  # it left: its own handler takes it out
            member.send(message)


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@sock.route("/echo")
def echo(ws: Server) -> None:
    while True:
        ws.send(ws.receive())


@sock.route("/room/<name>")
def room(ws: Server, name: str) -> None:
    member = Member(ws)
    with lock:
        members = rooms[name]
        members.add(member)
    try:
        while True:
            broadcast(members, ws.receive())
    finally:
        with lock:
            members.discard(member)
            if not members:
                rooms.pop(name, None)


@sock.route("/dashboard")
def dashboard(ws: Server) -> None:
    viewer = Member(ws)
    with lock:
        viewers.add(viewer)
    try:
        while True:
            viewer.send(json.dumps(apply(json.loads(ws.receive()))))
    except (ValueError, KeyError, TypeError):
        viewer.close(1007, "not a panel update")
    finally:
        with lock:
            viewers.discard(viewer)


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


def chunks_of(chunks: int, per_s: float) -> Iterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        time.sleep(max(0.0, begun + seq / per_s - time.monotonic()))
        yield json.dumps({"seq": seq, "text": "a few words "})


@app.get("/stream/events")
def stream_events() -> Response:
    chunks = chunks_of(int(request.args["chunks"]), float(request.args["per_s"]))
    return Response((f"data: {chunk}\n\n" for chunk in chunks), content_type="text/event-stream")


@sock.route("/stream")
def stream(ws: Server) -> None:
    while True:
        asked = json.loads(ws.receive())
        for chunk in chunks_of(asked["chunks"], asked["per_s"]):
            ws.send(chunk)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    with lock:
        panel = panels.setdefault(name, {"value": value, "updates": 0})
        panel["value"] = value
        panel["updates"] += 1
        return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        time.sleep(max(0.0, due - time.monotonic()))
        seq += 1
        with lock:
            snapshot = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
            for queue in streams:
                queue.put(snapshot)
        broadcast(viewers, snapshot)


Thread(target=push_snapshots, daemon=True).start()
