"""The app on a free port, under Tornado's own WebSocket client."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from threading import get_ident

import app
import pytest
from app import Connection, make_app, push_snapshots
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketClientConnection, websocket_connect
from tuned import listen, make_prompt_app


@pytest.fixture
async def address() -> AsyncIterator[str]:
    listener, port = bind_unused_port()
    server = HTTPServer(make_app())
    server.add_socket(listener)
    beat = push_snapshots()
    yield f"127.0.0.1:{port}"
    beat.stop()
    server.stop()
    await server.close_all_connections()


async def connect(address: str, path: str) -> WebSocketClientConnection:
    return await websocket_connect(f"ws://{address}{path}")


async def test_is_healthy(address: str) -> None:
    response = await AsyncHTTPClient().fetch(f"http://{address}/healthz")
    assert response.code == 200


async def test_echo_keeps_text_and_binary_apart(address: str) -> None:
    with closing(await connect(address, "/echo")) as echo:
        for message in ("héllo", b"\x00\xff"):
            await echo.write_message(message, binary=isinstance(message, bytes))
            assert await echo.read_message() == message


async def test_room_reaches_every_member_and_nobody_else(address: str) -> None:
    with (
        closing(await connect(address, "/room/tea")) as ada,
        closing(await connect(address, "/room/tea")) as bob,
        closing(await connect(address, "/room/coffee")) as eve,
    ):
        await ada.write_message("hello")
        assert await ada.read_message() == await bob.read_message() == "hello"
        await eve.write_message("only coffee")
        assert await eve.read_message() == "only coffee"


async def test_what_is_posted_to_a_room_reaches_its_members(address: str) -> None:
    with closing(await connect(address, "/room/tea")) as ada, closing(await connect(address, "/room/tea")) as bob:
        await ada.write_message("both are there")
        assert await ada.read_message() == await bob.read_message() == "both are there"
        for room in ("tea", "empty"):
            posted = HTTPRequest(f"http://{address}/publish/{room}", method="POST", body="héllo")
            assert (await AsyncHTTPClient().fetch(posted)).code == 204
        assert await ada.read_message() == await bob.read_message() == "héllo"


async def test_work_leaves_the_loop_unless_it_is_inline(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(app, "work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        with closing(await connect(address, path)) as worker:
            await worker.write_message("héllo")
            assert await worker.read_message() == "héllo"
    assert [thread == get_ident() for thread in threads] == [False, True]


async def test_a_session_has_a_name_and_nobody_else_gets_in(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "SESSIONS_DB", str(tmp_path / "sessions"))
    with closing(sqlite3.connect(app.SESSIONS_DB)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-7', 'ada')")
        sessions.commit()
    url = f"ws://{address}/session"
    with closing(await websocket_connect(HTTPRequest(url, headers={"Cookie": "session=token-7"}))) as session:
        await session.write_message("whoami")
        assert await session.read_message() == "ada"
    for headers in ({"Cookie": "session=token-8"}, {}):
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(url, headers=headers))
        assert refused.value.code == 403


async def test_dashboard_answers_and_pushes(address: str) -> None:
    with closing(await connect(address, "/dashboard")) as dashboard:
        update = {"panel": "test", "value": 41.5, "client": 7, "seq": 12}
        await dashboard.write_message(update)
        assert json.loads(await dashboard.read_message()) == {"type": "panel", **update, "updates": 1}
        first, second = json.loads(await dashboard.read_message()), json.loads(await dashboard.read_message())
        assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
        assert second["seq"] == first["seq"] + 1


@pytest.mark.parametrize("garbage", ["not json", '{"panel": "test"}', "[]"])
async def test_a_bad_update_closes_only_its_own_connection(address: str, garbage: str) -> None:
    with closing(await connect(address, "/dashboard")) as good, closing(await connect(address, "/dashboard")) as bad:
        await bad.write_message(garbage)
        assert await bad.read_message() is None
        assert bad.close_code == 1007
        assert json.loads(await good.read_message())["type"] == "snapshot"


async def test_events_carry_the_dashboards_snapshots(address: str) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, port)
    with closing(writer):
        writer.write(b"GET /events HTTP/1.0\r\nHost: test\r\n\r\n")  # 1.0, so that the answer is not chunked
        assert b"Content-Type: text/event-stream\r\n" in await reader.readuntil(b"\r\n\r\n")
        with closing(await connect(address, "/dashboard")) as dashboard:
            events = [await reader.readuntil(b"\n\n") for _ in range(2)]
            first, second = [json.loads(event.removeprefix(b"data: ")) for event in events]
            assert second["seq"] == first["seq"] + 1
            assert json.loads(await dashboard.read_message()) in (first, second)


def make_watched_app(app: Application, seen: list[int]) -> Application:
    """The app with connections that note on their first message whether Nagle's algorithm is off."""
    (rules,) = app.default_router.rules
    for rule in rules.target.rules:
        if issubclass(rule.target, Connection):

            class Watched(rule.target):
                async def on_message(self, message: str | bytes) -> None:
                    connected = self.ws_connection.stream.socket
                    seen.append(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                    self.close()

            rule.target = Watched
    return app


@pytest.mark.parametrize("path", ["/echo", "/room/tea", "/dashboard", "/work", "/work-inline"])
@pytest.mark.parametrize(("make", "is_off"), [(make_app, False), (make_prompt_app, True)])
async def test_nagles_algorithm_is_off_in_the_tuned_app_only(
    path: str, make: Callable[[], Application], *, is_off: bool
) -> None:
    seen: list[int] = []
    server = HTTPServer(make_watched_app(make(), seen))
    (listener,) = listen("127.0.0.1", 0)
    server.add_socket(listener)
    with closing(await connect(f"127.0.0.1:{listener.getsockname()[1]}", path)) as client:
        await client.write_message("hello")
        assert await client.read_message() is None
    assert [bool(one) for one in seen] == [is_off]
    server.stop()
    await server.close_all_connections()
