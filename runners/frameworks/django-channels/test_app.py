"""The app under Channels' own WebsocketCommunicator, on the in-memory layer."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from threading import Barrier, get_ident

import app
import pytest
from app import application, background_tasks
from channels.testing import WebsocketCommunicator
from django.test import AsyncClient


async def connect(path: str) -> WebsocketCommunicator:
    client = WebsocketCommunicator(application, path)
    connected, _ = await client.connect()
    assert connected
    return client


@pytest.fixture(autouse=True)
async def stop_the_push() -> AsyncIterator[None]:
    yield
    while background_tasks:
        background_tasks.pop().cancel()


async def test_is_healthy() -> None:
    response = await AsyncClient().get("/healthz")
    assert response.status_code == 200


async def test_echo_keeps_text_and_binary_apart() -> None:
    echo = await connect("/echo")
    await echo.send_to(text_data="héllo")
    assert await echo.receive_from() == "héllo"
    await echo.send_to(bytes_data=b"\x00\xff")
    assert await echo.receive_from() == b"\x00\xff"
    await echo.disconnect()


async def test_room_reaches_every_member_and_nobody_else() -> None:
    ada, bob, eve = await connect("/room/tea"), await connect("/room/tea"), await connect("/room/coffee")
    await ada.send_to(text_data="hello")
    assert await ada.receive_from() == await bob.receive_from() == "hello"
    assert await eve.receive_nothing()
    for client in (ada, bob, eve):
        await client.disconnect()


async def test_what_is_posted_to_a_room_reaches_its_members() -> None:
    ada, eve = await connect("/room/tea"), await connect("/room/coffee")
    for room in ("tea", "empty"):
        posted = await AsyncClient().post(f"/publish/{room}", "héllo", content_type="text/plain; charset=utf-8")
        assert posted.status_code == 204
    assert await ada.receive_from() == "héllo"
    assert await eve.receive_nothing()
    for client in (ada, eve):
        await client.disconnect()


async def test_work_leaves_the_loop_unless_it_is_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(app, "work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        worker = await connect(path)
        await worker.send_to(text_data="héllo")
        assert await worker.receive_from() == "héllo"
        await worker.disconnect()
    assert [thread == get_ident() for thread in threads] == [False, True]


async def test_two_clients_work_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Barrier(2)
    monkeypatch.setattr(app, "work", lambda: both.wait(5))
    workers = [await connect("/work") for _ in range(2)]
    for worker in workers:
        await worker.send_to(text_data="héllo")
    for worker in workers:
        assert await worker.receive_from(timeout=10) == "héllo"
        await worker.disconnect()


async def test_a_session_has_a_name_and_nobody_else_gets_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SESSIONS_DB", str(tmp_path / "sessions"))
    with closing(sqlite3.connect(app.SESSIONS_DB)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-7', 'ada')")
        sessions.commit()
    session = WebsocketCommunicator(application, "/session", headers=[(b"cookie", b"session=token-7")])
    assert (await session.connect())[0]
    await session.send_to(text_data="whoami")
    assert await session.receive_from() == "ada"
    await session.disconnect()
    for headers in ([(b"cookie", b"session=token-8")], []):
        refused = WebsocketCommunicator(application, "/session", headers=headers)
        assert not (await refused.connect())[0]


async def test_dashboard_answers_and_pushes() -> None:
    dashboard = await connect("/dashboard")
    update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
    await dashboard.send_json_to(update)
    assert await dashboard.receive_json_from() == {"type": "panel", **update, "updates": 1}
    first, second = [json.loads(await dashboard.receive_from(timeout=3)) for _ in range(2)]
    assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
    assert second["seq"] == first["seq"] + 1
    await dashboard.disconnect()


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]"])
async def test_a_bad_update_is_answered_and_disturbs_nobody(garbage: str) -> None:
    good, bad = await connect("/dashboard"), await connect("/dashboard")
    await bad.send_to(text_data=garbage)
    assert (await bad.receive_json_from())["type"] == "error"
    assert (await good.receive_json_from(timeout=3))["type"] == "snapshot"
    await good.disconnect()
    await bad.disconnect()


async def test_events_carry_the_snapshots() -> None:
    response = await AsyncClient().get("/events")
    assert response.headers["Content-Type"] == "text/event-stream"
    stream = aiter(response)
    first, second = [json.loads((await anext(stream)).removeprefix(b"data: ")) for _ in range(2)]
    assert first["type"] == "snapshot"
    assert second["seq"] == first["seq"] + 1
    await response.streaming_content.aclose()
