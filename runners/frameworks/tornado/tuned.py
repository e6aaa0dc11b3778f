"""The app as uvicorn serves others: on uvloop, with TCP_NODELAY and a backlog of 2,048."""

import argparse
import socket

import uvloop
from app import main, make_app
from tornado.netutil import bind_sockets

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    sockets = bind_sockets(arguments.port, arguments.host, backlog=2048)
    for listener in sockets:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    uvloop.run(main(make_app(), sockets))
