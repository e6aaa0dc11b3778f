"""An invalid load is refused before any process is started."""

from __future__ import annotations

from typing import Any

import pytest

from runners.application.echo_load import load_echo_server
from runners.loadgen.pace import Closed
from runners.record import RtsiteError, UsageError

SENSIBLE: dict[str, Any] = {
    "connections": 1, "duration_s": 0.1, "warmup_s": 0.0, "pace": Closed(),
    "payload_bytes": 64, "shards": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("url", "protocol", "changed", "words"),
    [
        ("http://127.0.0.1/", "websocket", {}, "must start with ws://"),
        ("ws://", "websocket", {}, "and name a host"),
        ("ws://127.0.0.1:1/", "websocktes", {}, "did you mean websocket"),
    ],
)
def test_values_that_do_not_exist_are_usage_errors(
    url: str, protocol: str, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        load_echo_server(url, protocol, **(SENSIBLE | changed))


def test_a_message_has_a_least_size() -> None:
    with pytest.raises(RtsiteError, match="too small"):
        load_echo_server("ws://127.0.0.1:1/", "websocket", **(SENSIBLE | {"payload_bytes": 3}))
