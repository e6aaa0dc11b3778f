"""The same app for several workers: what one of them emits reaches the clients of all, through RabbitMQ."""

import os

import socketio
from app import app, sio

# A server is usually made with its ``client_manager``; that of app.py has none, so it gets one before clients come.
sio.manager = socketio.AsyncAioPikaManager(os.environ["AMQP_URL"])
sio.manager.set_server(sio)

__all__ = ["app"]
