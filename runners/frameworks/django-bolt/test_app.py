"""The app under django-bolt's own test clients, and its event stream from a running server.

The clients show a response only when all of it is there.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

import django
import pytest

django.setup()

from app import api, background_tasks
from django_bolt.testing import AsyncTestClient, HandshakeRejected, TestClient, WebSocketTestClient
from django_bolt.testing.websocket import ConnectionClosed


@pytest.fixture(autouse=True)
async def stop_the_push() -> AsyncIterator[None]:
    yield
    while background_tasks:
        background_tasks.pop().cancel()


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


async def receive(client: WebSocketTestClient, kind: str) -> dict[str, Any]:
    """The next message of that kind; the beat may come in between."""
    while (message := await client.receive_json())["type"] != kind:
        pass
    return message


async def test_is_healthy() -> None:
    with TestClient(api) as client:
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("message", ["héllo", ""])
async def test_echo_keeps_text(message: str) -> None:
    async with WebSocketTestClient(api, "/echo") as echo:
        await echo.send_text(message)
        assert await echo.receive_text() == message


async def test_echo_keeps_binary() -> None:
    async with WebSocketTestClient(api, "/echo") as echo:
        await echo.send_bytes(b"\x00\xff")
        assert await echo.receive_bytes() == b"\x00\xff"


async def test_room_reaches_every_member_and_nobody_else() -> None:
    async with (
        WebSocketTestClient(api, "/room/tea") as ada,
        WebSocketTestClient(api, "/room/tea") as bob,
        WebSocketTestClient(api, "/room/coffee") as eve,
    ):
        await ada.send_bytes(b"not for rooms")
        await ada.send_text("hello")
        assert await ada.receive_text() == await bob.receive_text() == "hello"
        await eve.send_text("only coffee")
        assert await eve.receive_text() == "only coffee"


async def test_what_is_posted_to_a_room_reaches_its_members() -> None:
    async with WebSocketTestClient(api, "/room/tea") as ada, WebSocketTestClient(api, "/room/tea") as bob:
        await ada.send_text("both are there")
        assert await ada.receive_text() == await bob.receive_text() == "both are there"
        async with AsyncTestClient(api) as outside:
            assert (await outside.post("/publish/tea", content="héllo".encode())).status_code == 204
            assert (await outside.post("/publish/empty", content=b"hello")).status_code == 204
        await ada.send_text("after it")
        for text in ("héllo", "after it"):
            assert await ada.receive_text() == await bob.receive_text() == text


async def test_work_leaves_the_loop_unless_it_is_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        async with WebSocketTestClient(api, path) as worker:
            await worker.send_text("héllo")
            assert await worker.receive_text() == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


async def test_two_clients_work_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Barrier(2)
    monkeypatch.setattr("app.work", lambda: both.wait(5))
    async with WebSocketTestClient(api, "/work") as ada, WebSocketTestClient(api, "/work") as bob:
        await ada.send_text("héllo")
        await bob.send_text("héllo")
        assert await ada.receive_text() == await bob.receive_text() == "héllo"


async def test_only_who_has_a_session_gets_in(known_session: str) -> None:
    async with WebSocketTestClient(api, "/session", headers={"Cookie": known_session}) as ada:
        await ada.send_text("whoami")
        assert await ada.receive_text() == "ada"
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(HandshakeRejected) as refused:
            async with WebSocketTestClient(api, "/session", headers=headers):
                pass
        assert refused.value.status_code == 403


async def test_dashboard_answers_and_pushes() -> None:
    async with WebSocketTestClient(api, "/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send_json(update)
        assert await receive(dashboard, "panel") == {"type": "panel", **update, "updates": 1}
        first, second = await receive(dashboard, "snapshot"), await receive(dashboard, "snapshot")
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]", b"\x00\xff\xfe"])
async def test_a_bad_update_closes_only_its_own_connection(garbage: str | bytes) -> None:
    async with WebSocketTestClient(api, "/dashboard") as good, WebSocketTestClient(api, "/dashboard") as bad:
        await (bad.send_text(garbage) if isinstance(garbage, str) else bad.send_bytes(garbage))
        with pytest.raises(ConnectionClosed):
            await receive(bad, "nothing of the kind")
        assert bad.close_code == 1007
        assert await receive(good, "snapshot")


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "django", "runbolt", "--host", "127.0.0.1"]
    server = subprocess.Popen([*command, "--port", str(port)], cwd=Path(__file__).parent, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not is_healthy(port):
        assert server.poll() is None, f"the app ended with {server.returncode}"
        assert time.monotonic() < deadline, "the app did not come up"
    yield port
    server.terminate()
    server.wait(timeout=5)


def is_healthy(port: int) -> bool:
    http = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        http.request("GET", "/healthz")
        return http.getresponse().status == 200
    except OSError:
        return False
    finally:
        http.close()


def test_events_are_the_snapshots(port: int) -> None:
    http = HTTPConnection("127.0.0.1", port, timeout=5)
    http.request("GET", "/events")
    response = http.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"
    first, blank, second = response.readline(), response.readline(), response.readline()
    assert blank == b"\n"
    assert json.loads(second.removeprefix(b"data: "))["seq"] == json.loads(first.removeprefix(b"data: "))["seq"] + 1
    http.close()
