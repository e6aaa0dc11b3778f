"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import app as one_process
from app import broadcast
from redis_rooms import RedisRooms
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.status import HTTP_204_NO_CONTENT
from starlette.websockets import WebSocket

rooms = RedisRooms(broadcast)


async def room(websocket: WebSocket) -> None:
    name = websocket.path_params["name"]
    await websocket.accept()
    rooms.join(name, websocket)
    try:
        async for text in websocket.iter_text():
            await rooms.publish(name, text)
    finally:
        rooms.leave(name, websocket)


async def post_to_room(request: Request) -> Response:
    await rooms.publish(request.path_params["name"], (await request.body()).decode())
    return Response(status_code=HTTP_204_NO_CONTENT)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    await rooms.start()
    async with one_process.router.lifespan_context(one_process):
        yield
    await rooms.stop()


app = Starlette(
    lifespan=lifespan,
    routes=[
        WebSocketRoute("/room/{name}", room),
        Route("/publish/{name}", post_to_room, methods=["POST"]),
        Mount("/", one_process),
    ],
)
