"""The app on a free port, with and without the server before it, under picows' own client."""

import asyncio
import json
import sqlite3
import urllib.request
from collections.abc import AsyncIterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import get_ident

import app
import outside
import pytest
from picows import WSCloseCode, WSFrame, WSInvalidStatusError, WSListener, WSMsgType, WSTransport, ws_connect


class Inbox(WSListener):
    """Queues what arrives: ``(type, payload)``, or ``(CLOSE, code)``."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[tuple[WSMsgType, bytes | WSCloseCode]] = asyncio.Queue()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        closes = frame.msg_type == WSMsgType.CLOSE
        payload = frame.get_close_code() if closes else frame.get_payload_as_bytes()
        self.frames.put_nowait((frame.msg_type, payload))

    async def next_json(self) -> dict[str, object]:
        return json.loads((await self.frames.get())[1])


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = await app.start("127.0.0.1", 0)
    pusher = asyncio.create_task(app.push_snapshots())
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    pusher.cancel()
    server.close()


@pytest.fixture
async def entrance() -> AsyncIterator[str]:
    """The address of the server that has each connection before picows."""
    server = await outside.start("127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
def known_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The cookie of the only session that the app knows, that of ada."""
    path = tmp_path / "sessions.sqlite3"
    with closing(sqlite3.connect(path)) as sessions:
        sessions.execute("CREATE TABLE sessions(token TEXT PRIMARY KEY, user TEXT NOT NULL)")
        sessions.execute("INSERT INTO sessions VALUES ('token-1', 'ada')")
        sessions.commit()
    monkeypatch.setattr("outside.SESSIONS_DB", str(path))
    return "session=token-1"


def post(address: str, *requests: tuple[str, str]) -> list[int]:
    """The statuses of these requests, each a path and a text, over one connection."""
    statuses = []
    with closing(HTTPConnection(address, timeout=5)) as connection:
        for path, text in requests:
            connection.request("POST", path, text.encode())
            with connection.getresponse() as response:
                statuses.append(response.status)
    return statuses


async def test_is_healthy(address: str) -> None:
    response = await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/healthz")
    assert response.status == 200


async def test_echo_keeps_text_and_binary_apart(address: str) -> None:
    transport, inbox = await ws_connect(Inbox, f"ws://{address}/echo")
    for kind, payload in ((WSMsgType.TEXT, "héllo".encode()), (WSMsgType.BINARY, b"\x00\xff")):
        transport.send(kind, payload)
        assert await inbox.frames.get() == (kind, payload)
    transport.disconnect()


async def test_room_puts_fragments_together_and_reaches_only_its_members(address: str) -> None:
    ada, ada_inbox = await ws_connect(Inbox, f"ws://{address}/room/tea")
    bob, bob_inbox = await ws_connect(Inbox, f"ws://{address}/room/tea")
    eve, eve_inbox = await ws_connect(Inbox, f"ws://{address}/room/coffee")
    ada.send(WSMsgType.TEXT, b"hel", fin=False)
    ada.send(WSMsgType.CONTINUATION, b"lo")
    assert await ada_inbox.frames.get() == await bob_inbox.frames.get() == (WSMsgType.TEXT, b"hello")
    eve.send(WSMsgType.TEXT, b"only coffee")
    assert await eve_inbox.frames.get() == (WSMsgType.TEXT, b"only coffee")
    for transport in (ada, bob, eve):
        transport.disconnect()


async def test_what_is_posted_to_a_room_reaches_its_members(entrance: str) -> None:
    ada, ada_inbox = await ws_connect(Inbox, f"ws://{entrance}/room/tea")
    bob, bob_inbox = await ws_connect(Inbox, f"ws://{entrance}/room/tea")
    long = "é" * 40_000
    requests = [("/publish/tea", "héllo"), ("/publish/empty", "hello"), ("/elsewhere", ""), ("/publish/tea", long)]
    assert await asyncio.to_thread(post, entrance, *requests) == [204, 204, 404, 204]
    ada.send(WSMsgType.TEXT, b"after it")
    for text in ("héllo", long, "after it"):
        assert await ada_inbox.frames.get() == await bob_inbox.frames.get() == (WSMsgType.TEXT, text.encode())
    for transport in (ada, bob):
        transport.disconnect()


async def test_work_leaves_the_loop_unless_it_is_inline(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr("app.work", lambda: threads.append(get_ident()))
    for path in ("/work", "/work-inline"):
        transport, inbox = await ws_connect(Inbox, f"ws://{address}{path}")
        for text in (b"first", b"second"):
            transport.send(WSMsgType.TEXT, text)
        assert [await inbox.frames.get() for _ in range(2)] == [
            (WSMsgType.TEXT, b"first"),
            (WSMsgType.TEXT, b"second"),
        ]
        transport.disconnect()
    assert [thread == get_ident() for thread in threads] == [False, False, True, True]


async def test_only_who_has_a_session_gets_in(entrance: str, known_session: str) -> None:
    ada, inbox = await ws_connect(Inbox, f"ws://{entrance}/session", extra_headers={"Cookie": known_session})
    ada.send(WSMsgType.TEXT, b"whoami")
    assert await inbox.frames.get() == (WSMsgType.TEXT, b"ada")
    ada.disconnect()
    for headers in ({"Cookie": f"{known_session}0"}, {}):
        with pytest.raises(WSInvalidStatusError) as refused:
            await ws_connect(Inbox, f"ws://{entrance}/session", extra_headers=headers)
        assert refused.value.response.status == 401


async def test_dashboard_answers_and_pushes(address: str) -> None:
    transport, inbox = await ws_connect(Inbox, f"ws://{address}/dashboard")
    transport.send(WSMsgType.TEXT, b'{"panel": "test", "value": 41.5, "client": 7, "seq": 12}')
    answer = await inbox.next_json()
    assert answer == {"type": "panel", "panel": "test", "value": 41.5, "updates": 1, "client": 7, "seq": 12}
    first, second = await inbox.next_json(), await inbox.next_json()
    assert first["panels"]["test"] == {"value": 41.5, "updates": 1}
    assert second["seq"] == first["seq"] + 1
    transport.disconnect()


@pytest.mark.parametrize("garbage", [b"not json", b'{"panel": "test"}', b"[]"])
async def test_a_bad_update_closes_only_its_own_connection(address: str, garbage: bytes) -> None:
    good, good_inbox = await ws_connect(Inbox, f"ws://{address}/dashboard")
    bad, bad_inbox = await ws_connect(Inbox, f"ws://{address}/dashboard")
    bad.send(WSMsgType.TEXT, garbage)
    assert await bad_inbox.frames.get() == (WSMsgType.CLOSE, WSCloseCode.INVALID_TEXT)
    assert (await good_inbox.next_json())["type"] == "snapshot"
    good.disconnect()
