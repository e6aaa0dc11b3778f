"""The app under aiohttp's own test client."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from threading import get_ident
from typing import Any

import app
import pytest
from aiohttp import ClientResponse, WSCloseCode, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(await app.make_app())) as client:
        yield client


async def next_event(stream: ClientResponse) -> Any:
    event = await stream.content.readuntil(b"\n\n")
    assert event.startswith(b"data: ")
    return json.loads(event.removeprefix(b"data: "))


async def test_is_healthy(client: Client) -> None:
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_echo_keeps_text_and_binary_apart(client: Client) -> None:
    async with client.ws_connect("/echo") as echo:
        await echo.send_str("héllo")
        assert await echo.receive_str() == "héllo"
        await echo.send_bytes(b"\x00\xff")
        assert await echo.receive_bytes() == b"\x00\xff"


async def test_room_reaches_every_member_and_nobody_else(client: Client) -> None:
    async with (
        client.ws_connect("/room/tea") as ada,
        client.ws_connect("/room/tea") as bob,
        client.ws_connect("/room/coffee") as eve,
    ):
        await ada.send_str("hello")
        assert await ada.receive_str() == await bob.receive_str() == "hello"
        await eve.send_str("only coffee")
        assert await eve.receive_str() == "only coffee"


async def test_what_is_posted_to_a_room_reaches_its_members(client: Client) -> None:
    async with client.ws_connect("/room/tea") as ada, client.ws_connect("/room/tea") as bob:
        await ada.send_str("both are there")
        assert await ada.receive_str() == await bob.receive_str() == "both are there"
        for room in ("tea", "empty"):
            async with client.post(f"/publish/{room}", data="héllo".encode()) as response:
                assert response.status == 204
        assert await ada.receive_str() == await bob.receive_str() == "héllo"


async def test_work_leaves_the_loop_unless_it_is_inline(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(app, "work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        async with client.ws_connect(path) as worker:
            await worker.send_str("héllo")
            assert await worker.receive_str() == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


async def test_a_session_has_a_name_and_nobody_else_gets_in(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "SESSIONS_DB", str(tmp_path / "sessions"))
    with closing(sqlite3.connect(app.SESSIONS_DB)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-7', 'ada')")
        sessions.commit()
    async with client.ws_connect("/session", headers={"Cookie": "session=token-7"}) as session:
        await session.send_str("whoami")
        assert await session.receive_str() == "ada"
    for headers in ({"Cookie": "session=token-8"}, {}):
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/session", headers=headers)
        assert refused.value.status == 401


async def test_dashboard_answers_and_pushes(client: Client) -> None:
    async with client.ws_connect("/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send_json(update)
        assert await dashboard.receive_json() == {"type": "panel", **update, "updates": 1}
        first, second = await dashboard.receive_json(), await dashboard.receive_json()
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]"])
async def test_a_bad_update_closes_only_its_own_connection(client: Client, garbage: str) -> None:
    async with client.ws_connect("/dashboard") as good, client.ws_connect("/dashboard") as bad:
        await bad.send_str(garbage)
        closing = await bad.receive()
        assert (closing.type, closing.data) == (WSMsgType.CLOSE, WSCloseCode.INVALID_TEXT)
        assert (await good.receive_json())["type"] == "snapshot"


async def test_events_carry_the_dashboards_snapshots(client: Client) -> None:
    async with client.get("/events") as stream, client.ws_connect("/dashboard") as dashboard:
        assert stream.content_type == "text/event-stream"
        first, second = await next_event(stream), await next_event(stream)
        assert second["seq"] == first["seq"] + 1
        assert await dashboard.receive_json() in (first, second)


async def test_shutdown_says_goodbye(client: Client) -> None:
    async with client.get("/events") as stream, client.ws_connect("/echo") as echo:
        await client.server.close()
        closing = await echo.receive()
        assert (closing.type, closing.data) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)
        await stream.content.read()  # to the end, which an aborted stream does not have
