"""The app as gunicorn serves it: one worker, whose loop is gevent's."""

from app import app, push_snapshots, socketio

socketio.start_background_task(push_snapshots)

__all__ = ["app"]
