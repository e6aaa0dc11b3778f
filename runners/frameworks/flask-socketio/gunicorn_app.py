"""The app as gunicorn serves it: one worker, with threads or on gevent's loop."""

from app import ASYNC_MODE, app, push_snapshots, socketio

assert socketio.async_mode == ASYNC_MODE, f"wanted {ASYNC_MODE}, got {socketio.async_mode}"
socketio.start_background_task(push_snapshots)

__all__ = ["app"]
