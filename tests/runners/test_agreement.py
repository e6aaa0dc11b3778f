"""The load generator and the contract check agree on every server, and say why they refuse one."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Sequence
from typing import Any

import pytest

from runners.contract import check_contract
from runners.contract.server_settings import ServerSettings
from runners.loadgen.handshake import open_all
from runners.loadgen.job import Job, Protocol
from runners.loadgen.pace import PushOnly
from runners.loadgen.wire import masks
from runners.loading.shards import LoadError
from tests.support.byte_servers import SERVERS, SOCKETIO, ByteServer, serving_bytes
from tests.support.http_servers import (
    BEAT_S,
    POLLING,
    STREAMS,
    PollingServer,
    StreamServer,
    serving_polls,
    serving_stream,
)
from tests.support.loading import connected, job
from tests.support.marks import few_of

TEXT = "é" * 50
TIMEOUT_S = 10.0
ONE: dict[str, Any] = {"connections": 1, "connect_timeout_s": TIMEOUT_S}
"""One client, which waits long enough on any machine."""


def by_load_generator(address: str) -> str | None:
    """Send one text and wait for it; the reason if it does not come back."""
    (result,) = open_all(f"ws://{address}/echo", "websocket", masks(1, 1), at_once=1, timeout_s=TIMEOUT_S)
    if result.connection is None:
        assert result.cause is not None
        return result.cause.text
    try:
        assert result.connection.send(TEXT.encode())
        while True:
            received = result.connection.receive()
            if received.end is not None:
                return received.end.text
            if received.messages:
                assert received.messages[0].payload == TEXT.encode()
                return None
            assert select.select([result.connection.socket], [], [], TIMEOUT_S)[0]
    finally:
        result.connection.close()


def by_check(address: str, protocol: Protocol = "websocket", **options: Any) -> str | None:
    """The detail of a failed check."""
    asked = {"only": {"echo-text"}, "timeout_s": TIMEOUT_S, **options}
    (check,) = asyncio.run(check_contract(f"http://{address}", protocol, **asked))
    return None if check.ok else check.detail


def by_load(asked: Job) -> str | None:
    """Apply a load of one client; the reason if the server did not answer as expected."""
    try:
        with connected(asked) as (running, _):
            running.load(asked.duration_s)
            result = running.finish()
    except LoadError as error:
        return str(error)
    if result.causes:
        return result.causes[0].example
    if wrong := result.examples.get("corrupted"):
        return f"expected {wrong.expected}, received {wrong.received}"
    (sample,) = result.samples
    assert sample.pushes if asked.transport == "sse" else result.ledger.received > 0
    return None


def assert_both(words: str | None, *reasons: str | None) -> None:
    """Both clients accept the server, or say why they refuse it."""
    for reason in reasons:
        if words is None:
            assert reason is None
        else:
            assert reason is not None
            assert words in reason
            assert reason.isprintable()
            assert len(reason) < 600


def named(table: Sequence[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", table, ids=lambda server: server.name)


def few(table: Sequence[Any], usual: set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", few_of(table, usual, lambda server: server.name))


@named(SERVERS)
def test_both_clients_judge_alike(server: ByteServer) -> None:
    with serving_bytes(server) as address:
        assert_both(server.words, by_load_generator(address), by_check(address))


@named(SOCKETIO)
def test_both_clients_judge_servers_of_socketio_alike(server: ByteServer) -> None:
    with serving_bytes(server) as address:
        loaded = by_load(job(f"ws://{address}/", protocol="socket.io", **ONE))
        assert_both(server.words, loaded, by_check(address, "socket.io"))


@few(POLLING, {"plain", "closes each time", "ping before the acceptance", "no ID", "session closed", "post refused"})
def test_both_clients_judge_polled_servers_alike(server: PollingServer) -> None:
    with serving_polls(server) as address:
        loaded = by_load(job(f"ws://{address}/", protocol="socket.io", transport="polling", **ONE))
        assert_both(server.words, loaded, by_check(address, "socket.io", transports=["polling"]))


@few(
    STREAMS,
    {"plain", "one byte at a time", "accepts browsers only", "HTTP/1.0", "not found", "gzip", "ends", "nothing"},
)
def test_both_clients_judge_event_streams_alike(server: StreamServer) -> None:
    with serving_stream(server) as address:
        watching = {"exchange": "events", "transport": "sse", "pace": PushOnly(), "push_period_s": BEAT_S}
        loaded = by_load(job(f"ws://{address}/events", "open", **watching, **ONE))
        checked = by_check(
            address,
            only={"events"},
            exchanges=["events"],
            transports=["websocket", "sse"],
            settings=ServerSettings(BEAT_S),
        )
        assert_both(server.words, loaded, checked)
