"""How the tests of a running server start it."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import contract
from runners.evidence import behaviour
from runners.evidence.behaviour import SHORTENED_ENDS, send_to_raising, with_own_end
from runners.loadgen import frames
from runners.subjects import catalog
from tests.support.byte_servers import ByteServer, serving_bytes

WORDS = st.lists(st.sampled_from(["gunicorn", "app:app", "--bind", "{host}:{port}", "1", "--workers", "--reload"]))
SHORTENED = st.builds(
    lambda option, value, is_one_word: [f"{option}={value}"] if is_one_word else [option, value],
    st.sampled_from(SHORTENED_ENDS),
    st.sampled_from(["0", "1", "30"]),
    st.booleans(),
)


@given(st.lists(st.tuples(WORDS, SHORTENED)), WORDS)
def test_only_the_options_that_shorten_the_end_are_left_out(
    parts: list[tuple[list[str], list[str]]], last: list[str]
) -> None:
    command = [word for before, shortened in parts for word in (*before, *shortened)] + last
    assert with_own_end(command) == [word for before, _ in parts for word in before] + last


def test_no_command_of_ours_shortens_the_end_where_it_is_tested() -> None:
    shortened = [
        variant for one in catalog.discover() for variant in one.variants if "-timeout" in str(variant.command)
    ]
    assert shortened
    for variant in shortened:
        assert "graceful" not in " ".join(with_own_end(variant.command))


@pytest.mark.parametrize(
    ("answer", "seen", "is_reported"),
    [
        (
            b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            "the client closed the connection because the server sent",
            False,
        ),
        (frames.server_frame(frames.CLOSE, b"\x03\xf3"), "its connection is closed, with code 1011", True),
        (frames.server_frame(frames.CLOSE, b"\x03\xe8"), "its connection is closed, with code 1000", False),
        (frames.server_frame(frames.TEXT, b"sorry"), "the answer 'sorry'", True),
    ],
    ids=["an answer of HTTP", "an error", "no error", "a message"],
)
def test_what_a_client_sees_of_an_exception_is_said_without_names_of_classes(
    answer: bytes, seen: str, is_reported: bool
) -> None:
    with serving_bytes(ByteServer("raising", answer=lambda *_: answer)) as address:
        said = asyncio.run(send_to_raising(contract.client_of(f"http://{address}", "websocket")))
    assert said[0].startswith(seen)
    assert said[1] is is_reported
    assert "Error:" not in said[0]


CLOSE = frames.server_frame(frames.CLOSE, b"\x03\xea")


@pytest.mark.parametrize(
    ("sent", "stays", "seen", "is_reported"),
    [
        (CLOSE, True, "its connection is closed, with code 1002", True),
        (CLOSE, False, "its connection is closed, with code 1002", True),
        (frames.server_frame(frames.TEXT, b"more") + CLOSE, True, "its connection is closed, with code 1002", True),
        (frames.server_frame(frames.CLOSE, b""), True, "its connection is closed, with code 1005", False),
        (b"", True, "nothing: its connection stays open", False),
        (frames.server_frame(frames.TEXT, b"more"), True, "nothing: its connection stays open", False),
        (b"", False, "its connection is cut without a close frame", False),
    ],
)
def test_a_close_frame_counts_whatever_becomes_of_the_connection(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, stays: bool, seen: str, is_reported: bool
) -> None:
    monkeypatch.setattr(behaviour, "ENDING_S", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        if not stays:
            theirs.shutdown(socket.SHUT_WR)
        assert behaviour.see_end(ours) == (seen, is_reported)
