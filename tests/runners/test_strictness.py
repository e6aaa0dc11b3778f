"""The clients of the check read each byte of a server once, however it arrives."""

from __future__ import annotations

import asyncio

from aiohttp.client_proto import ResponseHandler
from hypothesis import example, given
from hypothesis import strategies as st

from runners.contract.strictness import ServerReader, connector_for
from runners.loadgen.frames import TEXT
from tests.support.byte_servers import HEAD, part, whole

FRAMES = part(TEXT, b"0{") + part(0x80, b"}") + whole(TEXT, "é".encode() * 3)


class Parser:
    """Stands for the library's parser, and keeps what it is given."""

    def __init__(self) -> None:
        self.got = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.got += data
        return False, b""


async def receive(pieces: list[bytes], before_parser: int) -> tuple[Parser, ServerReader]:
    """``before_parser``: how many pieces come before the library sets its parser."""
    reader, parser = ServerReader(), Parser()
    connector = connector_for(None, reader)
    handler = connector._factory()
    assert isinstance(handler, ResponseHandler)
    handler.set_response_params()
    for data in pieces[:before_parser]:
        handler.data_received(data)
    handler.set_parser(parser, asyncio.Queue())
    for data in pieces[before_parser:]:
        handler.data_received(data)
    await connector.close()
    return parser, reader


@given(st.lists(st.integers(1, len(HEAD + FRAMES) - 1), unique=True, max_size=6), st.integers(0, 6))
@example([len(HEAD), len(HEAD) + 1, len(HEAD) + 3], 2)  # before the library has its parser
@example([len(HEAD) + 1], 0)  # in one piece with the head
def test_frames_may_come_in_any_pieces(cuts: list[int], late: int) -> None:
    ends = [*sorted(cuts), len(HEAD + FRAMES)]
    pieces = [(HEAD + FRAMES)[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    with_head = next(place for place, end in enumerate(ends) if end >= len(HEAD)) + 1
    parser, reader = asyncio.run(receive(pieces, min(with_head + late, len(pieces))))
    assert (parser.got, reader.refusal) == (FRAMES, None)
