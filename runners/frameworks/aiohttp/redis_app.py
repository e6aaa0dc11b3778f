"""The same app in several processes: what is said in a room reaches the members on all of them, through Redis."""

from collections.abc import AsyncIterator

import app as one_process
from aiohttp import WSMsgType, web
from redis_rooms import RedisRooms

rooms = web.AppKey("shared_rooms", RedisRooms[web.WebSocketResponse])
routes = web.RouteTableDef()


@routes.get("/room/{name}")
async def room(request: web.Request) -> web.WebSocketResponse:
    websocket = await one_process.accept(request)
    name = request.match_info["name"]
    request.app[rooms].join(name, websocket)
    try:
        async for message in websocket:
            if message.type is WSMsgType.TEXT:
                await request.app[rooms].publish(name, message.data)
    finally:
        request.app[rooms].leave(name, websocket)
    return websocket


@routes.post("/publish/{name}")
async def post_to_room(request: web.Request) -> web.Response:
    await request.app[rooms].publish(request.match_info["name"], await request.text())
    return web.Response(status=204)


async def deliver(app: web.Application) -> AsyncIterator[None]:
    await app[rooms].start()
    yield
    await app[rooms].stop()


async def make_app() -> web.Application:
    app = await one_process.make_app([*routes, *one_process.routes])  # of two routes for a path the first is taken
    app[rooms] = RedisRooms(one_process.broadcast)
    app.cleanup_ctx.append(deliver)
    return app


if __name__ == "__main__":
    one_process.serve(make_app)
