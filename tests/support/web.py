"""A server for Socket.IO over long-polling and msgpack, and for event streams: aiohttp in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import socketio
from aiohttp import web

from tests.support.servers import server_context

BEAT_S = 0.1
"""Seconds between two snapshots of the event stream."""


@dataclass
class WebServer:
    """Counts received messages. ``url``: address for Socket.IO. ``events``: address of the event stream."""

    url: str = ""
    events: str = ""
    received: int = 0
    requests: list[str] = field(default_factory=list)
    """The methods of all requests to Socket.IO."""
    cookies: set[str] = field(default_factory=set)
    """The field Cookie of all requests."""
    ports: set[int] = field(default_factory=set)
    """The clients' ports of all connections that requests to Socket.IO came from."""


@contextmanager
def serving_web(
    *,
    serializer: str = "default",
    answer: Callable[[Any], Any] = lambda data: data,
    keeps_alive: bool = True,
    ends_after: int = 0,
    namespace: str = "/",
    event: str = "echo",
    token: Any = None,
    emits: bool = False,
    disconnects: bool = False,
    tls: bool = False,
) -> Iterator[WebServer]:
    """A running server.

    ``ends_after``: the number of snapshots after which the stream ends. ``event``: the name of the event that is
    answered in the ``namespace``. ``token``: what the ``auth`` of a client must have. ``emits``: answer by an event
    too, and acknowledge without data. ``disconnects``: disconnect a client instead of answering. ``tls``: a client
    must trust `CERTIFICATE`.
    """
    served = WebServer()
    loop = asyncio.new_event_loop()
    sio = socketio.AsyncServer(async_mode="aiohttp", serializer=serializer, max_http_buffer_size=2**22)

    async def connect(sid: str, environ: Any, auth: Any = None) -> None:
        if token is not None and (auth or {}).get("token") != token:
            raise socketio.exceptions.ConnectionRefusedError("no token")

    async def echo(sid: str, data: Any) -> Any:
        served.received += 1
        if disconnects:
            await sio.disconnect(sid, namespace=namespace)
        if emits:
            await sio.emit(event, answer(data), to=sid, namespace=namespace)
            return None
        return answer(data)

    async def join(sid: str, room: str) -> None:
        await sio.enter_room(sid, room)

    async def publish(sid: str, message: dict[str, str]) -> None:
        served.received += 1
        await sio.emit("message", answer(message["text"]), to=message["room"])

    async def update(sid: str, data: dict[str, Any]) -> dict[str, Any]:
        served.received += 1
        return {**data, "updates": served.received}

    sio.on("connect", connect, namespace=namespace)
    sio.on(event, echo, namespace=namespace)
    sio.on("join", join)
    sio.on("publish", publish)
    sio.on("update", update)

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        number = 0
        while not ends_after or number < ends_after:
            number += 1
            text = f'data: {{"type": "snapshot", "seq": {number}, "panels": {{}}}}\r\n\r\n: a comment\n\n'
            # Sent in two pieces, so that a client also receives incomplete events.
            for piece in (text[:20], text[20:]):
                await response.write(piece.encode())
            await asyncio.sleep(BEAT_S)
        return response

    async def post_to_room(request: web.Request) -> web.Response:
        await sio.emit("message", await request.text(), to=request.match_info["room"])
        return web.Response(status=204)

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        served.cookies.add(request.headers.get("Cookie", ""))
        if request.path.startswith("/socket.io"):
            served.requests.append(request.method)
            served.ports.add(request.get_extra_info("peername")[1])
            await request.content.wait_eof()
        response: web.StreamResponse = await handler(request)
        if not keeps_alive:
            response.force_close()
        return response

    async def start() -> web.AppRunner:
        app = web.Application(middlewares=[note])
        app.router.add_get("/events", events)
        app.router.add_post("/publish/{room}", post_to_room)
        sio.attach(app)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, read_bufsize=2**22)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context() if tls else None).start()
        return runner

    async def stop(runner: web.AppRunner) -> None:
        await sio.shutdown()
        await runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, name="web-server")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        place = f"127.0.0.1:{runner.addresses[0][1]}"
        scheme = "wss" if tls else "ws"
        served.url, served.events = f"{scheme}://{place}/", f"{scheme}://{place}/events"
        try:
            yield served
        finally:
            asyncio.run_coroutine_threadsafe(stop(runner), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
