"""Echo, chat rooms and a live dashboard with Falcon."""

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from typing import Any

from falcon import (
    HTTP_204,
    HTTPUnauthorized,
    PayloadTypeError,
    WebSocketDisconnected,
    WebSocketPayloadType,
    sync_to_async,
)
from falcon.asgi import App, Request, Response, SSEvent, WebSocket
from falcon.media import BinaryBaseHandlerWS, TextBaseHandlerWS

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

INVALID_DATA = 1007
GONE = (WebSocketDisconnected, RuntimeError)  # RuntimeError: the server gave the connection up before Falcon noticed

rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)
viewers: set[WebSocket] = set()
streams: set[asyncio.Queue[SSEvent]] = set()
panels: dict[str, dict[str, Any]] = {}


class PlainText(TextBaseHandlerWS):
    """A text message as it came. Falcon reads it as JSON otherwise."""

    def deserialize(self, payload: str) -> object:
        return payload


class PlainBytes(BinaryBaseHandlerWS):
    """A binary message as it came. Falcon reads it as MessagePack otherwise."""

    def deserialize(self, payload: bytes) -> object:
        return payload


async def broadcast(members: set[WebSocket], text: str) -> None:
    for member in list(members):
        with suppress(*GONE):  # its own responder removes it
            await member.send_text(text)


class Health:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = {"status": "ok"}


class Echo:
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        await ws.accept()
        with suppress(*GONE):
            while True:
                message = await ws.receive_media()
                if isinstance(message, str):
                    await ws.send_text(message)
                elif isinstance(message, bytes):
                    await ws.send_data(message)


class Room:
    async def on_websocket(self, req: Request, ws: WebSocket, name: str) -> None:
        await ws.accept()
        members = rooms[name]
        members.add(ws)
        try:
            with suppress(*GONE):
                while True:
                    await broadcast(members, await ws.receive_text())
        except PayloadTypeError:
            await ws.close(INVALID_DATA, "not text")
        finally:
            members.discard(ws)
            if not members:
                rooms.pop(name, None)


class PostToRoom:
    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        text = (await req.stream.read()).decode()
        await broadcast(rooms.get(name, set()), text)
        resp.status = HTTP_204


class Dashboard:
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        await ws.accept()
        viewers.add(ws)
        try:
            with suppress(*GONE):
                while True:
                    await ws.send_text(json.dumps(apply(json.loads(await ws.receive_text()))))
        except (ValueError, KeyError, TypeError):  # TypeError: also a binary message
            await ws.close(INVALID_DATA, "not a panel update")
        finally:
            viewers.discard(ws)


def apply(update: dict[str, Any]) -> dict[str, Any]:
    """Store one update; returns the answer to its sender."""
    name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
    panel = panels.setdefault(name, {"value": value, "updates": 0})
    panel["value"] = value
    panel["updates"] += 1
    return {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}


class Events:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.sse = snapshots()
        resp.cache_control = ["no-cache"]


async def snapshots() -> AsyncIterator[SSEvent]:
    stream: asyncio.Queue[SSEvent] = asyncio.Queue()
    streams.add(stream)
    try:
        while True:
            yield await stream.get()
    finally:
        streams.discard(stream)


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


class StreamEvents:
    async def on_get(self, req: Request, resp: Response) -> None:
        chunks = chunks_of(
            req.get_param_as_int("chunks", required=True), req.get_param_as_float("per_s", required=True)
        )
        resp.sse = (SSEvent(text=chunk) async for chunk in chunks)
        resp.cache_control = ["no-cache"]


class Stream:
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        await ws.accept()
        with suppress(*GONE):
            while True:
                asked = json.loads(await ws.receive_text())
                async for chunk in chunks_of(asked["chunks"], asked["per_s"]):
                    await ws.send_text(chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


class WorkInThread:
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        await ws.accept()
        with suppress(*GONE):
            while True:
                text = await ws.receive_text()
                await sync_to_async(work)
                await ws.send_text(text)


class WorkInline:
    """The mistake: nobody else is served while it works."""

    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        await ws.accept()
        with suppress(*GONE):
            while True:
                text = await ws.receive_text()
                work()
                await ws.send_text(text)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


class Session:
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        user = await sync_to_async(user_of, req.cookies.get("session"))
        if user is None:
            raise HTTPUnauthorized(description="no session")
        await ws.accept()
        with suppress(*GONE):
            while True:
                await ws.receive_text()
                await ws.send_text(user)


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        text = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
        for stream in streams:
            stream.put_nowait(SSEvent(text=text))
        await broadcast(viewers, text)


class Pushing:
    """Falcon's middleware has the hooks of the lifespan."""

    async def process_startup(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        self.pusher = asyncio.create_task(push_snapshots())

    async def process_shutdown(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        self.pusher.cancel()


def create(room: Any, *middleware: Any) -> App:
    app = App(middleware=[Pushing(), *middleware])
    app.ws_options.media_handlers[WebSocketPayloadType.TEXT] = PlainText()
    app.ws_options.media_handlers[WebSocketPayloadType.BINARY] = PlainBytes()
    app.add_route("/healthz", Health())
    app.add_route("/events", Events())
    app.add_route("/echo", Echo())
    app.add_route("/room/{name}", room)
    app.add_route("/dashboard", Dashboard())
    app.add_route("/stream", Stream())
    app.add_route("/stream/events", StreamEvents())
    app.add_route("/work", WorkInThread())
    app.add_route("/work-inline", WorkInline())
    app.add_route("/session", Session())
    return app


app = create(Room())
app.add_route("/publish/{name}", PostToRoom())
