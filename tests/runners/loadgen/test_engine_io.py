"""The packets that open, accept and refuse a session: what clients require of them, and that no bytes raise more."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen import engine_io, packed
from runners.loadgen.causes import RefusedError
from runners.loadgen.connection import DISCONNECTED, SESSION_CLOSED

OPENING = {"sid": "é", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000.5, "maxPayload": 10**6}


def opening(**changes: object) -> bytes:
    values = {key: value for key, value in {**OPENING, **changes}.items() if value is not None}
    return b"0" + json.dumps(values).encode()


def test_an_opening_has_what_clients_use() -> None:
    assert engine_io.session_of(opening()) == "é"
    assert engine_io.session_of(opening(maxPayload=None, more=[1])) == "é"


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (opening(sid=None), "without sid"),
        (opening(sid=7), "without sid"),
        (opening(upgrades=None), "without upgrades"),
        (opening(pingInterval="25"), "without pingInterval"),
        (opening(pingTimeout=None), "without pingTimeout"),
        (b"0" + b"[" * 100_000, "without JSON"),
        (b"4hello", "does not speak Engine.IO; it sent '4hello'"),
        (b"", "it sent nothing"),
    ],
)
def test_an_opening_without_it_is_refused(packet: bytes, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        engine_io.session_of(packet)


@pytest.mark.parametrize(
    ("packet", "namespace", "accepts"),
    [
        (b"40", "/", True),
        (b'40{"sid":"s"}', "/", True),
        (b'40/,{"sid":"s"}', "/", True),
        (b"40/", "/", True),
        (b'40/chat,{"sid":"s"}', "/", False),
        (b'40/chat,{"sid":"s"}', "/chat", True),
        (b"40/chat", "/chat", True),
        (b"40/chat?token=1,{}", "/chat", True),
        (b"40/chats,", "/chat", False),
        (b"40", "/chat", False),
        (b"400", "/", False),
        (b"41", "/", False),
        (b'44{"message":"no"}', "/", False),
    ],
)
def test_an_acceptance_is_for_one_namespace(packet: bytes, namespace: str, accepts: bool) -> None:
    assert engine_io.is_accepted(packet, namespace) == accepts


@given(st.binary(max_size=60), st.sampled_from(["/", "/é"]))
def test_no_bytes_raise(data: bytes, namespace: str) -> None:
    engine_io.is_accepted(b"40" + data, namespace)
    packed.accepts(data, namespace)
    assert not packed.refuses(data, namespace)
    assert not packed.disconnects(data, namespace)
    packed.reason_of(data)
    with suppress(RefusedError):
        engine_io.session_of(b"0" + data)


def test_packets_in_msgpack_are_for_one_namespace() -> None:
    assert packed.accepts(packed.connect("/chat"), "/chat")
    assert not packed.accepts(packed.connect("/chat"), "/")
    assert packed.reason_of(packed.connect("/", '{"token": 1}')) == b'{"token": 1}'


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b'42["message","2"]', None),
        (b'42/chat,["message"]', None),
        (b"430[1]", None),
        (b'451-["file",{"_placeholder":true,"num":0}]', None),
        (b"2", engine_io.Control(reply=b"3")),
        (b"2probe", engine_io.Control(reply=b"3probe")),
        (b"41", engine_io.Control(end=DISCONNECTED)),
        (b"41/chat,", engine_io.Control(end=DISCONNECTED)),
        (b"1", engine_io.Control(end=SESSION_CLOSED)),
        (b"6", engine_io.Control()),
        (b'0{"sid":"s"}', engine_io.Control()),
        (b'40{"sid":"s"}', engine_io.Control()),
        (b"\x83\xa4type\x02", None),
        (b"", None),
    ],
)
def test_what_a_packet_requires_of_a_client(packet: bytes, expected: engine_io.Control | None) -> None:
    assert engine_io.control_of(packet) == expected
