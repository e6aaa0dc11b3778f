"""Echo, chat rooms and a live dashboard with python-socketio, as an ASGI application."""

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from http.cookies import SimpleCookie
from typing import Any

import socketio

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

# By default 1,000,000: less than a message of 1 MiB, to which base64 adds a third when it is binary and polled.
MAX_MESSAGE_BYTES = 2 * 1024 * 1024

POSTS = "/publish/"

sio = socketio.AsyncServer(
    async_mode=os.environ.get("ASYNC_MODE", "asgi"),
    serializer=os.environ.get("SERIALIZER", "default"),
    max_http_buffer_size=MAX_MESSAGE_BYTES,
)
panels: dict[str, dict[str, Any]] = {}
asking: set[str] = set()


@sio.event
async def echo(sid: str, data: str | bytes) -> str | bytes:
    return data


@sio.event
async def join(sid: str, room: str) -> None:
    await sio.enter_room(sid, room)


@sio.event
async def publish(sid: str, message: dict[str, str]) -> None:
    await sio.emit("message", message["text"], to=message["room"])


@sio.event
async def update(sid: str, data: dict[str, Any]) -> dict[str, Any]:
    try:
        name, value, client, seq = data["panel"], data["value"], data["client"], data["seq"]
    except (KeyError, TypeError):
        return {"error": "not a panel update"}
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"panel": name, **panel, "client": client, "seq": seq}


@sio.event
async def stream(sid: str, asked: dict[str, Any]) -> None:
    asking.add(sid)
    begun = time.monotonic()
    for seq in range(asked["chunks"]):
        await sio.sleep(begun + seq / asked["per_s"] - time.monotonic())
        if sid not in asking:  # the client cancelled
            return
        await sio.emit("chunk", {"seq": seq, "text": "a few words "}, to=sid)


@sio.event
async def disconnect(sid: str, reason: str) -> None:
    asking.discard(sid)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@sio.on("work")
async def work_in_thread(sid: str, text: str) -> str:
    await asyncio.to_thread(work)
    return text


@sio.event
async def work_inline(sid: str, text: str) -> str:
    """The mistake: nobody else is served while it works."""
    work()
    return text


def user_of(token: str) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


@sio.on("connect", namespace="/session")
async def enter(sid: str, environ: dict[str, Any], auth: Any) -> None:
    cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    user = await asyncio.to_thread(user_of, cookies["session"].value) if "session" in cookies else None
    if user is None:
        raise socketio.exceptions.ConnectionRefusedError("no session")
    await sio.save_session(sid, {"user": user}, namespace="/session")


@sio.on("whoami", namespace="/session")
async def whoami(sid: str) -> str:
    return (await sio.get_session(sid, namespace="/session"))["user"]


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await sio.sleep(due - time.monotonic())
        seq += 1
        # Every process has panels and a beat of its own, and pushes them past Redis to its own clients only.
        await sio.emit("snapshot", {"seq": seq, "panels": panels}, to="dashboard", ignore_queue=True)


async def start() -> None:
    sio.start_background_task(push_snapshots)


async def post_to_room(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Publish the body of a request to the room that its path names."""
    body, has_more = b"", True
    while has_more:
        part = await receive()
        body += part.get("body", b"")
        has_more = part.get("more_body", False)
    await sio.emit("message", body.decode(), to=scope["path"].removeprefix(POSTS))
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def healthz(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """What is not Socket.IO: any other ASGI application would stand here."""
    if scope["path"].startswith(POSTS) and scope["method"] == "POST":
        await post_to_room(scope, receive, send)
        return
    status = 200 if scope["path"] == "/healthz" else 404
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"ok" if status == 200 else b"not found"})


app = socketio.ASGIApp(sio, healthz, on_startup=start)
