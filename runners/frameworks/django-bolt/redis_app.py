"""The same app for several processes: what is said in a room reaches the members on all of them, through Redis."""

import asyncio
from contextlib import suppress

import app as one_process
from django_bolt import BoltAPI, Request, WebSocket, WebSocketDisconnect
from redis_rooms import RedisRooms

api = BoltAPI()
rooms = RedisRooms(one_process.broadcast)
starting: list[asyncio.Task[None]] = []


@api.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await start()
    await websocket.accept()
    rooms.join(name, websocket)
    try:
        with suppress(WebSocketDisconnect):
            while True:
                message = await websocket.receive()
                if "text" in message:  # binary messages are not for rooms
                    await rooms.publish(name, message["text"])
    finally:
        rooms.leave(name, websocket)


@api.post("/publish/{name}", status_code=204)
async def post_to_room(request: Request, name: str) -> None:
    await rooms.publish(name, request.body.decode())


async def start() -> None:
    """Subscribe at the first connection: a lifespan runs on another event loop than the handlers."""
    if not starting:
        starting.append(asyncio.create_task(rooms.start()))
    await starting[0]


api.get("/healthz")(one_process.healthz)
api.websocket("/echo")(one_process.echo)
api.websocket("/dashboard")(one_process.dashboard)
api.websocket("/stream")(one_process.stream)
api.websocket("/work")(one_process.work_in_thread)
api.websocket("/work-inline")(one_process.work_inline)
api.websocket("/session")(one_process.session)
