"""Only its own answer ends a client's wait, and other messages are counted as what they are."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.connection import Message
from runners.loadgen.slow_path import example_of
from runners.loading import driver
from runners.loading.load_report import build_report, explain
from runners.loading.load_result import LoadResult
from tests.support.loading import CONNECTIONS, job
from tests.support.servers import Lie, Talk, WireProtocol, serving

pytestmark = pytest.mark.measures


def loaded(lie: Lie, protocol: WireProtocol = "websocket", **changes: Any) -> tuple[LoadResult, list[str]]:
    """The result of a closed loop and its explanations; every message is in the ledger."""
    with serving(protocol, lie) as server:
        asked = job(server.url, protocol=protocol, answer_timeout_s=0.3, **changes)
        result = driver.apply(asked)
        assert server.received == result.ledger.sent
    ledger = result.ledger
    assert ledger.sent == ledger.received + ledger.lost + ledger.in_flight
    return result, list(explain(result, asked))


def tell_the_next_one_too(talk: Talk, answer: bytes) -> None:
    """A neighbour receives it first."""
    others = talk.server.talks
    others[(talk.number + 1) % len(others)].send(answer)
    talk.send(answer)


def tick_first(talk: Talk, answer: bytes) -> None:
    talk.send(b"tick")
    talk.send(answer)


def acknowledge_what_was_never_sent(talk: Talk, answer: bytes) -> None:
    talk.send(b'4399999999["not yours"]')
    talk.send(answer)


def wrap(talk: Talk, answer: bytes) -> None:
    talk.send(b'{"from": 7, "text": "' + answer + b'"}')


def shout(talk: Talk, answer: bytes) -> None:
    talk.send(answer.upper())


def thank(talk: Talk, answer: bytes) -> None:
    talk.send(b"\x1b[31mthanks")


def one_late(talk: Talk, answer: bytes) -> None:
    """Each message is answered with the one before it."""
    talk.send(talk.held or b"welcome")
    talk.held = answer


def twice(talk: Talk, answer: bytes) -> None:
    talk.send(answer)
    talk.send(answer)


def change_the_end(talk: Talk, answer: bytes) -> None:
    talk.send(answer[:-1] + b"!")


def stay_silent(talk: Talk, answer: bytes) -> None:
    pass


def event_of(answer: bytes) -> bytes:
    return b'42["echo",' + answer[answer.index(b"[") + 1 :]


def empty_of(answer: bytes) -> bytes:
    return answer[: answer.index(b"[")] + b"[]"


def emit_and_acknowledge(talk: Talk, answer: bytes) -> None:
    talk.send(event_of(answer))
    talk.send(empty_of(answer))


def acknowledge_and_emit(talk: Talk, answer: bytes) -> None:
    talk.send(answer)
    talk.send(event_of(answer))


def acknowledge_without_data(talk: Talk, answer: bytes) -> None:
    talk.send(empty_of(answer))


def acknowledge_something_else(talk: Talk, answer: bytes) -> None:
    talk.send(answer[: answer.index(b"[")] + b'[{"ok":true}]')


@pytest.mark.parametrize(
    ("lie", "protocol"),
    [
        (tell_the_next_one_too, "websocket"),
        (tick_first, "websocket"),
        (acknowledge_what_was_never_sent, "socket.io"),
    ],
)
def test_a_foreign_message_ends_no_wait(lie: Lie, protocol: WireProtocol) -> None:
    result, notes = loaded(lie, protocol)
    ledger = result.ledger
    assert ledger.received == ledger.sent > 0
    assert ledger.duplicated == ledger.corrupted == 0
    assert ledger.sent - CONNECTIONS <= ledger.foreign <= ledger.sent
    assert any("are no answers to the client's own messages" in note for note in notes)
    assert not any("--answers" in note for note in notes)


@pytest.mark.parametrize(("lie", "shown"), [(wrap, '{"from": 7'), (shout, "00000001.1000")])
def test_an_answer_that_contains_the_message_is_an_own_answer_that_differs(lie: Lie, shown: str) -> None:
    result, notes = loaded(lie)
    assert result.ledger.received == result.ledger.corrupted == result.ledger.sent > 0
    assert result.ledger.foreign == 0
    (note,) = notes
    assert shown[:6] in note
    assert "--answers any" in note
    assert "differ" in " ".join(build_report(result, job("").pace)["invalid_reasons"])


def test_where_nothing_of_ours_comes_back_the_waits_time_out_and_the_option_is_named() -> None:
    result, notes = loaded(thank)
    assert result.ledger.received == 0
    assert result.ledger.foreign == result.ledger.sent == result.ledger.lost > 0
    text = " ".join(notes)
    assert "received '\\\\x1b[31mthanks'" in text
    assert "--answers any" in text
    assert "0.3 s (--answer-timeout)" in text
    result, notes = loaded(thank, answers="any")
    assert result.ledger.received == result.ledger.sent > CONNECTIONS
    assert result.ledger.corrupted == result.ledger.foreign == 0
    assert notes == []


def test_what_arrived_in_the_warm_up_explains_why_nothing_was_received() -> None:
    with serving("websocket", one_late) as server:
        asked = job(server.url, answer_timeout_s=0.3, warmup_s=0.2)
        result = driver.apply(asked)
    notes = list(explain(result, asked))
    assert result.ledger.received == result.ledger.foreign == 0
    assert any("received 'welcome'" in note and "--answers any" in note for note in notes)


def test_a_server_that_answers_twice_is_not_valid() -> None:
    result, notes = loaded(twice)
    assert result.ledger.duplicated > 0.9 * result.ledger.received > 0
    assert "messages that are no answers" in " ".join(build_report(result, job("").pace)["invalid_reasons"])
    assert notes == [f"{result.ledger.duplicated:,} answers came more than once."]


def test_an_example_shows_the_place_of_the_difference() -> None:
    result, _ = loaded(change_the_end, payload_bytes=300)
    found = result.examples["corrupted"]
    assert found.expected != found.received
    assert found.received.endswith("!")
    assert found.expected[:-1] == found.received[:-1]
    assert found.received.startswith("…")


messages = st.text(string.ascii_letters + string.digits + '."[]', min_size=18, max_size=300).map(str.encode)


@given(expected=messages, place=st.integers(0, 299), tail=st.binary(max_size=30))
def test_an_example_never_shows_the_same_twice(expected: bytes, place: int, tail: bytes) -> None:
    other = expected[:place] + bytes([expected[place] ^ 1]) + tail if place < len(expected) else expected + b"x" + tail
    example = example_of(expected, Message(other))
    assert example.expected != example.received
    same = example_of(expected, Message(expected, binary=True))
    assert same.received.startswith("binary: ")


def test_a_server_that_never_answers_is_not_valid() -> None:
    result, _ = loaded(stay_silent)
    assert result.ledger.lost == result.ledger.sent
    assert "messages received 0, limit 1" in build_report(result, job("").pace)["invalid_reasons"]


@pytest.mark.parametrize("lie", [emit_and_acknowledge, acknowledge_and_emit])
def test_an_event_and_an_acknowledgement_answer_one_message_once(lie: Lie) -> None:
    result, notes = loaded(lie, "socket.io")
    ledger = result.ledger
    assert ledger.received == ledger.sent > CONNECTIONS
    assert ledger.duplicated == ledger.corrupted == ledger.foreign == ledger.empty == 0
    assert notes == []


@pytest.mark.parametrize("answers", ["same", "any"])
def test_an_acknowledgement_answers_the_message_with_its_number(answers: str) -> None:
    result, notes = loaded(acknowledge_without_data, "socket.io", answers=answers)
    assert result.ledger.received == result.ledger.sent > CONNECTIONS
    assert result.ledger.corrupted == result.ledger.foreign == 0
    assert result.ledger.empty == (result.ledger.sent if answers == "same" else 0)
    assert len(notes) == (answers == "same")
    result, notes = loaded(acknowledge_something_else, "socket.io", answers=answers)
    assert result.ledger.received == result.ledger.sent > CONNECTIONS
    assert result.ledger.corrupted == (result.ledger.sent if answers == "same" else 0)
    assert result.ledger.foreign == 0
