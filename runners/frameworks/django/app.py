"""A live dashboard's event stream with Django alone."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

PUSH_PERIOD_S = float(os.environ.get("PUSH_PERIOD_S", "1"))

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

panels: dict[str, dict[str, Any]] = {}
streams: set[asyncio.Queue[str]] = set()
background_tasks: set[asyncio.Task[None]] = set()


def start_pushing() -> None:
    """With the first viewer: Django takes no part in ASGI's lifespan."""
    if not background_tasks:
        background_tasks.add(asyncio.create_task(push_snapshots()))


async def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        await asyncio.sleep(due - time.monotonic())
        seq += 1
        text = json.dumps({"type": "snapshot", "seq": seq, "panels": panels})
        for stream in streams:
            stream.put_nowait(text)


async def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


async def events(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(snapshots(), content_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def snapshots() -> AsyncIterator[str]:
    """The snapshots from now on; cancelled when the viewer goes."""
    stream: asyncio.Queue[str] = asyncio.Queue()
    streams.add(stream)
    start_pushing()
    try:
        while True:
            yield f"data: {await stream.get()}\n\n"
    finally:
        streams.discard(stream)


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


urlpatterns = [path("healthz", healthz), path("events", events), path("stream/events", stream_events)]

application = get_asgi_application()
