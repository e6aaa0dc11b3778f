"""Another process that publishes to rooms through Redis, past the server, as a worker of a task queue does.

Each line of standard input is a room and a text.
"""

import json
import sys

from redis_rooms import RedisRooms


def ignore(members: set[object], text: str) -> None:
    """No member is connected to this process."""


rooms = RedisRooms(ignore)
rooms.redis.ping()
print("ready", flush=True)
for line in sys.stdin:
    message = json.loads(line)
    rooms.publish(message["room"], message["text"])
