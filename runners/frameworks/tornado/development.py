"""The app with Tornado's reloader, for development: it looks for changed modules and starts the program anew."""

import argparse
import asyncio

from app import main, make_app
from tornado import autoreload
from tornado.netutil import bind_sockets


async def develop(host: str, port: int) -> None:
    autoreload.start()
    await main(make_app(), bind_sockets(port, host))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    asyncio.run(develop(arguments.host, arguments.port))
