"""The app as uvicorn serves others: on uvloop, with a backlog of 2,048."""

import argparse

import uvloop
from app import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    uvloop.run(main(host=arguments.host, port=arguments.port, backlog=2048))
