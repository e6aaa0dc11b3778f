"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import app as one_process
from app import broadcast
from fastapi import FastAPI, Request, WebSocket, status
from redis_rooms import RedisRooms

rooms = RedisRooms(broadcast)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await rooms.start()
    async with one_process.router.lifespan_context(one_process):
        yield
    await rooms.stop()


app = FastAPI(lifespan=lifespan)


@app.websocket("/room/{name}")
async def room(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    rooms.join(name, websocket)
    try:
        async for text in websocket.iter_text():
            await rooms.publish(name, text)
    finally:
        rooms.leave(name, websocket)


@app.post("/publish/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def post_to_room(name: str, request: Request) -> None:
    await rooms.publish(name, (await request.body()).decode())


app.mount("/", one_process)
