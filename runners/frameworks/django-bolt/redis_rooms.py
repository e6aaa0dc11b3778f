"""Rooms across processes: what is said in a room reaches its members on every process, through Redis.

This file is the same beside every application whose framework has no such rooms of its own.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from redis.asyncio import Redis

Member = TypeVar("Member")


class RedisRooms(Generic[Member]):
    """``broadcast`` sends a text to these members of one room, which are connected to this process."""

    def __init__(self, broadcast: Callable[[set[Member], str], Awaitable[None]]) -> None:
        self.broadcast = broadcast
        self.members: defaultdict[str, set[Member]] = defaultdict(set)
        # Without "socket_timeout" redis 8 gives up on a channel that is silent for 5 s. Without "max_connections" only
        # 100 members may speak at the same moment.
        self.redis = Redis.from_url(
            os.environ["REDIS_URL"], decode_responses=True, socket_timeout=None, max_connections=10_000
        )

    async def start(self) -> None:
        self.subscription = self.redis.pubsub()
        await self.subscription.psubscribe("room.*")
        self.delivery = asyncio.create_task(self.deliver())

    async def stop(self) -> None:
        self.delivery.cancel()
        await self.redis.aclose()

    def join(self, room: str, member: Member) -> None:
        self.members[f"room.{room}"].add(member)

    def leave(self, room: str, member: Member) -> None:
        self.members[f"room.{room}"].discard(member)
        if not self.members[f"room.{room}"]:
            del self.members[f"room.{room}"]

    async def publish(self, room: str, text: str) -> None:
        await self.redis.publish(f"room.{room}", text)

    async def deliver(self) -> None:
        """Pass on what any process publishes."""
        async for message in self.subscription.listen():
            if message["type"] == "pmessage" and message["channel"] in self.members:
                await self.broadcast(self.members[message["channel"]], message["data"])
