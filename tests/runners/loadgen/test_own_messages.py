"""Templates of a user's own messages: what is a placeholder, what is literal, and what answers what."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runners.loadgen.job import OwnMessages
from runners.loadgen.message import FIRST_SEQUENCE, FOREIGN, Answer
from runners.loadgen.own_codec import OwnCodec
from runners.loadgen.own_messages import IN_MESSAGE, Place, parts_of

NUMBER = FIRST_SEQUENCE + 42


def codec(message: str = "", answer: str = "{message}", client: int = 7) -> OwnCodec:
    return OwnCodec(OwnMessages(message, answer), client, 64)


def sent(own: OwnCodec, number: int = NUMBER) -> bytes:
    ((payload, binary),) = own.request(number)
    assert not binary
    return payload


def read(own: OwnCodec, text: str) -> Answer | None:
    return own.parse(text.encode(), binary=False)


@given(st.text('{}seqclint \\"', max_size=30))
@example('{"query":"{user{name}}"}')
def test_all_but_placeholders_is_literal(text: str) -> None:
    parts = parts_of(text, IN_MESSAGE)
    assert "".join(part if isinstance(part, str) else f"{{{part.value}}}" for part in parts) == text
    if not any(f"{{{place.value}}}" in text for place in IN_MESSAGE):
        assert parts == ((text,) if text else ())


def test_a_message_has_its_numbers_at_all_places() -> None:
    own = codec('{"id":{seq},"from":"user-{client}","text":"{{seq}} of {any}"}')
    assert sent(own) == b'{"id":10000042,"from":"user-7","text":"{10000042} of {any}"}'
    assert codec("{seq}{client}").request(NUMBER)[0].payload == b"100000427"
    assert sent(codec("00000000 {seq}")) == b"00000000 10000042", "zeros of the user's own stay"


@pytest.mark.parametrize(
    ("answer", "text", "found"),
    [
        # Text is compared exactly, and {any} stands for anything.
        ("ok {seq}", "ok 10000042", NUMBER),
        ("ok {seq}", "ok 10000042!", None),
        ("ok {seq}", "ok 42", None),
        ("ok {seq}{any}", "ok 10000042\nand more", NUMBER),
        ("{any} {seq} of {client}", "x 10000042 of 7", NUMBER),
        ("{any} {seq} of {client}", "x 10000042 of 8", None),
        ("{seq}={seq}", "10000042=10000042", NUMBER),
        ("{seq}={seq}", "10000042=10000043", None),
        ("a.c {seq}", "abc 10000042", None),
        ("ok {seq}", "ok 00000042", None),
        ("{any}{any} {seq}{any}", "a b 10000042 c", NUMBER),
        # JSON may have other keys, another order and blanks.
        ('{"id":{seq}}', '{"jsonrpc": "2.0", "id": 10000042, "result": {"ok": true}}', NUMBER),
        ('{"id":{seq},"ok":true}', '{"ok": true, "id": 10000042}', NUMBER),
        ('{"id":{seq},"ok":true}', '{"ok": 1, "id": 10000042}', None),
        ('{"id":{seq},"ok":true}', '{"id": 10000042}', None),
        ('{"id":{seq}}', '{"id": "10000042"}', None),
        ('{"id":"{seq}"}', '{"id": "10000042"}', NUMBER),
        ('{"id":"{seq}"}', '{"id": 10000042}', None),
        ('{"id":"c-{client}-{seq}"}', '{"id": "c-7-10000042"}', NUMBER),
        ('{"id":"c-{client}-{seq}"}', '{"id": "c-8-10000042"}', None),
        ('{"id":{seq},"from":{client}}', '{"id": 10000042, "from": 7}', NUMBER),
        ('{"id":{seq},"from":{client}}', '{"id": 10000042, "from": 8}', None),
        ('{"id":{seq},"at":{any}}', '{"id": 10000042, "at": [1, {"x": null}]}', NUMBER),
        ('{"id":{seq},"at":{any}}', '{"id": 10000042}', None),
        ('{"id":{seq},"at":"{any} Uhr"}', '{"id": 10000042, "at": "12 Uhr"}', NUMBER),
        ('["done",{seq},{"n":[1,{any}]}]', '["done", 10000042, {"n": [1, 2], "m": 3}]', NUMBER),
        ('["done",{seq}]', '["done", 10000042, 1]', None),
        ('{"a":{seq},"b":{seq}}', '{"a": 10000042, "b": 10000043}', None),
        ('{"id":{seq}}', '{"id": -1}', None),
        ('{"id":{seq}}', '{"id": 42}', None),
        ('{"id":{seq}}', '{"id": true}', None),
        ('{"id":{seq}}', '{"id": 1000000000000000000000000000000}', None),
        ('{"id":{seq}}', '{"id": ' + "1" * 5000 + "}", None),
        ('{"id":{seq}}', "not JSON", None),
        ('{"id":{seq}}', "[" * 100_000, None),
        # A template that is no JSON is text.
        ('{"id":{seq}', '{"id":10000042', NUMBER),
        ('{"id":{seq}', '{"id":10000042}', None),
        ('{"{seq}":1}', '{"10000042":1}', NUMBER),
        ('{"x":"\ue000","id":{seq}}', '{"x":"\ue000","id":10000042}', NUMBER),
        # Without {seq}, the order counts.
        ("pong", "pong", -1),
        ("pong", "ping", None),
        ('{"type":"pong"}', '{"type": "pong", "at": 3}', -1),
        ("{any}", "whatever", -1),
    ],
)
def test_which_message_an_answer_answers(answer: str, text: str, found: int | None) -> None:
    expected = FOREIGN if found is None else Answer(is_next=True) if found < 0 else Answer(found)
    assert read(codec("{seq}", answer), text) == expected


@pytest.mark.parametrize(
    "message", ['{"id":{seq},"to":"a \\"b\\" c"}', "say {seq} of {client}", 'a "quoted" {seq}', ""]
)
def test_the_whole_message_can_be_in_the_answer(message: str) -> None:
    text = sent(codec(message)).decode()
    for answer, said in (
        ("{message}", text),
        ("Echo: {message}", f"Echo: {text}"),
        ("{message}{any}", f"{text} at noon"),
        ('{"echo":"{message}","n":1}', json.dumps({"n": 1, "echo": text})),
        ('{"echo":{message}}', '{"echo":' + text + "}"),
    ):
        own = codec(message, answer)
        assert read(own, said) == Answer(NUMBER), answer
        assert read(own, said.replace("10000042", "1000004x")) == FOREIGN


def test_of_a_payload_that_came_back_changed_the_number_is_known() -> None:
    own = codec(answer="Echo: {message}")
    text = f"Echo: {sent(own).decode()}"
    assert own.expected(NUMBER) == text.encode()
    assert read(own, text[:-1] + "!") == Answer(NUMBER, intact=False)
    other = codec(answer="Echo: {message}", client=8)
    assert read(other, text) == FOREIGN


@given(st.binary(max_size=60), st.sampled_from(["{message}", '{"id":{seq}}', "{any}{seq}", "pong"]))
def test_no_bytes_raise(data: bytes, answer: str) -> None:
    assert isinstance(codec("{seq}", answer).parse(data, binary=False), Answer)


def test_placeholders_have_names() -> None:
    assert [place.value for place in Place] == ["seq", "client", "any", "message"]
