"""The same app for several workers: what one of them emits reaches the clients of all, through Redis."""

import os

import socketio
from app import app, sio

# A server is usually made with its ``client_manager``; that of app.py has none, so it gets one before clients come.
# Each emit under way holds a connection; redis-py alone would admit 100, Redis itself admits 10,000.
sio.manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"], redis_options={"max_connections": 10_000})
sio.manager.set_server(sio)

__all__ = ["app"]
