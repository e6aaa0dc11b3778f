"""The app under Flask-SocketIO's own test client."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import app as application
import pytest
from app import app, socketio


class _EnoughError(Exception):
    """Ends the endless push after the beats a test asked for."""


def connect() -> Any:
    return socketio.test_client(app)


def test_is_healthy() -> None:
    assert app.test_client().get("/healthz").status_code == 200


@pytest.mark.parametrize("message", ["héllo", b"\x00\xff"])
def test_echo_acknowledges_with_the_same_message(message: str | bytes) -> None:
    assert connect().emit("echo", message, callback=True) == message


def test_room_reaches_every_member_and_nobody_else() -> None:
    ada, bob, eve = connect(), connect(), connect()
    for client, room in ((ada, "tea"), (bob, "tea"), (eve, "coffee")):
        client.emit("join", room, callback=True)
    ada.emit("publish", {"room": "tea", "text": "hello"}, callback=True)
    for client, expected in ((ada, ["hello"]), (bob, ["hello"]), (eve, [])):
        assert [event["args"] for event in client.get_received() if event["name"] == "message"] == expected


def test_what_is_posted_to_a_room_reaches_its_members() -> None:
    ada, eve = connect(), connect()
    for client, room in ((ada, "tea"), (eve, "coffee")):
        client.emit("join", room, callback=True)
    assert app.test_client().post("/publish/tea", data="héllo".encode(), content_type="text/plain").status_code == 204
    for client, expected in ((ada, ["héllo"]), (eve, [])):
        assert [event["args"] for event in client.get_received() if event["name"] == "message"] == expected


def test_update_acknowledges_with_the_panel() -> None:
    client = connect()
    sent = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
    assert client.emit("update", sent, callback=True) == {**sent, "updates": 1}
    assert client.emit("update", sent, callback=True) == {**sent, "updates": 2}


@pytest.mark.parametrize("garbage", ["not a mapping", {"panel": "test"}, []])
def test_a_bad_update_is_answered_with_an_error(garbage: Any) -> None:
    assert connect().emit("update", garbage, callback=True) == {"error": "not a panel update"}


def test_snapshots_are_pushed_to_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    clients, elsewhere = [connect(), connect()], connect()
    for client in clients:
        client.emit("join", "dashboard", callback=True)
    clients[0].emit("update", {"panel": "pushed", "value": 1.5, "client": 1, "seq": 1}, callback=True)
    waits = iter([1.0, 0.75])
    now = 100.0

    def sleep(seconds: float) -> None:
        nonlocal now
        expected = next(waits, None)
        if expected is None:
            raise _EnoughError
        assert seconds == expected
        now += seconds + 0.25  # it wakes late, and the next wait must make up for it

    monkeypatch.setattr(application, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(application.socketio, "sleep", sleep)
    with pytest.raises(_EnoughError):
        application.push_snapshots()
    for client in clients:
        snapshots = [event["args"][0] for event in client.get_received() if event["name"] == "snapshot"]
        assert [snapshot["seq"] for snapshot in snapshots] == [1, 2]
        assert snapshots[0]["panels"]["pushed"] == {"value": 1.5, "updates": 1}
    assert not elsewhere.get_received()


@pytest.mark.parametrize("event", ["work", "work_inline"])
def test_work_is_acknowledged_with_the_message(event: str) -> None:
    assert connect().emit(event, "héllo", callback=True) == "héllo"


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sessions.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        database.execute("INSERT INTO sessions VALUES ('token-1', 'ada')")
        database.commit()
    monkeypatch.setattr(application, "SESSIONS_DB", str(path))
    return path


def enter(cookies: dict[str, str]) -> Any:
    """A client in the namespace of sessions, or one that was refused."""
    browser = app.test_client()
    for name, value in cookies.items():
        browser.set_cookie(name, value)
    return socketio.test_client(app, namespace="/session", flask_test_client=browser)


@pytest.mark.usefixtures("sessions")
def test_a_session_has_the_name_of_its_user() -> None:
    assert enter({"session": "token-1"}).emit("whoami", namespace="/session", callback=True) == "ada"


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize("cookies", [{}, {"session": "token-2"}])
def test_others_are_refused(cookies: dict[str, str]) -> None:
    assert not enter(cookies).is_connected("/session")


def test_a_locked_file_refuses_its_users_too(sessions: Path) -> None:
    with closing(sqlite3.connect(sessions, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert not enter({"session": "token-1"}).is_connected("/session")


def test_events_stream_the_snapshots() -> None:
    """The last test: its snapshots go on."""
    socketio.start_background_task(application.push_snapshots)
    response = app.test_client().get("/events")
    assert response.content_type == "text/event-stream"
    lines = iter(response.response)
    first, second = (json.loads(next(lines).removeprefix(b"data: ")) for _ in range(2))
    assert first["type"] == "snapshot"
    assert second["seq"] == first["seq"] + 1
