"""The same app for several workers: what is said in a room reaches the members on all of them, through Redis."""

from app import Broker as Member
from app import app, subscribed
from quart import request, websocket
from redis_rooms import RedisRooms


async def broadcast(members: set[Member], text: str) -> None:
    for member in members:
        member.publish(text)


rooms = RedisRooms(broadcast)


async def room(name: str) -> None:
    member = Member()
    async with subscribed(member):
        rooms.join(name, member)
        try:
            while True:
                message = await websocket.receive()
                if isinstance(message, str):
                    await rooms.publish(name, message)
        finally:
            rooms.leave(name, member)


async def post_to_room(name: str) -> tuple[str, int]:
    await rooms.publish(name, await request.get_data(as_text=True))
    return "", 204


app.view_functions["room"] = room
app.view_functions["post_to_room"] = post_to_room
app.before_serving(rooms.start)
app.after_serving(rooms.stop)
