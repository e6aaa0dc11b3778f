"""The app on a free port, under the library's own client."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator

import pytest
from app import push_snapshots, start
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with start(host="127.0.0.1", port=0) as server:
        pusher = asyncio.create_task(push_snapshots())
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        pusher.cancel()


async def test_is_healthy(address: str) -> None:
    response = await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/healthz")
    assert response.status == 200


async def test_echo_keeps_text_and_binary_apart(address: str) -> None:
    async with connect(f"ws://{address}/echo") as echo:
        for message in ("héllo", b"\x00\xff"):
            await echo.send(message)
            assert await echo.recv() == message


async def test_room_reaches_every_member_and_nobody_else(address: str) -> None:
    async with (
        connect(f"ws://{address}/room/tea") as ada,
        connect(f"ws://{address}/room/tea") as bob,
        connect(f"ws://{address}/room/coffee") as eve,
    ):
        await ada.send("hello")
        assert await ada.recv() == await bob.recv() == "hello"
        await eve.send("only coffee")
        assert await eve.recv() == "only coffee"


async def test_dashboard_answers_and_pushes(address: str) -> None:
    async with connect(f"ws://{address}/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send(json.dumps(update))
        assert json.loads(await dashboard.recv()) == {"type": "panel", **update, "updates": 1}
        first, second = json.loads(await dashboard.recv()), json.loads(await dashboard.recv())
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]"])
async def test_a_bad_update_closes_only_its_own_connection(address: str, garbage: str) -> None:
    async with connect(f"ws://{address}/dashboard") as good, connect(f"ws://{address}/dashboard") as bad:
        await bad.send(garbage)
        with pytest.raises(ConnectionClosedError) as closed:
            await bad.recv()
        assert closed.value.rcvd.code == 1007
        assert json.loads(await good.recv())["type"] == "snapshot"
