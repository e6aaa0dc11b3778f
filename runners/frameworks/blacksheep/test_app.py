"""The app under uvicorn on a free port, and the websockets library's client."""

import json
import socket
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread, get_ident
from typing import Any

import pytest
import uvicorn
from app import app
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))  # it listens from here on: nobody has to wait for the server
    host, port = listener.getsockname()
    server = uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", log_level="warning"))
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


def post(address: str, path: str, text: str) -> int:
    with closing(HTTPConnection(address, timeout=5)) as connection:
        connection.request("POST", path, text.encode(), {"Content-Type": "text/plain"})
        return connection.getresponse().status


def receive(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of that kind; the beat may come in between."""
    while (message := json.loads(client.recv(timeout=3)))["type"] != kind:
        pass
    return message


def read_event(stream: HTTPResponse) -> Any:
    field, _, data = stream.readline().partition(b": ")
    assert field == b"data"
    assert not stream.readline().strip()
    return json.loads(data)


def test_is_healthy(address: str) -> None:
    with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as response:
        assert response.status == 200


def test_echo_keeps_text_and_binary_apart(address: str) -> None:
    with connect(f"ws://{address}/echo") as echo:
        for message in ("héllo", b"\x00\xff"):
            echo.send(message)
            assert echo.recv(timeout=3) == message


def test_room_reaches_every_member_and_nobody_else(address: str) -> None:
    with (
        connect(f"ws://{address}/room/tea") as ada,
        connect(f"ws://{address}/room/tea") as bob,
        connect(f"ws://{address}/room/coffee") as eve,
    ):
        ada.send("hello")
        assert ada.recv(timeout=3) == bob.recv(timeout=3) == "hello"
        eve.send("only coffee")
        assert eve.recv(timeout=3) == "only coffee"


def test_a_binary_message_takes_only_its_sender_out_of_the_room(address: str) -> None:
    with connect(f"ws://{address}/room/tea") as good, connect(f"ws://{address}/room/tea") as bad:
        bad.send(b"\x00\xff")
        with pytest.raises(ConnectionClosedError) as closed:
            bad.recv(timeout=3)
        assert closed.value.rcvd.code == 1007
        good.send("still here")
        assert good.recv(timeout=3) == "still here"


def test_what_is_posted_to_a_room_reaches_its_members(address: str) -> None:
    with connect(f"ws://{address}/room/tea") as ada, connect(f"ws://{address}/room/tea") as bob:
        ada.send("both are there")
        assert ada.recv(timeout=3) == bob.recv(timeout=3) == "both are there"
        assert post(address, "/publish/tea", "héllo") == 204
        assert ada.recv(timeout=3) == bob.recv(timeout=3) == "héllo"
        assert post(address, "/publish/empty", "hello") == 204


def test_work_leaves_the_loop_unless_it_is_inline(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        with connect(f"ws://{address}{path}") as worker:
            worker.send("héllo")
            assert worker.recv(timeout=3) == "héllo"
    assert threads[0] != threads[1]


def test_only_who_has_a_session_gets_in(address: str, known_session: str) -> None:
    with connect(f"ws://{address}/session", additional_headers={"Cookie": known_session}) as ada:
        ada.send("whoami")
        assert ada.recv(timeout=3) == "ada"
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/session", additional_headers=headers)
        assert refused.value.response.status_code == 403


def test_dashboard_answers_and_pushes(address: str) -> None:
    with connect(f"ws://{address}/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        dashboard.send(json.dumps(update))
        assert receive(dashboard, "panel") == {"type": "panel", **update, "updates": 1}
        first, second = receive(dashboard, "snapshot"), receive(dashboard, "snapshot")
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]", b"\x00\xff"])
def test_a_bad_update_closes_only_its_own_connection(address: str, garbage: str | bytes) -> None:
    with connect(f"ws://{address}/dashboard") as good, connect(f"ws://{address}/dashboard") as bad:
        bad.send(garbage)
        with pytest.raises(ConnectionClosedError) as closed:
            receive(bad, "nothing of the kind")
        assert closed.value.rcvd.code == 1007
        assert receive(good, "snapshot")


def test_events_are_the_snapshots(address: str) -> None:
    with urllib.request.urlopen(f"http://{address}/events", timeout=5) as stream:
        assert stream.headers.get_content_type() == "text/event-stream"
        first, second = read_event(stream), read_event(stream)
    assert first["type"] == "snapshot"
    assert second["seq"] == first["seq"] + 1
