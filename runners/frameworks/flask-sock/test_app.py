"""The app on a free port of Werkzeug's server, under the websockets client."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from threading import Thread
from typing import Any

import pytest
from app import app
from websockets.exceptions import ConnectionClosedError
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


def connect(url: str) -> ClientConnection:
    """Werkzeug may read the goodbye itself, and then neither answers it nor hangs up: it is not waited for long."""
    return client.connect(url, close_timeout=1, ping_interval=1)


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
