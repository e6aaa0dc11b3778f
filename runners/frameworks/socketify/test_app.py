"""The app in a process of its own on a free port, under the websockets client."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

RECORDING = """
import os, threading
import app
from app import run

def work():
    with open(os.environ["THREADS"], "a") as threads:
        print(threading.get_ident(), file=threads)

app.work = work
"""
"""The app, which notes the threads of its work instead of working."""


@pytest.fixture(scope="module")
def threads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the app notes them."""
    return tmp_path_factory.mktemp("work") / "threads"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, threads: Path) -> Iterator[str]:
    (threads.parent / "recording.py").write_text(RECORDING)
    known = tmp_path_factory.mktemp("sessions") / "sessions"
    with closing(sqlite3.connect(known)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-7', 'ada')")
        sessions.commit()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "socketify", "recording:run", "--port", str(port)]
    environment = {
        **os.environ,
        "SESSIONS_DB": str(known),
        "THREADS": str(threads),
        "PYTHONPATH": str(threads.parent),
    }
    server = subprocess.Popen(command, cwd=Path(__file__).parent, env=environment)
    deadline = time.monotonic() + 10
    while not is_healthy(f"127.0.0.1:{port}"):
        assert server.poll() is None, f"the app ended with {server.returncode}"
        assert time.monotonic() < deadline, "the app did not come up"
    yield f"127.0.0.1:{port}"
    server.terminate()
    server.wait(timeout=2)


def is_healthy(address: str) -> bool:
    http = HTTPConnection(address, timeout=5)
    try:
        http.request("GET", "/healthz")
        return http.getresponse().status == 200
    except OSError:
        return False
    finally:
        http.close()


def receive(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this kind."""
    return next(message for message in map(json.loads, connection) if message["type"] == kind)


def test_echo_keeps_text_and_binary_apart(address: str) -> None:
    with connect(f"ws://{address}/echo") as echo:
        for message in ("héllo", b"\x00\xff"):
            echo.send(message)
            assert echo.recv() == message


def test_room_reaches_every_member_and_nobody_else(address: str) -> None:
    with (
        connect(f"ws://{address}/room/tea") as ada,
        connect(f"ws://{address}/room/tea") as bob,
        connect(f"ws://{address}/room/coffee") as eve,
    ):
        ada.send("hello")
        assert ada.recv() == bob.recv() == "hello"
        eve.send("only coffee")
        assert eve.recv() == "only coffee"


def test_what_is_posted_to_a_room_reaches_its_members(address: str) -> None:
    with connect(f"ws://{address}/room/tea") as ada, connect(f"ws://{address}/room/tea") as bob:
        ada.send("both are there")
        assert ada.recv() == bob.recv() == "both are there"
        for room in ("tea", "empty"):
            http = HTTPConnection(address)
            http.request("POST", f"/publish/{room}", "héllo".encode())
            assert http.getresponse().status == 204
        assert ada.recv() == bob.recv() == "héllo"


def test_clients_that_leave_within_a_post_do_no_harm(address: str) -> None:
    host, port = address.split(":")
    for _ in range(500):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"POST /publish/tea HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf")
    assert is_healthy(address)


def test_work_leaves_the_loop_unless_it_is_inline(address: str, threads: Path) -> None:
    for path in ("/work", "/work-inline"):
        with connect(f"ws://{address}{path}") as worker:
            worker.send("héllo")
            assert worker.recv() == "héllo"
    first, second = threads.read_text().split()
    assert first != second


def test_a_session_has_a_name_and_nobody_else_gets_in(address: str) -> None:
    with connect(f"ws://{address}/session", additional_headers={"Cookie": "session=token-7"}) as session:
        session.send("whoami")
        assert session.recv() == "ada"
    for headers in ({"Cookie": "session=token-8"}, {}):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/session", additional_headers=headers)
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
