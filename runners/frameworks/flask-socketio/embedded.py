"""The app on the server that ``socketio.run`` finds: that of eventlet or gevent where installed, else Werkzeug's."""

import os

ASYNC_MODE = os.environ["ASYNC_MODE"]

# Green threads replace the standard library's blocking calls, before anything imports those.
if ASYNC_MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()
elif ASYNC_MODE == "eventlet":
    import eventlet

    eventlet.monkey_patch()

import argparse
import logging
from typing import Any

from app import app, push_snapshots, socketio

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()

    assert socketio.async_mode == ASYNC_MODE, f"wanted {ASYNC_MODE}, got {socketio.async_mode}"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # eventlet's server collects 4 KiB of an answer before it writes them, which holds small events back.
    known = {"threading": {"allow_unsafe_werkzeug": True}, "eventlet": {"minimum_chunk_size": 1}}
    options: dict[str, Any] = dict(known.get(ASYNC_MODE, {}))
    if arguments.certificate and ASYNC_MODE == "threading":
        options["ssl_context"] = (arguments.certificate, arguments.key)
    elif arguments.certificate:
        options |= {"certfile": arguments.certificate, "keyfile": arguments.key}
    socketio.start_background_task(push_snapshots)
    socketio.run(app, host=arguments.host, port=arguments.port, **options)
