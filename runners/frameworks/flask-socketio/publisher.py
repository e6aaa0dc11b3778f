"""Another process that publishes to rooms through the message queue, past the server, as a worker of a task queue does.

Each line of standard input is a room and a text.
"""

import json
import os
import sys

from flask_socketio import SocketIO

socketio = SocketIO(message_queue=os.environ.get("REDIS_URL") or os.environ.get("AMQP_URL"))

socketio.emit("message", "", to="nobody")  # it connects to the message queue
print("ready", flush=True)
for line in sys.stdin:
    message = json.loads(line)
    socketio.emit("message", message["text"], to=message["room"])
