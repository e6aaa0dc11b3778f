"""The same app in several processes: what is said in a room reaches the members on all of them, through Redis.

The processes share a socket, as Tornado's guide to running has it.
"""

import argparse
import asyncio
import ssl
from typing import Any

import app as one_process
from redis_rooms import RedisRooms
from tornado.netutil import bind_sockets
from tornado.process import fork_processes
from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler


async def broadcast(members: set[WebSocketHandler], text: str) -> None:
    one_process.broadcast(members, text)


class Room(one_process.Connection):
    def initialize(self, rooms: RedisRooms[WebSocketHandler]) -> None:
        self.rooms = rooms

    def open(self, name: str) -> None:
        self.name = name
        self.rooms.join(name, self)

    async def on_message(self, message: str | bytes) -> None:
        if isinstance(message, str):
            await self.rooms.publish(self.name, message)

    def on_close(self) -> None:
        self.rooms.leave(self.name, self)


class PostToRoom(RequestHandler):
    def initialize(self, rooms: RedisRooms[WebSocketHandler]) -> None:
        self.rooms = rooms

    async def post(self, name: str) -> None:
        await self.rooms.publish(name, self.request.body.decode())
        self.set_status(204)


async def main(sockets: list[Any], tls: ssl.SSLContext | None) -> None:
    rooms = RedisRooms(broadcast)
    await rooms.start()
    handlers = [(r"/room/([^/]+)", Room, {"rooms": rooms}), (r"/publish/([^/]+)", PostToRoom, {"rooms": rooms})]
    await one_process.main(one_process.make_app(*handlers), sockets, tls)
    await rooms.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    listening = bind_sockets(arguments.port, arguments.host)
    if arguments.workers > 1:
        fork_processes(arguments.workers)
    asyncio.run(main(listening, one_process.tls_of(arguments)))
