"""The same app in several processes: what is said in a room reaches the members on all of them, through Redis.

Each process listens on the port, and the kernel gives every connection to one of them.
"""

from typing import Any

import app as one_process
from redis_rooms import RedisRooms
from socketify import App, OpCode


class Member:
    """A connection's user data: the room that it is in."""

    def __init__(self, room: str) -> None:
        self.room = room


def run(app: App) -> None:
    async def broadcast(members: set[Member], text: str) -> None:
        app.publish(next(iter(members)).room, text, OpCode.TEXT)

    def enter_room(res: Any, req: Any, context: Any) -> None:
        key, protocol, extensions = (
            req.get_header(f"sec-websocket-{name}") for name in ("key", "protocol", "extensions")
        )
        res.upgrade(key, protocol, extensions, context, Member(req.get_parameter(0)))

    def join_room(ws: Any) -> None:
        member = ws.get_user_data()
        ws.subscribe(member.room)
        rooms.join(member.room, member)

    def speak(ws: Any, message: str | bytes, opcode: OpCode) -> None:
        if isinstance(message, str):
            app.loop.run_async(rooms.publish(ws.get_user_data().room, message))

    def leave(ws: Any, code: int, message: bytes | None) -> None:
        member = ws.get_user_data()
        rooms.leave(member.room, member)

    async def post_to_room(res: Any, req: Any) -> None:
        name = req.get_parameter(0)
        text = await one_process.body_of(res)
        if text is not None:
            await rooms.publish(name, text)
            res.cork(lambda res: res.write_status(204).end_without_body())

    rooms = RedisRooms(broadcast)
    room = {**one_process.common, "upgrade": enter_room, "open": join_room, "message": speak, "close": leave}
    app.loop.create_background_task(rooms.start)
    app.post("/publish/:name", post_to_room)
    one_process.serve(app, room)
