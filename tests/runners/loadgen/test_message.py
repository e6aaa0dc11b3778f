"""Messages as bytes: numbers are patched in, changes are detected, and no input raises."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runners.loadgen.connection import Message
from runners.loadgen.job import MIN_PAYLOAD_BYTES
from runners.loadgen.message import (
    EVENT,
    FIRST_SEQUENCE,
    FOREIGN,
    LAST_SEQUENCE,
    Answer,
    DashboardCodec,
    TemplateCodec,
    echo_codec,
    room_codec,
)

WireProtocol = Literal["websocket", "socket.io"]
PROTOCOLS: tuple[WireProtocol, ...] = ("websocket", "socket.io")

both = pytest.mark.parametrize("protocol", PROTOCOLS)
sequences = st.integers(FIRST_SEQUENCE, LAST_SEQUENCE)
clients = st.integers(0, 99_999_998)
sizes = st.integers(MIN_PAYLOAD_BYTES, 300)


def echoed(codec: TemplateCodec, sequence: int, protocol: WireProtocol) -> bytes:
    """What an honest server answers, found without the codec's help."""
    ((request, _),) = codec.request(sequence)
    if protocol == "websocket":
        return request
    found = re.fullmatch(rb"42(\d+)(\[.*\])", request)
    assert found, request
    event, payload = json.loads(found[2])
    assert event == "echo"
    return b"43" + found[1] + json.dumps([payload]).encode()


@both
@given(client=clients, size=sizes, sequence=sequences)
@settings(deadline=None, max_examples=50)
def test_an_honest_echo_is_the_expected_answer(protocol: WireProtocol, client: int, size: int, sequence: int) -> None:
    codec = echo_codec(client, size, protocol)
    answer = echoed(codec, sequence, protocol)
    ((template, binary),) = codec.answer
    assert (bytes(template.fill(sequence)), binary) == (answer, False)
    assert [Message(bytes(part.template.fill(sequence)), part.binary) for part in codec.request_parts] == codec.request(
        sequence
    )
    assert codec.parse(answer, binary=False) == Answer(sequence)
    if protocol == "websocket":
        assert len(answer) == size


@both
@given(sequence=sequences, data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_changed_byte_is_found_and_disturbs_nothing_later(
    protocol: WireProtocol, sequence: int, data: st.DataObject
) -> None:
    codec = echo_codec(7, 40, protocol)
    good = echoed(codec, sequence, protocol)
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]) | st.just(ord("0")))
    bad = good[:at] + bytes([other]) + good[at + 1 :]
    if bad != good:
        found = codec.parse(bad, binary=False)
        assert found is not None
        # In raw echo a digit for another makes another, equally good message of ours.
        digit = protocol == "websocket" and 9 <= at < 17 and chr(other).isdigit()
        assert found.sequence != sequence or not found.intact
        assert digit or not found.intact
    assert codec.answer[0].template.fill(sequence) == good
    assert codec.parse(good, binary=False) == Answer(sequence)
    assert codec.parse(good, binary=True) != Answer(sequence)


@both
def test_what_another_client_sent_is_not_ours(protocol: WireProtocol) -> None:
    mine, other = echo_codec(1, 64, protocol), echo_codec(2, 64, protocol)
    # An acknowledgement has the number of our message, whatever it contains.
    theirs = FOREIGN if protocol == "websocket" else Answer(FIRST_SEQUENCE, intact=False)
    assert mine.parse(echoed(other, FIRST_SEQUENCE, protocol), binary=False) == theirs


def test_an_event_instead_of_an_acknowledgement_is_an_answer_too() -> None:
    codec = echo_codec(1, 64, "socket.io")
    ((request, _),) = codec.request(FIRST_SEQUENCE + 5)
    event = Answer(FIRST_SEQUENCE + 5, form=EVENT)
    assert codec.parse(b"42" + request[request.index(b"[") :], binary=False) == event


@given(sequence=sequences, blanks=st.text(" \n\t", max_size=3), data=st.data())
@settings(max_examples=50)
def test_other_json_of_the_same_meaning_is_intact(sequence: int, blanks: str, data: st.DataObject) -> None:
    codec = echo_codec(7, 40, "socket.io")
    answer = echoed(codec, sequence, "socket.io")
    start = answer.index(b"[")
    (payload,) = json.loads(answer[start:])
    at = data.draw(st.integers(0, len(payload) - 1))
    escaped = f'"{payload[:at]}\\u{ord(payload[at]):04x}{payload[at + 1 :]}"'
    namespace = data.draw(st.sampled_from(["", "/,"]))
    other = f"43{namespace}{sequence}[{blanks}{escaped}{blanks}]{blanks}".encode()
    assert codec.parse(other, binary=False) == Answer(sequence)
    # An argument more is another answer.
    assert codec.parse(other.rstrip()[:-1] + b",1]", binary=False) == Answer(sequence, intact=False)


