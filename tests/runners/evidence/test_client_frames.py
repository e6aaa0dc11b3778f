"""Frames as a client at the socket reads them: whole and valid ones only."""

from __future__ import annotations

import pytest
from websockets.frames import Close, Frame, Opcode

from runners.evidence import client_frames


def of_server(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=False)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1011, 4500])
def test_the_code_of_a_close_frame(code: int) -> None:
    received = of_server(Opcode.TEXT, b"{}") + of_server(Opcode.CLOSE, Close(code, "why").serialize())
    assert client_frames.close_code(received) == code
    assert client_frames.says_goodbye(received, "websocket")
    assert client_frames.close_code(received[:-1]) is None


def test_an_answer_that_is_no_frame_is_no_close_frame() -> None:
    """The first byte of ``HTTP`` has the kind of a close frame, and bits that no frame may have."""
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n\r\n" * 2
    assert client_frames.close_code(answer) is None
    assert not client_frames.says_goodbye(answer, "websocket")


def test_a_close_frame_without_a_code() -> None:
    assert client_frames.close_code(of_server(Opcode.CLOSE, b"")) == 1005


@pytest.mark.parametrize(
    ("packet", "ends"), [(b"1", True), (b"41", True), (b"2", False), (b'42["message","1"]', False)]
)
def test_the_end_of_a_session_of_socket_io(packet: bytes, *, ends: bool) -> None:
    assert client_frames.says_goodbye(of_server(Opcode.TEXT, packet), "socket.io") is ends
    assert not client_frames.says_goodbye(of_server(Opcode.TEXT, packet), "websocket")


@pytest.mark.parametrize(
    ("made", "opcode"), [(client_frames.masked_text(b"40"), 1), (client_frames.masked_close(1001), 8)]
)
def test_what_a_client_sends_is_masked(made: bytes, opcode: int) -> None:
    assert made[0] == 0x80 | opcode
    assert made[1] & 0x80


def test_a_close_frame_is_answered_with_its_code() -> None:
    assert client_frames.masked_close(1001)[6:] == (1001).to_bytes(2, "big")
    assert client_frames.masked_close(1005)[6:] == b"", "1005 is never sent"
