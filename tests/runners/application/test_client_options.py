"""Options for servers that require something of their clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.application.client_options import check_client_options, parse_client_options
from runners.loadgen.job import NO_OPTIONS
from runners.record import UsageError
from tests.support.servers import CERTIFICATE


def test_what_is_given_is_what_is_sent() -> None:
    found = parse_client_options(
        headers=["Authorization: Bearer a:b", "Cookie:x=1"], origin="https://example.org", subprotocols=["v2", "v1"],
        ca=str(CERTIFICATE), namespace="chat", auth='{"token": 1}', event='say "hi"',
    )  # fmt: skip
    assert found.headers == (("Authorization", "Bearer a:b"), ("Cookie", "x=1"), ("Origin", "https://example.org"))
    assert (found.subprotocols, found.namespace, found.event) == (("v2", "v1"), "/chat", 'say "hi"')
    assert parse_client_options() == NO_OPTIONS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"headers": ["no colon"]}, "is not a header"),
        ({"headers": ["A b: c"]}, "is not a header"),
        ({"headers": ["X: a\r\nY: b"]}, "on one line"),
        ({"headers": ["X: 漢"]}, "Latin-1"),
        ({"headers": ["Upgrade: h2c"]}, "cannot set Upgrade"),
        ({"headers": ["Sec-WebSocket-Protocol: chat"]}, "use --subprotocol"),
        ({"headers": ["origin: a"], "origin": "b"}, "given twice"),
        ({"subprotocols": ["a, b"]}, "--subprotocol"),
        (
            {"headers": ["Authorization: Bearer {cleint}"]},
            r"--header Authorization has the unknown placeholder \{cleint",
        ),
        (
            {"headers": ["X: {seq}"]},
            r"--header X has \{seq\}, which has no meaning there: only \{client\} can be in it",
        ),
        ({"subprotocols": ["room-{clinet}"]}, r"--subprotocol has the unknown placeholder \{clinet\}: did you mean"),
        ({"origin": "https://{Client}"}, r"--origin has the unknown placeholder \{Client\}"),
        ({"ca": "/nowhere/at/all"}, "No such file"),
        ({"ca": __file__}, "no certificate in PEM"),
        ({"ca": str(CERTIFICATE), "insecure": True}, "contradict"),
        ({"namespace": "a,b"}, "--namespace"),
        ({"auth": "[1]"}, "not a JSON object"),
        ({"auth": '{"a": NaN}'}, "not a JSON object"),
        ({"auth": '{"a": 1e999, "b": -Infinity}'}, "not a JSON object"),
        ({"event": "00000000"}, "--event"),
        ({"event": "connect"}, "reserved by Socket.IO"),
        ({"event": "newListener"}, "reserved by Socket.IO"),
    ],
)
def test_what_cannot_be_sent_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_client_options(**options)


@pytest.mark.parametrize(
    ("options", "scheme", "protocol", "words"),
    [
        ({"insecure": True}, "ws", "websocket", "are for TLS"),
        ({"event": "message"}, "ws", "websocket", "are for Socket.IO"),
        ({"auth": "{}"}, "wss", "websocket", "are for Socket.IO"),
    ],
)
def test_what_would_have_no_effect_is_refused(options: dict[str, Any], scheme: str, protocol: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_client_options(parse_client_options(**options), scheme, protocol)


def test_a_relative_file_is_found_from_any_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CERTIFICATE.parent)
    assert Path(parse_client_options(ca=CERTIFICATE.name).ca) == CERTIFICATE
