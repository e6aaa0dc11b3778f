"""The app on a free port, under the client of the websockets library, which comes with Sanic."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
from app import app
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus


@pytest.fixture(scope="module")  # a Sanic app starts once
async def address() -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = await app.create_server(sock=listener, return_asyncio_server=True)
    await server.startup()
    await server.after_start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    await server.before_stop()
    await server.close()


def get_status(address: str, path: str, method: str = "GET", text: str = "") -> int:
    with closing(HTTPConnection(address, timeout=5)) as connection:
        connection.request(method, path, text.encode())
        return connection.getresponse().status


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


def read_events(address: str, count: int) -> tuple[str | None, list[Any]]:
    """The content type of the stream and its first events."""
    with closing(HTTPConnection(address, timeout=5)) as connection:
        connection.request("GET", "/events")
        response = connection.getresponse()
        data = (line.removeprefix(b"data: ") for line in response if line.startswith(b"data: "))
        return response.headers.get_content_type(), [json.loads(next(data)) for _ in range(count)]


async def test_is_healthy(address: str) -> None:
    assert await asyncio.to_thread(get_status, address, "/healthz") == 200


async def test_echo_keeps_text_and_binary_apart(address: str) -> None:
    async with connect(f"ws://{address}/echo") as echo:
        for message in ("héllo", b"\x00\xff"):
            await echo.send(message)
            assert await echo.recv() == message


async def test_room_reaches_every_member_and_nobody_else(address: str) -> None:
    async with (
        connect(f"ws://{address}/room/tea") as ada,
        connect(f"ws://{address}/room/tea") as bob,
        connect(f"ws://{address}/room/coffee") as eve,
    ):
        await ada.send("hello")
        assert await ada.recv() == await bob.recv() == "hello"
        await eve.send("only coffee")
        assert await eve.recv() == "only coffee"


async def test_what_is_posted_to_a_room_reaches_its_members(address: str) -> None:
    async with connect(f"ws://{address}/room/tea") as ada, connect(f"ws://{address}/room/tea") as bob:
        await ada.send("both are there")
        assert await ada.recv() == await bob.recv() == "both are there"
        assert await asyncio.to_thread(get_status, address, "/publish/tea", "POST", "héllo") == 204
        assert await asyncio.to_thread(get_status, address, "/publish/empty", "POST", "hello") == 204
        await ada.send("after it")
        for text in ("héllo", "after it"):
            assert await ada.recv() == await bob.recv() == text


async def test_work_leaves_the_loop_unless_it_is_inline(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        async with connect(f"ws://{address}{path}") as worker:
            await worker.send("héllo")
            assert await worker.recv() == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


async def test_only_who_has_a_session_gets_in(address: str, known_session: str) -> None:
    async with connect(f"ws://{address}/session", additional_headers={"Cookie": known_session}) as ada:
        await ada.send("whoami")
        assert await ada.recv() == "ada"
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/session", additional_headers=headers)
        assert refused.value.response.status_code == 401


async def test_dashboard_answers_and_pushes(address: str) -> None:
    async with connect(f"ws://{address}/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send(json.dumps(update))
        answer = json.loads(await dashboard.recv())
        while answer["type"] == "snapshot":  # the beat goes on from test to test
            answer = json.loads(await dashboard.recv())
        assert answer == {"type": "panel", **update, "updates": 1}
        first, second = json.loads(await dashboard.recv()), json.loads(await dashboard.recv())
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


async def receive_for_ever(connection: ClientConnection) -> None:
    while True:
        await connection.recv()


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]", b"\x00\xff\xfe"])
async def test_a_bad_update_closes_only_its_own_connection(address: str, garbage: str | bytes) -> None:
    async with connect(f"ws://{address}/dashboard") as good, connect(f"ws://{address}/dashboard") as bad:
        await bad.send(garbage)
        with pytest.raises(ConnectionClosedError) as closed:
            await receive_for_ever(bad)
        assert closed.value.rcvd.code == 1007
        assert json.loads(await good.recv())["type"] == "snapshot"


async def test_events_carry_the_same_snapshots(address: str) -> None:
    async with connect(f"ws://{address}/dashboard") as dashboard:
        content_type, streamed = await asyncio.to_thread(read_events, address, 2)
        pushed = {snapshot["seq"]: snapshot for snapshot in [json.loads(await dashboard.recv()) for _ in range(2)]}
    assert content_type == "text/event-stream"
    assert streamed[1]["seq"] == streamed[0]["seq"] + 1
    assert any(pushed.get(snapshot["seq"]) == snapshot for snapshot in streamed)
