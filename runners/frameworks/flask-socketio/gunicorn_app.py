"""The app as gunicorn serves it: one worker, with threads or on gevent's loop."""

from app import app, push_snapshots, socketio

socketio.start_background_task(push_snapshots)

__all__ = ["app"]
