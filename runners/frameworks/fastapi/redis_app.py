"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import Group
from app import app as one_process
from fastapi import FastAPI, WebSocket
from redis.asyncio import Redis

# Without "socket_timeout" redis 8 gives up on a channel that is silent for 5 s.
redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_timeout=None)
rooms: defaultdict[str, Group] = defaultdict(Group)


async def deliver() -> None:
    """What any worker publishes, to the members on this one."""
    async with redis.pubsub() as subscription:
        await subscription.psubscribe("room.*")
        async for message in subscription.listen():
            if message["type"] == "pmessage" and message["channel"] in rooms:
                await rooms[message["channel"]].broadcast(message["data"])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    delivery = asyncio.create_task(deliver())
    async with one_process.router.lifespan_context(one_process):
        yield
    delivery.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    channel = f"room.{name}"
    group = rooms[channel]
    group.members.add(websocket)
    try:
        async for text in websocket.iter_text():
            await redis.publish(channel, text)
    finally:
        group.members.discard(websocket)
        if not group.members:
            rooms.pop(channel, None)


app.mount("/", one_process)
