"""PostgreSQL's channel layer with one listener per process.

Until the first listener of channels_postgres is connected, each consumer that waits for a message starts another one,
and what is sent then arrives once per listener.
"""

import asyncio
from typing import Any

from channels_postgres.core import PostgresChannelLayer


class OneListenerLayer(PostgresChannelLayer):
    first: asyncio.Task[dict[str, Any]] | None = None

    async def receive(self, channel: str) -> dict[str, Any]:
        if self.first is None:
            self.first = asyncio.create_task(super().receive(await self.new_channel()))  # nobody sends there
        while self.listener_task_is_running is None or not self.listener_task_is_running.is_set():
            await asyncio.sleep(0.01)
        return await super().receive(channel)
