"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

from contextlib import suppress
from typing import Any

from app import GONE, INVALID_DATA, broadcast, create
from falcon import HTTP_204, PayloadTypeError
from falcon.asgi import Request, Response, WebSocket
from redis_rooms import RedisRooms

rooms = RedisRooms(broadcast)


class Room:
    async def on_websocket(self, req: Request, ws: WebSocket, name: str) -> None:
        await ws.accept()
        rooms.join(name, ws)
        try:
            with suppress(*GONE):
                while True:
                    await rooms.publish(name, await ws.receive_text())
        except PayloadTypeError:
            await ws.close(INVALID_DATA, "not text")
        finally:
            rooms.leave(name, ws)


class PostToRoom:
    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        await rooms.publish(name, (await req.stream.read()).decode())
        resp.status = HTTP_204


class Delivering:
    async def process_startup(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        await rooms.start()

    async def process_shutdown(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        await rooms.stop()


app = create(Room(), Delivering())
app.add_route("/publish/{name}", PostToRoom())
