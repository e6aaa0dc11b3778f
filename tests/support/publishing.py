"""A server of rooms that publishes what is posted to it, and misbehaves on purpose: aiohttp in a thread."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

from aiohttp import web

from tests.support.servers import server_context

PostHabit = Literal[
    "honest", "twice", "forgets", "leaks", "refuses", "closes", "drops", "hangs", "babbles", "trails", "loses"
]
"""``twice``: sends each text two times. ``forgets``: the last member gets none. ``leaks``: other rooms get it too.
``refuses``: answers 503 and sends nothing. ``closes``: ends the connection after each answer. ``drops``: ends it
without an answer. ``hangs``: sends the text and never answers. ``babbles``: sends something else as well. ``trails``:
sends to the last member `TRAILS_S` later. ``loses``: one member gets none, another one each time."""
TRAILS_S = 0.012
POST_HABITS: tuple[PostHabit, ...] = get_args(PostHabit)


@dataclass
class PostServer:
    """``address``: host and port. ``posted``: the texts of all requests. ``ports``: of the clients that posted them."""

    address: str = ""
    posted: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)


@contextmanager
def serving_posts(habit: PostHabit = "honest", *, tls: bool = False) -> Iterator[PostServer]:
    """A running server; ``tls``: a client must trust `CERTIFICATE`."""
    served = PostServer()
    loop, chance = asyncio.new_event_loop(), random.Random(7)
    rooms: defaultdict[str, list[web.WebSocketResponse]] = defaultdict(list)

    async def tell(room: str, text: str, *, posted: bool) -> None:
        members = list(rooms[room])
        if posted and habit == "forgets":
            members = members[:-1]
        if posted and habit == "loses":
            members.remove(chance.choice(members))
        if posted and habit == "leaks":
            members = [member for others in rooms.values() for member in others]
        texts = {"twice": [text, text], "babbles": [text, "something else"]}.get(habit if posted else "", [text])
        for member in members:
            if posted and habit == "trails" and member is members[-1]:
                await asyncio.sleep(TRAILS_S)
            for one in texts:
                await member.send_str(one)

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def enter(request: web.Request) -> web.WebSocketResponse:
        socket, room = web.WebSocketResponse(), request.match_info["room"]
        await socket.prepare(request)
        rooms[room].append(socket)
        try:
            async for message in socket:
                await tell(room, message.data, posted=False)
        finally:
            rooms[room].remove(socket)
        return socket

    async def publish(request: web.Request) -> web.StreamResponse:
        served.posted.append(await request.text())
        served.ports.add(request.get_extra_info("peername")[1])
        if habit == "refuses":
            return web.Response(status=503, text="the queue is full")
        if habit == "drops":
            assert request.transport is not None
            request.transport.close()
        else:
            await tell(request.match_info["room"], await request.text(), posted=True)
        if habit == "hangs":
            await asyncio.sleep(3600)
        response = web.Response(status=202)
        if habit == "closes":
            response.force_close()
        return response

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/healthz", healthz)
        app.router.add_get("/room/{room}", enter)
        app.router.add_post("/publish/{room}", publish)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context() if tls else None).start()
        return runner

    async def stop(runner: web.AppRunner) -> None:
        await runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, name="post-server")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        served.address = f"127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield served
        finally:
            asyncio.run_coroutine_threadsafe(stop(runner), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
