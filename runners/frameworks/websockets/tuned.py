"""The app as uvicorn serves others: on uvloop, with a backlog of 2,048."""

import argparse

import uvloop
from app import main, tls_of

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    uvloop.run(main(host=arguments.host, port=arguments.port, ssl=tls_of(arguments), backlog=2048))
