"""The app on gevent's server as uvicorn serves others: with TCP_NODELAY and a backlog of 2,048."""

from gevent import monkey

monkey.patch_all()  # first: it makes the standard library's sockets green

import argparse

from app import app, push_snapshots, socketio
from gevent import socket
from gevent.pywsgi import WSGIServer

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()

    listener = socket.create_server((arguments.host, arguments.port), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    socketio.start_background_task(push_snapshots)
    tls = {"certfile": arguments.certificate, "keyfile": arguments.key} if arguments.certificate else {}
    WSGIServer(listener, app, log=None, **tls).serve_forever()