def test_attachments_are_compared_whatever_the_form_of_their_packet() -> None:
    codec = echo_codec(7, 40, "socket.io", "binary")
    *_, (payload, _) = codec.request(FIRST_SEQUENCE)
    header = b'461-%d[ {"num": 0, "_placeholder": true} ]' % FIRST_SEQUENCE
    assert codec.parse(header, binary=False) is None
    assert codec.parse(payload, binary=True) == Answer(FIRST_SEQUENCE)
    assert codec.parse(header, binary=False) is None
    assert codec.parse(payload[:-1] + b"!", binary=True) == Answer(FIRST_SEQUENCE, intact=False)


def test_a_message_in_a_room_may_have_blanks() -> None:
    codec = room_codec(40, "socket.io")
    text = json.loads(codec.request(FIRST_SEQUENCE)[0].payload[2:])[1]["text"]
    said = f'42["message", "{text}"]'.encode()
    assert codec.parse(said, binary=False) == Answer(FIRST_SEQUENCE)
    assert codec.parse(said.replace(b'"]', b'!"]'), binary=False) == Answer(FIRST_SEQUENCE, intact=False)


def panel_answer(codec: DashboardCodec, sequence: int, protocol: WireProtocol, **changes: Any) -> bytes:
    ((asked, _),) = codec.request(sequence)
    request = asked.decode()
    update = json.loads(request[request.index("{") :].removesuffix("]"))
    answer = {"type": "panel", **update, "updates": 3, **changes}
    text = (
        json.dumps(answer) if protocol == "websocket" else f"43{sequence}{json.dumps([answer], separators=(',', ':'))}"
    )
    return text.encode()


@both
@given(client=clients, sequence=sequences)
@settings(deadline=None, max_examples=50)
def test_a_panel_is_recognised(protocol: WireProtocol, client: int, sequence: int) -> None:
    codec = DashboardCodec(client, protocol)
    assert codec.parse(panel_answer(codec, sequence, protocol)) == Answer(sequence)


@both
@pytest.mark.parametrize(
    "change", [{"panel": "panel-99"}, {"value": -1}, {"client": 5}, {"updates": 0}, {"value": None}], ids=str
)
def test_a_panel_of_other_content_is_corrupted(protocol: WireProtocol, change: dict[str, Any]) -> None:
    codec = DashboardCodec(4, protocol)
    found = codec.parse(panel_answer(codec, FIRST_SEQUENCE, protocol, **change))
    # Over WebSocket the panel's own fields show whose update it answers.
    is_foreign = protocol == "websocket" and "client" in change
    assert found == (FOREIGN if is_foreign else Answer(FIRST_SEQUENCE, intact=False))


@both
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_snapshot_is_a_push(protocol: WireProtocol, separators: tuple[str, str]) -> None:
    snapshot = {"type": "snapshot", "seq": 17, "panels": {"panel-01": {"value": 1.5, "updates": 9}}}
    data = snapshot if protocol == "websocket" else ["snapshot", snapshot]
    text = json.dumps(data, separators=separators)
    assert DashboardCodec(4, protocol).parse((text if protocol == "websocket" else "42" + text).encode()) == Answer(
        push=17
    )


@both
@pytest.mark.parametrize("spaces", ["", "  "])
@pytest.mark.parametrize("keys", [("panels", "type", "seq"), ("seq", "panels", "type")])
def test_a_snapshot_is_known_whatever_the_order_of_its_keys(
    protocol: WireProtocol, spaces: str, keys: tuple[str, ...]
) -> None:
    panels = {f"panel-{number:02d}": {"value": 1.5, "updates": 9} for number in range(20)}
    values = {"type": "snapshot", "seq": 17, "panels": panels}
    snapshot = {key: values[key] for key in keys}
    text = json.dumps(snapshot if protocol == "websocket" else ["snapshot", snapshot], separators=(",", f"{spaces}:"))
    prefix = "" if protocol == "websocket" else "42"
    assert DashboardCodec(4, protocol).parse(f"{prefix}{text}".encode()) == Answer(push=17)


