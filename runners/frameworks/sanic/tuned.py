"""The app with a backlog like uvicorn's, for which the command `sanic` has no option."""

import argparse

from app import app

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    app.run(
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        ssl={"cert": arguments.certificate, "key": arguments.key} if arguments.certificate else None,
        backlog=2048,
        access_log=False,
        motd=False,
    )
