"""The app on a free port, under picows' own client."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator

import pytest
from app import push_snapshots, start
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


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
    server = await start("127.0.0.1", 0)
    pusher = asyncio.create_task(push_snapshots())
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    pusher.cancel()
    server.close()


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
