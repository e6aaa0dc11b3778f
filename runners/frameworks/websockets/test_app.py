"""The app on a free port, under the library's own client."""

import asyncio
import json
import sqlite3
import urllib.request
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from threading import get_ident

import app
import pytest
from app import push_snapshots, start
from websockets.asyncio.client import connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Request


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with start(host="127.0.0.1", port=0) as server:
        pusher = asyncio.create_task(push_snapshots())
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        pusher.cancel()


async def test_is_healthy(address: str) -> None:
    response = await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/healthz")
    assert response.status == 200


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


async def test_work_leaves_the_loop_unless_it_is_inline(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(app, "work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        async with connect(f"ws://{address}{path}") as worker:
            await worker.send("héllo")
            assert await worker.recv() == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


@pytest.mark.parametrize("path", ["/echo", "/room/tea", "/dashboard", "/stream", "/work", "/work-inline"])
def test_no_other_handshake_waits_for_sessions(path: str) -> None:
    assert app.answer_http(None, Request(path, Headers())) is None


async def test_a_session_has_a_name_and_nobody_else_gets_in(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "SESSIONS_DB", str(tmp_path / "sessions"))
    with closing(sqlite3.connect(app.SESSIONS_DB)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-7', 'ada')")
        sessions.commit()
    url = f"ws://{address}/session"
    async with connect(url, additional_headers={"Cookie": "session=token-7"}) as session:
        await session.send("whoami")
        assert await session.recv() == "ada"
    for headers in ({"Cookie": "session=token-8"}, {}):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=headers)
        assert refused.value.response.status_code == 401


async def test_a_request_with_a_body_gets_no_answer(address: str) -> None:
    """Why it has no exchange `publish`."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    with closing(writer):
        writer.write(b"POST /publish/tea HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello")
        assert await reader.read() == b""


async def test_dashboard_answers_and_pushes(address: str) -> None:
    async with connect(f"ws://{address}/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send(json.dumps(update))
        assert json.loads(await dashboard.recv()) == {"type": "panel", **update, "updates": 1}
        first, second = json.loads(await dashboard.recv()), json.loads(await dashboard.recv())
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]"])
async def test_a_bad_update_closes_only_its_own_connection(address: str, garbage: str) -> None:
    async with connect(f"ws://{address}/dashboard") as good, connect(f"ws://{address}/dashboard") as bad:
        await bad.send(garbage)
        with pytest.raises(ConnectionClosedError) as closed:
            await bad.recv()
        assert closed.value.rcvd.code == 1007
        assert json.loads(await good.recv())["type"] == "snapshot"
