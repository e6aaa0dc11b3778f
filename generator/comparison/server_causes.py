"""What a server did itself to make a round invalid, as far as scores distinguish it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from runners.record import Measurement, timer_limited_percent

ServerCause = Literal["timer", "listen-queue", "trend", "unsettled", "undelivered"]
"""``timer``: a clock limited it. ``listen-queue``: clients had to repeat their attempt. ``trend``, ``unsettled``: its
speed kept changing. ``undelivered``: clients did not get what the workload requires."""

SERVER_CAUSES: Mapping[str, ServerCause] = {
    "server core left unused in the closed loop of a room": "timer",
    "connection attempts that found the listen queue full": "listen-queue",
    "trend of the median latency over the window": "trend",
    "warm-up that did not settle": "unsettled",
    "connections not established": "undelivered",
    "connections closed by the server": "undelivered",
    "messages received": "undelivered",
    "answers that differ from the expected ones": "undelivered",
    "messages that are no answers": "undelivered",
    "messages lost on open connections": "undelivered",
    "messages and clients of the second load that were not served": "undelivered",
    "answers to the second load that differ from the expected ones": "undelivered",
    "messages to the second load that are no answers": "undelivered",
    "pushes that clients missed": "undelivered",
    "chunks of streams that did not arrive": "undelivered",
    "messages that are not the next chunk": "undelivered",
    "streams that could not begin": "undelivered",
    "withheld data that the server held": "undelivered",
}
"""By the start of a reason in result files, which is the name of the limit."""


def server_cause(measurement: Measurement, *, of_reference: bool) -> ServerCause | None:
    """Why a measurement is invalid, if only the server is the cause; of several causes ``undelivered``, else the first.

    ``None``: it is valid or failed, or the load generator, the machine or something unknown disturbed it as well.
    """
    if measurement.failure is not None:
        return None
    causes = [_cause_of(reason) for reason in measurement.invalid_reasons]
    if measurement.valid and not of_reference and timer_limited_percent(measurement) is not None:
        causes = ["timer"]  # files from before 28 November 2026 count such a measurement
    if not causes or None in causes:
        return None
    return "undelivered" if "undelivered" in causes else causes[0]


def _cause_of(reason: str) -> ServerCause | None:
    return next(
        (cause for name, cause in SERVER_CAUSES.items() if reason.startswith(f"{name} ") or reason == name), None
    )
