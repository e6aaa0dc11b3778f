"""The same app in several processes: what is said in a room reaches the members on all of them, through Redis.

Each process listens on the port, and the kernel gives every connection to one of them.
"""

import argparse
import asyncio
import os
from contextlib import suppress
from typing import Any

import app as one_process
from redis_rooms import RedisRooms
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError


async def broadcast(members: set[ServerConnection], text: str) -> None:
    one_process.broadcast(members, text)


async def main(**options: Any) -> None:
    rooms: RedisRooms[ServerConnection] = RedisRooms(broadcast)

    async def room(websocket: ServerConnection, name: str) -> None:
        rooms.join(name, websocket)
        try:
            async for message in websocket:
                if isinstance(message, str):
                    await rooms.publish(name, message)
        finally:
            rooms.leave(name, websocket)

    async def route(websocket: ServerConnection) -> None:
        match websocket.request.path.split("/"):
            case ["", "room", name]:
                with suppress(ConnectionClosedError):
                    await room(websocket, name)
            case _:
                await one_process.route(websocket)

    await rooms.start()
    await one_process.main(route, **options)
    await rooms.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    for _ in range(arguments.workers - 1):
        if os.fork() == 0:
            break
    asyncio.run(
        main(
            host=arguments.host,
            port=arguments.port,
            ssl=one_process.tls_of(arguments),
            reuse_port=arguments.workers > 1,
        )
    )
