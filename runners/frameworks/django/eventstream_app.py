"""The same event stream with django-eventstream: snapshots are sent to a channel, which its view streams."""

import threading
import time

from app import PUSH_PERIOD_S, application, healthz, panels, stream_events
from django.urls import include, path
from django_eventstream import send_event


def push_snapshots() -> None:
    due, seq = time.monotonic(), 0
    while True:
        due += PUSH_PERIOD_S
        time.sleep(max(0.0, due - time.monotonic()))
        seq += 1
        send_event("dashboard", "message", {"type": "snapshot", "seq": seq, "panels": panels})


# A thread, as in the package's own example: an application may send from wherever its code runs.
threading.Thread(target=push_snapshots, daemon=True).start()

urlpatterns = [
    path("healthz", healthz),
    path("stream/events", stream_events),
    path("events", include("django_eventstream.urls"), {"channels": ["dashboard"]}),
]

__all__ = ["application"]
