"""The load generator and the contract check agree on every server, and say why they refuse one."""

from __future__ import annotations

import asyncio
import select

import pytest

from runners.contract import check_contract
from runners.loadgen.handshake import open_all
from runners.loadgen.wire import masks
from tests.support.byte_servers import SERVERS, ByteServer, serving_bytes

TEXT = "é" * 50
TIMEOUT_S = 10.0


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


def by_check(address: str) -> str | None:
    """The detail of a failed check."""
    (check,) = asyncio.run(check_contract(f"http://{address}", "websocket", only={"echo-text"}, timeout_s=TIMEOUT_S))
    return None if check.ok else check.detail


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_both_clients_judge_alike(server: ByteServer) -> None:
    with serving_bytes(server) as address:
        found = by_load_generator(address), by_check(address)
    for reason in found:
        if server.words is None:
            assert reason is None
        else:
            assert reason is not None
            assert server.words in reason
            assert reason.isprintable()
            assert len(reason) < 600
