"""The app as it is, on uvloop instead of asyncio's own loop."""

import argparse

import uvloop
from app import main, make_app, tls_of
from tornado.netutil import bind_sockets
from tornado.process import fork_processes

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    listening = bind_sockets(arguments.port, arguments.host)
    if arguments.workers > 1:
        fork_processes(arguments.workers)
    uvloop.run(main(make_app(), listening, tls_of(arguments)))
