"""PostgreSQL's channel layer with one listener per process.

Until the first listener of channels_postgres is connected, each consumer that waits for a message starts another one,
and what is sent then arrives once per listener.
"""

from channels_postgres.core import PostgresChannelLayer


class OneListenerLayer(PostgresChannelLayer):
    listens = False

    async def listen_to_all_channels(self) -> None:
        if not self.listens:
            self.listens = True
            try:
                await super().listen_to_all_channels()
            finally:
                self.listens = False
