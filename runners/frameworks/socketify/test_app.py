"""The app in a process of its own on a free port, under the websockets client."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "socketify", "app:run", "--port", str(port)]
    server = subprocess.Popen(command, cwd=Path(__file__).parent)
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
