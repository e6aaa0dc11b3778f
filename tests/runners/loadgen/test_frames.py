"""Frames are checked with the independent parser of `websockets`."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from runners.loadgen.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_PAYLOAD_BYTES,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    MessageReader,
    encode_frame,
    masked,
    server_frame,
)

Found = TypeVar("Found")
CONTROL = (CLOSE, PING, PONG)
MASKS = st.binary(min_size=4, max_size=4)
PAYLOADS = st.binary(max_size=200) | st.builds(
    lambda seed, size: (seed * (size // len(seed) + 1))[:size],
    st.binary(min_size=1, max_size=20),
    # Around the sizes at which a header grows.
    st.sampled_from([125, 126, 127, 65534, 65535, 65536, 70_000]),
)


def theirs(data: bytes, *, mask: bool) -> list[TheirFrame]:
    """All frames in ``data`` as `websockets` reads them; ``mask``: a client sent them."""
    stream = StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    found = []
    while not ended(stream):
        found.append(result(TheirFrame.parse(stream.read_exact, mask=mask)))
    return found


def ended(stream: StreamReader) -> bool:
    return result(stream.at_eof())


def result(steps: Generator[None, None, Found]) -> Found:
    """Run one of its parsers that has all its data."""
    try:
        next(steps)
    except StopIteration as stop:
        found: Found = stop.value
        return found
    raise AssertionError("it wants more data than there is")


@st.composite
def conversations(draw: st.DrawFn) -> list[Frame]:
    """What a server may send: any frames, whole or in fragments."""
    opcodes = st.sampled_from([TEXT, BINARY, CONTINUATION])
    data = st.builds(Frame, opcodes, st.booleans(), PAYLOADS, st.just(False))
    control = st.builds(Frame, st.sampled_from(CONTROL), st.just(True), st.binary(max_size=125), st.just(False))
    return draw(st.lists(data | control, max_size=6))


def sent_by_them(frames: list[Frame]) -> bytes:
    return b"".join(
        TheirFrame(Opcode(frame.opcode), frame.payload, fin=frame.fin).serialize(mask=False) for frame in frames
    )


@given(conversations(), st.data())
@settings(deadline=None)
def test_what_they_write_is_read_wherever_the_stream_is_cut(frames: list[Frame], data: st.DataObject) -> None:
    stream = sent_by_them(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = FrameReader()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert found == frames
    assert reader.empty


@given(conversations())
@settings(deadline=None, max_examples=20)
def test_a_reader_fed_byte_by_byte_knows_whether_something_is_left(frames: list[Frame]) -> None:
    small = [frame for frame in frames if len(frame.payload) < 200]
    reader = FrameReader()
    for frame in small:
        stream = sent_by_them([frame])
        for index, byte in enumerate(stream):
            last = index == len(stream) - 1
            assert reader.feed(bytes([byte])) == ([frame] if last else [])
            assert reader.empty == last


@given(st.sampled_from([TEXT, BINARY, PONG]), PAYLOADS, MASKS)
@settings(deadline=None)
def test_what_we_write_is_what_they_read(opcode: int, payload: bytes, mask: bytes) -> None:
    if opcode == PONG:
        payload = payload[:125]
    (found,) = theirs(encode_frame(opcode, payload, mask), mask=True)
    assert (found.opcode, bytes(found.data), found.fin) == (opcode, payload, True)
    assert [found.rsv1, found.rsv2, found.rsv3] == [False] * 3


@given(PAYLOADS)
@settings(deadline=None)
def test_the_expected_answer_is_what_they_send(payload: bytes) -> None:
    assert server_frame(TEXT, payload) == TheirFrame(Opcode.TEXT, payload).serialize(mask=False)
    assert FrameReader().feed(server_frame(TEXT, payload)) == [Frame(TEXT, True, payload)]


@given(PAYLOADS, MASKS)
def test_masking_twice_is_not_masking(payload: bytes, mask: bytes) -> None:
    assert masked(masked(payload, mask), mask) == payload
    assert masked(bytes(len(payload)), mask) == (mask * len(payload))[: len(payload)]


GOOD = server_frame(TEXT, b"good")


def changed(at: int, change: Callable[[int], int]) -> bytes:
    return GOOD[:at] + bytes([change(GOOD[at])]) + GOOD[at + 1 :]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(0, lambda byte: byte | 0x40), "reserved bits"),
        (changed(0, lambda byte: byte | 0x20), "reserved bits"),
        (changed(0, lambda byte: byte | 0x10), "reserved bits"),
        (changed(1, lambda byte: byte | 0x80), "masked"),
        (changed(0, lambda byte: 0x83), "unknown kind 0x3"),
        (changed(0, lambda byte: 0x8F), "unknown kind 0xf"),
        (changed(0, lambda byte: PING), "control frame in fragments"),
        (b"\x89\x7e\x00\x7e", "control frame .* more than 125"),
        (b"\x81\x7f" + (MAX_PAYLOAD_BYTES + 1).to_bytes(8), f"{MAX_PAYLOAD_BYTES + 1} bytes"),
        (b"\x81\x7f" + b"\xff" * 8, "more than"),
    ],
    ids=[
        "rsv1",
        "rsv2",
        "rsv3",
        "masked",
        "opcode 3",
        "opcode 15",
        "half a ping",
        "long ping",
        "too large",
        "negative",
    ],
)
def test_what_no_server_may_send_is_refused_as_soon_as_its_header_is_there(data: bytes, words: str) -> None:
    for before in (b"", GOOD):
        reader = FrameReader()
        # What came before it is not lost.
        assert reader.feed(before + data[:14]) == ([Frame(TEXT, True, b"good")] if before else [])
        assert reader.error is not None
        assert re.search(words, str(reader.error))
        assert reader.feed(GOOD) == []


SIZES = {0: b"", 1: b"", 125: b"", 126: (126).to_bytes(2), 127: (65536).to_bytes(8)}
"""By the header's second byte: what follows it."""


@pytest.mark.parametrize("second", SIZES)
@pytest.mark.parametrize("mask", [0, 0x80])
def test_what_they_refuse_is_refused_and_nothing_else(second: int, mask: int) -> None:
    size = int.from_bytes(SIZES[second]) or second
    for first in range(256):
        data = bytes([first, second | mask]) + SIZES[second] + bytes(size)
        reader = FrameReader()
        read = reader.feed(data)
        try:
            (they,) = theirs(data, mask=False)
        except ProtocolError:
            assert reader.error is not None, data[:2]
        else:
            assert read == [Frame(they.opcode, they.fin, bytes(they.data))], reader.error


@given(st.sampled_from([TEXT, BINARY]), st.lists(st.text(max_size=20), min_size=1, max_size=5), st.data())
@settings(deadline=None)
def test_fragments_are_one_message_wherever_the_stream_is_cut(
    opcode: int, parts: list[str], data: st.DataObject
) -> None:
    last = len(parts) - 1
    stream = b"".join(
        TheirFrame(Opcode(opcode if not number else CONTINUATION), part.encode(), fin=number == last).serialize(
            mask=False
        )
        + server_frame(PING, b"%d" % number)
        for number, part in enumerate(parts)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = MessageReader()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert reader.error is None
    assert reader.empty
    assert [frame for frame in found if frame.opcode != PING] == [Frame(opcode, True, "".join(parts).encode())]
    assert len(found) == len(parts) + 1


def test_the_largest_frame_is_waited_for() -> None:
    reader = FrameReader()
    assert reader.feed(b"\x82\x7f" + MAX_PAYLOAD_BYTES.to_bytes(8)) == []
    assert not reader.empty
