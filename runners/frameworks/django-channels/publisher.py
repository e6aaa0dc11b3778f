"""Another process that publishes to rooms through the channel layer, past the server, as a worker of a task queue does.

Each line of standard input is a room and a text.
"""

import asyncio
import json
import os
import sys

import django
from channels.layers import get_channel_layer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()


async def publish_all() -> None:
    layer = get_channel_layer()
    await layer.group_send("nobody", {"type": "room.message", "text": ""})  # it connects to the broker
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):  # in a thread, so that the connection stays alive
        message = json.loads(line)
        await layer.group_send(f"room.{message['room']}", {"type": "room.message", "text": message["text"]})


asyncio.run(publish_all())
