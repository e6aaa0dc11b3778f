"""The app under aiohttp's own test client."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse, WSCloseCode, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer
from app import make_app

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(await make_app())) as client:
        yield client


async def next_event(stream: ClientResponse) -> Any:
    event = await stream.content.readuntil(b"\n\n")
    assert event.startswith(b"data: ")
    return json.loads(event.removeprefix(b"data: "))


async def test_is_healthy(client: Client) -> None:
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_echo_keeps_text_and_binary_apart(client: Client) -> None:
    async with client.ws_connect("/echo") as echo:
        await echo.send_str("héllo")
        assert await echo.receive_str() == "héllo"
        await echo.send_bytes(b"\x00\xff")
        assert await echo.receive_bytes() == b"\x00\xff"


async def test_room_reaches_every_member_and_nobody_else(client: Client) -> None:
    async with (
        client.ws_connect("/room/tea") as ada,
        client.ws_connect("/room/tea") as bob,
        client.ws_connect("/room/coffee") as eve,
    ):
        await ada.send_str("hello")
        assert await ada.receive_str() == await bob.receive_str() == "hello"
        await eve.send_str("only coffee")
        assert await eve.receive_str() == "only coffee"


async def test_dashboard_answers_and_pushes(client: Client) -> None:
    async with client.ws_connect("/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send_json(update)
        assert await dashboard.receive_json() == {"type": "panel", **update, "updates": 1}
        first, second = await dashboard.receive_json(), await dashboard.receive_json()
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]"])
async def test_a_bad_update_closes_only_its_own_connection(client: Client, garbage: str) -> None:
    async with client.ws_connect("/dashboard") as good, client.ws_connect("/dashboard") as bad:
        await bad.send_str(garbage)
        closing = await bad.receive()
        assert (closing.type, closing.data) == (WSMsgType.CLOSE, WSCloseCode.INVALID_TEXT)
        assert (await good.receive_json())["type"] == "snapshot"


async def test_events_carry_the_dashboards_snapshots(client: Client) -> None:
    async with client.get("/events") as stream, client.ws_connect("/dashboard") as dashboard:
        assert stream.content_type == "text/event-stream"
        first, second = await next_event(stream), await next_event(stream)
        assert second["seq"] == first["seq"] + 1
        assert await dashboard.receive_json() in (first, second)


async def test_shutdown_says_goodbye(client: Client) -> None:
    async with client.get("/events") as stream, client.ws_connect("/echo") as echo:
        await client.server.close()
        closing = await echo.receive()
        assert (closing.type, closing.data) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)
        await stream.content.read()  # to the end, which an aborted stream does not have
