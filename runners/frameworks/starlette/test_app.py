"""The app under Starlette's own TestClient."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from app import app
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_is_healthy(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("message", ["héllo", ""])
def test_echo_keeps_text(client: TestClient, message: str) -> None:
    with client.websocket_connect("/echo") as echo:
        echo.send_text(message)
        assert echo.receive_text() == message


def test_echo_keeps_binary(client: TestClient) -> None:
    with client.websocket_connect("/echo") as echo:
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


@pytest.mark.parametrize(
    "garbage", [{"text": "not json"}, {"text": '{"panel": "test"}'}, {"text": "[]"}, {"bytes": b"\x00\xff\xfe"}]
)
def test_a_bad_update_closes_only_its_own_connection(client: TestClient, garbage: dict[str, Any]) -> None:
    with client.websocket_connect("/dashboard") as good, client.websocket_connect("/dashboard") as bad:
        bad.send({"type": "websocket.receive", **garbage})
        with pytest.raises(WebSocketDisconnect) as closed:
            bad.receive_json()
        assert closed.value.code == 1007
        assert good.receive_json()["type"] == "snapshot"


def test_events_stream_the_snapshots(client: TestClient) -> None:
    with client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        data = (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: "))
        first, second = json.loads(next(data)), json.loads(next(data))
    assert first["type"] == "snapshot"
    assert second["seq"] == first["seq"] + 1
