"""The app under FastAPI's own TestClient."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from app import app, events, push_snapshots
from fastapi import WebSocketDisconnect
from fastapi.sse import ServerSentEvent
from fastapi.testclient import TestClient


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_is_healthy(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200


def test_echo_keeps_text_and_binary_apart(client: TestClient) -> None:
    with client.websocket_connect("/echo") as echo:
        echo.send_text("héllo")
        assert echo.receive_text() == "héllo"
        echo.send_bytes(b"\x00\xff")
        assert echo.receive_bytes() == b"\x00\xff"


def test_room_reaches_every_member_and_nobody_else(client: TestClient) -> None:
    with (
        client.websocket_connect("/room/tea") as ada,
        client.websocket_connect("/room/tea") as bob,
        client.websocket_connect("/room/coffee") as eve,
    ):
        ada.send_text("hello")
        assert ada.receive_text() == bob.receive_text() == "hello"
        eve.send_text("only coffee")
        assert eve.receive_text() == "only coffee"


def test_dashboard_answers_and_pushes(client: TestClient) -> None:
    with client.websocket_connect("/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        dashboard.send_json(update)
        assert dashboard.receive_json() == {"type": "panel", **update, "updates": 1}
        first, second = dashboard.receive_json(), dashboard.receive_json()
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]"])
def test_a_bad_update_closes_only_its_own_connection(client: TestClient, garbage: str) -> None:
    with client.websocket_connect("/dashboard") as good, client.websocket_connect("/dashboard") as bad:
        bad.send_text(garbage)
        with pytest.raises(WebSocketDisconnect) as closed:
            bad.receive_json()
        assert closed.value.code == 1007
        assert good.receive_json()["type"] == "snapshot"


async def two_streams() -> list[ServerSentEvent]:
    pusher = asyncio.create_task(push_snapshots())
    streams = [aiter(events()) for _ in range(2)]
    try:
        return await asyncio.gather(*(anext(stream) for stream in streams))
    finally:
        pusher.cancel()
        for stream in streams:
            await stream.aclose()


def test_a_snapshot_is_written_once_for_all_streams() -> None:
    first, second = asyncio.run(two_streams())
    assert first is second
    assert json.loads(first.raw_data)["type"] == "snapshot"
