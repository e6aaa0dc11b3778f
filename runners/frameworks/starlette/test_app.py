"""The app under Starlette's own TestClient."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
from app import app
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


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


def test_what_is_posted_to_a_room_reaches_its_members(client: TestClient) -> None:
    with client.websocket_connect("/room/tea") as ada, client.websocket_connect("/room/tea") as bob:
        ada.send_text("both are there")
        assert ada.receive_text() == bob.receive_text() == "both are there"
        assert client.post("/publish/tea", content="héllo".encode()).status_code == 204
        assert client.post("/publish/empty", content=b"hello").status_code == 204
        ada.send_text("after it")
        for text in ("héllo", "after it"):
            assert ada.receive_text() == bob.receive_text() == text


def test_work_leaves_the_loop_unless_it_is_inline(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        with client.websocket_connect(path) as worker:
            worker.send_text("héllo")
            assert worker.receive_text() == "héllo"
    assert threads[0] != threads[1]


def test_only_who_has_a_session_gets_in(client: TestClient, known_session: str) -> None:
    with client.websocket_connect("/session", headers={"Cookie": known_session}) as ada:
        ada.send_text("whoami")
        assert ada.receive_text() == "ada"
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/session", headers=headers):
            pass
        assert refused.value.status_code == 401


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
