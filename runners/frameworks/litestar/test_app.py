"""The app under Litestar's own TestClient, and its endless event stream under uvicorn."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from threading import Thread
from typing import Any

import pytest
import uvicorn
from app import app
from litestar import Litestar
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    with TestClient(app=app) as client:
        yield client


@pytest.fixture
def address() -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))  # it listens from here on: nobody has to wait for the server
    host, port = listener.getsockname()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    yield f"{host}:{port}"
    server.should_exit = True
    thread.join()


def read_event(stream: HTTPResponse) -> Any:
    field, _, data = stream.readline().partition(b": ")
    assert field == b"data"
    assert not stream.readline().strip()
    return json.loads(data)


def test_is_healthy(client: TestClient[Litestar]) -> None:
    assert client.get("/healthz").status_code == 200


def test_echo_keeps_text_and_binary_apart(client: TestClient[Litestar]) -> None:
    with client.websocket_connect("/echo") as echo:
        echo.send_text("héllo")
        assert echo.receive_text() == "héllo"
        echo.send_bytes(b"\x00\xff")
        assert echo.receive_bytes() == b"\x00\xff"


def test_room_reaches_every_member_and_nobody_else(client: TestClient[Litestar]) -> None:
    with (
        client.websocket_connect("/room/tea") as ada,
        client.websocket_connect("/room/tea") as bob,
        client.websocket_connect("/room/coffee") as eve,
    ):
        ada.send_bytes(b"\x00\xff")
        ada.send_text("hello")
        assert ada.receive_text() == bob.receive_text() == "hello"
        eve.send_text("only coffee")
        assert eve.receive_text() == "only coffee"


def test_dashboard_answers_and_pushes(client: TestClient[Litestar]) -> None:
    with client.websocket_connect("/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        dashboard.send_json(update)
        assert dashboard.receive_json() == {"type": "panel", **update, "updates": 1}
        first, second = dashboard.receive_json(), dashboard.receive_json()
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]", b"\x00\xff"])
def test_a_bad_update_closes_only_its_own_connection(client: TestClient[Litestar], garbage: str | bytes) -> None:
    with client.websocket_connect("/dashboard") as good, client.websocket_connect("/dashboard") as bad:
        bad.send(garbage, mode="text" if isinstance(garbage, str) else "binary")
        with pytest.raises(WebSocketDisconnect) as closed:
            bad.receive_json()
        assert closed.value.code == 1007
        assert good.receive_json()["type"] == "snapshot"


def test_events_are_the_snapshots(address: str) -> None:
    with urllib.request.urlopen(f"http://{address}/events", timeout=5) as stream:
        assert stream.headers.get_content_type() == "text/event-stream"
        first, second = read_event(stream), read_event(stream)
    assert first["type"] == "snapshot"
    assert second["seq"] == first["seq"] + 1
