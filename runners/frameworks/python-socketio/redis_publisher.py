"""Another process that publishes to rooms through Redis, past the server, as a worker of a task queue does.

Each line of standard input is a room and a text.
"""

import json
import os
import sys

import socketio

outside = socketio.RedisManager(os.environ["REDIS_URL"], write_only=True)

outside.emit("message", "", to="nobody")  # it connects to Redis
print("ready", flush=True)
for line in sys.stdin:
    message = json.loads(line)
    outside.emit("message", message["text"], to=message["room"])
