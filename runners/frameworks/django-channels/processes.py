"""Several daphne processes behind one address, as under a supervisor that listens and passes its socket on as `--fd`.

The kernel gives each connection to one of the processes; what one of them sends to a group reaches all through Redis.
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
    parser.add_argument("application")
    arguments = parser.parse_args()

    if arguments.certificate:
        if arguments.workers > 1:
            parser.error("several processes cannot share daphne's TLS endpoint, because each listens by itself")
        files = f"certKey={arguments.certificate}:privateKey={arguments.key}"
        endpoint = f"ssl:{arguments.port}:interface={arguments.host}:{files}"
        os.execvp("daphne", ["daphne", "-e", endpoint, "-v", "0", arguments.application])  # noqa: S606
    listener = socket.create_server((arguments.host, arguments.port), backlog=socket.SOMAXCONN)
    listener.set_inheritable(True)
    for _ in range(arguments.workers - 1):
        if os.fork() == 0:
            break
    os.execvp("daphne", ["daphne", "--fd", str(listener.fileno()), "-v", "0", arguments.application])  # noqa: S606
