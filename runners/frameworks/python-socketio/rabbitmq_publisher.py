"""Another process that publishes to rooms through RabbitMQ, past the server, as a worker of a task queue does.

Each line of standard input is a room and a text.
"""

import asyncio
import json
import os
import sys

import socketio

outside = socketio.AsyncAioPikaManager(os.environ["AMQP_URL"], write_only=True)


async def publish_all() -> None:
    await outside.emit("message", "", to="nobody")  # it connects to RabbitMQ
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):  # in a thread, so that the connection stays alive
        message = json.loads(line)
        await outside.emit("message", message["text"], to=message["room"])


asyncio.run(publish_all())
