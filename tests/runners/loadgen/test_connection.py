"""Why a connection ended is the first cause, whatever happens afterwards."""

from __future__ import annotations

import socket

import pytest

from runners.loadgen import frames
from runners.loadgen.connection import Message, WebSocketConnection

CLOSE = frames.server_frame(frames.CLOSE, (1008).to_bytes(2) + b"too fast")


@pytest.mark.parametrize(
    ("last", "kind"),
    [(CLOSE, "close 1008"), (b"\xff\x00", "a frame with reserved bits set, although no extension was negotiated")],
)
def test_a_message_that_follows_the_end_does_not_hide_its_cause(last: bytes, kind: str) -> None:
    """A closed loop sends its next message when it has read an answer, even if the server's last words follow it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    connection = WebSocketConnection(ours, b"mask", frames.MessageReader(), [])
    with theirs:
        theirs.sendall(frames.server_frame(frames.TEXT, b"answer") + last)
    ours.setblocking(False)
    received = connection.receive()
    assert received.messages == [Message(b"answer")]
    assert received.end is not None
    assert received.end.kind == kind
    assert not connection.send(b"next")
    assert connection.receive() == ([], received.end)
    connection.close()
