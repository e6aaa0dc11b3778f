"""Compressed messages: what is agreed, and that every message gets through, compared with `websockets`.

`test_kernel` has the same for the compiled path.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.headers import parse_extension
from websockets.protocol import State
from websockets.server import ServerProtocol

from runners.loadgen import deflate, frames
from runners.loadgen.causes import RefusedError
from runners.loadgen.codecs import codec_for
from runners.loadgen.deflate import Agreement, read_agreement
from runners.loadgen.frames import BINARY, PING, TEXT, Frame, FrameError, MessageReader, encode_frame
from runners.loadgen.handshake import open_all
from runners.loadgen.job import ClientOptions, Job
from runners.loadgen.message import FIRST_SEQUENCE, Codec, DashboardCodec, echo_codec, room_codec
from runners.loadgen.pace import Open
from runners.loadgen.reconnection import Reconnection
from runners.loadgen.wire import Client, masks
from runners.loadgen.zlib_streams import TAIL, Deflater, Inflater
from tests.support.byte_servers import HEAD, ByteServer, serving_bytes
from tests.support.servers import serving_compressed

BITS = range(8, 16)
AGREEMENTS = st.builds(
    Agreement,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.integers(9, 15),  # `websockets` cannot compress with a window of 8 bits
    client_max_window_bits=st.sampled_from(BITS),
)
USUAL = Agreement()
PIECES = st.binary(max_size=40) | st.sampled_from([b"again and again ", b"{}", b"x" * 5000])
PAYLOADS = st.lists(PIECES, max_size=6).map(b"".join)


# What is agreed


@given(AGREEMENTS)
def test_an_agreement_is_read_as_it_is_shown(agreement: Agreement) -> None:
    assert read_agreement([str(agreement)]) == agreement


ANSWERS = [
    *(f"server_max_window_bits={bits}" for bits in ("7", "8", "9", "15", "16", "08", '"10"', "", "x")),
    *(f"client_max_window_bits={bits}" for bits in ("7", "8", "9", "15", "16", "08", '"10"', "", "x")),
    *("server_max_window_bits", "client_max_window_bits", "server_no_context_takeover", "client_no_context_takeover"),
    *("server_no_context_takeover=1", "client_no_context_takeover=", "unknown", "unknown=1", "a b", ";", "="),
]


def theirs(answer: str) -> Agreement | None:
    """The agreement as `websockets` reads it; ``None`` if it refuses the answer."""
    factory = ClientPerMessageDeflateFactory(client_max_window_bits=True)
    try:
        ((_, parameters),) = parse_extension(answer)
        found = factory.process_response_params(parameters, [])
    except (InvalidHandshake, ValueError):
        return None
    return Agreement(
        found.remote_no_context_takeover,
        found.local_no_context_takeover,
        found.remote_max_window_bits,
        found.local_max_window_bits,
    )


@pytest.mark.parametrize("first", ANSWERS)
def test_answers_are_accepted_and_refused_as_the_library_does(first: str) -> None:
    for chosen in ([first], *([first, second] for second in ANSWERS)):
        answer = "; ".join([deflate.NAME, *chosen])
        if "client_max_window_bits=8" in answer or "server_max_window_bits=8" in answer:
            continue  # its client cannot compress with a window of 8 bits, and its reading of both has one limit
        expected = theirs(answer)
        if expected is not None:
            assert read_agreement([answer]) == expected
            continue
        with pytest.raises(RefusedError, match="Sec-WebSocket-Extensions: permessage-deflate"):
            read_agreement([answer])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["permessage-deflate", "permessage-deflate"], "chose permessage-deflate 2 times"),
        (["permessage-deflate, permessage-deflate; server_no_context_takeover"], "2 times"),
        (["x-webkit-deflate-frame"], "an extension that was not offered"),
        (["permessage-deflate, x-other"], "an extension that was not offered"),
        ([""], "an extension that was not offered"),
        (["permessage-deflate; server_max_window_bits"], "needs a number from 8 to 15 for server_max_window_bits"),
        (["permessage-deflate; client_no_context_takeover=1"], "gives client_no_context_takeover a value"),
        (["permessage-deflate; client_max_window_bits=9; client_max_window_bits=9"], "client_max_window_bits twice"),
        (["permessage-deflate; level=9"], "the unknown parameter level"),
    ],
)
def test_an_illegal_answer_is_refused_in_the_handshake(values: Sequence[str], words: str) -> None:
    lines = b"".join(b"\r\nSec-WebSocket-Extensions: " + value.encode() for value in values)
    with serving_bytes(ByteServer("", HEAD.replace(b"\r\n\r\n", lines + b"\r\n\r\n"))) as place:
        (result,) = open_all(
            f"ws://{place}/", "websocket", masks(1, 1), at_once=1, timeout_s=5.0, options=ClientOptions(deflate=True)
        )
    assert result.connection is None
    assert result.cause is not None
    assert words in result.cause.text


# Messages


def their_end(agreement: Agreement) -> PerMessageDeflate:
    return PerMessageDeflate(
        agreement.client_no_context_takeover,
        agreement.server_no_context_takeover,
        agreement.client_max_window_bits,
        agreement.server_max_window_bits,
    )


@given(AGREEMENTS, st.lists(PAYLOADS.filter(bool), max_size=8), st.lists(st.integers(0, 60), max_size=3), st.data())
@settings(deadline=None)
def test_all_that_they_send_is_read(
    agreement: Agreement, payloads: list[bytes], cuts: list[int], data: st.DataObject
) -> None:
    """Whole or in fragments, compressed or not, with pings between, wherever the stream is cut."""
    compressing, reader = their_end(agreement), MessageReader(Inflater(agreement))
    stream = b""
    for payload in payloads:
        ends = [0, *sorted(cut for cut in cuts if cut < len(payload)), len(payload)]
        extensions = [compressing] if data.draw(st.booleans()) else []
        for number, (start, end) in enumerate(pairwise(ends)):
            opcode = Opcode.CONT if number else Opcode.BINARY
            frame = TheirFrame(opcode, payload[start:end], fin=end == len(payload))
            stream += frame.serialize(mask=False, extensions=extensions)
            stream += frames.server_frame(PING, b"between")
    found = []
    for start in range(0, len(stream), size := data.draw(st.integers(1, 100))):
        found += [frame for frame in reader.feed(stream[start : start + size]) if frame.opcode != PING]
    assert reader.error is None
    assert found == [Frame(BINARY, True, payload) for payload in payloads]
    assert reader.empty


@given(AGREEMENTS, st.lists(PAYLOADS, max_size=8), st.binary(min_size=4, max_size=4))
@settings(deadline=None)
def test_all_that_we_send_is_read_by_them(agreement: Agreement, payloads: list[bytes], mask: bytes) -> None:
    server = ServerProtocol(state=State.OPEN, max_size=None)
    server.extensions = [their_end(agreement)]
    deflater = Deflater(agreement)
    for payload in payloads:
        server.receive_data(encode_frame(BINARY, deflater.deflate(payload), mask, compressed=True))
    found = [bytes(event.data) for event in server.events_received() if isinstance(event, TheirFrame)]
    assert server.parser_exc is None
    assert found == payloads


def test_a_smaller_window_is_kept_to() -> None:
    """A text is found again within the window only."""
    marked = bytes(range(200))
    for bits, again in product(BITS, (100, 900, 20_000)):
        decompressing = zlib.decompressobj(wbits=-bits)
        message = marked + bytes(again) + marked
        compressed = Deflater(Agreement(client_max_window_bits=bits)).deflate(message)
        assert decompressing.decompress(compressed + TAIL) == message


def read(*payloads: bytes, agreement: Agreement = USUAL, first: int = 0xC0 | BINARY) -> MessageReader:
    reader = MessageReader(Inflater(agreement))
    for payload in payloads:
        frame = frames.server_frame(BINARY, payload)
        reader.feed(bytes([first]) + frame[1:])
    return reader


def squeezed(message: bytes, flush: int = zlib.Z_SYNC_FLUSH, **options: Any) -> bytes:
    compressing = zlib.compressobj(wbits=-15, **options)
    return compressing.compress(message) + compressing.flush(flush)


BOMB = squeezed(bytes(frames.MAX_PAYLOAD_BYTES + 1))[: -len(TAIL)]


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        (b"\xff\xff", 1007, "that zlib cannot decompress: invalid block type"),
        (squeezed(b"hello" * 100)[:5], 1007, "that ends within a block"),
        (b"", 1007, "that ends within a block"),
        (BOMB, 1009, f"of more than {frames.MAX_PAYLOAD_BYTES} bytes"),
    ],
)
def test_what_cannot_be_decompressed_is_an_error(payload: bytes, code: int, words: str) -> None:
    assert len(payload) < 100_000
    error = read(payload).error
    assert isinstance(error, FrameError)
    assert error.code == code
    assert words in str(error)


def test_a_text_is_checked_after_decompression() -> None:
    error = read(squeezed(b"caf\xe9")[: -len(TAIL)], first=0xC0 | TEXT).error
    assert error is not None
    assert "a text message that is not UTF-8 at byte 3" in str(error)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"\xc9\x00", "a control frame with the bit of compression"),
        (b"\x02\x01a\xc0\x01b", "a continuation frame with the bit of compression"),
        (b"\xa2\x00", "reserved bits set that permessage-deflate does not use"),
        (b"\xd2\x00", "reserved bits set that permessage-deflate does not use"),
    ],
)
def test_the_bit_of_compression_is_only_on_the_first_frame_of_a_message(frame: bytes, words: str) -> None:
    reader = MessageReader(Inflater(Agreement()))
    reader.feed(frame)
    assert reader.error is not None
    assert reader.error.code == 1002
    assert words in str(reader.error)


def test_a_message_may_end_the_senders_stream() -> None:
    """RFC 7692, section 7.2.3.4; and nothing later may then look back."""
    ended = bytes.fromhex("f348cdc9c9070000")  # the example of that section
    later = squeezed(b"Hello")[: -len(TAIL)]
    reader = MessageReader(Inflater(Agreement()))
    found = []
    for payload in (ended, ended[:-1], later):
        found += reader.feed(bytes([0xC0 | BINARY]) + frames.server_frame(BINARY, payload)[1:])
    assert [frame.payload for frame in found] == [b"Hello"] * 3
    assert reader.error is None


def test_a_server_that_looks_back_although_it_agreed_not_to_is_refused() -> None:
    compressing = zlib.compressobj(wbits=-15)
    payloads = [
        (compressing.compress(b"the same text") + compressing.flush(zlib.Z_SYNC_FLUSH))[: -len(TAIL)] for _ in range(2)
    ]
    assert read(*payloads).error is None
    error = read(*payloads, agreement=Agreement(server_no_context_takeover=True)).error
    assert error is not None
    assert "invalid distance too far back" in str(error)


@pytest.mark.parametrize(
    ("codec", "size", "with_takeover", "without"),
    [
        (echo_codec(3, 64, "websocket"), 64, 7, 60),
        (room_codec(64, "websocket"), 64, 7, 60),
        (DashboardCodec(3, "websocket"), 59, 11, 54),
    ],
)
def test_our_messages_compress_as_the_methodology_says(
    codec: Codec, size: int, with_takeover: int, without: int
) -> None:
    messages = [codec.request(FIRST_SEQUENCE + number)[0].payload for number in range(500)]
    assert round(sum(map(len, messages)) / len(messages)) == size
    for agreement, expected in ((USUAL, with_takeover), (Agreement(client_no_context_takeover=True), without)):
        deflater = Deflater(agreement)
        mean = sum(len(deflater.deflate(message)) for message in messages) / len(messages)
        assert mean == pytest.approx(expected, abs=1)  # versions of zlib differ


# Connections


def opened(url: str, count: int, **options: Any) -> list[Any]:
    options = {"at_once": 8, "timeout_s": 5.0, "options": ClientOptions(deflate=True), **options}
    return list(open_all(url, "websocket", masks(1, count), **options))


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("bits", [9, 12, None])
def test_connections_have_what_the_server_answers_and_streams_of_their_own(forgets: bool, bits: int | None) -> None:
    factory = ServerPerMessageDeflateFactory(forgets, forgets, bits, bits)
    agreement = Agreement(forgets, forgets, bits or 15, bits or 15)
    with serving_compressed(factory) as url:
        connections = [one.connection for one in opened(url, 3)]
        for connection in connections:
            connection.socket.setblocking(True)
            assert connection.compression.agreement == agreement
        for number, connection in enumerate(connections * 3):
            message = b"message %d " % number * 20
            connection.send(message, binary=True)
            received = connection.receive()
            assert [one.payload for one in received.messages] == [message]
            assert (received.end, connection.meter.sent_wire_bytes < connection.meter.sent_payload_bytes) == (
                None,
                True,
            )
        for connection in connections:
            connection.close()


def test_a_server_that_declines_gets_plain_messages() -> None:
    with serving_compressed(None) as url:
        (result,) = opened(url, 1)
        assert result.connection.compression is None
        result.connection.socket.setblocking(True)
        result.connection.send(b"plain")
        assert result.connection.receive().messages == [(b"plain", False)]
        assert result.connection.meter.sent_wire_bytes == 6 + len(b"plain")
        result.connection.close()


def test_clients_that_reconnect_begin_with_new_streams() -> None:
    """The server ends every connection after a few messages, and its new streams know none of the earlier ones."""
    job = Job(
        url="", protocol="websocket", exchange="echo", pace=Open(200.0), connections=4, warmup_s=0.0, duration_s=0.0,
        client=ClientOptions(deflate=True),
    )  # fmt: skip
    with serving_compressed(ServerPerMessageDeflateFactory(), most=5) as url:
        job = replace(job, url=url)
        keys = masks(job.seed, job.connections)
        clients = [
            Client(one.number, codec_for(job, one.number), one.connection, keys[one.number]) for one in opened(url, 4)
        ]
        reconnection = Reconnection(job, clients)
        try:
            recovered = reconnection.run(1.5)
        finally:
            reconnection.close()
    assert len(recovered.back_at) >= 4
    assert recovered.answered > 4 * 5  # more than on the first connections
