"""The clients of the check read each byte of a server once, however it arrives."""

from __future__ import annotations

import asyncio

from aiohttp.client_proto import ResponseHandler

from runners.contract.strictness import ServerReader, connector_for
from runners.loadgen.frames import TEXT
from tests.support.byte_servers import HEAD, part


class Parser:
    """Stands for the library's parser, and keeps what it is given."""

    def __init__(self) -> None:
        self.got = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.got += data
        return False, b""


def test_a_frame_in_pieces_may_come_before_the_parser_of_the_library() -> None:
    frame = part(0x80 | TEXT, b"0{}")

    async def receive() -> tuple[Parser, ServerReader]:
        reader, parser = ServerReader(), Parser()
        connector = connector_for(None, reader)
        handler = connector._factory()
        assert isinstance(handler, ResponseHandler)
        handler.set_response_params()
        for data in (HEAD, frame[:1], frame[1:3]):
            handler.data_received(data)
        handler.set_parser(parser, asyncio.Queue())
        handler.data_received(frame[3:])
        await connector.close()
        return parser, reader

    parser, reader = asyncio.run(receive())
    assert (parser.got, reader.refusal) == (frame, None)
