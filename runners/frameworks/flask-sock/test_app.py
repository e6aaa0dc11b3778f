"""The app on a free port of Werkzeug's server, under the websockets client."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import app as served
import pytest
from app import app
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync import client
from websockets.sync.client import ClientConnection
from werkzeug.serving import make_server


@pytest.fixture
def address() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.socket.getsockname()[1]}"
    server.shutdown()
    thread.join()


def connect(url: str, **headers: str) -> ClientConnection:
    """Werkzeug may read the goodbye itself, and then neither answers it nor hangs up: it is not waited for long."""
    return client.connect(url, close_timeout=1, ping_interval=1, additional_headers=headers)


def receive(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this kind."""
    return next(message for message in map(json.loads, connection) if message["type"] == kind)


def test_is_healthy(address: str) -> None:
    http = HTTPConnection(address)
    http.request("GET", "/healthz")
    assert http.getresponse().status == 200


def test_echo_keeps_text_and_binary_apart(address: str) -> None:
    with connect(f"ws://{address}/echo") as echo:
        for message in ("héllo", b"\x00\xff"):
            echo.send(message)
            assert echo.recv() == message


def test_room_reaches_every_member_and_nobody_else(address: str) -> None:
    with connect(f"ws://{address}/room/tea") as ada:
        ada.send("first")
        assert ada.recv() == "first"  # so she is in
        with connect(f"ws://{address}/room/tea") as bob, connect(f"ws://{address}/room/coffee") as eve:
            bob.send("hello")
            assert ada.recv() == bob.recv() == "hello"
            eve.send("only coffee")
            assert eve.recv() == "only coffee"


def test_what_is_posted_to_a_room_reaches_its_members(address: str) -> None:
    with connect(f"ws://{address}/room/tea") as ada:
        ada.send("first")
        assert ada.recv() == "first"  # so she is in
        for room in ("tea", "empty"):
            http = HTTPConnection(address)
            http.request("POST", f"/publish/{room}", "héllo".encode(), {"Content-Type": "text/plain"})
            assert http.getresponse().status == 204
        assert ada.recv() == "héllo"


@pytest.mark.parametrize("path", ["/work", "/work-inline"])
def test_work_answers_with_the_message(address: str, path: str) -> None:
    with connect(f"ws://{address}{path}") as worker:
        worker.send("héllo")
        assert worker.recv() == "héllo"


def test_a_session_has_a_name_and_nobody_else_gets_in(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "SESSIONS_DB", str(tmp_path / "sessions"))
    with closing(sqlite3.connect(served.SESSIONS_DB)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-7', 'ada')")
        sessions.commit()
    with connect(f"ws://{address}/session", Cookie="session=token-7") as session:
        session.send("whoami")
        assert session.recv() == "ada"
    for headers in ({"Cookie": "session=token-8"}, {}):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/session", **headers)
        assert refused.value.response.status_code == 401


def test_dashboard_answers_and_pushes(address: str) -> None:
    with connect(f"ws://{address}/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        dashboard.send(json.dumps(update))
        assert receive(dashboard, "panel") == {"type": "panel", **update, "updates": 1}
        first, second = receive(dashboard, "snapshot"), receive(dashboard, "snapshot")
        assert second["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


def test_events_are_the_same_snapshots(address: str) -> None:
    http = HTTPConnection(address)
    http.request("GET", "/events")
    response = http.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"
    first, blank, second = response.readline(), response.readline(), response.readline()
    assert blank == b"\n"
    assert json.loads(second.removeprefix(b"data: "))["seq"] == json.loads(first.removeprefix(b"data: "))["seq"] + 1
    http.close()


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]", b"\x00\xff"])
def test_a_bad_update_closes_only_its_own_connection(address: str, garbage: str | bytes) -> None:
    with connect(f"ws://{address}/dashboard") as good, connect(f"ws://{address}/dashboard") as bad:
        bad.send(garbage)
        with pytest.raises(ConnectionClosedError) as closed:
            list(bad)
        assert closed.value.rcvd.code == 1007
        assert receive(good, "snapshot")["seq"] > 0