NASTY = [
    b"",
    b"null",
    b"[]",
    b'{"seq": 1e999}',
    b'{"seq": NaN}',
    b'{"seq": -5, "client": 4}',
    b'{"seq": {"a": 1}}',
    b'{"type": "snapshot", "seq": ' + b"9" * 5000 + b"}",
    b'{"type": "snapshot", "seq": 99999999999999999999}',
    b'{"type": "snapshot"}',
    b'{"seq": ' + b"9" * 30 + b', "type": "snapshot"}',
    b'{"seq": -1, "type": "snapshot"}',
    b'42["snapshot",{"seq":' + b"9" * 5000 + b"}]",
    b"4310000000[" + b"[" * 100_000,
    b"43/x,10000000[1]",
    b"[" * 100_000,
    b"43[",
    b"4310000000[null]",
    b"4310000000[]",
    b"43" + b"9" * 5000,
    b"\xff\xfe",
]


@both
@pytest.mark.parametrize("data", NASTY, ids=lambda data: data[:24])
def test_nothing_that_comes_in_raises(protocol: WireProtocol, data: bytes) -> None:
    for codec in (echo_codec(4, 64, protocol), room_codec(64, protocol), DashboardCodec(4, protocol)):
        found = codec.parse(data, binary=False)
        assert found is not None
        assert found.push < 2**63
        assert found.sequence < 0 or not found.intact or found.empty


def test_an_unrequested_event_is_no_answer() -> None:
    codec = echo_codec(4, 64, "socket.io")
    assert codec.parse(b'42["snapshot",{"seq":1}]', binary=False) == FOREIGN
    assert codec.parse(b'42["echo","something else"]', binary=False) == FOREIGN
    assert echo_codec(4, 64, "websocket").parse(b'42["snapshot",{"seq":1}]', binary=False) == FOREIGN


@both
@example(data=b'42["other"')
@given(data=st.binary(max_size=80))
@settings(deadline=None)
def test_random_bytes_are_not_ours(protocol: WireProtocol, data: bytes) -> None:
    # A packet may announce attachments.
    assert echo_codec(4, 64, protocol).parse(data, binary=False) in (FOREIGN, None)
    assert echo_codec(4, 64, protocol, "binary").parse(data, binary=True) == FOREIGN
    assert DashboardCodec(4, protocol).parse(data) == FOREIGN


@both
@given(client=clients, size=sizes, sequence=sequences)
@settings(deadline=None, max_examples=50)
def test_binary_comes_back_as_binary(protocol: WireProtocol, client: int, size: int, sequence: int) -> None:
    codec = echo_codec(client, size, protocol, "binary")
    *head, (payload, binary) = codec.request(sequence)
    assert binary
    assert len(payload) == size
    if head:
        ((event, _),) = head
        assert event == b'451-%d["echo",{"_placeholder":true,"num":0}]' % sequence
        assert codec.parse(b'461-%d[{"_placeholder":true,"num":0}]' % sequence, binary=False) is None
    assert codec.parse(payload, binary=True) == Answer(sequence)
    assert codec.parse(payload, binary=False) != Answer(sequence)
    changed = payload[:-1] + bytes([payload[-1] ^ 1])
    found = codec.parse(changed, binary=True)
    assert found is not None
    assert not found.intact
    # The shortest payload ends with the mark by which it is known.
    assert found.sequence == (sequence if size > MIN_PAYLOAD_BYTES else -1)


@both
@given(size=sizes, sequence=sequences)
@settings(deadline=None, max_examples=50)
def test_all_in_a_room_say_and_expect_the_same(protocol: WireProtocol, size: int, sequence: int) -> None:
    codec = room_codec(size, protocol)
    ((said, _),) = codec.request(sequence)
    if protocol == "websocket":
        assert codec.greeting is None
        answer = said
    else:
        event, message = json.loads(said[2:])
        assert event == "publish"
        assert codec.greeting is not None
        assert json.loads(codec.greeting.payload[2:]) == ["join", message["room"]]
        assert len(message["text"]) == size
        answer = b"42" + json.dumps(["message", message["text"]], separators=(",", ":")).encode()
    assert bytes(codec.answer[0].template.fill(sequence)) == answer
    assert codec.parse(answer, binary=False) == Answer(sequence)
