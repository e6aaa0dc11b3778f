"""Rooms across processes: what is said in a room reaches its members on every process, through Redis.

This is the helper of the applications on asyncio, in threads.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

from redis import Redis

Member = TypeVar("Member")


class RedisRooms(Generic[Member]):
    """``broadcast`` sends a text to these members of one room, which are connected to this process."""

    def __init__(self, broadcast: Callable[[set[Member], str], None]) -> None:
        self.broadcast = broadcast
        self.members: defaultdict[str, set[Member]] = defaultdict(set)
        self.lock = Lock()
        # Without "socket_timeout" redis 8 gives up on a channel that is silent for 5 s. Without "max_connections" only
        # 100 members may speak at the same moment.
        self.redis = Redis.from_url(
            os.environ["REDIS_URL"], decode_responses=True, socket_timeout=None, max_connections=10_000
        )

    def start(self) -> None:
        self.subscription = self.redis.pubsub()
        self.subscription.psubscribe("room.*")
        Thread(target=self.deliver, daemon=True).start()

    def join(self, room: str, member: Member) -> None:
        with self.lock:
            self.members[f"room.{room}"].add(member)

    def leave(self, room: str, member: Member) -> None:
        with self.lock:
            self.members[f"room.{room}"].discard(member)
            if not self.members[f"room.{room}"]:
                del self.members[f"room.{room}"]

    def publish(self, room: str, text: str) -> None:
        self.redis.publish(f"room.{room}", text)

    def deliver(self) -> None:
        """Pass on what any process publishes."""
        for message in self.subscription.listen():
            with self.lock:
                members = set(self.members.get(message["channel"], ()))
            if message["type"] == "pmessage" and members:
                self.broadcast(members, message["data"])
