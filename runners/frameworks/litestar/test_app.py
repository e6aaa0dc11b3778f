"""The app under Litestar's own TestClient, and its endless event stream under uvicorn."""

import json
import socket
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path
from threading import Thread, get_ident
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


@pytest.fixture
def known_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The cookie of the only session that the app knows, that of ada."""
    path = tmp_path / "sessions.sqlite3"
    with closing(sqlite3.connect(path)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-1', 'ada')")
        sessions.commit()
    monkeypatch.setattr("app.SESSIONS_DB", str(path))
    return "session=token-1"


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


def test_what_is_posted_to_a_room_reaches_its_members(client: TestClient[Litestar]) -> None:
    with client.websocket_connect("/room/tea") as ada, client.websocket_connect("/room/tea") as bob:
        assert client.post("/publish/tea", content="héllo".encode()).status_code == 204
        assert client.post("/publish/empty", content=b"hello").status_code == 204
        ada.send_text("after it")
        for text in ("héllo", "after it"):
            assert ada.receive_text() == bob.receive_text() == text


def test_work_leaves_the_loop_unless_it_is_inline(
    client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        with client.websocket_connect(path) as worker:
            worker.send_text("héllo")
            assert worker.receive_text() == "héllo"
    assert threads[0] != threads[1]


def test_only_who_has_a_session_gets_in(client: TestClient[Litestar], known_session: str) -> None:
    with client.websocket_connect("/session", headers={"Cookie": known_session}) as ada:
        ada.send_text("whoami")
        assert ada.receive_text() == "ada"
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/session", headers=headers):
            pass
        assert refused.value.code == 1008


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
