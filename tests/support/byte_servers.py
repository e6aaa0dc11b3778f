"""Servers that are scripts of bytes: what they answer to the handshake and to a message, legal and illegal.

`SERVERS` is the table by which the load generator's client and the clients of the contract check are compared.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from runners.loadgen.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, masked, server_frame
from runners.loadgen.upgrade import accept_value

HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: ACCEPT\r\n\r\n"
)


def part(first: int, payload: bytes, second: int = 0) -> bytes:
    """A frame with this first byte and these flags of the second one."""
    header = bytearray(server_frame(TEXT, payload)[: -len(payload) or None])
    header[0] = first
    header[1] |= second
    return bytes(header) + payload


def whole(opcode: int, payload: bytes) -> bytes:
    return server_frame(opcode, payload)


Answer = Callable[[int, bytes], bytes]


@dataclass(frozen=True)
class ByteServer:
    """One script. ``words``: what both clients say if they refuse it; ``None``: they accept it."""

    name: str
    head: bytes = HEAD
    answer: Answer = whole
    words: str | None = None
    piece: int = 1 << 20
    """Number of bytes of the head that are sent at a time."""
    closes: bool = False
    """Whether it closes the connection after the head."""


def with_field(line: bytes) -> bytes:
    return HEAD.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")


def status(line: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + line, *fields, length, b"", body])


def fragments(opcode: int, payload: bytes) -> bytes:
    middle = len(payload) // 2
    return b"".join(
        [
            part(opcode, payload[:middle]),
            whole(PING, b"between"),
            part(CONTINUATION, b""),
            part(0x80 | CONTINUATION, payload[middle:]),
        ]
    )


def instead(data: bytes) -> Answer:
    """The answer to every message."""
    return lambda opcode, payload: data


def closing(payload: bytes) -> Answer:
    return instead(whole(CLOSE, payload))


_ACCEPTED = [
    ByteServer("plain"),
    ByteServer("one byte at a time", piece=1),
    ByteServer("100 before", b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD),
    ByteServer("102 and 103 before", b"HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nLink: </a>\r\n\r\n" + HEAD, piece=7),
    ByteServer("lines end in LF", HEAD.replace(b"\r\n", b"\n")),
    ByteServer("103 with LF", b"HTTP/1.1 103 E\n\n" + HEAD),
    ByteServer("no reason phrase", HEAD.replace(b" Switching Protocols", b"")),
    ByteServer("other letters", HEAD.replace(b"websocket", b"WebSocket").replace(b"Upgrade: ", b"uPGRADE:\t")),
    ByteServer("keep-alive, Upgrade", HEAD.replace(b"Connection: Upgrade", b"Connection: keep-alive, upgrade")),
    ByteServer("two Connection fields", with_field(b"Connection: keep-alive")),
    ByteServer("folded field", with_field(b"X-Note: one\r\n two")),
    ByteServer("long field", with_field(b"X-Long: " + b"x" * 20_000)),
    ByteServer("many fields", with_field(b"\r\n".join(b"X-%d: y" % number for number in range(300)))),
    ByteServer("Latin-1 field", with_field(b"Server: caf\xe9")),
    ByteServer("ping and pong with the head", HEAD + whole(PING, b"1") + whole(PONG, b"")),
    ByteServer("fragments", answer=fragments),
]
_REFUSED_HEADS = [
    ByteServer("redirect to itself", status(b"307 Temporary Redirect", b"Location: /echo"), words="/echo"),
    ByteServer("redirect elsewhere", status(b"301 Moved", b"Location: ws://127.0.0.1:1/x"), words="ws://127.0.0.1:1/x"),
    ByteServer("page", status(b"200 OK", body=b"<h1>hello</h1>"), words="<h1>hello</h1>"),
    ByteServer("no body", status(b"404 Not Found"), words="404 Not Found"),
    ByteServer("credentials", status(b"401 Unauthorized", b"WWW-Authenticate: Basic"), words="--header"),
    ByteServer("origin", status(b"403 Forbidden", body=b"bad origin\nmore"), words="bad origin"),
    ByteServer("too many", status(b"429 Too Many Requests", b"Retry-After: 120"), words="Retry-After: 120"),
    ByteServer(
        "version", status(b"426 Upgrade Required", b"Sec-WebSocket-Version: 8"), words="Sec-WebSocket-Version: 8"
    ),
    ByteServer(
        "chunks",
        b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nfull\r\n6\r\n house\r\n0\r\n\r\n",
        words="full house",
        piece=3,
    ),
    ByteServer("body to the end", b"HTTP/1.0 500 Oops\n\nTraceback", words="Traceback", closes=True),
    ByteServer("body cut", b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\nhalf", words="half", closes=True),
    ByteServer("control characters", status(b"400 Bad", body=b"\x1b[2Jgone\x07"), words=r"\x1b[2Jgone\x07"),
    ByteServer("no Connection", HEAD.replace(b"Connection: Upgrade\r\n", b""), words="there is no Connection"),
    ByteServer("no Upgrade", HEAD.replace(b"Upgrade: websocket\r\n", b""), words="there is no Upgrade"),
    ByteServer("another upgrade", HEAD.replace(b"websocket", b"h2c"), words="Upgrade: h2c"),
    ByteServer("wrong accept", HEAD.replace(b"ACCEPT", b"AAAA"), words="Accept"),
    ByteServer("two accepts", with_field(b"Sec-WebSocket-Accept: ACCEPT"), words="Accept"),
    ByteServer("no accept", HEAD.replace(b"Sec-WebSocket-Accept: ACCEPT\r\n", b""), words="Accept"),
    ByteServer("extension", with_field(b"Sec-WebSocket-Extensions: permessage-deflate"), words="permessage-deflate"),
    ByteServer("empty extension", with_field(b"Sec-WebSocket-Extensions:"), words="Sec-WebSocket-Extensions"),
    ByteServer("subprotocol", with_field(b"Sec-WebSocket-Protocol: chat"), words="--subprotocol"),
    ByteServer("HTTP/1.0", HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"), words="HTTP/1.0"),
    ByteServer("space before the colon", with_field(b"X-Note : x"), words="X-Note : x"),
    ByteServer("CR in a field", with_field(b"X-Note: a\rb"), words=r"a\rb"),
    ByteServer("no colon", with_field(b"garbage"), words="garbage"),
    ByteServer("no status", b"HTTP/1.1 OK\r\n\r\n", words="HTTP/1.1 OK"),
    ByteServer("endless 103", b"HTTP/1.1 103 E\r\n\r\n" * 5000, words="more than 65536 bytes"),
    ByteServer("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n", words="SSH-2.0-OpenSSH_9.2p1", piece=5),
    ByteServer("Redis", b"-ERR unknown command 'GET'\r\n", words="-ERR unknown command"),
    ByteServer("SMTP", b"220 mail.example ESMTP\r\n", words="220 mail.example"),
    ByteServer("HTTP/2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", words="does not speak HTTP"),
    ByteServer("TLS", b"\x15\x03\x01\x00\x02\x02\x46", words="wss://"),
    ByteServer("nothing", b"", words="closed the connection", closes=True),
    ByteServer("half a head", b"HTTP/1.1 101 Swi", words="HTTP/1.1 101 Swi", closes=True),
]
_REFUSED_FRAMES = [
    ByteServer("masked", answer=lambda opcode, data: part(0x80 | opcode, bytes(4) + data[:100], 0x80), words="mask"),
    ByteServer("reserved bit", answer=lambda opcode, data: part(0xC0 | opcode, data), words="reserved bits"),
    ByteServer("unknown kind", answer=lambda opcode, data: part(0x83, data), words="unknown kind 0x3"),
    ByteServer("no beginning", answer=lambda opcode, data: part(0x80, data), words="without a beginning"),
    ByteServer("no end", answer=lambda opcode, data: part(opcode, b"") + whole(opcode, data), words="last fragment"),
    ByteServer("not UTF-8", answer=instead(whole(TEXT, b"caf\xe9!")), words="not UTF-8"),
    ByteServer("UTF-8 cut", answer=instead(part(TEXT, b"\xc3") + part(0x80, b"")), words="not UTF-8"),
    ByteServer("long length", answer=instead(b"\x81\x7e\x00\x02hi"), words="fewest bytes"),
    ByteServer("huge", answer=instead(b"\x81\x7f" + b"\xff" * 8), words="more than"),
    ByteServer("ping in fragments", answer=instead(part(PING, b"")), words="control frame"),
    ByteServer("long ping", answer=instead(b"\x89\x7e\x00\x7e" + bytes(126)), words="control frame"),
    ByteServer("close with half a code", answer=closing(b"\x03"), words="invalid code"),
    ByteServer("close with 1005", answer=closing((1005).to_bytes(2)), words="invalid code 1005"),
    ByteServer("close with a reason in Latin-1", answer=closing(b"\x03\xe8caf\xe9"), words="not UTF-8"),
    ByteServer("going away", answer=closing((1001).to_bytes(2) + b"restart"), words="1001 (going away)"),
    ByteServer("policy", answer=closing((1008).to_bytes(2) + b"too fast"), words="too fast"),
    ByteServer("code of its own", answer=closing((4242).to_bytes(2) + b"mine"), words="4242"),
]
SERVERS = [*_ACCEPTED, *_REFUSED_HEADS, *_REFUSED_FRAMES]


OPENING = b'0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
"""The packet that opens a session of Engine.IO 4."""


def socketio(
    packet: Callable[[bytes], list[bytes]],
    *,
    accepting: tuple[bytes, ...] = (b'40{"sid":"s"}',),
    answers: bytes = b"40",
) -> Answer:
    """Accepts a client into the namespace with these packets, and answers each event with those of ``packet``.

    ``answers``: the beginning of the packet that is answered with the acceptance.
    """

    def answer(opcode: int, payload: bytes) -> bytes:
        if payload[:2] == answers[:2]:
            return b"".join(whole(TEXT, one) for one in accepting)
        if payload[:2] == b"40":
            return whole(TEXT, b"2")
        return b"".join(whole(TEXT, one) for one in packet(payload))

    return answer


def acknowledged(packet: bytes) -> list[bytes]:
    """The acknowledgement of an echo event."""
    found = re.fullmatch(rb'42(\d+)\["echo",(.*)\]', packet, re.DOTALL)
    return [b"43" + found[1] + b"[" + found[2] + b"]"] if found else []


def on_event(*packets: bytes) -> Callable[[bytes], list[bytes]]:
    """These packets for every event, and no acknowledgement."""
    return lambda packet: list(packets) if packet.startswith(b"42") else []


def with_blanks(packet: bytes) -> list[bytes]:
    return [one.replace(b"[", b"[ ", 1) for one in acknowledged(packet)]


def changed(packet: bytes) -> list[bytes]:
    return [one[:-2] + b'!"]' for one in acknowledged(packet)]


def by_name(packet: bytes) -> list[bytes]:
    """With the name of the default namespace."""
    return [one.replace(b"43", b"43/,", 1) for one in acknowledged(packet)]


def opened(opening: bytes = OPENING, opcode: int = TEXT) -> bytes:
    return HEAD + whole(opcode, opening)


_ECHO = socketio(acknowledged)
SOCKETIO = [
    ByteServer("plain", opened(), _ECHO),
    ByteServer("opening in fragments", HEAD + part(TEXT, OPENING[:9]) + part(0x80, OPENING[9:]), _ECHO, piece=11),
    ByteServer("opening with blanks", opened(b"0 " + OPENING[1:].replace(b",", b" , ")), _ECHO),
    ByteServer("ping before the acceptance", opened(), socketio(acknowledged, answers=b"3")),
    ByteServer(
        "nothing new before the acceptance", opened(), socketio(acknowledged, accepting=(b"6", b'40{"sid":"s"}'))
    ),
    ByteServer("acceptance without data", opened(), socketio(acknowledged, accepting=(b"40",))),
    ByteServer("namespace by name", opened(), socketio(by_name, accepting=(b'40/,{"sid":"s"}',))),
    ByteServer(
        "event with the acceptance", opened(), socketio(acknowledged, accepting=(b'40{"sid":"s"}', b'42["hello"]'))
    ),
    ByteServer("blanks in JSON", opened(), socketio(with_blanks)),
    ByteServer("event between", opened(), socketio(lambda packet: [b'42["news",1]', *acknowledged(packet)])),
    ByteServer("text that is no opening", opened(b"hello"), _ECHO, "does not speak Engine.IO; it sent 'hello'"),
    ByteServer("binary opening", opened(opcode=BINARY), _ECHO, "does not speak Engine.IO"),
    ByteServer("opening without ID", opened(OPENING.replace(b"sid", b"id")), _ECHO, "without sid"),
    ByteServer("opening without JSON", opened(b"0"), _ECHO, "without JSON"),
    ByteServer("opening of a list", opened(b"0[]"), _ECHO, "without JSON"),
    ByteServer("closed instead of opened", HEAD + whole(CLOSE, b"\x03\xf0no"), _ECHO, "1008 (policy violation): 'no'"),
    ByteServer(
        "namespace refused", opened(), socketio(acknowledged, accepting=(b'44{"message":"not you"}',)), "not you"
    ),
    ByteServer(
        "session closed at once", opened(), socketio(acknowledged, accepting=(b"1",)), "closed the Engine.IO session"
    ),
    ByteServer("session closed", opened(), socketio(on_event(b"1")), "closed the Engine.IO session"),
    ByteServer("disconnected", opened(), socketio(on_event(b"41")), "disconnected the client"),
    ByteServer(
        "closed with a code",
        opened(),
        lambda opcode, packet: whole(CLOSE, b"\x03\xf3full") if packet[:2] == b"42" else whole(TEXT, b"40"),
        "1011 (internal error): 'full'",
    ),
    ByteServer("masked", opened(), lambda opcode, packet: part(0x80 | opcode, bytes(4) + packet[:9], 0x80), "mask"),
    ByteServer("another answer", opened(), socketio(changed), "expected"),
    ByteServer("not found", status(b"404 Not Found", body=b"no such path"), words="no such path"),
    ByteServer("redirect", status(b"308 Permanent Redirect", b"Location: /io/"), words="/io/"),
]
"""Servers of Socket.IO over WebSocket."""


@contextmanager
def serving_bytes(server: ByteServer) -> Iterator[str]:
    """The address without a scheme, ``127.0.0.1:port``, of a running script."""
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with suppress(OSError, ValueError, EOFError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reading = connection.makefile("rb")
            lines = iter(lambda: _read_line(reading), b"\r\n")
            fields = dict(line.rstrip().split(b": ", 1) for line in lines if b": " in line)
            data = server.head.replace(b"ACCEPT", accept_value(fields[b"Sec-WebSocket-Key"]))
            for start in range(0, len(data), server.piece):
                connection.sendall(data[start : start + server.piece])
            while not server.closes:
                first, second = _read(reading, 2)
                size = second & 0x7F
                if size > 125:
                    size = int.from_bytes(_read(reading, 2 if size == 126 else 8))
                mask = _read(reading, 4)
                payload = masked(_read(reading, size), mask)
                if first & 0xF == CLOSE:
                    connection.sendall(whole(CLOSE, payload[:2]))
                    return
                if first & 0xF in (TEXT, BINARY):
                    connection.sendall(server.answer(first & 0xF, payload))

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in connections:
                connection.close()


def _read_line(reading: BinaryIO) -> bytes:
    line = reading.readline()
    if not line:
        raise EOFError
    return line


def _read(reading: BinaryIO, size: int) -> bytes:
    data = reading.read(size)
    if len(data) < size:
        raise EOFError
    return data
