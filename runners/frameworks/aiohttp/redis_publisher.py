"""Another process that publishes to rooms through Redis, past the server, as a worker of a task queue does.

Each line of standard input is a room and a text. This file is the same beside every application whose rooms are those
of ``redis_rooms.py``.
"""

import asyncio
import json
import sys

from redis_rooms import RedisRooms


async def ignore(members: set[object], text: str) -> None:
    """No member is connected to this process."""


async def publish_all() -> None:
    rooms = RedisRooms(ignore)
    await rooms.redis.ping()
    print("ready", flush=True)
    for line in sys.stdin:  # nothing else runs in this loop, so it may wait here
        message = json.loads(line)
        await rooms.publish(message["room"], message["text"])
    await rooms.redis.aclose()


asyncio.run(publish_all())
