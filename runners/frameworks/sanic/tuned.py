"""The app with a backlog like uvicorn's, for which the command `sanic` has no option."""

import argparse

from app import app

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    app.run(host=arguments.host, port=arguments.port, backlog=2048, access_log=False, motd=False)
