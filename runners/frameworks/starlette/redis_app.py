"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import app as one_process
from app import broadcast
from redis_rooms import RedisRooms
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

rooms = RedisRooms(broadcast)


class Room(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        self.name = websocket.path_params["name"]
        await websocket.accept()
        rooms.join(self.name, websocket)

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await rooms.publish(self.name, data)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        rooms.leave(self.name, websocket)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    await rooms.start()
    async with one_process.router.lifespan_context(one_process):
        yield
    await rooms.stop()


app = Starlette(lifespan=lifespan, routes=[WebSocketRoute("/room/{name}", Room), Mount("/", one_process)])
