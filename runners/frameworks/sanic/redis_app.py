"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

import asyncio
import os
from collections import defaultdict

import app as one_process
from redis.asyncio import Redis
from sanic import Request, Sanic, Websocket

app = Sanic("rtsite-redis", configure_logging=False)
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 0.5

# Without "socket_timeout" redis 8 gives up on a channel that is silent for 5 s.
redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_timeout=None)
rooms: defaultdict[str, set[Websocket]] = defaultdict(set)


async def deliver() -> None:
    """What any worker publishes, to the members on this one."""
    async with redis.pubsub() as subscription:
        await subscription.psubscribe("room.*")
        async for message in subscription.listen():
            if message["type"] == "pmessage" and message["channel"] in rooms:
                await one_process.broadcast(rooms[message["channel"]], message["data"])


@app.websocket("/room/<name>")
async def room(request: Request, websocket: Websocket, name: str) -> None:
    channel = f"room.{name}"
    members = rooms[channel]
    members.add(websocket)
    try:
        async for message in websocket:
            await redis.publish(channel, message)
    finally:
        members.discard(websocket)
        if not members:
            rooms.pop(channel, None)


@app.after_server_start
async def start_delivering(app: Sanic) -> None:
    app.ctx.delivery = asyncio.create_task(deliver())


@app.before_server_stop
async def stop_delivering(app: Sanic) -> None:
    app.ctx.delivery.cancel()


app.add_route(one_process.healthz, "/healthz")
app.add_websocket_route(one_process.echo, "/echo")
app.add_websocket_route(one_process.dashboard, "/dashboard")
app.register_listener(one_process.start_pushing, "after_server_start")
app.register_listener(one_process.stop_pushing, "before_server_stop")
