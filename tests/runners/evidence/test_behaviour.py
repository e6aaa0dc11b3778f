"""How the tests of a running server start it."""

from __future__ import annotations

import asyncio
import itertools
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import contract
from runners.evidence import behaviour
from runners.evidence.behaviour import send_to_raising, try_often
from runners.evidence.tries import describe_tries, judge_tries
from runners.loadgen import frames
from runners.record import NOT_ALWAYS, SHORTENED_ENDS, degree_of, with_own_end
from runners.subjects import catalog
from runners.subjects.catalog import EvidenceHints, Variant
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


def test_a_race_is_asked_about_often_and_has_half_the_credit() -> None:
    """A single try would say yes or no by chance."""
    answers = itertools.cycle([frames.server_frame(frames.CLOSE, code) for code in (b"\x03\xf3", b"\x03\xe8")])
    with serving_bytes(ByteServer("racing", answer=lambda *_: next(answers))) as address:
        app = contract.client_of(f"http://{address}", "websocket")
        seen = asyncio.run(try_often(lambda: send_to_raising(app)))
    found = judge_tries("raise-reported", [is_reported for _, is_reported in seen])
    assert (found.value, found.note) == (NOT_ALWAYS, "10 of 20 tries")
    assert degree_of(found.value) == 0.5
    said = describe_tries([what for what, _ in seen])
    assert sorted(said.split("; ")) == [
        f"its connection is closed, with code {code} (10 of 20)" for code in (1000, 1011)
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_only_what_is_always_so_is_a_yes(answers: list[bool]) -> None:
    degree = degree_of(judge_tries("raise-reported", answers).value)
    assert degree == (1.0 if all(answers) else 0.5 if any(answers) else 0.0)


def test_several_processes_count_fully_only_with_every_transport(tmp_path: Path) -> None:
    """Socket.IO's WebSocket clients reach both workers of uvicorn, and its polling clients lose their session."""
    (framework,) = catalog.choose_frameworks(["python-socketio/uvicorn"])
    (variant,) = framework.variants
    (found, _) = behaviour.processes_findings(framework, variant, logs=tmp_path)
    assert found.value == "with a load balancer"
    assert "with two processes, long-polling client" in (found.note or "")
    unsaid = framework.model_copy(update={"evidence": EvidenceHints()})
    assert behaviour.processes_findings(unsaid, with_one_process(variant), logs=tmp_path)[0].value is False


def with_one_process(variant: Variant) -> Variant:
    return variant.model_copy(update={"command": ["uvicorn", "app:app", "--port", "{port}"]})


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
