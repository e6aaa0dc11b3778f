"""Echo, chat rooms and a live dashboard with Django Channels."""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import CookieMiddleware
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))
WORK_S = float(os.environ.get("WORK_S", "0.005"))
SESSIONS_DB = os.environ.get("SESSIONS_DB", "sessions.sqlite3")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

# Every process has panels and a beat of its own, so its viewers are a group of their own too.
VIEWERS = f"viewers.{os.getpid()}"
panels: dict[str, dict[str, Any]] = {}
background_tasks: set[asyncio.Task[None]] = set()


class EchoConsumer(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data=text_data, bytes_data=bytes_data)


class RoomConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.group = "room.{name}".format(**self.scope["url_route"]["kwargs"])
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.channel_layer.group_send(self.group, {"type": "room.message", "text": text_data})

    async def room_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


@csrf_exempt  # whoever posts is no page of this site, and has no token
async def post_to_room(request: HttpRequest, name: str) -> HttpResponse:
    await get_channel_layer().group_send(f"room.{name}", {"type": "room.message", "text": request.body.decode()})
    return HttpResponse(status=204)


class DashboardConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add(VIEWERS, self.channel_name)
        await self.accept()
        start_pushing()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(VIEWERS, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            update = json.loads(text_data)
            name, value, client, seq = update["panel"], update["value"], update["client"], update["seq"]
        except (ValueError, KeyError, TypeError):
            await self.send(json.dumps({"type": "error", "detail": "not a panel update"}))
            return
        panel = panels.setdefault(name, {"value": value, "updates": 0})
        panel["value"] = value
        panel["updates"] += 1
        answer = {"type": "panel", "panel": name, **panel, "client": client, "seq": seq}
        await self.send(json.dumps(answer))

    async def snapshot(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


def start_pushing() -> None:
    if not background_tasks:
        background_tasks.add(asyncio.create_task(push_snapshots()))


async def push_snapshots() -> None:
    layer, due, seq = get_channel_layer(), time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        text = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
        await layer.group_send(VIEWERS, {"type": "snapshot", "text": text})


async def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


async def events(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(snapshots(), content_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def snapshots() -> AsyncIterator[str]:
    """The same group as the dashboard's, on a channel of its own; cancelled when the viewer goes."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(VIEWERS, channel)
    start_pushing()
    try:
        while True:
            event = await layer.receive(channel)
            yield f"data: {event['text']}\n\n"
    finally:
        await layer.group_discard(VIEWERS, channel)


async def chunks_of(chunks: int, per_s: float) -> AsyncIterator[str]:
    """The chunks of an answer, each when it is due, as a model would generate them."""
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        yield json.dumps({"seq": seq, "text": "a few words "})


async def stream_events(request: HttpRequest) -> StreamingHttpResponse:
    chunks = chunks_of(int(request.GET["chunks"]), float(request.GET["per_s"]))
    events = (f"data: {chunk}\n\n" async for chunk in chunks)
    return StreamingHttpResponse(events, content_type="text/event-stream", headers={"Cache-Control": "no-cache"})


class StreamConsumer(AsyncWebsocketConsumer):
    """A consumer handles one message at a time, also the one that its client left: so a task streams."""

    async def connect(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        await self.accept()

    async def disconnect(self, code: int) -> None:
        for task in self.tasks:
            task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        task = asyncio.create_task(self.stream(**json.loads(text_data)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stream(self, chunks: int, per_s: float) -> None:
        async for chunk in chunks_of(chunks, per_s):
            await self.send(text_data=chunk)


def work() -> None:
    """What blocks its thread, such as a query with a driver that knows no asyncio."""
    time.sleep(WORK_S)


class WorkConsumer(AsyncWebsocketConsumer):
    """Not in the one thread for what is thread-sensitive: the messages of all consumers pass through that thread."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await sync_to_async(work, thread_sensitive=False)()
        await self.send(text_data=text_data)


class InlineWorkConsumer(AsyncWebsocketConsumer):
    """The mistake: nobody else is served while it works."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        work()
        await self.send(text_data=text_data)


def user_of(token: str | None) -> str | None:
    """The user of a session; none if the token is unknown, or if the file stays locked for a second."""
    with closing(sqlite3.connect(f"file:{SESSIONS_DB}?mode=ro", uri=True, timeout=1)) as sessions:
        try:
            row = sessions.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


class SessionConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.user = await database_sync_to_async(user_of)(self.scope["cookies"].get("session"))
        if self.user is None:
            await self.close()
        else:
            await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.send(text_data=self.user)


urlpatterns = [
    path("healthz", healthz),
    path("publish/<str:name>", post_to_room),
    path("events", events),
    path("stream/events", stream_events),
]

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter(
            [
                path("echo", EchoConsumer.as_asgi()),
                path("room/<str:name>", RoomConsumer.as_asgi()),
                path("dashboard", DashboardConsumer.as_asgi()),
                path("stream", StreamConsumer.as_asgi()),
                path("work", WorkConsumer.as_asgi()),
                path("work-inline", InlineWorkConsumer.as_asgi()),
                path("session", CookieMiddleware(SessionConsumer.as_asgi())),
            ]
        ),
    }
)
