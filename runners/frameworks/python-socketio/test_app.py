"""The app on a free port, under the library's own client."""

import asyncio
import socket
import sqlite3
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from threading import get_ident
from typing import Any

import aiohttp
import app as application
import django_app
import pytest
import socketio
import uvicorn
from app import app

Peer = tuple[socketio.AsyncClient, asyncio.Queue[Any]]


@asynccontextmanager
async def serve(application: Any) -> AsyncIterator[str]:
    """Its address; whoever connects before it is up waits in the queue of the socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(application, ws="websockets-sansio", log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield address
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def connect(address: str, transport: str = "websocket") -> AsyncIterator[Peer]:
    """A client, and what it is sent unasked."""
    inbox: asyncio.Queue[Any] = asyncio.Queue()
    async with aiohttp.ClientSession() as session:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        client.on("message", inbox.put_nowait)
        client.on("snapshot", inbox.put_nowait)
        await client.connect(address, transports=[transport])
        try:
            yield client, inbox
        finally:
            with suppress(TimeoutError):  # a poll under way may last until the next ping
                await asyncio.wait_for(client.disconnect(), 0.5)


async def status_of(url: str) -> int:
    response = await asyncio.to_thread(urllib.request.urlopen, url)
    return response.status


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serve(app) as address:
        yield address


async def test_is_healthy(address: str) -> None:
    assert await status_of(f"{address}/healthz") == 200


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("message", ["héllo", b"\x00\xff", pytest.param("x" * 2**20, id="1 MiB")])
async def test_echo_acknowledges_with_the_same_message(address: str, message: str | bytes, transport: str) -> None:
    async with connect(address, transport) as (client, _):
        assert await client.call("echo", message, timeout=5) == message


async def test_room_reaches_every_member_and_nobody_else(address: str) -> None:
    async with (
        connect(address) as (ada, to_ada),
        connect(address) as (bob, to_bob),
        connect(address) as (eve, to_eve),
    ):
        for client, room in ((ada, "tea"), (bob, "tea"), (eve, "coffee")):
            await client.call("join", room, timeout=5)
        await ada.call("publish", {"room": "tea", "text": "hello"}, timeout=5)
        await eve.call("publish", {"room": "coffee", "text": "only coffee"}, timeout=5)
        for inbox, expected in ((to_ada, "hello"), (to_bob, "hello"), (to_eve, "only coffee")):
            assert await asyncio.wait_for(inbox.get(), 5) == expected


@pytest.mark.parametrize("application", [app, django_app.app], ids=["alone", "beside Django"])
async def test_what_is_posted_to_a_room_reaches_its_members(application: Any) -> None:
    async with serve(application) as address, connect(address) as (ada, to_ada), connect(address) as (eve, to_eve):
        for client, room in ((ada, "tea"), (eve, "coffee")):
            await client.call("join", room, timeout=5)
        async with aiohttp.ClientSession() as session:
            for room in ("tea", "coffee"):
                async with session.post(f"{address}/publish/{room}", data=f"héllo, {room}") as answer:
                    assert answer.status == 204
        assert await asyncio.wait_for(to_ada.get(), 5) == "héllo, tea"
        assert await asyncio.wait_for(to_eve.get(), 5) == "héllo, coffee"


async def test_dashboard_answers_and_pushes(address: str) -> None:
    async with connect(address) as (client, inbox):
        sent = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        assert await client.call("update", sent, timeout=5) == {**sent, "updates": 1}
        assert await client.call("update", sent, timeout=5) == {**sent, "updates": 2}
        await client.call("join", "dashboard", timeout=5)
        first, second = [await asyncio.wait_for(inbox.get(), 5) for _ in range(2)]
        assert first["panels"]["test"] == {"value": 41.5, "updates": 2}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not a mapping", {"panel": "test"}, [], b"\x00\xff"])
async def test_a_bad_update_is_answered_and_disturbs_nobody(address: str, garbage: Any) -> None:
    async with connect(address) as (good, inbox), connect(address) as (bad, _):
        await good.call("join", "dashboard", timeout=5)
        assert await bad.call("update", garbage, timeout=5) == {"error": "not a panel update"}
        assert (await asyncio.wait_for(inbox.get(), 5))["seq"] > 0


async def test_work_leaves_the_loop_unless_it_is_inline(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(application, "work", lambda: threads.append(get_ident()))
    for event in ("work", "work_inline"):
        async with connect(address) as (client, _):
            assert await client.call(event, "héllo", timeout=5) == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sessions.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        database.execute("INSERT INTO sessions VALUES ('token-1', 'ada')")
        database.commit()
    monkeypatch.setattr(application, "SESSIONS_DB", str(path))
    return path


@asynccontextmanager
async def enter(address: str, cookie: str) -> AsyncIterator[socketio.AsyncClient]:
    """A client in the namespace of sessions; raises `ConnectionError` of the library if it is refused."""
    async with aiohttp.ClientSession() as session:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        fields = {"Cookie": cookie} if cookie else {}
        await client.connect(address, headers=fields, transports=["websocket"], namespaces=["/session"])
        try:
            yield client
        finally:
            await client.disconnect()


@pytest.mark.usefixtures("sessions")
async def test_a_session_has_the_name_of_its_user(address: str) -> None:
    async with enter(address, "session=token-1") as ada:
        assert await ada.call("whoami", namespace="/session", timeout=5) == "ada"


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize("cookie", ["", "session=token-2", "other=token-1"])
async def test_others_are_refused(address: str, cookie: str) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with enter(address, cookie):
            pass


async def test_a_locked_file_refuses_its_users_too(address: str, sessions: Path) -> None:
    with closing(sqlite3.connect(sessions, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with enter(address, "session=token-1"):
                pass


async def test_django_stands_beside_it() -> None:
    async with serve(django_app.app) as address:
        assert await status_of(f"{address}/healthz") == 200
        async with connect(address) as (client, _):
            assert await client.call("echo", "hello", timeout=5) == "hello"
