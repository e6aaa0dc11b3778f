"""Loads over TLS with every transport. The compiled kernel reads and writes, where Python's OpenSSL can be called."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, broadcast, serve

from runners.loadgen import tls
from runners.loadgen.handshake import open_all
from runners.loadgen.job import ClientOptions, Job
from runners.loadgen.pace import Closed, Open, PushOnly
from runners.loading import driver
from runners.loading.shards import LoadError
from tests.support.loading import CONNECTIONS, connected, job, modes
from tests.support.servers import CERTIFICATE, server_context, serving_securely
from tests.support.web import BEAT_S, serving_web

pytestmark = pytest.mark.measures

TRUSTING = ClientOptions(ca=str(CERTIFICATE))


@contextmanager
def room(*, in_pieces: bool = False) -> Iterator[str]:
    """A room on an event loop of its own; yields its address. ``in_pieces``: what it sends comes in tiny records."""
    members: set[ServerConnection] = set()
    loop = asyncio.new_event_loop()
    address: list[str] = []
    ready = threading.Event()

    async def chat(websocket: ServerConnection) -> None:
        members.add(websocket)
        async for message in websocket:
            if in_pieces:
                for member in members:
                    await member.send([message[:5], message[5:6], message[6:]])
            else:
                broadcast(members, message)
        members.discard(websocket)

    async def run() -> None:
        async with serve(chat, "127.0.0.1", 0, ssl=server_context(), compression=None) as server:
            address.append(f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def all_is_well(asked: Job) -> int:
    """Apply the load in two slices; returns the number of messages sent, all of which were answered."""
    with connected(asked) as (running, _):
        running.load(0.2)
        running.load(0.2)
        result = running.finish()
    ledger = result.ledger
    assert (ledger.lost, ledger.in_flight, ledger.duplicated, ledger.reordered, ledger.corrupted) == (0, 0, 0, 0, 0)
    assert ledger.sent == ledger.received > 0
    assert result.errors == {}
    return ledger.sent


@modes
@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_room(mode: Any, in_pieces: bool) -> None:
    pace = Open(100.0) if mode == "open" else Closed()
    with room(in_pieces=in_pieces) as url:
        sent = all_is_well(job(url, mode, exchange="room", pace=pace, client=TRUSTING, drain_s=5.0))
    assert sent % CONNECTIONS == 0


@modes
def test_long_polling(mode: Any) -> None:
    pace = Open(100.0) if mode == "open" else Closed()
    asked: dict[str, Any] = {"protocol": "socket.io", "transport": "polling", "pace": pace, "client": TRUSTING}
    with serving_web(tls=True) as server:
        all_is_well(job(server.url, mode, **asked))
    assert set(server.requests) == {"GET", "POST"}


def test_an_event_stream() -> None:
    asked: dict[str, Any] = {"exchange": "events", "transport": "sse", "pace": PushOnly(), "push_period_s": BEAT_S}
    with serving_web(tls=True) as server, connected(job(server.events, "open", client=TRUSTING, **asked)) as (run, _):
        run.load(0.6)
        (sample,) = run.finish().samples
    assert (sample.established, sample.pushes_missed, sample.errors) == (CONNECTIONS, 0, {})
    assert sample.pushes == pytest.approx(CONNECTIONS * 6, abs=2 * CONNECTIONS)


@pytest.mark.parametrize("transport", ["polling", "sse"])
def test_a_certificate_that_nobody_vouches_for_over_http(transport: Any) -> None:
    with serving_web(tls=True) as server:
        if transport == "polling":
            with pytest.raises(LoadError, match=r"certificate is not trusted: .*--ca FILE"):
                driver.apply(job(server.url, protocol="socket.io", transport="polling"))
            return
        asked: dict[str, Any] = {"exchange": "events", "transport": "sse", "pace": PushOnly(), "push_period_s": BEAT_S}
        with connected(job(server.events, "open", **asked)) as (running, _):
            running.load(0.3)
            (sample,) = running.finish().samples
    assert sample.closed_early == CONNECTIONS
    assert "certificate is not trusted" in sample.causes[0].example


def test_the_kernel_may_use_the_connections_of_this_python() -> None:
    """Where it may not, Python reads and writes, several times slower. Pythons of Debian and pyenv allow it."""
    with serving_securely() as url:
        (result,) = open_all(url, "websocket", [b"mask"], at_once=1, timeout_s=5.0, options=TRUSTING)
        assert result.connection is not None
        assert bool(result.connection.native_tls) == tls.OPENSSL.is_callable
        assert result.connection.fast == tls.OPENSSL.is_callable
        result.connection.close()


def test_without_openssl_s_functions_python_reads_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls.OPENSSL, "_library", None)
    tls.context_for.cache_clear()
    with serving_securely() as url:
        (result,) = open_all(url, "websocket", [b"mask"], at_once=1, timeout_s=5.0, options=TRUSTING)
        assert result.connection is not None
        assert (result.connection.native_tls, result.connection.fast) == (0, False)
        assert isinstance(result.connection.socket, ssl.SSLSocket)
        assert result.connection.send(b"hello")
        received: list[bytes] = []
        while not received:
            received = [message.payload for message in result.connection.receive().messages]
        assert received == [b"hello"]
        result.connection.close()
