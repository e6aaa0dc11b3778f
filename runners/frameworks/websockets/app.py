"""Echo, chat rooms and a live dashboard with the websockets library alone."""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

rooms: defaultdict[str, set[ServerConnection]] = defaultdict(set)
viewers: set[ServerConnection] = set()
panels: dict[str, dict[str, Any]] = {}


async def echo(websocket: ServerConnection) -> None:
    async for message in websocket:
        await websocket.send(message)


async def room(websocket: ServerConnection, name: str) -> None:
    members = rooms[name]
    members.add(websocket)
    try:
        async for message in websocket:
            broadcast(members, message)
    finally:
        members.discard(websocket)
        if not members:
            rooms.pop(name, None)


async def dashboard(websocket: ServerConnection) -> None:
    viewers.add(websocket)
    try:
        async for message in websocket:
            await websocket.send(json.dumps(apply(json.loads(message))))
    except (ValueError, KeyError, TypeError):
        await websocket.close(CloseCode.INVALID_DATA, "not a panel update")
    finally:
        viewers.discard(websocket)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


async def stream(websocket: ServerConnection) -> None:
    async for message in websocket:
        asked = json.loads(message)
        async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
            await websocket.send(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


async def work_in_thread(websocket: ServerConnection) -> None:
    async for text in websocket:
        await asyncio.to_thread(work)
        await websocket.send(text)


async def work_inline(websocket: ServerConnection) -> None:
    """The mistake: nobody else is served while it works."""
    async for text in websocket:
        work()
        await websocket.send(text)


def user_of(token: str) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


async def refuse_strangers(connection: ServerConnection, request: Request) -> Response | None:
    """Before the handshake of `/session`: a connection with a session keeps the name of its user."""
    cookies = SimpleCookie(request.headers.get("Cookie", ""))
    user = await asyncio.to_thread(user_of, cookies["session"].value) if "session" in cookies else None
    if user is None:
        return connection.respond(HTTPStatus.UNAUTHORIZED, "no session\n")
    connection.username = user
    return None


async def session(websocket: ServerConnection) -> None:
    async for _ in websocket:
        await websocket.send(websocket.username)


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        broadcast(viewers, json.dumps({"type": "snapshot", "seq": seq, "panels": panels}))


async def route(websocket: ServerConnection) -> None:
    with suppress(ConnectionClosed):  # a client that vanishes is no failure of ours
        match websocket.request.path.split("/"):
            case ["", "echo"]:
                await echo(websocket)
            case ["", "room", name]:
                await room(websocket, name)
            case ["", "dashboard"]:
                await dashboard(websocket)
            case ["", "stream"]:
                await stream(websocket)
            case ["", "work"]:
                await work_in_thread(websocket)
            case ["", "work-inline"]:
                await work_inline(websocket)
            case ["", "session"]:
                await session(websocket)


def answer_http(connection: ServerConnection, request: Request) -> Response | Awaitable[Response | None] | None:
    """Plain HTTP before the handshake; ``None`` lets the handshake go on, and what takes time is awaited."""
    if request.path == "/healthz":
        return connection.respond(HTTPStatus.OK, "ok\n")
    if request.path == "/session":
        return refuse_strangers(connection, request)
    if request.path in ("/echo", "/dashboard", "/stream", "/work", "/work-inline") or request.path.startswith("/room/"):
        return None
    return connection.respond(HTTPStatus.NOT_FOUND, "no such path\n")


def start(handler: Callable[[ServerConnection], Awaitable[None]] = route, **options: Any) -> serve:
    # One second, so that a client that no longer answers does not hold up the shutdown.
    return serve(handler, process_request=answer_http, close_timeout=1, **options)


def tls_of(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    return context


async def main(handler: Callable[[ServerConnection], Awaitable[None]] = route, **options: Any) -> None:
    server: Server
    async with start(handler, **options) as server:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.close)
        pusher = asyncio.create_task(push_snapshots())
        await server.wait_closed()
        pusher.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    for _ in range(arguments.workers - 1):
        if os.fork() == 0:
            break
    asyncio.run(main(host=arguments.host, port=arguments.port, ssl=tls_of(arguments), reuse_port=arguments.workers > 1))
