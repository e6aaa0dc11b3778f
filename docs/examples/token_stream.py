"""A model server that streams its answer, word after word, as server-sent events. It needs Python alone."""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "Not a model, only a server that thinks for a moment and then talks at an even pace."
FIRST_S, NEXT_S = 0.05, 0.01


class Chat(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not asked.get("stream"):
            self.send_error(400, "this server only streams")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        time.sleep(FIRST_S)
        for word in ANSWER.split():
            chunk = {"choices": [{"delta": {"content": f"{word} "}}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            time.sleep(NEXT_S)
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing for each request."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Chat) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions", flush=True)
        server.serve_forever()
