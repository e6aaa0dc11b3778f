"""The app as uvicorn serves others: on uvloop, with TCP_NODELAY and a backlog of 2,048."""

import argparse
import socket

from app import Dashboard, Echo, Room, Session, WorkInline, WorkInThread, main, make_app, tls_of
from tornado.netutil import bind_sockets
from tornado.process import fork_processes
from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Prompt(WebSocketHandler):
    """Tornado turns Nagle's algorithm on again after it has answered a request, such as the handshake."""

    def open(self, *arguments: str) -> None:
        self.set_nodelay(True)
        super().open(*arguments)


class PromptEcho(Prompt, Echo):
    pass


class PromptRoom(Prompt, Room):
    pass


class PromptDashboard(Prompt, Dashboard):
    pass


class PromptWorkInThread(Prompt, WorkInThread):
    pass


class PromptWorkInline(Prompt, WorkInline):
    pass


class PromptSession(Prompt, Session):
    pass


def make_prompt_app() -> Application:
    return make_app(
        (r"/echo", PromptEcho),
        (r"/room/([^/]+)", PromptRoom),
        (r"/dashboard", PromptDashboard),
        (r"/work", PromptWorkInThread),
        (r"/work-inline", PromptWorkInline),
        (r"/session", PromptSession),
    )


def listen(host: str, port: int) -> list[socket.socket]:
    sockets = bind_sockets(port, host, backlog=2048)
    for listener in sockets:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it: for event streams
    return sockets


if __name__ == "__main__":
    import uvloop  # this module is tested without it

    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    listening = listen(arguments.host, arguments.port)
    if arguments.workers > 1:
        fork_processes(arguments.workers)
    uvloop.run(main(make_prompt_app(), listening, tls_of(arguments)))
