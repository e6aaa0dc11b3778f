"""Echo, chat rooms and a live dashboard with Flask-Sock: WebSocket in plain, blocking Flask."""

import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from queue import Queue
from threading import Lock, Thread
from typing import Any

from flask import Blueprint, Flask, Response, abort, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from wsproto.utilities import LocalProtocolError

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")


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


@app.post("/publish/<name>")
def post_to_room(name: str) -> tuple[str, int]:
    broadcast(rooms.get(name, set()), request.get_data(as_text=True))
    return "", 204


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


def work(ws: Server) -> None:
    """Work that blocks its thread or greenlet, which no other client shares: there is no other way to do it."""
    while True:
        message = ws.receive()
        time.sleep(WORK_S)
        ws.send(message)


sock.route("/work")(work)
sock.route("/work-inline", endpoint="work_inline")(work)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


members_only = Blueprint("members_only", __name__)


@members_only.before_request
def check_session() -> None:
    """Before the handshake, which is answered when the view is called."""
    g.user = user_of(request.cookies.get("session"))
    if g.user is None:
        abort(401)


@sock.route("/session", bp=members_only)
def session_user(ws: Server) -> None:
    while True:
        ws.receive()
        ws.send(g.user)


app.register_blueprint(members_only)


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
