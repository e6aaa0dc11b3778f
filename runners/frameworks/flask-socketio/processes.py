"""The app in several processes behind one address; what one of them emits reaches the clients of all through a broker.

Each process listens on the same socket, and the kernel gives every connection to one of them. Clients must stay with
theirs, as a WebSocket does; for long-polling a proxy in front would have to see to that.
"""

import argparse
import os
import socket

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()

    listener = socket.create_server((arguments.host, arguments.port), backlog=128)
    for _ in range(arguments.workers - 1):
        if os.fork() == 0:
            break

    # Only now: gevent's loop and the connection to the broker belong to one process.
    from gevent import monkey

    monkey.patch_all()

    from app import app, push_snapshots, socketio
    from gevent import socket as green
    from gevent.pywsgi import WSGIServer

    socketio.start_background_task(push_snapshots)
    tls = {"certfile": arguments.certificate, "keyfile": arguments.key} if arguments.certificate else {}
    WSGIServer(green.socket(fileno=listener.detach()), app, log=None, **tls).serve_forever()
