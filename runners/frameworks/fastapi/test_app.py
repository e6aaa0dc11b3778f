"""The app under FastAPI's own TestClient."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import get_ident

import app as application
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


def test_what_is_posted_to_a_room_reaches_its_members(client: TestClient) -> None:
    with client.websocket_connect("/room/tea") as ada, client.websocket_connect("/room/tea") as bob:
        ada.send_text("both are there")
        assert ada.receive_text() == bob.receive_text() == "both are there"
        assert client.post("/publish/tea", content="héllo".encode()).status_code == 204
        assert ada.receive_text() == bob.receive_text() == "héllo"
        assert client.post("/publish/empty", content=b"hello").status_code == 204


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


def test_work_leaves_the_loop_unless_it_is_inline(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(application, "work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        with client.websocket_connect(path) as worker:
            worker.send_text("héllo")
            assert worker.receive_text() == "héllo"
    assert threads[0] != threads[1]


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sessions.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        database.execute("INSERT INTO sessions VALUES ('token-1', 'ada')")
        database.commit()
    monkeypatch.setattr(application, "SESSIONS_DB", str(path))
    return path


@pytest.mark.usefixtures("sessions")
def test_a_session_has_the_name_of_its_user(client: TestClient) -> None:
    with client.websocket_connect("/session", headers={"Cookie": "session=token-1"}) as ada:
        ada.send_text("whoami")
        assert ada.receive_text() == "ada"


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize("headers", [{}, {"Cookie": "session=token-2"}])
def test_others_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/session", headers=headers):
        pass
    assert refused.value.code == 1008


def test_a_locked_file_refuses_its_users_too(client: TestClient, sessions: Path) -> None:
    with closing(sqlite3.connect(sessions, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/session", headers={"Cookie": "session=token-1"}),
        ):
            pass
