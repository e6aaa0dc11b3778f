"""A load that does not fit into memory is refused before it begins."""

from __future__ import annotations

import pytest

from runners.loadgen.job import ClientOptions
from runners.loadgen.pace import Closed
from runners.loading.job_building import build_echo_job
from runners.record import UsageError


def build(connections: int, *, deflate: bool) -> None:
    build_echo_job(
        "ws://127.0.0.1/",
        "websocket",
        connections=connections,
        duration_s=1.0,
        warmup_s=0.0,
        pace=Closed(),
        payload_bytes=64,
        connect_timeout_s=5.0,
        client=ClientOptions(deflate=deflate),
        memory_bytes=4e9,
    )


def test_the_streams_of_compressed_connections_count() -> None:
    build(60_000, deflate=False)
    build(10_000, deflate=True)
    with pytest.raises(UsageError, match=r"need about 18\.8 GB of memory, .* or omit --deflate"):
        build(60_000, deflate=True)
