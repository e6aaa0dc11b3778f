"""The app under Quart's own test client."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
from app import app, snapshots
from quart.testing import WebsocketResponseError


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    async with app.test_app() as running:
        yield running.test_client()


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


async def test_is_healthy(client: Any) -> None:
    response = await client.get("/healthz")
    assert response.status_code == 200


async def test_echo_keeps_text_and_binary_apart(client: Any) -> None:
    async with client.websocket("/echo") as echo:
        for message in ("héllo", b"\x00\xff"):
            await echo.send(message)
            assert await echo.receive() == message


async def test_room_reaches_every_member_and_nobody_else(client: Any) -> None:
    async with client.websocket("/room/tea") as ada:
        await ada.send("first")
        assert await ada.receive() == "first"  # so she is in
        async with client.websocket("/room/tea") as bob, client.websocket("/room/coffee") as eve:
            await bob.send("hello")
            assert await ada.receive() == await bob.receive() == "hello"
            await eve.send("only coffee")
            assert await eve.receive() == "only coffee"


async def test_what_is_posted_to_a_room_reaches_its_members(client: Any) -> None:
    async with client.websocket("/room/tea") as ada:
        await ada.send("first")
        assert await ada.receive() == "first"  # so she is in
        assert (await client.post("/publish/tea", data="héllo".encode())).status_code == 204
        assert (await client.post("/publish/empty", data=b"hello")).status_code == 204
        await ada.send("after it")
        for text in ("héllo", "after it"):
            assert await ada.receive() == text


async def test_work_leaves_the_loop_unless_it_is_inline(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        async with client.websocket(path) as worker:
            await worker.send("héllo")
            assert await worker.receive() == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


async def ask_for_name(client: Any, headers: dict[str, str]) -> Any:
    async with client.websocket("/session", headers=headers) as session:
        await session.send("whoami")
        return await session.receive()


async def test_only_who_has_a_session_gets_in(client: Any, known_session: str) -> None:
    assert await ask_for_name(client, {"Cookie": known_session}) == "ada"
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(WebsocketResponseError) as refused:
            await ask_for_name(client, headers)
        assert refused.value.response.status_code == 401


async def test_dashboard_answers_and_pushes(client: Any) -> None:
    async with client.websocket("/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send_json(update)
        assert await dashboard.receive_json() == {"type": "panel", **update, "updates": 1}
        first, second = await dashboard.receive_json(), await dashboard.receive_json()
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


async def test_events_are_the_same_snapshots(client: Any) -> None:
    async with client.request("/events") as stream:
        await stream.send_complete()
        first, second = await stream.receive(), await stream.receive()
        assert stream.headers["Content-Type"] == "text/event-stream"
        for event in (first, second):
            assert event.startswith(b"data: ")
            assert event.endswith(b"\n\n")
        assert json.loads(second[6:])["seq"] == json.loads(first[6:])["seq"] + 1
        await stream.disconnect()


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]", b"\x00\xff"])
async def test_a_bad_update_ends_only_its_own_connection(client: Any, garbage: str | bytes) -> None:
    async with client.websocket("/dashboard") as good, client.websocket("/dashboard") as bad:
        await bad.send(garbage)
        assert (await good.receive_json())["type"] == "snapshot"
        assert len(snapshots.queues) == 1
