"""Servers of event streams that are scripts of bytes: each answers a request by pieces, with pauses between them."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
Pieces = Sequence[bytes | float]
"""What is sent, and the seconds of the pauses between."""


@dataclass
class ScriptServer:
    """``url``: its address. ``requests``: head and body of each request."""

    url: str = ""
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    def header(self, name: str) -> set[str]:
        """The values of a header field in all requests; empty text where it is missing."""
        lines = [dict(line.split(": ", 1) for line in head.splitlines()[1:] if line) for head, _ in self.requests]
        return {{key.lower(): value for key, value in one.items()}.get(name.lower(), "") for one in lines}


@contextmanager
def serving_pieces(pieces: Pieces | Callable[[int], Pieces]) -> Iterator[ScriptServer]:
    """A running server, which closes each connection after its answer. ``pieces`` may depend on the number of the
    request.
    """
    served = ScriptServer()
    guard = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            length = next(
                (int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")),
                0,
            )
            body = self.rfile.read(length)
            with guard:
                number = len(served.requests)
                served.requests.append((head.decode(), body))
            with suppress(OSError):
                for piece in pieces(number) if callable(pieces) else pieces:
                    if isinstance(piece, float):
                        time.sleep(piece)
                    else:
                        self.wfile.write(piece)
                        self.wfile.flush()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_address[1]}/v1/stream?model=m"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join(10)
