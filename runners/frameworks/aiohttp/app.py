"""Echo, chat rooms, a live dashboard and an event stream with aiohttp."""

import argparse
import asyncio
import json
import os
import sqlite3
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import closing, suppress
from typing import Any
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMsgType, web

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

Members = set[web.WebSocketResponse]

# What the handlers share belongs to the application: aiohttp advises against globals.
sockets = web.AppKey("sockets", WeakSet[web.WebSocketResponse])
rooms = web.AppKey("rooms", defaultdict[str, Members])
viewers = web.AppKey("viewers", Members)
streams = web.AppKey("streams", set[asyncio.Queue[str | None]])
panels = web.AppKey("panels", dict[str, dict[str, Any]])

routes = web.RouteTableDef()


async def accept(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    request.app[sockets].add(websocket)
    return websocket


async def broadcast(members: Members, text: str) -> None:
    for member in list(members):
        with suppress(ConnectionError):  # it left while we were sending
            await member.send_str(text)


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


@routes.get("/echo")
async def echo(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    with suppress(ConnectionError):  # a client that vanishes is no failure of ours
        async for message in websocket:
            if message.type is WSMsgType.TEXT:
                await websocket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await websocket.send_bytes(message.data)
    return websocket


@routes.get("/room/{name}")
async def room(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    name = request.match_info["name"]
    members = request.app[rooms][name]
    members.add(websocket)
    try:
        async for message in websocket:
            if message.type is WSMsgType.TEXT:
                await broadcast(members, message.data)
    finally:
        members.discard(websocket)
        if not members:
            request.app[rooms].pop(name, None)
    return websocket


@routes.post("/publish/{name}")
async def post_to_room(request: web.Request) -> web.Response:
    await broadcast(request.app[rooms].get(request.match_info["name"], set()), await request.text())
    return web.Response(status=204)


@routes.get("/dashboard")
async def dashboard(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    request.app[viewers].add(websocket)
    try:
        with suppress(ConnectionError):
            async for message in websocket:
                await websocket.send_json(apply(json.loads(message.data), request.app[panels]))
    except (ValueError, KeyError, TypeError):
        await websocket.close(code=WSCloseCode.INVALID_TEXT, message=b"not a panel update")
    finally:
        request.app[viewers].discard(websocket)
    return websocket


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await stream.prepare(request)
    snapshots: asyncio.Queue[str | None] = asyncio.Queue()
    request.app[streams].add(snapshots)
    try:
        with suppress(ConnectionError):
            while text := await snapshots.get():
                await stream.write(f"data: {text}\n\n".encode())
    finally:
        request.app[streams].discard(snapshots)
    return stream


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


@routes.get("/stream/events")
async def stream_events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with suppress(ConnectionError):  # the client cancelled
        async for chunk in chunks_of(int(request.query["chunks"]), float(request.query["per_s"])):
            await response.write(f"data: {chunk}\n\n".encode())
    return response


@routes.get("/stream")
async def stream(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    with suppress(ConnectionError):
        async for message in websocket:
            asked = json.loads(message.data)
            async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
                await websocket.send_str(chunk)
    return websocket


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


@routes.get("/work")
async def work_in_thread(request: web.Request) -> web.WebSocketResponse:
    websocket = await accept(request)
    with suppress(ConnectionError):
        async for received in websocket:
            await asyncio.to_thread(work)
            await websocket.send_str(received.data)
    return websocket


@routes.get("/work-inline")
async def work_inline(request: web.Request) -> web.WebSocketResponse:
    """The mistake: nobody else is served while it works."""
    websocket = await accept(request)
    with suppress(ConnectionError):
        async for received in websocket:
            work()
            await websocket.send_str(received.data)
    return websocket


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


@routes.get("/session")
async def session(request: web.Request) -> web.WebSocketResponse:
    user = await asyncio.to_thread(user_of, request.cookies.get("session"))
    if user is None:
        raise web.HTTPUnauthorized
    websocket = await accept(request)
    with suppress(ConnectionError):
        async for _ in websocket:
            await websocket.send_str(user)
    return websocket


def apply(update: dict[str, Any], board: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = board.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


async def push_snapshots(app: web.Application) -> AsyncIterator[None]:
    async def push() -> None:
        due, seq = time.monotonic(), 0
        while True:
            due += PUSH_PERIOD_S
            await asyncio.sleep(due - time.monotonic())
            seq += 1
            text = json.dumps({"type": "snapshot", "seq": seq, "panels": app[panels]})
            for snapshots in app[streams]:
                snapshots.put_nowait(text)
            await broadcast(app[viewers], text)

    pusher = asyncio.create_task(push())
    yield
    pusher.cancel()
    with suppress(asyncio.CancelledError):
        await pusher


async def say_goodbye(app: web.Application) -> None:
    """End what would keep the server waiting; a client that does not answer gets half a second."""
    for snapshots in app[streams]:
        snapshots.put_nowait(None)
    goodbyes = [websocket.close(code=WSCloseCode.GOING_AWAY) for websocket in app[sockets]]
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*goodbyes), timeout=0.5)


async def make_app(handlers: Iterable[web.AbstractRouteDef] = routes) -> web.Application:
    """A coroutine, because gunicorn's worker takes no other factory."""
    app = web.Application()
    app[sockets] = WeakSet()
    app[rooms] = defaultdict(set)
    app[viewers] = set()
    app[streams] = set()
    app[panels] = {}
    app.add_routes(handlers)
    app.cleanup_ctx.append(push_snapshots)
    app.on_shutdown.append(say_goodbye)
    return app


def tls_of(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    return context


def serve(make_app: Callable[[], Awaitable[web.Application]]) -> None:
    """Serve from several processes that listen on the same port; the kernel gives every connection to one of them."""
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
    is_shared = arguments.workers > 1
    web.run_app(
        make_app(),
        host=arguments.host,
        port=arguments.port,
        ssl_context=tls_of(arguments),
        reuse_port=is_shared,
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    serve(make_app)
