"""Another process that publishes to rooms through Redis, past the server, as a worker of a task queue does.

Each line of standard input is a room and a text.
"""

import asyncio
import json
import os
import sys

from litestar.channels import ChannelsPlugin
from litestar.channels.backends.redis import RedisChannelsPubSubBackend
from redis.asyncio import Redis


async def publish_all() -> None:
    redis = Redis.from_url(os.environ["REDIS_URL"])
    async with ChannelsPlugin(RedisChannelsPubSubBackend(redis=redis), arbitrary_channels_allowed=True) as channels:
        await channels.wait_published("", "nobody")  # it connects to Redis
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):  # in a thread, so that the plugin's tasks go on
            message = json.loads(line)
            await channels.wait_published(message["text"], f"room.{message['room']}")
    await redis.aclose()


asyncio.run(publish_all())
