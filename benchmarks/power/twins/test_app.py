"""The app under FastAPI's own TestClient."""

from collections.abc import Iterator

import app as twins
import pytest
from fastapi import WebSocketDisconnect
from fastapi.testclient import TestClient


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(twins.app) as client:
        yield client


def test_is_healthy(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("turns", [0, 50])
def test_the_answer_is_the_same_whatever_it_costs(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    monkeypatch.setattr(twins, "EXTRA_TURNS", turns)
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
