"""The app under Falcon's own test conductor."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
import pytest_asyncio
from app import app
from falcon import WebSocketDisconnected
from falcon.testing import ASGIConductor, ASGIWebSocketSimulator


@pytest_asyncio.fixture
async def conductor() -> AsyncIterator[ASGIConductor]:
    async with ASGIConductor(app) as conductor:
        yield conductor


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


async def receive(client: ASGIWebSocketSimulator, kind: str) -> dict[str, Any]:
    """The next message of that kind; the beat may come in between."""
    while (message := json.loads(await client.receive_text()))["type"] != kind:
        pass
    return message


async def test_is_healthy(conductor: ASGIConductor) -> None:
    assert (await conductor.simulate_get("/healthz")).status_code == 200


@pytest.mark.parametrize("message", ["héllo", "", "not json", '{"json": 1}'])
async def test_echo_keeps_text(conductor: ASGIConductor, message: str) -> None:
    async with conductor.simulate_ws("/echo") as echo:
        await echo.send_text(message)
        assert await echo.receive_text() == message


@pytest.mark.parametrize("message", [b"\x00\xff", b"", b"\x01"])
async def test_echo_keeps_binary(conductor: ASGIConductor, message: bytes) -> None:
    async with conductor.simulate_ws("/echo") as echo:
        await echo.send_data(message)
        assert await echo.receive_data() == message


async def test_room_reaches_every_member_and_nobody_else(conductor: ASGIConductor) -> None:
    async with (
        conductor.simulate_ws("/room/tea") as ada,
        conductor.simulate_ws("/room/tea") as bob,
        conductor.simulate_ws("/room/coffee") as eve,
    ):
        await ada.send_text("hello")
        assert await ada.receive_text() == await bob.receive_text() == "hello"
        await eve.send_text("only coffee")
        assert await eve.receive_text() == "only coffee"


async def test_what_is_posted_to_a_room_reaches_its_members(conductor: ASGIConductor) -> None:
    async with conductor.simulate_ws("/room/tea") as ada, conductor.simulate_ws("/room/tea") as bob:
        await ada.send_text("both are there")
        assert await ada.receive_text() == await bob.receive_text() == "both are there"
        assert (await conductor.simulate_post("/publish/tea", body="héllo")).status_code == 204
        assert (await conductor.simulate_post("/publish/empty", body="hello")).status_code == 204
        await ada.send_text("after it")
        for text in ("héllo", "after it"):
            assert await ada.receive_text() == await bob.receive_text() == text


async def test_work_leaves_the_loop_unless_it_is_inline(
    conductor: ASGIConductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        async with conductor.simulate_ws(path) as worker:
            await worker.send_text("héllo")
            assert await worker.receive_text() == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


async def test_only_who_has_a_session_gets_in(conductor: ASGIConductor, known_session: str) -> None:
    async with conductor.simulate_ws("/session", headers={"Cookie": known_session}) as ada:
        await ada.send_text("whoami")
        assert await ada.receive_text() == "ada"
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(WebSocketDisconnected) as refused:
            async with conductor.simulate_ws("/session", headers=headers):
                pass
        assert refused.value.code == 3401


async def test_a_binary_message_takes_only_its_sender_out_of_the_room(conductor: ASGIConductor) -> None:
    async with conductor.simulate_ws("/room/tea") as good, conductor.simulate_ws("/room/tea") as bad:
        await bad.send_data(b"\x00\xff")
        with pytest.raises(WebSocketDisconnected):
            await bad.receive_text()
        assert bad.close_code == 1007
        await good.send_text("still here")
        assert await good.receive_text() == "still here"


async def test_dashboard_answers_and_pushes(conductor: ASGIConductor) -> None:
    async with conductor.simulate_ws("/dashboard") as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.send_json(update)
        assert await receive(dashboard, "panel") == {"type": "panel", **update, "updates": 1}
        first, second = await receive(dashboard, "snapshot"), await receive(dashboard, "snapshot")
        assert second["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]", b"\x00\xff\xfe"])
async def test_a_bad_update_closes_only_its_own_connection(conductor: ASGIConductor, garbage: str | bytes) -> None:
    async with conductor.simulate_ws("/dashboard") as good, conductor.simulate_ws("/dashboard") as bad:
        await (bad.send_text(garbage) if isinstance(garbage, str) else bad.send_data(garbage))
        with pytest.raises(WebSocketDisconnected):
            await receive(bad, "nothing of the kind")
        assert bad.close_code == 1007
        assert await receive(good, "snapshot")


async def test_events_are_the_snapshots(conductor: ASGIConductor) -> None:
    async with conductor.simulate_get_stream("/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        body = b""
        async with asyncio.timeout(5):
            while body.count(b"\n\n") < 2:
                body += await response.stream.read()
    first, second = (json.loads(event.removeprefix(b"data: ")) for event in body.split(b"\n\n")[:2])
    assert first["type"] == "snapshot"
    assert second["seq"] == first["seq"] + 1
