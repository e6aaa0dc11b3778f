"""A server of streams that misbehaves on purpose, over all three protocols: aiohttp and python-socketio in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import socketio
from aiohttp import web

Habit = Literal["honest", "late", "clumps", "cuts", "refuses", "skips", "stalls", "waits", "talks"]
"""``late``: each chunk by `LATE_S`. ``clumps``: chunks in groups of `CLUMP`. ``cuts``: ends each stream halfway.
``refuses``: answers 503, or closes. ``skips``: leaves out every tenth chunk's number. ``stalls``: the first `STALLED`
streams by `STALL_S`. ``waits``: one stream at a time. ``talks``: one chunk more than was asked for."""

LATE_S = 0.2
STALL_S = 1.5
STALLED = 3
CLUMP = 5
PING_EVERY_S = 0.2


@dataclass
class StreamServer:
    """Counts streams. ``address``: host and port."""

    address: str = ""
    begun: int = 0
    left: int = 0
    """Streams that ended because their client had left."""
    running: int = 0


class _Streams:
    def __init__(self, habit: Habit) -> None:
        self.habit = habit
        self.served = StreamServer()
        self._turn = asyncio.Lock()

    async def chunks(self, chunks: int, per_s: float) -> AsyncGenerator[list[dict[str, Any]]]:
        """Groups of chunks that are sent together."""
        self.served.begun += 1
        self.served.running += 1
        ended = False
        try:
            async with self._turn if self.habit == "waits" else contextlib.nullcontext():
                loop = asyncio.get_running_loop()
                begun = loop.time() + self._late_s()
                held: list[dict[str, Any]] = []
                for seq in range(chunks // 2 if self.habit == "cuts" else chunks):
                    await asyncio.sleep(begun + seq / per_s - loop.time())
                    number = seq + 1 if self.habit == "skips" and seq % 10 == 9 else seq
                    held.append({"seq": number, "text": "word "})
                    if self.habit != "clumps" or len(held) == CLUMP or seq == chunks - 1:
                        yield held
                        held = []
                if self.habit == "talks":
                    yield [{"seq": chunks, "text": "and more"}]
            ended = True
        finally:
            self.served.running -= 1
            self.served.left += not ended

    def _late_s(self) -> float:
        if self.habit == "stalls":
            return STALL_S if self.served.begun <= STALLED else 0.0
        return LATE_S if self.habit == "late" else 0.0

    async def over_sse(self, request: web.Request) -> web.StreamResponse:
        if self.habit == "refuses":
            return web.Response(status=503, text="too many streams")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        found = self.chunks(int(request.query["chunks"]), float(request.query["per_s"]))
        with contextlib.suppress(ConnectionError):
            async with contextlib.aclosing(found):
                async for group in found:
                    await response.write("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in group).encode())
        return response

    async def over_websocket(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        with contextlib.suppress(ConnectionError):
            async for message in websocket:
                if self.habit == "refuses":
                    await websocket.close(code=1013)
                    break
                found = self.chunks(**json.loads(message.data))
                async with contextlib.aclosing(found):
                    async for group in found:
                        for chunk in group:
                            await websocket.send_json(chunk)
                if self.habit == "cuts":
                    await websocket.close(code=1011)
        return websocket

    def over_socket_io(self) -> socketio.AsyncServer:
        sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=PING_EVERY_S)
        present: set[str] = set()

        @sio.event  # type: ignore[untyped-decorator]
        async def stream(sid: str, asked: dict[str, Any]) -> None:
            present.add(sid)
            if self.habit == "refuses":
                await sio.disconnect(sid)
                return
            found = self.chunks(**asked)
            async with contextlib.aclosing(found):
                async for group in found:
                    if sid not in present:
                        return
                    for chunk in group:
                        await sio.emit("chunk", chunk, to=sid)
            if self.habit == "cuts":
                await sio.disconnect(sid)

        @sio.event  # type: ignore[untyped-decorator]
        async def disconnect(sid: str, reason: str) -> None:
            present.discard(sid)

        return sio


@contextmanager
def serving_streams(habit: Habit = "honest") -> Iterator[StreamServer]:
    """A running server."""
    streams = _Streams(habit)
    loop = asyncio.new_event_loop()

    sio = streams.over_socket_io()

    async def stop(runner: web.AppRunner) -> None:
        assert runner.server is not None
        transports = [one.transport for one in runner.server.connections if one.transport is not None]
        await sio.shutdown()
        await runner.cleanup()
        for transport in transports:
            transport.abort()  # one that still had something to send would be left to the garbage collector
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # in which the sockets of aborted transports are closed

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/stream", streams.over_websocket)
        app.router.add_get("/stream/events", streams.over_sse)
        sio.attach(app)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        host, port = runner.addresses[0][:2]
        streams.served.address = f"{host}:{port}"
        return runner

    thread = threading.Thread(target=loop.run_forever, name="stream-server")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield streams.served
        finally:
            asyncio.run_coroutine_threadsafe(stop(runner), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
