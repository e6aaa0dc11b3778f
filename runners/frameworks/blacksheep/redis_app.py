"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

from collections.abc import AsyncIterator
from contextlib import suppress

import app as one_process
from blacksheep import Application, Request, Response, WebSocket, no_content
from blacksheep.server.routing import Router
from redis_rooms import RedisRooms

router = Router()
app = Application(router=router)
rooms = RedisRooms(one_process.broadcast)


@router.ws("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    rooms.join(name, websocket)
    try:
        with suppress(*one_process.GONE):
            while True:
                await rooms.publish(name, await websocket.receive_text())
    except KeyError:  # a binary message has no text
        await websocket.close(one_process.INVALID_DATA, "not text")
    finally:
        rooms.leave(name, websocket)


@router.post("/publish/{name}")
async def post_to_room(request: Request, name: str) -> Response:
    await rooms.publish(name, await request.text())
    return no_content()


@app.lifespan
async def delivering() -> AsyncIterator[None]:
    await rooms.start()
    async with one_process.pushing():
        yield
    await rooms.stop()


router.add_get("/healthz", one_process.healthz)
router.add_ws("/echo", one_process.echo)
router.add_ws("/dashboard", one_process.dashboard)
router.add_ws("/stream", one_process.stream)
router.add_ws("/work", one_process.work_in_thread)
router.add_ws("/work-inline", one_process.work_inline)
router.add_ws("/session", one_process.session)
