"""An invalid load is refused before any process is started."""

from __future__ import annotations

from typing import Any

import pytest

from runners.application.calibration_run import calibrate_loadgen
from runners.application.echo_load import load_echo_server
from runners.application.run_control import plan_measurements
from runners.loadgen.job import ClientOptions, OwnMessages
from runners.loadgen.pace import Closed, Open
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
        ("ws://a/{cleint}", "websocket", {}, r"the address has the unknown placeholder \{cleint\}: did you mean"),
        ("ws://a/?x={seq}", "websocket", {}, r"the address has \{seq\}, which has no meaning there"),
        ("ws://127.0.0.1:1/", "websocktes", {}, "did you mean websocket"),
        ("ws://127.0.0.1:1/", "socket.io", {"serializer": "msgpak"}, "did you mean msgpack"),
        ("ws://127.0.0.1:1/", "websocket", {"serializer": "msgpack"}, "--serializer msgpack is for Socket.IO"),
    ],
)
def test_values_that_do_not_exist_are_usage_errors(
    url: str, protocol: str, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        load_echo_server(url, protocol, **(SENSIBLE | changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"duration_s": float("inf")}, "--duration: inf is not between 0.1 and 86,400 seconds"),
        ({"duration_s": float("nan")}, "--duration: nan"),
        ({"duration_s": 0.0}, "--duration: 0"),
        ({"duration_s": -1.0}, "--duration: -1"),
        ({"warmup_s": float("nan")}, "--warmup: nan"),
        ({"warmup_s": 1e9}, "--warmup: 1e\\+09"),
        ({"connections": 0}, "--connections: 0"),
        ({"connections": 10**6}, "--connections: 1e\\+06 is not between"),
        ({"pace": Open(1e300)}, "--rate: 1e\\+300"),
        ({"shards": 10**9}, "--shards"),
        ({"payload_bytes": 10**12}, "1 connections with 1,000,000,000,000 bytes each need about 8,000.0 GB"),
        ({"payload_bytes": 10**8, "connections": 60_000}, "reduce --connections or --payload"),
        ({"payload_bytes": -1}, "too small"),
    ],
)
def test_a_load_beyond_reason_is_a_usage_error(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_echo_server("ws://127.0.0.1:1/", "websocket", **(SENSIBLE | changed))


@pytest.mark.parametrize("window_s", [float("inf"), float("nan"), 0.0, -1.0, 1e9])
def test_a_window_beyond_reason_is_a_usage_error(window_s: float) -> None:
    with pytest.raises(UsageError, match="--window"):
        calibrate_loadgen(window_s, lambda _: None)


@pytest.mark.parametrize("given", [{"rounds": 0}, {"rounds": 10**9}, {"seed": 10**20}, {"seed": -1}])
def test_a_plan_beyond_reason_is_a_usage_error(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--(rounds|seed): "):
        plan_measurements(["fastapi"], ["echo"], "quick", **given)


def test_a_message_has_a_least_size() -> None:
    with pytest.raises(RtsiteError, match="too small"):
        load_echo_server("ws://127.0.0.1:1/", "websocket", **(SENSIBLE | {"payload_bytes": 3}))


@pytest.mark.parametrize(("own", "answers"), [(OwnMessages("ping", "pong"), "same"), (None, "any")])
def test_a_reply_that_nobody_waits_for_would_be_taken_for_an_answer(own: OwnMessages | None, answers: str) -> None:
    client = ClientOptions(subscriptions=(("hello", "welcome"), ("join", "")))
    with pytest.raises(UsageError, match="the subscription 'join' has no expect, so its reply could be taken for"):
        load_echo_server("ws://127.0.0.1:1/", "websocket", own=own, answers=answers, client=client, **SENSIBLE)
