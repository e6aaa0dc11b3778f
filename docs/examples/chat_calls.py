"""A chat whose clients log in, join a room and make calls with IDs. It needs `pip install websockets`.

A call is answered with its ID. What somebody says also goes to the others in the room, without an ID.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

rooms: dict[str, set[ServerConnection]] = {}


async def talk(connection: ServerConnection) -> None:
    assert connection.request is not None
    user = connection.request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not user:
        await connection.close(1008, "not logged in")
        return
    room: set[ServerConnection] = set()
    with suppress(ConnectionClosed):
        async for message in connection:
            call: dict[str, Any] = json.loads(message)
            if call["method"] == "join":
                room = rooms.setdefault(call["room"], set())
                room.add(connection)
                await connection.send(json.dumps({"event": "joined", "members": len(room)}))
            elif call["method"] == "say":
                broadcast(room - {connection}, json.dumps({"event": "said", "by": user, "text": call["text"]}))
                await connection.send(json.dumps({"id": call["id"], "result": {"delivered": len(room) - 1}}))
    room.discard(connection)


async def main(port: int) -> None:
    async with serve(talk, "127.0.0.1", port) as server:
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000))
